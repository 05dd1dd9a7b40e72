"""The course's command line: `python -m grading --help`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.errors import ExplainedError
from support.executors import dask_executor
from support.terminal import Parser, add_executor_options, share

if TYPE_CHECKING:
    from grading.classroom.graded import Graded


def build_parser() -> argparse.ArgumentParser:
    """The command line: a parser for each command."""
    parser = Parser(prog="python -m grading", description="For a course that gives the exercise.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_handout(commands)
    _add_grade(commands)
    _add_report(commands)
    _add_export(commands)
    _add_similar(commands)
    _add_check(commands)
    _add_gradescope(commands)
    return parser


def _add_handout(commands: argparse._SubParsersAction) -> None:
    handout = commands.add_parser(
        "handout",
        help="write what the students get",
        description="Writes the students' tree, without the solution and with the public tests. It"
        " is written only if the solution earns all points and the blank handout none (half a"
        " minute).",
    )
    handout.add_argument("target", type=Path, metavar="DIR", help="a new folder, or a .zip file")


def _add_grade(commands: argparse._SubParsersAction) -> None:
    grade = commands.add_parser(
        "grade",
        help="grade a class",
        description="Grades every archive (.zip, .tar.gz, .tgz) and folder in SUBMISSIONS. Their"
        " names are the groups' matriculation numbers, mn1_mn2_mn3. After a stop, the same command"
        " continues.",
    )
    grade.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    grade.add_argument("--out", type=Path, required=True, metavar="GRADEBOOK", help="a folder")
    grade.add_argument("--only", metavar="GROUP", help="grade one group again")
    grade.add_argument("--fresh", action="store_true", help="grade all again")
    add_table_options(grade)
    add_executor_options(grade, "submissions")
    grade.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run the students' code with your rights: for submissions that you trust",
    )


def _add_report(commands: argparse._SubParsersAction) -> None:
    report = commands.add_parser(
        "report",
        help="write a gradebook again",
        description="Writes the table, the overview and the feedback again from a gradebook's"
        " results, without grading.",
    )
    report.add_argument("out", type=Path, metavar="GRADEBOOK")
    add_table_options(report)


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = commands.add_parser(
        "export",
        help="write points and feedback for an LMS",
        description="Writes what an LMS imports, into the gradebook's folder export/. For Moodle:"
        " the grading worksheet, filled in, and a zip of feedback files; for Canvas: the gradebook,"
        " filled in. Without the LMS's own table, a table that finds students by their numbers.",
    )
    export.add_argument("out", type=Path, metavar="GRADEBOOK")
    export.add_argument("lms", choices=["moodle", "canvas"])
    export.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="what the LMS has exported: Moodle's grading worksheet, Canvas's gradebook",
    )
    export.add_argument(
        "--students",
        type=Path,
        metavar="FILE",
        help="a table of the students' numbers and e-mail addresses or accounts, if the LMS does"
        " not show the numbers",
    )
    export.add_argument("--assignment", metavar="NAME", help="the assignment's name in the LMS")


def _add_similar(commands: argparse._SubParsersAction) -> None:
    similar = commands.add_parser(
        "similar",
        help="list groups whose work is alike",
        description="Lists pairs of groups whose code is alike beyond what the class has in"
        " common, with both texts side by side. Why they are alike is for people to find out.",
    )
    similar.add_argument("out", type=Path, metavar="GRADEBOOK")
    similar.add_argument(
        "--least",
        type=share,
        metavar="X",
        help="list pairs that are at least so alike, from 0 to 1 (0.23; in a class of"
        " less than 20, 0.4)",
    )


def _add_check(commands: argparse._SubParsersAction) -> None:
    check = commands.add_parser(
        "check",
        help="check the whole set-up",
        description="Checks course.toml and the sandbox. In the sandbox, the solution must earn all"
        " points, and the blank handout none. The corpus of right, wrong and hostile submissions"
        " must be graded correctly (ten minutes).",
    )
    check.add_argument("--quick", action="store_true", help="without the corpus (a minute)")


def _add_gradescope(commands: argparse._SubParsersAction) -> None:
    bundle = commands.add_parser(
        "gradescope",
        help="write an autograder for Gradescope",
        description="Writes an autograder as a zip file for Gradescope.",
    )
    bundle.add_argument("target", type=Path, metavar="OUT.zip")
    bundle.add_argument(
        "--results",
        type=Path,
        metavar="GRADEBOOK",
        help="answer with this gradebook's results, if the same files are handed in there",
    )


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Adds --decimal and --separator: how gradebook.csv is written."""
    from grading.engine import course

    parser.add_argument(
        "--decimal",
        choices=course.DECIMALS,
        default=course.COURSE.decimal,
        help="what stands before decimals in gradebook.csv"
        f" (course.toml says {course.COURSE.decimal})",
    )
    parser.add_argument(
        "--separator",
        choices=course.SEPARATORS,
        default=course.COURSE.separator,
        metavar="SIGN",
        help="what stands between the cells of gradebook.csv (course.toml says"
        f" '{course.COURSE.separator}'); a German spreadsheet takes --decimal comma"
        " --separator ';'",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    runs = {
        "handout": run_handout,
        "grade": run_grade,
        "report": run_report,
        "export": run_export,
        "similar": run_similar,
        "check": run_check,
        "gradescope": run_gradescope,
    }
    try:
        args = build_parser().parse_args(argv)
        return runs[args.command](args)
    except ExplainedError as error:
        print(f"grading: error: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(
            f"grading: error: the package {error.name} is not installed here: python -m pip install"
            " -r grading/requirements.txt, with the same Python",
            file=sys.stderr,
        )
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"grading: error: {error.strerror or error}{where}", file=sys.stderr)
    return 1


def run_handout(args: argparse.Namespace) -> int:
    from grading.handout.handout import write_handout

    try:
        write_handout(args.target)
    except KeyboardInterrupt:
        print("grading: interrupted; nothing was written", file=sys.stderr)
        return 130
    print(f"wrote {args.target}")
    return 0


def run_grade(args: argparse.Namespace) -> int:
    from grading.classroom.batch import Settings, grade_class
    from grading.classroom.graded import GradebookError
    from grading.classroom.kept import logger, open_gradebook
    from grading.classroom.result import OUR_FAULT
    from grading.gradebook.late import note_times
    from grading.sandbox.check import check_sandbox
    from grading.sandbox.process import end_children

    settings = Settings(args.only, args.fresh, sandboxed=not args.no_sandbox, nbr_jobs=args.jobs)
    try:
        with open_gradebook(args.out, args.submissions) as scratch:
            check_tables(args.out, args.submissions)
            if args.no_sandbox:
                print("grading: warning: the students' code has no sandbox", file=sys.stderr)
            elif args.scheduler is None:
                walls = check_sandbox(settings.limits, [args.submissions.absolute()], scratch)
                logger.info("the sandbox holds (%s)", walls)
            try:
                with start_executor(args, scratch) as submit:
                    graded = grade_class(args.submissions, args.out, submit, settings)
            except KeyboardInterrupt:
                print("grading: interrupted; the same command continues", file=sys.stderr)
                end_children()
                os._exit(130)  # whatever the threads do
            write(note_times(graded), args)
            print(f"grading: {summarise(graded)}", file=sys.stderr)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise GradebookError(
            f"the disk of {args.out} is full: make room, then the same command continues"
        ) from None
    left = [entry.group.name for entry in graded if entry.result.status == OUR_FAULT]
    if left:
        print(
            f"grading: warning: no verdict on {', '.join(left)} (not their fault): the same command"
            " tries again",
            file=sys.stderr,
        )
    return 1 if left else 0


def run_report(args: argparse.Namespace) -> int:
    from grading.gradebook.gradebook import read_class

    write(read_class(args.out), args)
    return 0


def run_export(args: argparse.Namespace) -> int:
    from grading.gradebook.lms.export import Request, export

    request = Request(args.lms, args.table, args.students, args.assignment)
    exported = export(args.out, request)
    for remark in exported.remarks:
        print(f"grading: warning: {remark}", file=sys.stderr)
    for path in exported.paths:
        print(path)
    return 0


def run_similar(args: argparse.Namespace) -> int:
    from grading.similar.page import compare_class

    pairs, same, page = compare_class(args.out, args.least)
    print(
        f"grading: pairs: {len(pairs)}, files that several have: {len(same)}; 1.00 is the same",
        file=sys.stderr,
    )
    for pair in pairs:
        print(f"{pair.alike:.2f}  {pair.first}  {pair.second}")
    for file in same:
        print(f"the same {file.name}: {', '.join(file.groups)}")
    print(page)
    return 0


def check_tables(gradebook: Path, submissions: Path) -> None:
    """Reads what people wrote beside the gradebook, so that an error in it is known at once."""
    from grading.classroom.groups import find_groups, list_handed_in
    from grading.gradebook.decisions import check_decisions

    check_decisions(gradebook, [group.name for group in find_groups(list_handed_in(submissions))])


def write(graded: Sequence[Graded], args: argparse.Namespace) -> None:
    """Writes the gradebook's files, and says where; warns of those that somebody changed."""
    from grading.gradebook import edits, late, overrides
    from grading.gradebook.gradebook import write_gradebook
    from grading.gradebook.tables import Form

    written = write_gradebook(graded, args.out, Form(args.decimal, args.separator))
    for name in written.edited:
        print(
            f"grading: warning: somebody changed {name}: it is written again, and the changed file"
            f" is now in {args.out / edits.EDITED}. What is to count belongs in"
            f" {args.out / overrides.FILE} ({','.join(overrides.COLUMNS)})",
            file=sys.stderr,
        )
    for what in written.idle:
        print(f"grading: warning: {overrides.FILE} changes nothing: {what}", file=sys.stderr)
    if written.by_date:
        nbr_late = sum(days > 0 for days in written.by_date)
        print(
            f"grading: warning: there is no {args.out / late.FILE}: the files' dates count, often"
            f" those of a download; {nbr_late} of {len(written.by_date)} groups are late by them",
            file=sys.stderr,
        )
    if written.nbr_decided:
        print(f"grading: {written.nbr_decided} decided by {overrides.FILE}", file=sys.stderr)
    print(written.table)


def summarise(graded: Sequence[Graded]) -> str:
    """How many groups have which status, how many are flagged, and where to look."""
    counts = Counter(entry.result.status for entry in graded)
    parts = [f"{number} {status}" for status, number in counts.most_common()]
    if flagged := sum(bool(entry.get_flags()) for entry in graded):
        parts.append(f"{flagged} with a flag")
    return f"{', '.join(parts) or 'no groups'}; overview.html shows them"


def run_check(args: argparse.Namespace) -> int:
    from grading.check import run_checks

    for name, found in run_checks(args.quick):
        print(f"{name}: {found}", flush=True)
    return 0


def run_gradescope(args: argparse.Namespace) -> int:
    from grading.gradescope import write_bundle

    write_bundle(args.target, args.results)
    print(f"wrote {args.target}")
    return 0


@contextlib.contextmanager
def start_executor(args: argparse.Namespace, scratch: Path) -> Iterator[Callable]:
    """Yields what grades a task: a thread with its own processes, or a cluster's worker.

    Args:
        args: How many threads, or which cluster.
        scratch: The folder for temporary files.
    """
    from grading.classroom.grade import Task, grade_and_time
    from grading.classroom.remote import grade_from_archive, list_sources

    if args.scheduler is not None:
        with dask_executor(args.scheduler, list_sources(), scratch) as executor:
            yield lambda task: executor.submit(grade_from_archive, pickle.dumps(task))
        return

    def grade_here(task: Task) -> dict[str, Any]:
        return grade_and_time(task, scratch)

    executor = futures.ThreadPoolExecutor(args.jobs, initializer=share_processors(args.jobs))
    try:
        yield lambda task: executor.submit(grade_here, task)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def share_processors(nbr_jobs: int) -> Callable[[], None]:
    """Gives each thread processors of its own, if there are enough; each thread calls the result.

    The processes that a thread starts stay on its processors. So no submission can take the time of
    another.
    """
    if not hasattr(os, "sched_setaffinity"):  # not on Linux
        return lambda: None
    usable = sorted(os.sched_getaffinity(0))
    nbr_shares = min(nbr_jobs, len(usable))
    shares = itertools.cycle([set(usable[job::nbr_shares]) for job in range(nbr_shares)])
    return lambda: os.sched_setaffinity(0, next(shares))


if __name__ == "__main__":
    sys.exit(main())

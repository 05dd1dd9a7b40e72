"""The course's command line: `python -m grading --help`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

from support.errors import ExplainedError
from support.executors import dask_executor
from support.terminal import Parser, add_executor_options


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m grading", description="For a course that gives the exercise.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    handout = commands.add_parser(
        "handout",
        help="write what the students get",
        description="Writes the students' tree, without the solution and with the public tests. It"
        " is written only if the solution earns all points and the blank handout none (half a"
        " minute).",
    )
    handout.add_argument("target", type=Path, metavar="DIR", help="a new folder, or a .zip file")
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
    add_executor_options(grade, "submissions")
    grade.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run the students' code with your rights: for submissions that you trust",
    )
    report = commands.add_parser(
        "report",
        help="write a gradebook again",
        description="Writes the table, the overview and the feedback again from a gradebook's"
        " results, without grading.",
    )
    report.add_argument("out", type=Path, metavar="GRADEBOOK")
    check = commands.add_parser(
        "check",
        help="check the whole set-up",
        description="Checks course.toml and the sandbox. In the sandbox, the solution must earn all"
        " points, and the blank handout none. The corpus of right, wrong and hostile submissions"
        " must be graded correctly (ten minutes).",
    )
    check.add_argument("--quick", action="store_true", help="without the corpus (a minute)")
    bundle = commands.add_parser(
        "gradescope",
        help="write an autograder for Gradescope",
        description="Writes an autograder as a zip file for Gradescope.",
    )
    bundle.add_argument("target", type=Path, metavar="OUT.zip")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    args = build_parser().parse_args(argv)
    run = {
        "handout": run_handout,
        "grade": run_grade,
        "report": run_report,
        "check": run_check,
        "gradescope": run_gradescope,
    }[args.command]
    try:
        return run(args)
    except ExplainedError as error:
        print(f"grading: error: {error}", file=sys.stderr)
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
    from grading.gradebook.gradebook import write_gradebook
    from grading.sandbox.check import check_sandbox
    from grading.sandbox.process import end_children

    settings = Settings(args.only, args.fresh, sandboxed=not args.no_sandbox, nbr_jobs=args.jobs)
    try:
        with open_gradebook(args.out, args.submissions) as scratch:
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
            print(write_gradebook(graded, args.out))
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
    from grading.gradebook.gradebook import read_class, write_gradebook

    print(write_gradebook(read_class(args.out), args.out))
    return 0


def run_check(args: argparse.Namespace) -> int:
    from grading.check import run_checks

    for name, found in run_checks(args.quick):
        print(f"{name}: {found}", flush=True)
    return 0


def run_gradescope(args: argparse.Namespace) -> int:
    from grading.gradescope import write_bundle

    write_bundle(args.target)
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

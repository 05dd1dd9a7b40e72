"""The course's command line: `python -m grading --help`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import itertools
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path

import main as program
import study


def build_parser() -> argparse.ArgumentParser:
    parser = program.Parser(
        prog="python -m grading", description="For a course that gives the exercise."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    handout = commands.add_parser(
        "handout",
        help="write what the students get",
        description="Writes the students' tree: the solution regions taken out, the public tests"
        " in. It is written only if the solution earns all points and the blank handout none"
        " (half a minute).",
    )
    handout.add_argument("target", type=Path, metavar="DIR", help="a new folder, or a .zip file")
    grade = commands.add_parser(
        "grade",
        help="grade a class",
        description="Grades every archive (.zip, .tar.gz, .tgz) and folder in SUBMISSIONS, called"
        " by the group's matriculation numbers, mn1_mn2_mn3. Stopped, the same command goes on.",
    )
    grade.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    grade.add_argument("--out", type=Path, required=True, metavar="GRADEBOOK", help="a folder")
    grade.add_argument("--only", metavar="GROUP", help="grade one group anew")
    grade.add_argument("--fresh", action="store_true", help="grade all anew")
    grade.add_argument(
        "--jobs",
        type=program.positive_int,
        default=program.count_usable_cores(),
        metavar="N",
        help="submissions at a time (the number of usable cores)",
    )
    grade.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="grade on the Dask cluster of this scheduler, tcp://HOST:PORT",
    )
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
        description="Checks that course.toml is sound, that the sandbox holds, that in it the"
        " solution earns all points and the blank handout none, and that the corpus of right,"
        " wrong and hostile submissions is graded as it should be (ten minutes).",
    )
    check.add_argument("--quick", action="store_true", help="without the corpus (a minute)")
    bundle = commands.add_parser(
        "gradescope",
        help="write an autograder for Gradescope",
        description="Writes the zip file that Gradescope takes for an autograder.",
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
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"grading: error: {error.strerror}{where}", file=sys.stderr)
        return 1


def run_handout(args: argparse.Namespace) -> int:
    from grading.handout import HandoutError, write_handout

    try:
        write_handout(args.target)
    except HandoutError as error:
        print(f"grading: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("grading: interrupted; nothing was written", file=sys.stderr)
        return 130
    print(f"wrote {args.target}")
    return 0


def run_grade(args: argparse.Namespace) -> int:
    with program.quiet_stderr():
        from grading import batch, gradebook
        from grading.grade import OUR_FAULT
    from grading.sandbox import SandboxError, check_sandbox, end_children

    settings = batch.Settings(only=args.only, fresh=args.fresh, sandboxed=not args.no_sandbox)
    try:
        with batch.open_gradebook(args.out, args.submissions):
            if args.no_sandbox:
                print("grading: warning: the students' code is not shut away", file=sys.stderr)
            elif args.scheduler is None:
                check_sandbox(settings.limits, [args.submissions.absolute()])
            try:
                with start_executor(args) as submit:
                    graded = batch.grade_class(args.submissions, args.out, submit, settings)
            except KeyboardInterrupt:
                print("grading: interrupted; the same command goes on", file=sys.stderr)
                end_children()
                os._exit(130)  # whatever the threads are at
            print(gradebook.write_gradebook(graded, args.out))
    except (SandboxError, batch.GradebookError, study.StudyError) as error:
        print(f"grading: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        why = f"the disk of {args.out} is full: make room, and the same command goes on"
        print(f"grading: error: {why}", file=sys.stderr)
        return 1
    left = [entry.group.name for entry in graded if entry.result["status"] == OUR_FAULT]
    if left:
        print(
            f"grading: warning: no verdict, through no fault of theirs, on {', '.join(left)}: the"
            " same command tries again",
            file=sys.stderr,
        )
    return 1 if left else 0


def run_report(args: argparse.Namespace) -> int:
    with program.quiet_stderr():
        from grading import gradebook

    try:
        graded = gradebook.read_class(args.out)
    except (FileNotFoundError, ValueError):
        print(f"grading: error: {args.out} is no gradebook: grade a class first", file=sys.stderr)
        return 1
    print(gradebook.write_gradebook(graded, args.out))
    return 0


def run_check(args: argparse.Namespace) -> int:
    from grading.check import CHECKS, CheckError

    for name, check in CHECKS.items():
        if args.quick and name == "the corpus":
            continue
        try:
            print(f"{name}: {check()}", flush=True)
        except CheckError as error:
            print(f"grading: error: {name}: {error}", file=sys.stderr)
            return 1
    return 0


def run_gradescope(args: argparse.Namespace) -> int:
    with program.quiet_stderr():
        from grading.gradescope import write_bundle
    from grading.remote import SOURCES

    needed = study.find_sources(*SOURCES, "requirements.txt", "tests/requirements.txt")
    write_bundle(needed, args.target)
    print(f"wrote {args.target}")
    return 0


@contextlib.contextmanager
def start_executor(args: argparse.Namespace) -> Iterator[Callable]:
    """What has tasks graded: threads with a process each, or the workers of a cluster."""
    from grading.grade import grade
    from grading.remote import SOURCES, TREE, grade_from_archive

    if args.scheduler is not None:
        sources = {
            **study.find_sources("grading/__init__.py", "grading/remote.py"),
            **{f"{TREE}/{name}": file for name, file in study.find_sources(*SOURCES).items()},
        }
        with study.dask_executor(args.scheduler, sources) as executor:
            yield lambda task: executor.submit(grade_from_archive, pickle.dumps(task))
        return
    executor = futures.ThreadPoolExecutor(args.jobs, initializer=share_processors(args.jobs))
    try:
        yield functools.partial(executor.submit, grade)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def share_processors(nbr_jobs: int) -> Callable[[], None]:
    """What each of so many threads calls to have processors of its own, as far as there are any.

    What a thread starts stays on the thread's processors, so that no submission can take the time
    of those beside it.
    """
    if not hasattr(os, "sched_setaffinity"):  # not on Linux
        return lambda: None
    usable = sorted(os.sched_getaffinity(0))
    nbr_shares = min(nbr_jobs, len(usable))
    shares = itertools.cycle([set(usable[job::nbr_shares]) for job in range(nbr_shares)])
    return lambda: os.sched_setaffinity(0, next(shares))


if __name__ == "__main__":
    sys.exit(main())

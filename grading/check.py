"""Checks a course's set-up, from its settings to the corpus."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from grading.classroom.grade import Task, grade
from grading.classroom.result import GRADED
from grading.engine.course import COURSE, PATH
from grading.engine.parts import PARTS, TOTAL
from grading.engine.submission import Submission, read_folder
from grading.engine.verdict import get_points, get_reasons
from grading.handout.handout import lay_out_handout
from grading.private import expected
from grading.sandbox.check import check_sandbox
from grading.sandbox.limits import Limits
from support.errors import ExplainedError
from support.files import ROOT


class CheckError(ExplainedError):
    """A check failed."""


def run_checks(quick: bool) -> Iterator[tuple[str, str]]:
    """Runs the checks one by one; yields the name of each, and what it found.

    Args:
        quick: Whether to leave out the corpus.

    Raises:
        CheckError: At the first check that fails.
    """
    for name, check in CHECKS.items():
        if quick and check is check_corpus:
            continue
        try:
            yield name, check()
        except ExplainedError as error:
            raise CheckError(f"{name}: {error}") from None


def check_settings() -> str:
    """The public tests must compare with the equations that the course accepts."""
    if not expected.is_current():
        raise CheckError(
            "expected.json does not fit these settings: run python -m grading.private.expected"
        )
    deadline = f"deadline {COURSE.late.describe()}" if COURSE.late else "no deadline"
    return f"{len(PARTS)} parts, {TOTAL:g} points, {deadline}"


def check_shut_away() -> str:
    """The sandbox must hold."""
    check_sandbox(Limits())
    return "it holds"


def check_solution() -> str:
    """The solution must earn all points."""
    return _check_points(read_folder(ROOT), TOTAL)


def check_blank() -> str:
    """The blank handout must earn none."""
    with tempfile.TemporaryDirectory() as folder:
        lay_out_handout(Path(folder, "blank"))
        return _check_points(read_folder(Path(folder, "blank")), 0)


def _check_points(submission: Submission, wanted: float) -> str:
    result = grade(Task(submission, seed=0))
    if result.status != GRADED:
        raise CheckError(f"{result.status}: {result.why}")
    points = sum(get_points(result.verdict).values())
    if points != wanted:
        why = next(reasons[0] for part in PARTS if (reasons := get_reasons(result.verdict, part)))
        raise CheckError(f"it earns {points:g} points, not {wanted:g} ({why})")
    return f"{points:g} of {TOTAL:g} points"


def check_corpus() -> str:
    """Right, wrong and hostile submissions must be graded correctly."""
    command = [sys.executable, "-m", "tests.corpus"]
    process = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    if process.returncode:
        raise CheckError("some of it is graded wrong: see python -m tests.corpus")
    return "graded correctly"


CHECKS: dict[str, Callable[[], str]] = {
    PATH.name: check_settings,
    "the sandbox": check_shut_away,
    "the solution": check_solution,
    "the blank handout": check_blank,
    "the corpus": check_corpus,
}
"""Each returns what it found, or raises an `ExplainedError`."""

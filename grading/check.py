"""Checks a course's set-up, from its settings to the corpus."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import main as program
from grading.grade import GRADED, Task, grade
from grading.handout import lay_out_handout
from grading.sandbox import Limits, SandboxError, check_sandbox
from tests.graded import submission
from tests.graded.course import PATH
from tests.graded.parts import PARTS, TOTAL


class CheckError(Exception):
    """What is not as it should be, in one line."""


def check_settings() -> str:
    """That the public tests compare with the equations that the course accepts."""
    with program.quiet_stderr():
        from grading import expected

    if json.loads(expected.PATH.read_text()) != json.loads(json.dumps(expected.compute())):
        raise CheckError("expected.json is not of these settings: run python -m grading.expected")
    return f"{len(PARTS)} parts, {TOTAL:g} points"


def check_shut_away() -> str:
    """That the sandbox holds."""
    try:
        check_sandbox(Limits())
    except SandboxError as error:
        raise CheckError(str(error)) from None
    return "it holds"


def check_solution() -> str:
    return _check_points(submission.read_folder(submission.ROOT), TOTAL)


def check_blank() -> str:
    with tempfile.TemporaryDirectory() as folder:
        lay_out_handout(Path(folder, "blank"))
        return _check_points(submission.read_folder(Path(folder, "blank")), 0)


def _check_points(handed_in: submission.HandedIn, wanted: float) -> str:
    result = grade(Task(handed_in, seed=0))
    if result["status"] != GRADED:
        raise CheckError(f"{result['status']}: {result.get('why', '')}")
    points = sum(result["points"].values())
    if points != wanted:
        why = next(reasons[0] for reasons in result["reasons"].values() if reasons)
        raise CheckError(f"it earns {points:g} points, not {wanted:g} ({why})")
    return f"{points:g} of {TOTAL:g} points"


def check_corpus() -> str:
    """That right, wrong and hostile submissions are graded as they should be."""
    command = [sys.executable, "-m", "tests.corpus"]
    process = subprocess.run(command, cwd=submission.ROOT, stdout=subprocess.DEVNULL, check=False)
    if process.returncode:
        raise CheckError("not all of it is graded as it should be: see python -m tests.corpus")
    return "graded as it should be"


CHECKS: dict[str, Callable[[], str]] = {
    PATH.name: check_settings,
    "the sandbox": check_shut_away,
    "the solution": check_solution,
    "the blank handout": check_blank,
    "the corpus": check_corpus,
}
"""Each returns what it found, or raises a `CheckError`."""

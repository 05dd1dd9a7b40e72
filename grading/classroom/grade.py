"""Grades one submission: BUILD and JUDGE, each in a sandbox of its own.

Bytes go in and plain data comes out, so this can run on any machine that has the packages.
"""

from __future__ import annotations

import contextlib
import errno
import time
from pathlib import Path
from typing import Any, NamedTuple

from grading.classroom.judging import JudgeError, judge_apart
from grading.classroom.result import GRADED, OUR_FAULT, Result
from grading.engine.build import PART_LIMIT, Build, Probe, build
from grading.engine.course import COURSE
from grading.engine.memory_truth import choose_telling_seed
from grading.engine.parts import PARTS
from grading.engine.process import CRASHED, TROUBLES
from grading.engine.submission import Submission
from grading.engine.text import printable
from grading.engine.verdict import Question, Verdict, lose_part
from grading.sandbox.limits import UIDS, Limits
from grading.sandbox.runners import Bare, Sandbox

ATTEMPTS = 2
"""Tries before a failed grading is our own fault."""


class Task(NamedTuple):
    """A submission to be graded."""

    submission: Submission
    seed: int
    """Seeds the judge's draws."""
    part_limit: float = PART_LIMIT
    limits: Limits = Limits()
    sandboxed: bool = True


def grade(task: Task, kind: type[Bare] | None = None, scratch: Path | None = None) -> Result:
    """Grades a submission.

    Args:
        task: The submission.
        kind: Starts the processes; by default the task chooses.
        scratch: The folder for temporary files; the system's, if none is given.

    Returns:
        How it ended: with a verdict, or by our own fault.

    Raises:
        OSError: If the disk is full: nothing else can be graded either.
    """
    if not task.submission.files:  # nothing to build, and nothing to judge
        missing = task.submission.missing
        verdict = {part: lose_part(part, missing[PARTS[part].file]) for part in PARTS}
        return Result(GRADED, verdict=verdict, sandboxed=task.sandboxed)
    user = UIDS[task.seed % len(UIDS)]  # the same each time, as an error may name it
    runner = (kind or (Sandbox if task.sandboxed else Bare))(task.limits, user)
    for _ in range(ATTEMPTS):
        try:
            built = build(
                task.submission,
                seed=choose_telling_seed(task.seed),
                part_limit=task.part_limit,
                start=runner.start_builder,
                scratch=scratch,
            )
            built, verdict = judge_parts(built, task.seed, runner)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            why = printable(error)
            continue
        kinds = [kind for kind in TROUBLES if kind in built.troubles]
        return Result((kinds or [GRADED])[0], verdict=verdict, sandboxed=task.sandboxed)
    return Result(OUR_FAULT, why=why, sandboxed=task.sandboxed)


def grade_and_time(task: Task, scratch: Path | None = None) -> dict[str, Any]:
    """The fields of a result, and how many seconds it took, as plain data."""
    started = time.monotonic()
    result = grade(task, scratch=scratch)
    return {"result": result._asdict(), "seconds": time.monotonic() - started}


def judge_parts(built: Build, seed: int, runner: Bare) -> tuple[Build, Verdict]:
    """Asks JUDGE, and returns its verdict with what was judged.

    If JUDGE gives no verdict in half of its time, it is asked part by part; the parts share the
    other half. A part's share is more than its graphs may take (`bounds.PART_LIMIT`). A part earns
    nothing if JUDGE gives a verdict on others and none on it: what was built there stops it.
    """
    with contextlib.suppress(JudgeError):
        question = Question(built, seed, list(PARTS))
        return built, judge_apart(question, runner, COURSE.judge_seconds / 2)
    verdict, stopped = {}, {}
    seconds = COURSE.judge_seconds / 2 / len(PARTS)
    for part in PARTS:
        try:
            verdict[part] = judge_apart(Question(built, seed, [part]), runner, seconds)[part]
        except JudgeError as error:
            stopped[part] = f"{error} on what was built here"
            verdict[part] = lose_part(part, stopped[part])
            latest = error
    if len(stopped) == len(PARTS):
        raise latest
    probes = {
        part: dict.fromkeys(built.probes[part], Probe(error=why)) for part, why in stopped.items()
    }
    troubles = built.troubles | ({CRASHED} if stopped else set())
    return built._replace(probes={**built.probes, **probes}, troubles=troubles), verdict

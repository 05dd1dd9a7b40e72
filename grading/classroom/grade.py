"""Grades one submission: BUILD and JUDGE, each in a sandbox of its own.

Bytes go in and plain data comes out, so this can run on any machine that has the packages.
"""

from __future__ import annotations

import errno
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from grading.classroom.result import GRADED, OUR_FAULT, Result
from grading.engine.build import PART_LIMIT, Build, Probe, build
from grading.engine.course import COURSE
from grading.engine.memory_truth import choose_telling_seed
from grading.engine.parts import PARTS
from grading.engine.process import CRASHED, TROUBLES, find_trouble, kill, watch
from grading.engine.submission import Submission
from grading.engine.text import printable
from grading.engine.verdict import Question, Verdict
from grading.sandbox.limits import Limits
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


class JudgeError(Exception):
    """JUDGE ended without a verdict."""


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
    runner = (kind or (Sandbox if task.sandboxed else Bare))(task.limits)
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
        except (RuntimeError, OSError, JudgeError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            why = printable(error)
            continue
        kinds = [kind for kind in TROUBLES if kind in built.troubles]
        return Result((kinds or [GRADED])[0], verdict=verdict, sandboxed=task.sandboxed)
    return Result(OUR_FAULT, why=why, sandboxed=task.sandboxed)


def judge_parts(built: Build, seed: int, runner: Bare) -> tuple[Build, Verdict]:
    """Asks JUDGE, and returns its verdict with what was judged.

    If JUDGE gives no verdict, it is asked part by part, with a quarter of the time for each. A part
    earns nothing if JUDGE gives a verdict on others and none on it: what was built there stops it.
    """
    try:
        return built, judge_apart(Question(built, seed, list(PARTS)), runner)
    except JudgeError:
        verdict, probes = {}, dict(built.probes)
        for part in PARTS:
            try:
                question = Question(built, seed, [part])
                verdict[part] = judge_apart(question, runner, COURSE.judge_seconds / 4)[part]
            except JudgeError as error:
                stopped = Probe(error=f"{error} on what was built here")
                probes[part] = dict.fromkeys(probes[part], stopped)
        if not verdict:
            raise
    if len(verdict) < len(PARTS):
        built = built._replace(probes=probes, troubles=built.troubles | {CRASHED})
    for part in PARTS:
        if part not in verdict:
            verdict[part] = judge_apart(Question(built, seed, [part]), runner)[part]
    return built, {part: verdict[part] for part in PARTS}


def judge_apart(question: Question, runner: Bare, seconds: float = COURSE.judge_seconds) -> Verdict:
    """Runs JUDGE in a process of its own."""
    with ThreadPoolExecutor(1) as thread:
        process = runner.start_judge()
        answer = thread.submit(process.communicate, pickle.dumps(question))
        watch(process, answer.done, seconds)
        trouble = find_trouble(process, seconds)
        kill(process)
    try:
        return json.loads(answer.result()[0])
    except ValueError:
        crashed = trouble.kind == CRASHED
        what = f"exit status {process.returncode}" if crashed else f"it {trouble.what}"
        raise JudgeError(f"the judge gave no verdict ({what})") from None

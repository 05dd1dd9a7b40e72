"""Grades one submission: BUILD and JUDGE, each in a sandbox of its own.

Bytes go in and plain data comes out, so that this may run on any machine that has the packages.
"""

from __future__ import annotations

import errno
import json
import pickle
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from grading.sandbox import Bare, Limits, Sandbox
from tests.graded import submission
from tests.graded.course import COURSE
from tests.graded.memory_truth import choose_telling_seed
from tests.graded.parts import PARTS, TOTAL

ATTEMPTS = 2

GRADED, OUR_FAULT = "graded", "our own fault"
REFUSED = "would not unpack"
STATUSES = (GRADED, *submission.TROUBLES, REFUSED, OUR_FAULT)
"""How grading ends: as it should, with parts that ended their process, or not at all."""


class Task(NamedTuple):
    """A submission to be graded."""

    handed_in: submission.HandedIn
    seed: int
    """Of the judge's draws."""
    part_limit: float = submission.PART_LIMIT
    limits: Limits = Limits()
    sandboxed: bool = True


class JudgeError(Exception):
    """JUDGE ended without a verdict."""


def grade(task: Task, kind: type[Bare] | None = None) -> dict[str, Any]:
    """Grades a submission.

    Args:
        task: The submission.
        kind: What starts processes, unless the task is to say.

    Returns:
        Its `status`, of `STATUSES`; whether it was `sandboxed`; and, save where the fault is our
        own, the verdict as `judge.describe` has it. Where the fault is our own, `why` says what
        happened.

    Raises:
        OSError: If the disk is full, so that nothing else can be graded either.
    """
    runner = (kind or (Sandbox if task.sandboxed else Bare))(task.limits)
    for _ in range(ATTEMPTS):
        try:
            build = submission.build(
                task.handed_in,
                seed=choose_telling_seed(task.seed),
                part_limit=task.part_limit,
                start=runner.start_builder,
            )
            build, verdict = judge_parts(build, task.seed, runner)
        except (RuntimeError, OSError, JudgeError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            trouble = submission.printable(error)
            continue
        kinds = [kind for kind in submission.TROUBLES if kind in build.troubles]
        return {"status": (kinds or [GRADED])[0], "sandboxed": task.sandboxed, **verdict}
    return {"status": OUR_FAULT, "sandboxed": task.sandboxed, "why": trouble}


def judge_parts(
    build: submission.Build, seed: int, runner: Bare
) -> tuple[submission.Build, dict[str, Any]]:
    """Has JUDGE's verdict, and returns it with what was judged.

    Where there is none, JUDGE is asked part by part, with a quarter of the time for each. A part
    that it gives no verdict on, while it does on others, earns nothing: it is what the submission
    built that stops it.
    """
    try:
        return build, judge_apart(build, seed, runner, PARTS)
    except JudgeError:
        verdicts, probes = {}, dict(build.probes)
        for part in PARTS:
            try:
                verdicts[part] = judge_apart(build, seed, runner, [part], COURSE.judge_seconds / 4)
            except JudgeError as error:
                stopped = submission.Probe(error=f"on what was built here {error}")
                probes[part] = dict.fromkeys(probes[part], stopped)
        if not verdicts:
            raise
    if len(verdicts) < len(PARTS):
        build = build._replace(probes=probes, troubles=build.troubles | {"crashed"})
    for part in PARTS:
        if part not in verdicts:
            verdicts[part] = judge_apart(build, seed, runner, [part])
    return build, merge(verdicts)


def merge(verdicts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One verdict from those on each part."""
    merged: dict[str, Any] = {
        what: {part: verdicts[part][what][part] for part in PARTS}
        for what in ("points", "reasons", "notes")
    }
    score = sum(merged["points"].values())
    tests = [
        test
        for part in PARTS
        for test in verdicts[part]["gradescope"]["tests"]
        if test["number"].startswith(f"{part}.")
    ]
    summary = {"score": score, "output": f"{score:g} of {TOTAL} points", "tests": tests}
    return {**merged, "gradescope": {**verdicts[next(iter(PARTS))]["gradescope"], **summary}}


def judge_apart(
    build: submission.Build,
    seed: int,
    runner: Bare,
    parts: Iterable[str],
    seconds: float = COURSE.judge_seconds,
) -> dict[str, Any]:
    """Runs JUDGE in a process of its own."""
    question = pickle.dumps((build, seed, list(parts)))
    with ThreadPoolExecutor(1) as thread:
        process = runner.start_judge()
        answer = thread.submit(process.communicate, question)
        deadline = time.monotonic() + seconds
        while not answer.done() and time.monotonic() < deadline and process.trouble is None:
            process.poll()
            time.sleep(0.02)
        process.kill()
    try:
        return json.loads(answer.result()[0])
    except ValueError:
        if process.trouble:
            what = f"it {process.trouble.what}"
        elif time.monotonic() > deadline:
            what = f"it took longer than {seconds:g} seconds"
        else:
            what = f"exit status {process.returncode}"
        raise JudgeError(f"the judge gave no verdict ({what})") from None

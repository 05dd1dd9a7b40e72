"""The program that examines mutants: `python -m tests.corpus.mutants.worker`.

It reads pickled tasks from its standard input, and writes a line of JSON for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from support.imports import importing_tensorflow
from tests.corpus.entries import Entry

SECONDS = 30.0
"""Processor time after which a mutant does not end; a right one takes a tenth of it."""


class OutOfTimeError(BaseException):
    """A mutant does not end. No `except Exception` of its own catches this."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    warnings.simplefilter("ignore")
    with importing_tensorflow():
        import tensorflow.compat.v1 as tf
    tf.logging.set_verbosity(tf.logging.FATAL)
    signal.signal(signal.SIGPROF, _stop)
    with contextlib.suppress(EOFError):
        while True:
            answer = examine(pickle.load(sys.stdin.buffer))
            print(json.dumps(answer), file=answers, flush=True)


def examine(task: dict[str, Any]) -> dict[str, Any]:
    """Finds out what a mutant is, and grades it.

    Args:
        task: `file` and `text` of the mutated file; `judged`, the parts that the truth is wanted
            of; `graded`, whether a grade is wanted; `alone`, whether the mutant has ended a
            program before.

    Returns:
        `truth`: an outcome and a reason by part. `grade`: what was `lost`, and points and reasons
        by part.
    """
    answer: dict[str, Any] = {}
    alone = task["alone"]
    if task["judged"]:
        answer["truth"] = {}
        for part in task["judged"]:
            finding = ["undecidable", "it ends the process, or sleeps for minutes"]
            if not alone:
                finding, ended = _judge(task["file"], task["text"], part)
                alone = not ended
            answer["truth"][part] = finding
    if task["graded"]:
        answer["grade"] = _grade(task["file"], task["text"], alone)
    return answer


def _judge(file: str, text: str, part: str) -> tuple[list[str], bool]:
    """The finding, and whether it was found in time."""
    from tests.corpus.mutants.truth import judge

    try:
        with _limited_time():
            return list(judge(file, text, part)), True
    except OutOfTimeError:
        return ["wrong", f"it does not end within {SECONDS:g} s of processor time"], False


@contextlib.contextmanager
def _limited_time() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, SECONDS, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _stop(*_: object) -> None:
    raise OutOfTimeError


def _grade(file: str, text: str, alone: bool) -> dict[str, Any]:
    """As `tests.corpus.grade.grading` does, in this process."""
    from tests.corpus.grade import build_alone, build_here, judge

    entry = Entry("mutant", (lambda files: files.update({file: text}),))
    parts = entry.get_changed_parts()
    submitted = entry.get_files()
    if alone:
        build = build_alone(entry, submitted)
    else:
        with _limited_time():
            build = build_here(submitted, parts)
    grade = judge(build, parts)
    return {
        "lost": grade.get_lost(),
        "points": grade.points,
        "reasons": {part: reasons for part, reasons in grade.reasons.items() if reasons},
    }


if __name__ == "__main__":
    main()

"""JUDGE for the class: one submission after another, each in a process that is forked for it.

    python -m grading.private.server        in a sandbox

What all submissions need is imported once, which takes longer than to judge one. This process never
looks at what was built. It hands a question's bytes to a child, and the child's answer to the
caller:

    question    length, then a `Question`, pickled
    answer      exit status of the child, length, then the verdict as JSON

Every child starts from the same state, so a submission's verdict does not depend on others. A child
cannot read this process. If it leaves a process behind, this one ends, and the sandbox with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pickle
import signal
import struct
import sys
import tempfile
import traceback
from typing import BinaryIO

QUESTION = struct.Struct("<Q")
"""The head of a question: its length."""
ANSWER = struct.Struct("<iQ")
"""The head of an answer: the exit status of the child that gave it, and its length."""
MAX_ANSWER = 4 << 20
"""Bytes of an answer."""

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    import_all()
    gc.freeze()  # no child looks through all that has been imported
    with contextlib.suppress(OSError, AttributeError):  # where there are none
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no other process of this user can read this one
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a child leaves becomes ours
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while head := questions.read(QUESTION.size):
        question = questions.read(*QUESTION.unpack(head))
        status, answer = judge_in_fork(question, keep_out=(questions.fileno(), answers.fileno()))
        answers.write(ANSWER.pack(status, len(answer)) + answer)
        answers.flush()


def import_all() -> None:
    """Imports pytest, TensorFlow and the tests, before the first question."""
    importlib.import_module("grading.private.judge").import_tests()


def judge_in_fork(question: bytes, keep_out: tuple[int, ...]) -> tuple[int, bytes]:
    """Judges in a process of its own.

    Args:
        question: As it came.
        keep_out: Descriptors that are not for the child.

    Returns:
        The child's exit status, 128 more than the signal that killed it, and its answer.
    """
    with tempfile.TemporaryFile() as file:  # whoever is left could hold a pipe open
        child = os.fork()
        if not child:
            _judge(question, file, keep_out)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        _end_if_anything_is_left()
        file.seek(0)
        answer = file.read(MAX_ANSWER)
    code = os.waitstatus_to_exitcode(status)
    return (code if code >= 0 else 128 - code), answer


def _judge(question: bytes, file: BinaryIO, keep_out: tuple[int, ...]) -> None:
    """What the child does; it never returns."""
    try:
        os.setpgid(0, 0)
        for descriptor in keep_out:
            os.close(descriptor)
        from grading.private.judge import judge

        file.write(json.dumps(judge(pickle.loads(question))).encode())
        file.flush()
        os._exit(0)  # whatever a graph is still doing
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _end_if_anything_is_left() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:  # it lives
                os._exit(1)


if __name__ == "__main__":
    main()

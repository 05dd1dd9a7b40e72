"""Asks JUDGE, each time in a process that is forked for the submission (see `private.server`).

A judge that has answered waits for the next submission. One that did not, in its time and within
its bounds, is ended, and another is started when it is needed.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import util

from grading.engine.course import COURSE
from grading.engine.process import CRASHED, TIMED_OUT, Trouble, find_trouble, kill, watch
from grading.engine.verdict import Question, Verdict, read
from grading.private.server import ANSWER, MAX_ANSWER, QUESTION
from grading.sandbox.runners import Bare

MOST_ASKED = 100
"""A judge is renewed after so many questions."""
ENDING_LIMIT = 5.0
"""Seconds for a judge that closes its pipe to end."""


class JudgeError(Exception):
    """JUDGE ended without a verdict."""


class Judge:
    """A sandbox in which JUDGE answers one question after another.

    Args:
        runner: Starts it.
    """

    def __init__(self, runner: Bare):
        self._process = runner.start_judge()
        self._asked = 0

    def can_go_on(self) -> bool:
        return self._process.poll() is None and self._asked < MOST_ASKED

    def ask(self, question: Question, seconds: float) -> Verdict:
        """Has a question answered within so many seconds.

        Raises:
            JudgeError: If it is not; then this judge has ended.
        """
        self._asked += 1
        with ThreadPoolExecutor(1) as thread:
            exchange = thread.submit(self._exchange, pickle.dumps(question))
            in_time = watch(self._process, exchange.done, seconds)
            has_ended = self._process.returncode is not None
            trouble = None if in_time or has_ended else find_trouble(self._process, seconds)
            if not in_time:
                self.end()
        status, content = exchange.result()
        if in_time:
            with contextlib.suppress(ValueError):
                return read(content)
        trouble = trouble or self._find_end(status)
        self.end()
        raise JudgeError(f"the judge gave no verdict ({_explain(trouble)})")

    def _exchange(self, question: bytes) -> tuple[int | None, bytes]:
        """The exit status and the answer of the child that judged; None if JUDGE itself ended."""
        with contextlib.suppress(OSError):
            self._process.stdin.write(QUESTION.pack(len(question)) + question)
            self._process.stdin.flush()
            head = self._process.stdout.read(ANSWER.size)
            if len(head) == ANSWER.size:
                status, length = ANSWER.unpack(head)
                return status, self._process.stdout.read(min(length, MAX_ANSWER))
        return None, b""

    def _find_end(self, status: int | None) -> Trouble:
        """What to blame if the child, or else JUDGE itself, ended without an answer."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if status is None:
                self._process.wait(ENDING_LIMIT)
        self._process.poll()  # so that one that took too much memory is found out
        status = self._process.returncode if status is None else status
        return self._process.trouble or Trouble(CRASHED, f"exit status {status}")

    def end(self) -> None:
        """Ends it, with all that it has started."""
        kill(self._process)


def _explain(trouble: Trouble) -> str:
    if trouble.kind == TIMED_OUT:
        return "it took too long"  # how long is a matter of luck
    return trouble.what if trouble.kind == CRASHED else f"it {trouble.what}"


_IDLE: defaultdict[object, list[Judge]] = defaultdict(list)
"""The judges that wait, by what their runners are."""


def judge_apart(question: Question, runner: Bare, seconds: float = COURSE.judge_seconds) -> Verdict:
    """Runs JUDGE in a process of its own, for so many seconds.

    Raises:
        JudgeError: If it gave no verdict.
    """
    idle = _IDLE[runner.get_kind()]
    judge = idle.pop() if idle else Judge(runner)
    if not judge.can_go_on():
        judge.end()
        judge = Judge(runner)
    verdict = judge.ask(question, seconds)
    idle.append(judge)
    return verdict


def end_judges() -> None:
    """Ends the judges that wait."""
    for idle in _IDLE.values():
        while idle:
            idle.pop().end()


util.Finalize(None, end_judges, exitpriority=0)  # of a worker, too

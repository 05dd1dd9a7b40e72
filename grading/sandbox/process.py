"""A process that is ended when it takes too much memory."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from grading.engine.process import OUT_OF_MEMORY, Process, Trouble
from grading.sandbox.limits import Limits

LOOK_EVERY = 0.05
"""Seconds between two looks at the memory."""


class BoundedProcess(Process):
    """A process that is ended when it and all that it has started take too much memory.

    The kernel counts the memory of several processes only for control groups. These need rights
    that a course may not have. So `poll` looks the memory up.
    """

    def __init__(self, command: Sequence[str], limits: Limits, **options: object):
        super().__init__(command, **options)
        self._limit, self._next_look = limits.memory, 0.0

    def poll(self) -> int | None:
        if self.returncode is None and time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            if get_memory(self.pid) > self._limit:
                what = f"took more than {self._limit >> 20:,} MiB of memory"
                self.trouble = Trouble(OUT_OF_MEMORY, what)
                self.kill()
        return super().poll()


def get_memory(pid: int) -> int:
    """Bytes of memory of a process and all its descendants, with page tables and swap."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [root := psutil.Process(pid), *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):
                total += process.memory_info().rss
                status = Path(f"/proc/{process.pid}/status").read_text()
                total += sum(map(int, re.findall(r"Vm(?:PTE|Swap):\s*(\d+)", status))) << 10
    return total


def end_children() -> None:
    """Ends all that this process has started."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()

"""A process that is ended when it takes too much memory."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from grading.engine.process import OUT_OF_MEMORY, Process, Trouble
from grading.sandbox.groups import ControlGroup
from grading.sandbox.limits import Limits

LOOK_EVERY = 0.05
"""Seconds between two looks at what a process takes."""
REST = 9
"""How much longer than a look the time between two is at least."""
LONGEST_REST = 2.0
"""Seconds between two looks, at most."""
MAP_BYTES = 600
"""Bytes of the kernel's memory for a mapping of a process; no other limit counts them."""


class BoundedProcess(Process):
    """A process that is ended when it and all that it has started take too much memory.

    The kernel counts the memory of several processes only for control groups. These need rights
    that a course may not have. So `poll` looks the memory up; a control group stands behind it.

    Args:
        command: What to run.
        limits: What it may take.
        group: The control group that the command enters, if there is one.
        **options: As `subprocess.Popen` takes them.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits,
        group: ControlGroup | None = None,
        **options: object,
    ):
        super().__init__(command, **options)
        self._limit, self._next_look, self.group = limits.memory, 0.0, group
        self._worked = self._queued = 0.0
        self._queues: dict[int, float] = {}
        self._maps: dict[int, int] = {}

    def read_clocks(self) -> tuple[float, ...]:
        """The processor time of all processes, and the time in which none waited for a processor.

        So neither who works nor who sleeps gets more time than it is given; and who has to wait for
        a busy machine loses nothing.
        """
        return self._worked, time.monotonic() - self._queued

    def poll(self) -> int | None:
        is_running = self.returncode is None and self.trouble is None
        if is_running and time.monotonic() > self._next_look:
            started = time.monotonic()
            self._look()
            ended = time.monotonic()
            self._next_look = ended + min(LONGEST_REST, max(LOOK_EVERY, REST * (ended - started)))
        status = super().poll()
        if status is not None:  # the kernel may have ended it since the last look
            self._look_for_end()
        return status

    def _look_for_end(self) -> None:
        if self.group is not None and self.trouble is None and self.group.has_run_out():
            self.end_for_memory()

    def _look(self) -> None:
        self._look_for_end()
        processes = self._find_processes()
        taken = [get_taken(process) for process in processes]
        counted = 0.0 if self.group is None else self.group.read_worked()  # with those that ended
        self._worked = max(self._worked, counted, sum(t.worked for t in taken))
        queues = {process.pid: t.queued for process, t in zip(processes, taken, strict=True)}
        advances = (queues[pid] - self._queues.get(pid, queues[pid]) for pid in queues)
        self._queued += max(advances, default=0.0)
        self._queues = queues
        limit = self._limit - self._measure_maps(processes)
        if sum(t.memory for t in taken) <= limit:
            return
        if sum(get_own_memory(process) for process in processes) > limit:
            self.end_for_memory()

    def _find_processes(self) -> list[psutil.Process]:
        """Its processes; a control group knows them, without a look at all of the system's."""
        if self.group is None:
            return find_processes(self.pid)
        found = []
        for pid in self.group.list_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def _measure_maps(self, processes: Sequence[psutil.Process]) -> int:
        """Bytes of the kernel's memory for mappings, where no control group counts them.

        Counting takes long for a process that has many. So each look counts those of one process.
        """
        if self.group is not None or not processes:
            return 0
        living = {process.pid for process in processes}
        self._maps = {pid: number for pid, number in self._maps.items() if pid in living}
        turns = [*(living - self._maps.keys()), *self._maps]  # the longest ago comes first
        self._maps.pop(turns[0], None)
        self._maps[turns[0]] = _count_maps(turns[0])
        return MAP_BYTES * sum(self._maps.values())

    def end_for_memory(self) -> None:
        """Ends it, as it takes too much."""
        what = f"took more than {self._limit >> 20:,} MiB of memory"
        self.trouble = Trouble(OUT_OF_MEMORY, what)
        self.kill()

    def wait(self, timeout: float | None = None) -> int:
        status = super().wait(timeout)
        if self.group is not None:
            self.group.remove()
        return status


class Taken(NamedTuple):
    """What a process takes."""

    memory: int
    """Bytes, with page tables and swap; what processes share counts for each."""
    worked: float
    """Seconds of a processor, with those of its children that have ended."""
    queued: float
    """Seconds in which it waited for a processor."""


def find_processes(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [root := psutil.Process(pid), *root.children(recursive=True)]
    return []


def get_taken(process: psutil.Process) -> Taken:
    """What a process takes; nothing if it has ended."""
    with contextlib.suppress(psutil.Error, OSError):
        memory = _count_kib(process, "status", "VmRSS|VmPTE|VmSwap")
        return Taken(memory << 10, sum(process.cpu_times()[:4]), _get_queued(process))
    return Taken(0, 0.0, 0.0)


def get_own_memory(process: psutil.Process) -> int:
    """Bytes of a process's memory, where what several share counts once in all."""
    with contextlib.suppress(psutil.Error, OSError):
        with contextlib.suppress(PermissionError):
            memory = _count_kib(process, "smaps_rollup", "Pss|SwapPss")
            memory += _count_kib(process, "status", "VmPTE")
            return memory << 10
        return get_taken(process).memory
    return 0


def _count_kib(process: psutil.Process, file: str, names: str) -> int:
    text = Path(f"/proc/{process.pid}/{file}").read_text(errors="replace")  # names are any bytes
    return sum(map(int, re.findall(rf"^(?:{names}):\s*(\d+) kB", text, re.MULTILINE)))


def _get_queued(process: psutil.Process) -> float:
    """Seconds; 0 where the kernel does not tell."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def _count_maps(pid: int) -> int:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/maps").read_bytes().count(b"\n")
    return 0


def end_children() -> None:
    """Ends all that this process has started."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()

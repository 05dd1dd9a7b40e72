"""Control groups: where they may be used, the kernel counts all that a sandbox makes it keep.

They see what no other limit sees, such as the kernel's own records of files and mappings. Root uses
them directly (version 1, or 2 where the system has handed down the memory controller); other users
ask systemd. Where neither works, a sandbox has none, and `docs/grading-a-class.md` says what that
lets through.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from grading.sandbox.limits import Limits

ROOT_OF_ALL = Path("/sys/fs/cgroup")
"""Where the system shows its control groups."""
PREFIX = "grading-"
"""How the name of a group of ours begins; the process that made it follows."""
ENTER = 'echo $$ > "$0" && exec "$@"'
"""A shell's script: enters a group, then becomes a command."""
NUMBERS = itertools.count()


class ControlGroup:
    """A control group of one sandbox.

    Args:
        parent: The group in which it is made.
        limits: What the processes in it may take.
    """

    def __init__(self, parent: Path, limits: Limits):
        self._path = parent / f"{PREFIX}{os.getpid()}-{next(NUMBERS)}"
        self._path.mkdir()
        most = get_bound(limits)
        settings = {
            "memory.limit_in_bytes": most,
            "memory.memsw.limit_in_bytes": most,
            "memory.max": most,
            "memory.swap.max": 0,
            "memory.oom.group": 1,
        }
        for name, value in settings.items():
            if (self._path / name).exists():
                (self._path / name).write_text(str(value))
        # Version 2 counts the processor's time in the same group; version 1 in another tree.
        self._clock = self._path
        if (beside := find_clocks()) is not None:
            self._clock = beside / self._path.name
            self._clock.mkdir()

    def enter(self) -> Iterator[str]:
        """What to put before a command to run it in the group."""
        for path in {self._path, self._clock}:
            yield from ["/bin/sh", "-c", ENTER, str(path / "cgroup.procs")]

    def read_worked(self) -> float:
        """Seconds of a processor that all its processes took, also those that have ended."""
        with contextlib.suppress(OSError):
            return int((self._clock / "cpuacct.usage").read_text()) / 1e9
        with contextlib.suppress(OSError, TypeError):
            text = (self._clock / "cpu.stat").read_text()
            return int(re.search(r"^usage_usec (\d+)", text, re.MULTILINE)[1]) / 1e6
        return 0.0

    def list_processes(self) -> list[int]:
        """The processes in it that have not ended."""
        with contextlib.suppress(OSError):
            return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]
        return []

    def has_run_out(self) -> bool:
        """Whether the kernel has ended a process in it for its memory."""
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError):
                text = (self._path / name).read_text()
                return int(re.search(r"^oom_kill (\d+)", text, re.MULTILINE)[1]) > 0
        return False

    def read_kernel_memory(self) -> int:
        """Bytes that the kernel keeps for its processes, beside their own."""
        with contextlib.suppress(OSError):
            return int((self._path / "memory.kmem.usage_in_bytes").read_text())
        text = (self._path / "memory.stat").read_text()
        return int(re.search(r"^kernel (\d+)", text, re.MULTILINE)[1])

    def remove(self) -> None:
        """Removes it as soon as its processes are gone."""
        _LEFT.update({self._path, self._clock})
        remove_left()


_LEFT: set[Path] = set()
"""The groups that are not needed any more."""


def remove_left() -> None:
    """Removes the groups that are not needed, and whose processes are gone."""
    for path in list(_LEFT):
        with contextlib.suppress(OSError):
            path.rmdir()
        if not path.exists():
            _LEFT.discard(path)


@atexit.register
def remove_all() -> None:
    """Waits a moment for the last processes to go."""
    deadline = time.monotonic() + 1
    while _LEFT and time.monotonic() < deadline:
        remove_left()
        time.sleep(0.01)


def get_bound(limits: Limits) -> int:
    """Bytes of a group: above those at which `BoundedProcess` ends it in an orderly way."""
    return limits.memory + limits.memory // 4


def make_group(limits: Limits) -> ControlGroup | None:
    """A new group; None where there are none to be had."""
    parent = find_parent()
    return None if parent is None else ControlGroup(parent, limits)


@functools.cache
def find_parent() -> Path | None:
    """The group in which ours are made. Removes those of processes that have been killed."""
    for parent in _list_parents():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            probe = ControlGroup(parent, Limits())
            subprocess.run([*probe.enter(), "true"], check=True, stderr=subprocess.DEVNULL)
            probe.remove()
            _remove_abandoned(parent)
            return parent
    return None


@functools.cache
def find_clocks() -> Path | None:
    """The group of version 1 in which those are made that count the processor's time."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        parent = ROOT_OF_ALL / "cpuacct" / path.lstrip("/")
        if "cpuacct" in controllers.split(",") and os.access(parent, os.W_OK):
            _remove_abandoned(parent)
            return parent
    return None


def _remove_abandoned(parent: Path) -> None:
    """Removes the groups of processes that have been killed."""
    for old in parent.glob(f"{PREFIX}*"):
        if not Path("/proc", old.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                old.rmdir()


def _list_parents() -> Iterator[Path]:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield ROOT_OF_ALL / "memory" / path.lstrip("/")
    with contextlib.suppress(OSError):
        if "memory" in (ROOT_OF_ALL / "cgroup.subtree_control").read_text().split():
            yield ROOT_OF_ALL


@functools.cache
def ask_systemd(limits: Limits) -> tuple[str, ...]:
    """What to put before a command to have systemd run it in a group; nothing if it does not."""
    systemd = shutil.which("systemd-run")
    if systemd is None or find_parent() is not None:
        return ()
    properties = (f"MemoryMax={get_bound(limits)}", "MemorySwapMax=0", "OOMPolicy=kill")
    options = [word for setting in properties for word in ("--property", setting)]
    user = [] if os.geteuid() == 0 else ["--user"]
    command = (systemd, *user, "--scope", "--quiet", "--collect", *options, "--")
    try:
        subprocess.run([*command, "true"], check=True, timeout=10, stderr=subprocess.DEVNULL)
    except (subprocess.SubprocessError, OSError):
        return ()
    return command

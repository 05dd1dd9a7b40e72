"""How much memory there is, how it is kept, and when garbage is looked for."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`, from its malloc.h."""
KEPT = 1_000_000_000
"""Bytes of freed memory that a process keeps."""


def get_available_memory() -> int | None:
    """Bytes that a process may still take without swapping; None where the system does not tell.

    A control group's limit counts, too, as a container has one.
    """
    found = []
    with contextlib.suppress(OSError, TypeError):
        available = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        found.append(int(available[1]) << 10)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            found.append(int(Path("/sys/fs/cgroup", name).read_text()))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def keep_freed_memory() -> None:
    """Tells glibc to keep what is freed, for what is asked for next.

    By default it hands large pieces back to the system, which clears them before it gives them out
    again. A training step frees all it took. Where there is no glibc, this does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(parameter, KEPT)


@contextlib.contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Python does not look for garbage in this block.

    It would look through the same objects again and again while many are made that stay.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

"""How much memory there is."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path


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

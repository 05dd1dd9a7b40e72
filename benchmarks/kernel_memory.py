"""How much of the kernel's memory a process in the sandbox can take, trick by trick.

    python -m benchmarks.kernel_memory --write        three minutes; it needs control groups

Only control groups count all of this memory. So the table shows what a sandbox without them lets
through: the other walls stand, and the group's own bound is out of reach.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from grading.engine.process import kill
from grading.sandbox.groups import find_parent
from grading.sandbox.limits import Limits
from grading.sandbox.runners import Sandbox
from support.files import ROOT, replacing

TABLE = ROOT / "benchmarks" / "results" / "kernel_memory.md"
"""Where the table is written to."""
SECONDS = 20
"""For a trick."""

FORKS = "import os\nfor _ in range(7):\n    os.fork()\n"
TRICKS = {
    "symbolic links in /tmp": """
import os
for number in range(10**9):
    os.symlink("x", f"/tmp/{number}")
""",
    "names that do not exist": """
import os
for number in range(10**9):
    os.access(f"/usr/lib/{number}", 0)
""",
    "pipes, all of them full": FORKS
    + """
import time
try:
    for _ in range(1000):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.write(writing, bytes(1 << 16))
except OSError:
    time.sleep(99)
""",
    "mappings": FORKS
    + """
import ctypes, time
mmap = ctypes.CDLL(None).mmap
mmap.restype, mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_long] * 5]
for number in range(65_000):
    mmap(None, 4096, 1 + 2 * (number % 2), 0x22, -1, 0)
time.sleep(99)
""",
    "page tables": FORKS
    + """
import mmap, time
space = mmap.mmap(-1, 14 << 30, flags=0x22)
for at in range(0, len(space), 1 << 21):
    space[at]
time.sleep(99)
""",
    "locks": """
import fcntl
with open("/tmp/x", "w") as file:
    for byte in range(10**9):
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 2**40 - 2 * byte)
""",
    "timers": """
import ctypes, time
timer = ctypes.c_void_p()
while ctypes.CDLL(None).timer_create(1, None, ctypes.byref(timer)) == 0:
    pass
time.sleep(99)
""",
}
"""Programs; each takes the kernel's memory in one way."""


def measure(code: str) -> tuple[int, str]:
    """The most bytes of the kernel's memory that a program took, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "trick.py")
        program.write_text(code)
        process = Sandbox(Limits()).start_builder([str(program)], Path(folder))
        most, ends = 0, time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < ends:
            most = max(most, process.group.read_kernel_memory())
            time.sleep(0.02)
        ended = "by the time limit"
        if process.trouble:
            ended = "by the memory limit"
        elif process.returncode is not None:
            ended = "by an error"
        kill(process)
        process.stdout.close()
    return most, ended


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    write = parser.parse_args().write
    if find_parent() is None:
        print("there are no control groups here to measure with", file=sys.stderr)
        return 1
    rows = []
    for name, code in TRICKS.items():
        most, ended = measure(code)
        rows.append([name, f"{most / 2**20:,.0f}", ended])
    table = tabulate(
        rows,
        ["what it makes the kernel keep", "MiB", "how it ends"],
        "github",
        disable_numparse=True,
    )
    print(table)
    if write:
        with replacing(TABLE) as path:
            path.write_text(table + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

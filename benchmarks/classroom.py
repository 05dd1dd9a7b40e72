"""How long a class takes: submissions per minute, and seconds each.

    python -m benchmarks.classroom

Grades classes of 10, 30 and 300 honest submissions, each different, with the command that a
course uses. Also times the import of TensorFlow, which BUILD makes for each of them, and looks up
the memory of the largest process every two seconds. Prints a table and writes it to
benchmarks/results/classroom.md. Half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from tabulate import tabulate
from tqdm import tqdm

from benchmarks import IMPORT_TENSORFLOW
from support.files import ROOT, replacing
from tests.corpus.packing import SOLVED, pack_zip

RESULTS = Path(__file__).parent / "results"
SIZES = (10, 30, 300)
LOOKS_UP = 2.0
"""Seconds between two looks at the memory."""


class Taken(NamedTuple):
    """What a command takes."""

    seconds: float
    """Of wall clock."""
    busy: float
    """Seconds of all cores of the machine, which should be quiet: a sandbox's time is not counted
    for the command."""
    largest: float
    """Megabytes of the largest of its processes."""


def run(command: list) -> Taken:
    """Runs a command to its end."""
    before, started, largest = psutil.cpu_times(), time.perf_counter(), 0
    with psutil.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                for each in [process, *process.children(recursive=True)]:
                    largest = max(largest, each.memory_info().rss)
            time.sleep(LOOKS_UP)
    after = psutil.cpu_times()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    busy = sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "system"))
    return Taken(time.perf_counter() - started, busy, largest / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    sizes = parser.parse_args().sizes
    importing = run([sys.executable, "-c", IMPORT_TENSORFLOW]).busy
    rows = []
    for size in tqdm(sizes, unit=" classes", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            submissions = Path(folder, "class")
            submissions.mkdir()
            for number in range(size):
                files = {name: code + b"# %d\n" % number for name, code in SOLVED.items()}
                group = "_".join(str(10_000 + 3 * number + member) for member in range(3))
                pack_zip(files)(submissions, group)
            command = [sys.executable, "-m", "grading", "grade", submissions]
            seconds, busy, largest = run([*command, "--out", Path(folder, "book")])
        rows.append(
            {
                "submissions": size,
                "minutes": f"{seconds / 60:.1f}",
                "a minute": f"{60 * size / seconds:.1f}",
                "core seconds each": f"{busy / size:.1f}",
                "of these, importing TensorFlow": f"{importing * size / busy:.0%}",
                "largest process, MB": f"{largest:.0f}",
            }
        )
    table = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    print(table)
    with replacing(RESULTS / "classroom.md") as path:
        path.write_text(table + "\n")


if __name__ == "__main__":
    main()

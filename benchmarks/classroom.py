"""How long a class takes: submissions per minute, and seconds each.

    python -m benchmarks.classroom

Grades classes of 10, 30 and 300 honest submissions, each different, with the command that a
course uses. Also times the import of TensorFlow, which BUILD makes for each of them. Prints a
table and writes it to benchmarks/results/classroom.md. Half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from tabulate import tabulate
from tqdm import tqdm

from benchmarks import IMPORT_TENSORFLOW
from support.files import ROOT, replacing
from tests.corpus.packing import SOLVED, pack_zip

RESULTS = Path(__file__).parent / "results"
SIZES = (10, 30, 300)


def run(command: list) -> tuple[float, float]:
    """Seconds of wall clock, and of all cores together, that a command takes.

    The second number is the whole machine's, so the machine should be quiet: a sandbox's time is
    not counted for the command.
    """
    before, started = psutil.cpu_times(), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    after = psutil.cpu_times()
    busy = sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "system"))
    return time.perf_counter() - started, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    sizes = parser.parse_args().sizes
    _, importing = run([sys.executable, "-c", IMPORT_TENSORFLOW])
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
            seconds, busy = run([*command, "--out", Path(folder, "book")])
        rows.append(
            {
                "submissions": size,
                "minutes": f"{seconds / 60:.1f}",
                "a minute": f"{60 * size / seconds:.1f}",
                "core seconds each": f"{busy / size:.1f}",
                "of these, importing TensorFlow": f"{importing * size / busy:.0%}",
            }
        )
    table = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    print(table)
    with replacing(RESULTS / "classroom.md") as path:
        path.write_text(table + "\n")


if __name__ == "__main__":
    main()

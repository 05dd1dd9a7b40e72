"""How long it takes to grade one submission, public and private tests.

    python -m benchmarks.grading

Grades the solution and the blank handout with the command that a course uses. Also times the import
of TensorFlow, which happens twice in each grading, in two processes at once. Prints medians of
wall-clock seconds.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from benchmarks import IMPORT_TENSORFLOW
from grading.engine.manifest import SUBMITTED_FILES
from grading.handout.handout import lay_out_handout
from support.files import ROOT


def measure(command: list[str]) -> float:
    """Seconds that a command takes; pytest's exit status 1 says that points are missing."""
    started = time.perf_counter()
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} failed:\n{process.stdout}{process.stderr}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each (5)")
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        solution, blank = Path(folder, "solution"), Path(folder, "blank")
        for file in SUBMITTED_FILES:
            (solution / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, solution / file)
        lay_out_handout(blank)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        commands = {
            "the solution": [*pytest, f"--submission={solution}"],
            "the blank handout": [*pytest, f"--submission={blank}"],
            "import tensorflow": [sys.executable, "-c", IMPORT_TENSORFLOW],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in tqdm(range(repeats), unit="rounds", disable=None):
            for name, command in commands.items():  # interleaved
                seconds[name].append(measure(command))
    rows = [[name, statistics.median(s), min(s), max(s)] for name, s in seconds.items()]
    print(tabulate(rows, ["", "median (s)", "fastest", "slowest"], tablefmt="pipe", floatfmt=".1f"))


if __name__ == "__main__":
    main()

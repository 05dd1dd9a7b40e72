"""Kills a training at random moments, continues it, and compares it with one that was not killed.

    python -m benchmarks.killed_run --kills 20        five minutes on 2 cores

`metrics.csv` must be the same, bit for bit. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

from experiment.folder import METRICS, RunFolder
from support.files import ROOT
from support.terminal import positive_int

RUN = "--cell lstm --task memory --epochs 40 --train-size 3200 --towers 2"
"""What is trained: long enough that each continuation is killed in its training."""


def start(folder: Path) -> subprocess.Popen:
    """Starts the training, or continues it if there is a checkpoint."""
    resume = ["--resume"] if RunFolder(folder).has_checkpoint() else []
    command = [sys.executable, "main.py", *shlex.split(RUN), "--out-dir", folder, *resume]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=positive_int, default=20, metavar="N", help="(20)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seeds the moments (0)")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        whole, killed = Path(name, "whole"), Path(name, "killed")
        started = time.monotonic()
        if start(whole).wait():
            return 1
        seconds = time.monotonic() - started
        nbr_killed = 0
        for _ in tqdm(range(args.kills), unit=" kills", disable=None):
            process = start(killed)
            try:
                process.wait(rng.uniform(0, seconds / 3))
            except subprocess.TimeoutExpired:
                process.kill()
                nbr_killed += 1
            process.wait()
        status = start(killed).wait()
        same = (whole / METRICS).read_bytes() == (killed / METRICS).read_bytes()
    print(f"{nbr_killed} kills; the last run ended with {status}; the same metrics.csv: {same}")
    return 0 if same and not status else 1


if __name__ == "__main__":
    sys.exit(main())

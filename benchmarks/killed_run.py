"""Kills a training at random moments, continues it, and compares it with one that was not killed.

    python -m benchmarks.killed_run --kills 20        five minutes on 2 cores
    python -m benchmarks.killed_run --curriculum      the same within a curriculum

`metrics.csv` must be the same, bit for bit. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

from experiment.folder import METRICS, RunFolder
from support.files import ROOT
from support.terminal import positive_int

RUN = "--cell lstm --task memory --epochs 20 --train-size 1000 --towers 2"
"""What is trained: its epochs are short, so that kills come anywhere in them."""
CURRICULUM = (
    "--cell lstm --task memory --blank-separation-len 100 --curriculum --match-params --towers 2"
)
"""What is trained with `--curriculum`."""


def start(line: str, folder: Path) -> subprocess.Popen:
    """Starts the training, or continues it if there is a checkpoint."""
    resume = ["--resume"] if RunFolder(folder).has_checkpoint() else []
    command = [sys.executable, "main.py", *shlex.split(line), "--out-dir", folder, *resume]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=positive_int, default=20, metavar="N", help="(20)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seeds the moments (0)")
    parser.add_argument("--curriculum", action="store_true", help="within a curriculum")
    args = parser.parse_args()
    line = CURRICULUM if args.curriculum else RUN
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        whole, killed = Path(name, "whole"), Path(name, "killed")
        expected, to_start, to_train = run_whole(line, whole)
        same, nbr_kills, nbr_ends = True, 0, 0  # without a terminal, the bar does not count
        with tqdm(total=args.kills, unit=" kills", disable=None) as bar:
            while nbr_kills < args.kills or killed.exists():
                process = start(line, killed)
                try:
                    wait = to_start + rng.uniform(-to_start, to_train / 4)
                    status = process.wait(wait if nbr_kills < args.kills else None)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    nbr_kills += 1
                    bar.update()
                    continue
                nbr_ends += 1
                same &= not status and (killed / METRICS).read_bytes() == expected
                shutil.rmtree(killed)
    print(f"{args.kills} kills, {nbr_ends} ends, each with the same metrics.csv: {same}")
    return 0 if same else 1


def run_whole(line: str, folder: Path) -> tuple[bytes, float, float]:
    """Trains without a kill; returns `metrics.csv`, and the seconds before and after an epoch."""
    started = time.monotonic()
    process = start(line, folder)
    while process.poll() is None and not RunFolder(folder).has_checkpoint():
        time.sleep(0.05)
    first = time.monotonic()
    if process.wait():
        raise SystemExit("the training failed")
    return (folder / METRICS).read_bytes(), first - started, time.monotonic() - first


if __name__ == "__main__":
    sys.exit(main())

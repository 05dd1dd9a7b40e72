"""A class of thirty, graded by a program that is killed twenty times on the way.

    python -m tests.corpus.killed_class        seven minutes on 2 cores

The gradebook must be that of a run which was never killed, and nothing may be left behind. The exit
status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from tqdm import tqdm

from grading.classroom.kept import SALT, WORK
from grading.sandbox.limits import UIDS
from support.files import ROOT
from tests.corpus.hostile_class import take_stock
from tests.corpus.packing import SOLVED, pack_tar, pack_zip

GROUPS, KILLS = 30, 20


def make_class(folder: Path) -> None:
    """Groups whose solutions differ by a comment; every third lacks a part."""
    for number in range(GROUPS):
        files = {name: content + b"# %d\n" % number for name, content in SOLVED.items()}
        if number % 3 == 0:
            del files["test.py"]
        group = "_".join(str(10_000 + 3 * number + member) for member in range(3))
        (pack_zip if number % 2 else pack_tar)(files)(folder, group)


def start(submissions: Path, book: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "grading", "grade", submissions, "--out", book]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seeds the moments (0)")
    rng = random.Random(parser.parse_args().seed)
    with tempfile.TemporaryDirectory() as name:
        submissions, whole, killed = (Path(name, part) for part in ("class", "whole", "killed"))
        submissions.mkdir()
        make_class(submissions)
        started = time.monotonic()
        start(submissions, whole).wait()
        seconds = time.monotonic() - started
        killed.mkdir()
        shutil.copy(whole / SALT, killed / SALT)  # the same draws
        for _ in tqdm(range(KILLS), unit=" kills", disable=None):
            process = start(submissions, killed)
            time.sleep(rng.uniform(0, 2 * seconds / KILLS))
            process.kill()
            process.wait()
        start(submissions, killed).wait()
        same = take_stock(whole) == take_stock(killed)
        left = list((killed / WORK).iterdir())
    processes = [p for p in psutil.process_iter(["uids"]) if p.info["uids"].real in UIDS]
    print(f"the same gradebook: {same}; files left: {len(left)}; processes: {len(processes)}")
    return 0 if same and not left and not processes else 1


if __name__ == "__main__":
    sys.exit(main())

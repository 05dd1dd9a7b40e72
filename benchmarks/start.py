"""How long one waits: from the command to the end of the first training step.

    python -m benchmarks.start

Runs main.py, and the same network in Keras and PyTorch, each in a fresh process, with its imports.
The last rows are sequences of a thousand and of two thousand steps. Prints tables of the medians
of seconds and of memory, and writes them to benchmarks/results/start.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import psutil
from tabulate import tabulate
from tqdm import tqdm

import main as program
from support.files import ROOT, replacing
from support.terminal import quiet_stderr

RESULTS = Path(__file__).parent / "results"
REACHED = "first step"

LINES = {
    "--cell lstm --task sin": ("lstm", 50, 100, 32, 1),
    "--cell lstm --task memory": ("lstm", 50, 22, 128, 11),
    "--cell basic --task memory": ("basic", 100, 22, 128, 11),
    "--cell lstm --task memory --blank-separation-len 983": ("lstm", 50, 1000, 128, 11),
    "--cell lstm --task memory --blank-separation-len 1983": ("lstm", 50, 2000, 128, 11),
}
"""What is run, and its work: cell, batch, time steps, hidden units, inputs."""
PEERS = tuple(
    name
    for name, package in (("Keras", "keras"), ("PyTorch", "torch"))
    if importlib.util.find_spec(package)
)


def run_program(line: str) -> None:
    """main.py until its first training step is done; called in a fresh process."""
    import tempfile

    one_pass = None

    def report_first(*args):
        for _ in one_pass(*args):
            report()

    def import_and_patch():
        nonlocal one_pass
        import train

        one_pass, train.one_pass = train.one_pass, report_first

    with quiet_stderr():
        import_and_patch()
    with tempfile.TemporaryDirectory() as folder:
        program.main([*line.split(), "--out-dir", folder])


def run_peer(name: str, line: str) -> None:
    """A peer's first training step on the same work; called in a fresh process."""
    from benchmarks import step

    step.CONTENDERS[name](step.Work(*LINES[line]))()
    report()


def report() -> NoReturn:
    """Says that the first step is done, and how many bytes the process takes; ends it."""
    print(REACHED, psutil.Process().memory_info().rss, flush=True)
    os._exit(0)


def measure(call: str) -> tuple[float, float]:
    """Seconds until a function of this module reaches its first step, and megabytes by then."""
    start = time.perf_counter()
    command = [sys.executable, "-c", f"from benchmarks import start; start.{call}"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        reached = next((line for line in process.stdout if line.startswith(REACHED)), None)
        seconds = time.perf_counter() - start
    if not reached:
        raise RuntimeError(f"{call} did not reach its first step")
    return seconds, int(reached.removeprefix(REACHED)) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="runs of each (3)")
    repeats = parser.parse_args().repeats
    measured: dict[tuple[str, str], list[tuple[float, float]]] = {
        (line, name): [] for line in LINES for name in ("main.py", *PEERS)
    }
    for _ in tqdm(range(repeats), unit=" rounds", disable=None):
        for (line, name), runs in measured.items():
            ours = name == "main.py"
            runs.append(measure(f"run_program({line!r})" if ours else f"run_peer{name, line}"))
    medians = {
        key: [statistics.median(figures) for figures in zip(*runs, strict=True)]
        for key, runs in measured.items()
    }
    text = "\n\n".join(
        tabulate(
            [
                [f"`{line}`", *(medians[line, name][kind] for name in ("main.py", *PEERS))]
                for line in LINES
            ],
            [f"{what} the first step of `python main.py …`", "main.py", *PEERS],
            tablefmt="github",
            floatfmt=digits,
        )
        for kind, what, digits in ((0, "seconds to", ".1f"), (1, "megabytes at", ".0f"))
    )
    print(text)
    with replacing(RESULTS / "start.md") as path:
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()

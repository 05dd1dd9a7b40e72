"""How long one waits: from the command to the end of the first training step.

    python -m benchmarks.start

Runs main.py, and the same network in Keras and PyTorch, each in a fresh process, with its imports.
The last rows are sequences of a thousand and of two thousand steps. Prints tables of the medians
of seconds, of memory, and of what the seconds of main.py go to, and writes them to
benchmarks/results/start.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import psutil
from tabulate import tabulate
from tqdm import tqdm

import main as program
from support.files import ROOT, replacing
from support.imports import importing_tensorflow
from support.terminal import quiet_stderr

RESULTS = Path(__file__).parent / "results"
REACHED = "first step"
PHASES = ("TensorFlow's import", "other imports", "building", "data, session, first step")
"""What main.py does until then, one after the other."""

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

    with quiet_stderr(), importing_tensorflow():
        import tensorflow.compat.v1  # noqa: F401 - for the time that it takes

        imported = [time.time()]
        import train
        from experiment import run
    imported.append(time.time())
    built, one_pass, build_model = [], train.one_pass, run.build_model

    def build(*args):
        model = build_model(*args)
        built.append(time.time())
        return model

    def report_first(*args):
        for _ in one_pass(*args):
            report([*imported, *built, time.time()])

    run.build_model, train.one_pass = build, report_first
    with tempfile.TemporaryDirectory() as folder:
        program.main([*line.split(), "--out-dir", folder])


def run_peer(name: str, line: str) -> None:
    """A peer's first training step on the same work; called in a fresh process."""
    from benchmarks import step

    step.CONTENDERS[name](step.Work(*LINES[line]))()
    report()


def report(times: Sequence[float] = ()) -> NoReturn:
    """Says that the first step is done, how many bytes the process takes, and what came when."""
    print(REACHED, json.dumps([psutil.Process().memory_info().rss, *times]), flush=True)
    os._exit(0)


def measure(call: str) -> list[float]:
    """Runs a function of this module until its first step.

    Returns:
        The seconds until then, the megabytes by then, and the seconds of each of `PHASES`, if the
        function tells when they ended.
    """
    start = time.time()
    command = [sys.executable, "-c", f"from benchmarks import start; start.{call}"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        reached = next((line for line in process.stdout if line.startswith(REACHED)), None)
        seconds = time.time() - start
    if not reached:
        raise RuntimeError(f"{call} did not reach its first step")
    size, *times = json.loads(reached.removeprefix(REACHED))
    phases = [end - begin for begin, end in itertools.pairwise([start, *times])]
    return [seconds, size / 1e6, *phases]


def make_tables(medians: dict[tuple[str, str], list[float]]) -> str:
    """Seconds and megabytes beside the peers', and where main.py's seconds go."""
    names = ("main.py", *PEERS)
    told = [
        ("seconds to", names, ".1f", lambda line: [medians[line, name][0] for name in names]),
        ("megabytes at", names, ".0f", lambda line: [medians[line, name][1] for name in names]),
        ("of the seconds to", PHASES, ".2f", lambda line: medians[line, "main.py"][2:]),
    ]
    return "\n\n".join(
        tabulate(
            [[f"`{line}`", *get_figures(line)] for line in LINES],
            [f"{what} the first step of `python main.py …`", *columns],
            tablefmt="github",
            floatfmt=digits,
        )
        for what, columns, digits, get_figures in told
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="runs of each (3)")
    repeats = parser.parse_args().repeats
    measured: dict[tuple[str, str], list[list[float]]] = {
        (line, name): [] for line in LINES for name in ("main.py", *PEERS)
    }
    for _ in tqdm(range(repeats), unit=" rounds", disable=None):
        for (line, name), runs in measured.items():
            ours = name == "main.py"
            runs.append(measure(f"run_program({line!r})" if ours else f"run_peer{name, line}"))
    text = make_tables(
        {
            key: [statistics.median(figures) for figures in zip(*runs, strict=True)]
            for key, runs in measured.items()
        }
    )
    print(text)
    with replacing(RESULTS / "start.md") as path:
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""What the default configurations achieve, and in what time.

    python -m benchmarks.defaults

Runs main.py as a user would, one command after the other, with three seeds each. Prints the table
of docs/results.md, and writes it with the figures of seed 0 to benchmarks/results/. Finished runs
are kept in runs/defaults/, and are not repeated while their settings stay the same: a stopped
measurement continues where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

import main
from experiment.folder import RunFolder
from support.files import ROOT

RESULTS = Path(__file__).parent / "results"

CURRICULUM = "--cell lstm --task memory --blank-separation-len 1000 --curriculum --match-params"

LINES = (
    "--cell basic --task memory",
    "--cell lstm --task memory",
    "--cell lstm --task memory --match-params",
    "--cell basic --task memory --activation tanh",
    "--cell basic --task memory --activation relu",
    "--cell lstm --task sin",
    "--cell lstm --task sin --input-noise 0",
    "--cell basic --task sin",
    "--cell basic --task sin --input-noise 0",
    "--cell basic --task sin --activation tanh",
    "--cell basic --task sin --activation relu",
    "--cell lstm --task memory --blank-separation-len 200 --curriculum --match-params",
    CURRICULUM,
    "--cell lstm --task memory --blank-separation-len 1000 --curriculum",
    "--cell lstm --task memory --blank-separation-len 3000 --curriculum --match-params",
    "--cell lstm --task memory --blank-separation-len 3000 --curriculum",
    "--cell lstm --task memory --blank-separation-len 5000 --curriculum",
    "--cell basic --task memory --blank-separation-len 1000 --curriculum",
    "--cell basic --task memory --activation tanh --blank-separation-len 1000 --curriculum",
    "--cell basic --task memory --activation relu --blank-separation-len 1000 --curriculum",
)

PICTURES = {
    "continuation-lstm.png": ("--cell lstm --task sin", "continuation.png"),
    "continuation-basic.png": ("--cell basic --task sin", "continuation.png"),
    "inside-lstm.png": ("--cell lstm --task memory", "inside.png"),
    "inside-basic.png": ("--cell basic --task memory", "inside.png"),
    "inside-sin-tanh.png": ("--cell basic --task sin --activation tanh", "inside.png"),
    "inside-curriculum.png": (CURRICULUM, "inside.png"),
    "recall-curriculum.png": (CURRICULUM, "recall.png"),
}
"""The pictures of README and docs: the line, and which of its figures."""


def run_all() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each line")
    parser.add_argument("--fresh", action="store_true", help="repeat finished runs, too")
    args = parser.parse_args()

    jobs = [(line, seed) for line in LINES for seed in range(args.seeds)]
    measured: dict[str, list[dict]] = {line: [] for line in LINES}
    for line, seed in tqdm(jobs, unit="run"):
        measured[line].append(measure(line, seed, args.fresh))

    table = tabulate(
        [summarise(line, results) for line, results in measured.items()],
        headers="keys",
        tablefmt="github",
    )
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "defaults.md").write_text(table + "\n")
    for name, (line, figure) in PICTURES.items():
        shutil.copy(out_dir_of(line, 0) / figure, RESULTS / name)


def out_dir_of(line: str, seed: int) -> Path:
    name = line.replace("--", "").replace(" ", "-")
    return ROOT / "runs" / "defaults" / f"{name}-{seed}"


def measure(line: str, seed: int, fresh: bool) -> dict:
    """Runs main.py and returns its result, with the wall clock of the whole command."""
    out_dir = out_dir_of(line, seed)
    arguments = [*line.split(), "--seed", str(seed), "--out-dir", str(out_dir)]
    parser = main.build_parser()
    settings = main.resolve_settings(parser.parse_args(arguments), parser, RunFolder(out_dir))
    kept = out_dir / "measured.json"
    if kept.exists() and not fresh:
        measured = json.loads(kept.read_text())
        if measured["settings"] == dataclasses.asdict(settings):
            return measured
    start = time.perf_counter()
    command = [sys.executable, "main.py", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    result = json.loads((out_dir / "result.json").read_text())
    measured = {**result, "wall_clock": seconds, "settings": dataclasses.asdict(settings)}
    kept.write_text(json.dumps(measured))
    return measured


def summarise(line: str, results: list[dict]) -> dict[str, str]:
    """A row of the table: medians, and in brackets the smallest and the largest."""
    if results[0]["task"] == "sin":
        achieved = "continuation error " + spread(results, "continuation_mse", "{:.2g}")
    else:
        achieved = "recall " + spread(results, "recall_accuracy", "{:.2%}")
    if results[0]["settings"]["curriculum"]:
        longest = results[0]["settings"]["blank_separation_len"]
        at_longest = [{"recall": dict(result["recall_by_lag"])[longest]} for result in results]
        achieved += f"; at {longest:,} blanks " + spread(at_longest, "recall", "{:.2%}")
        if not all(result["last_stage"]["passed"] for result in results):
            reached = [result["last_stage"] for result in results]
            achieved += "; stopped at up to " + spread(reached, "blanks", "{:,}") + " blanks"
    return {
        "`python main.py …`": f"`{line}`",
        "parameters": f"{results[0]['parameters']['total']:,}",
        "achieved": achieved,
        "seconds": spread(results, "wall_clock", "{:.0f}"),
    }


def spread(results: list[dict], key: str, pattern: str) -> str:
    values = [result[key] for result in results]
    median, least, most = statistics.median(values), min(values), max(values)
    return f"**{pattern}** ({pattern} – {pattern})".format(median, least, most)


if __name__ == "__main__":
    run_all()

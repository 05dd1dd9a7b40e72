"""What long sequences cost: seconds to the first step, milliseconds per step, memory.

    python -m benchmarks.length

Trains both cells with 64 hidden units on batches of 50 sines, unrolled and as a loop. Sequences
have 100 to 2,000 steps. Each measurement has a process of its own. Prints a table and writes it to
benchmarks/results/length.md.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from experiment.settings import complete
from support.executors import count_usable_cores
from support.files import replacing
from support.terminal import quiet_stderr

RESULTS = Path(__file__).parent / "results"
LENGTHS = (100, 200, 500, 1000, 2000)
NBR_STEPS = 10


def measure(cell: str, num_samples: int, unroll: str) -> dict[str, Any]:
    """Builds and trains a network; called in a fresh process."""
    with quiet_stderr():
        import tensorflow.compat.v1 as tf

        from experiment.run import open_experiment
    settings = complete(
        {
            "task": "sin",
            "cell": cell,
            "hidden_size": 64,
            "batch_size": 50,
            "num_samples": num_samples,
            "unroll": unroll,
            "towers": count_usable_cores(),
        }
    )
    start = time.perf_counter()
    with open_experiment(settings) as (sess, model):
        sess.run(tf.global_variables_initializer())
        sess.run(model.it_train_init)
        step = sess.make_callable([model.loss, model.train_op])
        step()
        first = time.perf_counter() - start
        seconds = []
        for _ in range(NBR_STEPS):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
    return {
        "cell": cell,
        "steps in time": num_samples,
        "unroll": unroll,
        "build and first step (s)": f"{first:.1f}",
        "a training step (ms)": f"{statistics.median(seconds) * 1e3:.1f}",
        "peak memory (MB)": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}",
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    rows = []
    jobs = list(itertools.product(("basic", "lstm"), LENGTHS, ("static", "dynamic")))
    for job in tqdm(jobs, unit=" measurements", disable=None):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            rows.append(process.submit(measure, *job).result())
    table = tabulate(rows, headers="keys", tablefmt="github")
    print(table)
    with replacing(RESULTS / "length.md") as path:
        path.write_text(table + "\n")


if __name__ == "__main__":
    main()

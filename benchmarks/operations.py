"""Where the time of a training step goes, by kind of operation.

    python -m benchmarks.operations

Traces some steps of main.py's graph with one tower, at three of the shapes of `benchmarks.step`.
Prints a table for each, and writes them to benchmarks/results/operations.md. The floor of
`benchmarks.step` does without all but products and activations. Tracing itself takes some time, so
the shares count, not the milliseconds. Half a minute.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tabulate import tabulate

from support.files import replacing
from support.imports import importing_tensorflow
from support.terminal import quiet_stderr

RESULTS = Path(__file__).parent / "results"
WORK: dict[str, dict[str, Any]] = {
    "lstm 500 × 100 × 32": {"task": "sin", "cell": "lstm", "batch_size": 500, "hidden_size": 32},
    "lstm 128 × 22 × 128": {"task": "memory", "cell": "lstm", "batch_size": 128},
    "basic 128 × 22 × 128": {"task": "memory", "cell": "basic", "batch_size": 128},
}
"""Batch, time steps, hidden units; the settings."""
WARM_UP, TRACED = 5, 20
"""Numbers of steps."""
LEAST = 0.02
"""The share of a step from which a kind has a row of its own."""


def trace(given: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Microseconds and numbers of a step's operations, by kind."""
    import tensorflow.compat.v1 as tf

    from experiment.run import open_experiment
    from experiment.settings import complete

    size = given["batch_size"]
    settings = complete({**given, "towers": 1, "train_size": size * (WARM_UP + TRACED)})
    micros, numbers = Counter[str](), Counter[str]()
    with open_experiment(settings) as (sess, model):
        sess.run([tf.global_variables_initializer(), model.it_train_init])
        kinds = {operation.name: operation.type for operation in sess.graph.get_operations()}
        options = tf.RunOptions(trace_level=tf.RunOptions.SOFTWARE_TRACE)
        for number in range(WARM_UP + TRACED):
            traced = tf.RunMetadata()
            sess.run([model.loss, model.train_op], options=options, run_metadata=traced)
            if number < WARM_UP:
                continue
            for device in traced.step_stats.dev_stats:
                for node in device.node_stats:
                    kind = kinds.get(node.node_name, "other")
                    spent = node.op_end_rel_micros - node.op_start_rel_micros
                    micros[kind] += spent / TRACED
                    numbers[kind] += 1 / TRACED
    return micros, numbers


def make_table(name: str) -> str:
    """The kinds of operations of a step, those that take longest first."""
    spent, numbers = trace(WORK[name])
    total = spent.total()
    rows = [
        [kind, f"{numbers[kind]:.0f}", f"{micros / 1e3:.2f}", f"{micros / total:.0%}"]
        for kind, micros in spent.most_common()
        if micros >= LEAST * total
    ]
    rows.append(["all", f"{numbers.total():.0f}", f"{total / 1e3:.2f}", "100%"])
    return tabulate(rows, [name, "operations", "milliseconds", "share"], tablefmt="github")


def main() -> None:
    with quiet_stderr(), importing_tensorflow():
        import tensorflow.compat.v1  # noqa: F401 - before the time counts
    text = "\n\n".join(make_table(name) for name in WORK)
    print(text)
    with replacing(RESULTS / "operations.md") as path:
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""Writes what the public tests compare with: a cell's outputs while all weights are equal.

No order of gates, no layout of the variables changes such outputs, and they give no equation away.
Beside the right outputs stand those of common mistakes, so that a public test can name them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from grading.engine import builder
from grading.engine.manifest import PUBLIC_TESTS
from grading.private.oracle import MISTAKES, RIGHT, Equation
from support.files import ROOT, replacing

PATH = ROOT / PUBLIC_TESTS / "expected.json"
"""What is written."""
WEIGHTS = [0.3, -0.2]
"""The constants."""
X_SUMS = [[0.9, -0.7], [-1.3, 0.4], [0.6, 1.1], [-0.4, -1.6]]
"""Sums of the inputs of each step [T, B]: with equal weights nothing else counts."""
DECIMALS = 6
"""Of the outputs."""


def compute() -> dict[str, Any]:
    """What `expected.json` holds; the outputs are [T, B], alike in all hidden units."""
    call = builder.CALLS["call"]
    assert call.lengths == (len(X_SUMS),)
    x = np.repeat(np.swapaxes(X_SUMS, 0, 1)[:, :, np.newaxis], call.n_inp, axis=2) / call.n_inp

    def outputs(equation: Equation, weight: float) -> list[list[float]]:
        parameters = np.full([1, *equation.get_shape(call.n_inp, call.n_out)], weight)
        start = (np.zeros([len(x), call.n_out]),) * equation.nbr_states
        return np.round(equation.run(parameters, x, start)[0][0, :, :, 0], DECIMALS).tolist()

    def rows(equations: list[Equation]) -> list[dict[str, Any]]:
        return [
            {"name": equation.name, "outputs": [outputs(equation, w) for w in WEIGHTS]}
            for equation in equations
        ]

    return {
        "x_sums": X_SUMS,
        "weights": WEIGHTS,
        **{cell: {"right": rows(RIGHT[cell]), "mistakes": rows(MISTAKES[cell])} for cell in RIGHT},
    }


def is_current() -> bool:
    """Whether `expected.json` is of the settings of `course.toml`."""
    return json.loads(PATH.read_text()) == compute()


def main() -> None:
    with replacing(PATH) as path:
        rows = json.dumps(compute()).replace('{"name"', '\n{"name"')  # a row a line
        path.write_text(rows + "\n")


if __name__ == "__main__":
    main()

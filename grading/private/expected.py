"""Writes what the public tests compare with: a cell's outputs while all weights are equal.

No order of gates, no layout of the variables changes such outputs, and they give no equation away.
Beside the right outputs stand those of common mistakes, so that a public test can name them.

An LSTM may add any constant b to its forget gate. Its outputs are written as a Chebyshev series in
u = tanh(b / 2), from which the public test finds the constant that fits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from grading.engine import builder
from grading.engine.manifest import PUBLIC_TESTS
from grading.private.oracle import MISTAKES, RIGHT, Equation, with_forget_bias
from support.files import ROOT, replacing

PATH = ROOT / PUBLIC_TESTS / "expected.json"
"""What is written."""
DECIMALS = 6
"""Of the outputs."""
DEGREE = 24
"""Of the series."""


class Case(NamedTuple):
    """A run of a probe with all weights equal."""

    probe: str
    weight: float
    x_sums: list[list[float]]
    """Sums of the inputs of each step [T, B]: with equal weights nothing else counts."""
    start: float = 0.0
    """What all numbers of the state start as."""


X_SUMS = [[0.9, -0.7], [-1.3, 0.4], [0.6, 1.1], [-0.4, -1.6]]
EQUATION = {
    "with all weights and biases 0.3": Case("call", 0.3, X_SUMS),
    "with all weights and biases -0.2": Case("call", -0.2, X_SUMS),
    "for large inputs": Case("call", 0.3, [[-900.0, 400.0], *X_SUMS[1:]]),
}
CASES = {
    "BasicRNNCell": {
        **EQUATION,
        "for a large start state": Case("long", 0.3, [[-3.0, -4.5]] * 8, start=1e4),
    },
    "MyLSTMCell": EQUATION,  # its memory is not as smooth a function of u when it is large
}
"""What tells a cell's equation."""
SIZES = {
    "for a single time step": Case("one_step", 0.3, X_SUMS[:1]),
    "for n_inp=1": Case("one_input", 0.3, X_SUMS),
    "for n_out=1": Case("one_unit", 0.3, X_SUMS),
    "for n_inp=1, n_out=1, one time step and a batch of one": Case("ones", 0.3, [[0.9]], 0.5),
}
"""What tells whether a cell is right at all sizes."""
STARTS = {"from a state of 0.5": Case("call", 0.3, X_SUMS, 0.5)}
"""What tells whether a cell starts from the state that is given."""


def run(equation: Equation, case: Case) -> np.ndarray:
    """The outputs [T, B], alike in all hidden units."""
    call = builder.CALLS[case.probe]
    assert call.lengths == (len(case.x_sums),)
    x = np.repeat(np.swapaxes(case.x_sums, 0, 1)[:, :, np.newaxis], call.n_inp, axis=2)
    parameters = np.full([1, *equation.get_shape(call.n_inp, call.n_out)], case.weight)
    start = (np.full([len(x), call.n_out], case.start),) * equation.nbr_states
    with np.errstate(over="ignore", invalid="ignore"):
        return equation.run(parameters, x / call.n_inp, start)[0][0, :, :, 0]


def expand(function: Callable[[float], np.ndarray]) -> np.ndarray:
    """The Chebyshev coefficients [`DEGREE` + 1, …] of a function of u in -1 … 1."""
    nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    values = np.array([function(u) for u in nodes])
    coefficients = chebyshev.chebfit(nodes, values.reshape(len(nodes), -1), DEGREE)
    return coefficients.reshape(values.shape)


def make_series(equation: Equation, case: Case, *, is_lstm: bool) -> list:
    """Coefficients [K, T, B] of the outputs; a basic cell has no constant, and K = 1."""
    if not is_lstm:
        return np.round(run(equation, case), DECIMALS)[np.newaxis].tolist()
    outputs = expand(lambda u: run(with_forget_bias(equation, 2 * np.arctanh(u)), case))
    return np.round(outputs, DECIMALS + 2).tolist()


def make_rows(cell: str) -> dict[str, Any]:
    is_lstm = cell == "MyLSTMCell"
    return {
        "cases": {where: case._asdict() for where, case in CASES[cell].items()},
        "right": [
            {
                "name": equation.name,
                "series": {
                    where: make_series(equation, case, is_lstm=is_lstm)
                    for where, case in (CASES[cell] | SIZES | STARTS).items()
                },
            }
            for equation in RIGHT[cell]
        ],
        "mistakes": [
            {
                "name": equation.name,
                "outputs": {
                    where: np.round(run(equation, case), DECIMALS).tolist()
                    for where, case in CASES[cell].items()
                },
            }
            for equation in MISTAKES[cell]
        ],
    }


def compute() -> dict[str, Any]:
    """What `expected.json` holds."""
    return {
        "sizes": {where: case._asdict() for where, case in SIZES.items()},
        "starts": {where: case._asdict() for where, case in STARTS.items()},
        **{cell: make_rows(cell) for cell in RIGHT},
    }


def is_current() -> bool:
    """Whether `expected.json` is of the settings of `course.toml`."""
    return json.loads(PATH.read_text()) == json.loads(json.dumps(compute()))


def main() -> None:
    with replacing(PATH) as path:
        rows = json.dumps(compute()).replace('{"name"', '\n{"name"')  # a row a line
        path.write_text(rows + "\n")


if __name__ == "__main__":
    main()

"""What a cell computes (parts b and d): outputs, states and gradients at random weights."""

from __future__ import annotations

import types

import numpy as np
import tensorflow.compat.v1 as tf

from tests.corpus.mutants.truth.cell_graph import KINDS, Call, CellInGraph, Kind, Sizes, get_types
from tests.corpus.mutants.truth.equations import Equation, differentiate, unroll
from tests.corpus.mutants.truth.finding import Doubts, Finding, WrongError, failing_is_wrong

SIZES = (
    Sizes(2, 3, (5, 1, 20)),
    Sizes(1, 1, (1, 2)),
    Sizes(3, 1, (2, 1)),
    Sizes(1, 2, (1, 5), batch=4),
    Sizes(3, 3, (1, 2)),
)
"""Among them one input, one unit, one step, as many inputs as units."""
BATCHES = (7, 1)
"""Sizes of batches that are fed where the graph leaves them open."""
LARGE = 30.0
"""Size of the large inputs and states."""
STRENGTHS = ((1.0, 0.0), (1.0, 1.0), (1.0, LARGE), (LARGE, 1.0))
"""Sizes of inputs and start states."""


def judge_cell(module: types.ModuleType, part: str, rng: np.random.Generator) -> Finding:
    """Compares with the equations, on many shapes.

    Raises:
        WrongError: If something differs.
    """
    kind, doubts = KINDS[part], Doubts()
    found = get_types(module, kind)
    for sizes in SIZES:
        with CellInGraph(kind, sizes, found, rng) as cell:
            _Comparison(kind, cell, rng, doubts).judge()
    return doubts.get_finding()


class _Comparison:
    """Compares one cell in one graph."""

    def __init__(self, kind: Kind, cell: CellInGraph, rng: np.random.Generator, doubts: Doubts):
        self._kind, self._cell, self._rng, self._doubts = kind, cell, rng, doubts
        self._equation: Equation
        self._roles: np.ndarray

    def judge(self) -> None:
        self._equation, self._roles = self._cell.find_roles()
        for length, call in self._cell.calls.items():
            self._compare_values(length, call)
        longest = max(self._cell.calls)
        self._compare_gradients(longest, self._cell.calls[longest])

    def _compare_values(self, length: int, call: Call) -> None:
        cell = self._cell
        run = cell.session.make_callable([call.outputs, call.final], [call.x, *call.state])
        for batch in (cell.sizes.batch,) if cell.sizes.batch else BATCHES:
            for of_x, of_state in STRENGTHS:
                weights = self._set_weights()
                x, state = cell.draw(batch, length, of_x, of_state)
                outputs, final = unroll(self._equation, weights, x, state)
                where = (
                    f"{cell.what}, T = {length}, B = {batch}, x of size {of_x:g}, state of size"
                    f" {of_state:g}"
                )
                with failing_is_wrong(where):
                    came, came_final = run(x, *state)
                for number, (one, other) in enumerate(zip(came, outputs, strict=True)):
                    self._doubts.compare(one, other, f"output {number}, {where}")
                for field, one, other in zip(self._kind.fields, came_final, final, strict=True):
                    self._doubts.compare(one, other, f"final {field}, {where}")

    def _compare_gradients(self, length: int, call: Call) -> None:
        """Of a random weighted sum of all outputs and the final state, by all there is."""
        cell, where = self._cell, f"{self._cell.what}, T = {length}"
        results = [*call.outputs, *call.final]
        batch = cell.sizes.batch or 2
        factors = [self._rng.normal(size=[batch, cell.sizes.n_out]) for _ in results]
        total = tf.add_n([tf.reduce_sum(r * f) for r, f in zip(results, factors, strict=True)])
        sources = [*cell.variables, call.x, *call.state]
        weights = self._set_weights()
        x, state = cell.draw(batch, length, 1.0, 1.0)
        with failing_is_wrong(f"gradients, {where}"):
            gradients = tf.gradients(total, sources)
            if any(gradient is None for gradient in gradients):
                raise WrongError(f"gradients, {where}: something has no influence")
            feeds = dict(zip([call.x, *call.state], [x, *state], strict=True))
            came = cell.session.run([tf.convert_to_tensor(g) for g in gradients], feeds)
        by_variables = np.concatenate([np.ravel(g) for g in came[: len(cell.variables)]])

        def compute(weights: np.ndarray, x: np.ndarray, *state: np.ndarray) -> np.ndarray:
            outputs, final = unroll(self._equation, weights, x, state)
            pairs = zip([*outputs, *final], factors, strict=True)
            return sum((result * f).sum(axis=(-1, -2)) for result, f in pairs)

        by_weights, *others = differentiate(compute, weights, x, *state)
        expected = [by_weights.ravel()[self._roles], *others]
        for what, one, other in zip(
            ("weights", "x", *self._kind.fields),
            (by_variables, *came[len(cell.variables) :]),
            expected,
            strict=True,
        ):
            self._doubts.compare(one, other, f"gradient by {what}, {where}")

    def _set_weights(self) -> np.ndarray:
        """Gives the numbers random values; returns them by their roles [G, R, H]."""
        weights = self._rng.normal(0, 0.6, self._cell.shape)
        if self._kind.nbr_gates == 1:
            # A larger recurrent block would let rounding errors grow with the state.
            block = weights[0, self._cell.sizes.n_inp : -1]
            block /= max(1.0, np.abs(np.linalg.eigvals(block)).max())
        weights = weights.astype(np.float32).astype(np.float64)
        self._cell.set(weights.ravel()[self._roles])
        return weights

"""What a cell is (parts a to d): its variables, and what it computes from them."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from tests.corpus.mutants.truth.equations import Step, differentiate, unroll
from tests.corpus.mutants.truth.finding import (
    Doubts,
    Finding,
    WrongError,
    failing_is_wrong,
    open_session,
)
from tests.corpus.mutants.truth.roles import find_roles, find_step


class Kind(NamedTuple):
    """One of the two cells."""

    cell: str
    state: str
    fields: tuple[str, ...]
    nbr_gates: int


BASIC = Kind("BasicRNNCell", "MyBasicRNNState", ("hidden",), 1)
LSTM = Kind("MyLSTMCell", "MyLSTMState", ("hidden", "cell"), 4)
KINDS = {"a": BASIC, "b": BASIC, "c": LSTM, "d": LSTM}


class Sizes(NamedTuple):
    """A cell, and the numbers of time steps for which it is called one after the other."""

    n_inp: int
    n_out: int
    lengths: tuple[int, ...]
    batch: int | None = None
    """The size of the batch if the graph knows it."""


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


class Call(NamedTuple):
    """A call of a cell in a graph."""

    x: tf.Tensor
    state: Any
    outputs: list[tf.Tensor]
    final: Any


def judge_cell(module: types.ModuleType, part: str, rng: np.random.Generator) -> Finding:
    """Compares outputs, states and gradients with the equations, at random weights.

    Raises:
        WrongError: If they differ somewhere.
    """
    kind, doubts = KINDS[part], Doubts()
    with failing_is_wrong("finding it"):
        types_ = getattr(module, kind.cell), getattr(module, kind.state)
    for sizes in SIZES:
        _CellInGraph(kind, sizes, types_, rng, doubts).judge()
    return doubts.get_finding()


class _CellInGraph:
    """A cell that is built and called."""

    def __init__(
        self,
        kind: Kind,
        sizes: Sizes,
        types_: tuple[Callable, Callable],
        rng: np.random.Generator,
        doubts: Doubts,
    ):
        self._kind, self._sizes, self._rng, self._doubts = kind, sizes, rng, doubts
        self._what = f"I = {sizes.n_inp}, H = {sizes.n_out}"
        self._shape = kind.nbr_gates, sizes.n_inp + sizes.n_out + 1, sizes.n_out
        cell_type, self._state_type = types_
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.set_random_seed(1)
            with failing_is_wrong(f"creating the cell, {self._what}"):
                cell = cell_type(sizes.n_inp, sizes.n_out)
            self._variables = tf.trainable_variables()
            self._calls = {length: self._call(cell, length) for length in sizes.lengths}
            if len(tf.trainable_variables()) != len(self._variables):
                raise WrongError("calling the cell creates variables")
            sizes_ = [v.shape.num_elements() for v in self._variables]
            self._nbr_numbers = sum(sizes_)
            self._new_values = [
                tf.placeholder(v.dtype.base_dtype, v.shape) for v in self._variables
            ]
            assigned = [
                tf.assign(v, p) for v, p in zip(self._variables, self._new_values, strict=True)
            ]
            self._session = open_session(self._graph)
            with failing_is_wrong("initialising the variables"):
                self._session.run(tf.global_variables_initializer())
            self._assign = self._session.make_callable(tf.group(*assigned), self._new_values)

    def _call(self, cell: Any, length: int) -> Call:
        sizes = self._sizes
        x = tf.placeholder(tf.float32, [sizes.batch, length, sizes.n_inp])
        state = self._state_type(
            **{f: tf.placeholder(tf.float32, [sizes.batch, sizes.n_out]) for f in self._kind.fields}
        )
        with failing_is_wrong(f"calling the cell for {length} steps, {self._what}"):
            outputs, final = cell(state, x)
            outputs = list(outputs)
            if len(outputs) != length:
                raise WrongError(f"{len(outputs)} outputs for {length} steps")
        if not isinstance(final, self._state_type):
            raise WrongError(f"the final state is a {type(final).__name__}")
        for tensor in (*outputs, *final):
            if not tf.is_tensor(tensor) or tensor.dtype != tf.float32:
                raise WrongError("an output or a state is not a tensor of float32")
        return Call(x, state, outputs, final)

    def judge(self) -> None:
        """Finds the roles of the numbers, then compares at random weights."""
        with self._session, self._graph.as_default():
            needed = int(np.prod(self._shape))
            if self._nbr_numbers != needed:
                raise WrongError(
                    f"{self._nbr_numbers} trainable numbers, not {needed}, {self._what}"
                )
            step, roles = self._find_roles()
            for length, call in self._calls.items():
                self._judge_call(step, roles, length, call)

    def _find_roles(self) -> tuple[Step, np.ndarray]:
        """The equation's step and the role of each number."""
        call = self._calls[1]
        batch = self._sizes.batch or 6
        x, state = self._draw(batch, 1, 1.0)
        # A cell state near zero would not tell what the forget gate does.
        state = tuple(s + np.sign(s) * 0.5 for s in state)
        fetch = self._session.make_callable(
            [call.final._asdict()[f] for f in self._kind.fields],
            [call.x, *(getattr(call.state, f) for f in self._kind.fields)],
        )

        def run(numbers: np.ndarray) -> list[np.ndarray]:
            self._set(numbers)
            return fetch(x, *state)

        with failing_is_wrong(f"one step, {self._what}"):
            step = find_step(run, self._nbr_numbers, x[:, 0], state)
            return step, find_roles(run, step, self._shape, x[:, 0], state)

    def _judge_call(self, step: Step, roles: np.ndarray, length: int, call: Call) -> None:
        fields = self._kind.fields
        state_tensors = [getattr(call.state, f) for f in fields]
        final_tensors = [getattr(call.final, f) for f in fields]
        inputs = [call.x, *state_tensors]
        run = self._session.make_callable([call.outputs, final_tensors], inputs)
        for batch in (self._sizes.batch,) if self._sizes.batch else BATCHES:
            for of_x, of_state in ((1.0, 0.0), (1.0, 1.0), (1.0, LARGE), (LARGE, 1.0)):
                weights = self._set_weights(roles, length)
                x, state = self._draw(batch, length, of_x, of_state)
                outputs, final = unroll(step, weights, x, state)
                where = (
                    f"{self._what}, T = {length}, B = {batch}, x of size {of_x:g}, state of size"
                    f" {of_state:g}"
                )
                with failing_is_wrong(where):
                    came, came_final = run(x, *state)
                for number, (one, other) in enumerate(zip(came, outputs, strict=True)):
                    self._doubts.compare(one, other, f"output {number}, {where}")
                for field, one, other in zip(fields, came_final, final, strict=True):
                    self._doubts.compare(one, other, f"final {field}, {where}")
        self._judge_gradients(step, roles, length, call)

    def _judge_gradients(self, step: Step, roles: np.ndarray, length: int, call: Call) -> None:
        """Of a random weighted sum of all outputs and the final state, by all there is."""
        fields = self._kind.fields
        state_tensors = [getattr(call.state, f) for f in fields]
        results = [*call.outputs, *(getattr(call.final, f) for f in fields)]
        batch = self._sizes.batch or 2
        factors = [self._rng.normal(size=[batch, self._sizes.n_out]) for _ in results]
        total = tf.add_n([tf.reduce_sum(r * f) for r, f in zip(results, factors, strict=True)])
        sources = [*self._variables, call.x, *state_tensors]
        where = f"{self._what}, T = {length}"
        with failing_is_wrong(f"gradients, {where}"):
            gradients = tf.gradients(total, sources)
            if any(gradient is None for gradient in gradients):
                raise WrongError(f"gradients, {where}: something has no influence")
            gradients = [tf.convert_to_tensor(g) for g in gradients]
        weights = self._set_weights(roles, length)
        x, state = self._draw(batch, length, 1.0, 1.0)
        with failing_is_wrong(f"gradients, {where}"):
            feeds = {call.x: x, **dict(zip(state_tensors, state, strict=True))}
            *by_variables, by_x, by_state = self._session.run(
                [
                    *gradients[: len(self._variables)],
                    gradients[len(self._variables)],
                    gradients[len(self._variables) + 1 :],
                ],
                feeds,
            )

        def compute(weights: np.ndarray, x: np.ndarray, *state: np.ndarray) -> np.ndarray:
            outputs, final = unroll(step, weights, x, state)
            return sum(
                (result * f).sum(axis=(-1, -2))
                for result, f in zip([*outputs, *final], factors, strict=True)
            )

        expected, expected_x, *expected_state = differentiate(compute, weights, x, *state)
        numbers = np.concatenate([np.ravel(g) for g in by_variables])
        self._doubts.compare(numbers, expected.ravel()[roles], f"gradient by weights, {where}")
        self._doubts.compare(by_x, expected_x, f"gradient by x, {where}")
        for field, one, other in zip(fields, by_state, expected_state, strict=True):
            self._doubts.compare(one, other, f"gradient by {field}, {where}")

    def _draw(
        self, batch: int, length: int, of_x: float, of_state: float | None = None
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Input and start state, as float32 holds them."""
        of_state = of_x if of_state is None else of_state
        x = self._rng.normal(0, of_x, [batch, length, self._sizes.n_inp])
        state = [
            self._rng.normal(0, of_state, [batch, self._sizes.n_out]) for _ in self._kind.fields
        ]
        round_ = lambda array: array.astype(np.float32).astype(np.float64)  # noqa: E731
        return round_(x), tuple(map(round_, state))

    def _set_weights(self, roles: np.ndarray, length: int) -> np.ndarray:
        """Gives the numbers random values; returns them by their roles [G, R, H]."""
        weights = self._rng.normal(0, 0.6, self._shape).astype(np.float32).astype(np.float64)
        if self._kind.nbr_gates == 1:
            # Over many steps a larger recurrent block would let rounding errors grow with the state.
            block = weights[0, self._sizes.n_inp : -1]
            block /= max(1.0, np.abs(np.linalg.eigvals(block)).max())
            weights = weights.astype(np.float32).astype(np.float64)
        self._set(weights.ravel()[roles])
        return weights

    def _set(self, numbers: np.ndarray) -> None:
        """Sets all variables from one vector."""
        ends = np.cumsum([v.shape.num_elements() for v in self._variables])[:-1]
        pieces = np.split(numbers, ends)
        self._assign(*(p.reshape(v.shape) for p, v in zip(pieces, self._variables, strict=True)))

"""A mutant's cell in a graph: built, called, its variables set, its numbers' roles found."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from tests.corpus.mutants.truth.equations import Equation
from tests.corpus.mutants.truth.finding import (
    CountError,
    WrongError,
    failing_is_wrong,
    open_session,
)
from tests.corpus.mutants.truth.roles import find_equation, find_roles


class Kind(NamedTuple):
    """One of the two cells."""

    cell: str
    state: str
    fields: tuple[str, ...]
    nbr_gates: int


BASIC = Kind("BasicRNNCell", "MyBasicRNNState", ("hidden",), 1)
LSTM = Kind("MyLSTMCell", "MyLSTMState", ("hidden", "cell"), 4)
KINDS = {"a": BASIC, "b": BASIC, "c": LSTM, "d": LSTM}
"""The cell of each part."""


class Types(NamedTuple):
    """A mutant's classes."""

    cell: Callable
    state: Callable


class Sizes(NamedTuple):
    """A cell, and the numbers of time steps for which it is called one after the other."""

    n_inp: int
    n_out: int
    lengths: tuple[int, ...] = (1,)
    batch: int | None = None
    """The size of the batch if the graph knows it."""


class Call(NamedTuple):
    """A call of a cell: its input and start state, its outputs and final state by field."""

    x: tf.Tensor
    state: list[tf.Tensor]
    outputs: list[tf.Tensor]
    final: list[tf.Tensor]


def get_types(module: types.ModuleType, kind: Kind) -> Types:
    """The classes of a cell and of its state."""
    with failing_is_wrong("finding it"):
        return Types(getattr(module, kind.cell), getattr(module, kind.state))


class CellInGraph:
    """A cell in a graph of its own, with a session; a context.

    Args:
        kind: Which cell.
        sizes: Of what size, and how it is called.
        types: The mutant's classes.
        rng: Draws all values.

    Raises:
        WrongError: If it cannot be built, or is not wrapped as it should be.
    """

    def __init__(self, kind: Kind, sizes: Sizes, types: Types, rng: np.random.Generator):
        self._kind, self._rng = kind, rng
        self.sizes = sizes
        self.shape = kind.nbr_gates, sizes.n_inp + sizes.n_out + 1, sizes.n_out
        """Of the equation's weights [G, R, H]."""
        self.what = f"I = {sizes.n_inp}, H = {sizes.n_out}"
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.set_random_seed(1)
            np.random.seed(1)
            with failing_is_wrong(f"creating the cell, {self.what}"):
                cell = types.cell(sizes.n_inp, sizes.n_out)
            self.variables = tf.trainable_variables()
            self._check_variables()
            self.calls = {length: self._call(cell, types, length) for length in sizes.lengths}
            if len(tf.trainable_variables()) != len(self.variables):
                raise WrongError("calling the cell creates variables")
            placeholders = [tf.placeholder(v.dtype.base_dtype, v.shape) for v in self.variables]
            assigned = [tf.assign(*pair) for pair in zip(self.variables, placeholders, strict=True)]
            initialise = tf.global_variables_initializer()
            self.session = open_session(self._graph)
            with failing_is_wrong("initialising the variables"):
                self.session.run(initialise)
                initial = self.session.run(self.variables)
            self.initial = np.concatenate([np.ravel(value) for value in initial])
            """The initial values of all trainable numbers."""
            self._assign = self.session.make_callable(tf.group(*assigned), placeholders)

    def __enter__(self) -> CellInGraph:
        self._default = self._graph.as_default()
        self._default.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._default.__exit__(*error)
        self.session.close()

    def _check_variables(self) -> None:
        numbers, needed = 0, int(np.prod(self.shape))
        for variable in self.variables:
            if variable.dtype.base_dtype != tf.float32 or not variable.shape.is_fully_defined():
                raise WrongError(f"a variable is of {variable.dtype.name}, {variable.shape}")
            numbers += variable.shape.num_elements()
        if numbers != needed:
            raise CountError(numbers, needed, self.what)

    def _call(self, cell: Any, types: Types, length: int) -> Call:
        sizes, fields = self.sizes, self._kind.fields
        x = tf.placeholder(tf.float32, [sizes.batch, length, sizes.n_inp])
        state = [tf.placeholder(tf.float32, [sizes.batch, sizes.n_out]) for _ in fields]
        with failing_is_wrong(f"calling the cell for {length} steps, {self.what}"):
            outputs, final = cell(types.state(**dict(zip(fields, state, strict=True))), x)
            outputs = list(outputs)
        if len(outputs) != length:
            raise WrongError(f"{len(outputs)} outputs for {length} steps")
        if not isinstance(final, types.state):
            raise WrongError(f"the final state is a {type(final).__name__}")
        final = [getattr(final, field) for field in fields]
        for tensor in (*outputs, *final):
            if not tf.is_tensor(tensor) or tensor.dtype != tf.float32:
                raise WrongError("an output or a state is not a tensor of float32")
        return Call(x, state, outputs, final)

    def set(self, numbers: np.ndarray) -> None:
        """Sets all trainable variables from one vector."""
        ends = np.cumsum([v.shape.num_elements() for v in self.variables])[:-1]
        pieces = zip(np.split(numbers, ends), self.variables, strict=True)
        self._assign(*(piece.reshape(variable.shape) for piece, variable in pieces))

    def draw(
        self, batch: int, length: int, of_x: float, of_state: float
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Input and start state of given sizes, such as float32 holds."""
        arrays = [
            self._rng.normal(0, of_x, [batch, length, self.sizes.n_inp]),
            *(self._rng.normal(0, of_state, [batch, self.sizes.n_out]) for _ in self._kind.fields),
        ]
        x, *state = (array.astype(np.float32).astype(np.float64) for array in arrays)
        return x, tuple(state)

    def find_roles(self) -> tuple[Equation, np.ndarray]:
        """The equation, and the role of each number among its weights.

        Raises:
            WrongError: If the numbers do not play the equation's roles.
        """
        call = self.calls[1]
        x, state = self.draw(self.sizes.batch or 12, 1, 1.0, 1.0)
        # A cell state near zero would not tell what the forget gate does.
        state = tuple(s + np.sign(s) * 0.5 for s in state)
        fetch = self.session.make_callable(call.final, [call.x, *call.state])

        def run(numbers: np.ndarray) -> list[np.ndarray]:
            self.set(numbers)
            return fetch(x, *state)

        with failing_is_wrong(f"one step, {self.what}"):
            equation = find_equation(run, int(np.prod(self.shape)), x[:, 0], state)
            return equation, find_roles(run, equation, self.shape, x[:, 0], state)

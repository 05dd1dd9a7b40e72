"""What a cell's variables are (parts a and c): how many, and how they start.

The initial values are looked at by the roles that the numbers play in the equation, whatever
variables hold them. What is adequate is a matter of taste within wide bounds. Beyond wider ones it
is wrong, and between the two nobody can tell.
"""

from __future__ import annotations

import types
from typing import NamedTuple

import numpy as np

from tests.corpus.mutants.truth.cell_graph import KINDS, CellInGraph, Sizes, get_types
from tests.corpus.mutants.truth.finding import (
    UNDECIDABLE,
    CountError,
    Doubts,
    Finding,
    WrongError,
    failing_is_wrong,
)

SMALL = (Sizes(1, 1), Sizes(1, 3), Sizes(3, 1), Sizes(2, 2))
"""Cells whose variables are counted."""
MEDIUM = Sizes(11, 8)
"""The cell whose initial values are looked at by their roles."""
LARGE = Sizes(3, 128)
"""A cell of the program's size, whose weighted sums are looked at."""


class Bounds(NamedTuple):
    """What is right, and beyond what it is wrong."""

    adequate: tuple[float, float]
    possible: tuple[float, float]

    def judge(self, value: float, what: str, doubts: Doubts) -> None:
        """Doubts, or raises WrongError, if a value is not within."""
        for (least, most), doubt in ((self.possible, False), (self.adequate, True)):
            if not least <= value <= most:
                message = f"{what} is {value:.3g}"
                if not doubt:
                    raise WrongError(message)
                doubts.append(message)


SUMS = Bounds((0.05, 4.0), (1e-3, 30.0))
"""A gate's weighted sum of inputs, or of a state, of size 1."""
RADIUS = Bounds((0.3, 1.15), (0.01, 1.5))
"""How much the linear cell stretches its state in a step."""
BIASES = Bounds((0.0, 10.0), (0.0, 1e6))
"""Size of a bias, which is not graded."""


def judge_variables(module: types.ModuleType, part: str, rng: np.random.Generator) -> Finding:
    """Counts the variables, and looks at their initial values.

    Raises:
        WrongError: If they are too many, too few, or no start for a training.
    """
    kind, doubts = KINDS[part], Doubts()
    found = get_types(module, kind)
    for sizes in (*SMALL, MEDIUM, LARGE):
        try:
            with CellInGraph(kind, sizes._replace(lengths=()), found, rng) as cell:
                _judge_raw(cell.initial)
        except CountError as error:
            if error.surplus != kind.nbr_gates * sizes.n_out:
                raise
            doubts.append("there are two biases; they may be added to one another")
    if doubts:
        return doubts.get_finding()
    try:
        with CellInGraph(kind, MEDIUM, found, rng) as cell:
            shape, initial = cell.shape, cell.initial
            equation, roles = cell.find_roles()
        with CellInGraph(kind, LARGE, found, rng) as cell:
            sums = _read_lstm(cell) if kind.nbr_gates > 1 else _read_basic(cell, equation.choice)
    except WrongError as error:
        return Finding(UNDECIDABLE, f"the next part cannot work with these variables: {error}")
    weights = np.empty_like(initial)
    weights[roles] = initial
    _judge_weights(weights.reshape(shape), MEDIUM.n_inp, doubts)
    for what, value, bounds in sums:
        bounds.judge(value, what, doubts)
    return doubts.get_finding()


def _judge_raw(initial: np.ndarray) -> None:
    """What is wrong whatever the numbers' roles."""
    if not np.isfinite(initial).all():
        raise WrongError("an initial value is not finite")
    if len(initial) > 12 and len(np.unique(initial)) <= 2:
        raise WrongError("all weights start equal")


def _judge_weights(weights: np.ndarray, n_inp: int, doubts: Doubts) -> None:
    """Looks at initial weights [G, R, H]."""
    biases = weights[:, -1]
    BIASES.judge(float(np.abs(biases).max()), "a bias", doubts)
    for what, block in (("input", weights[:, :n_inp]), ("state", weights[:, n_inp:-1])):
        flat = block.reshape(len(block), -1)
        dead = np.ptp(flat, axis=1) == 0
        if dead.all():
            raise WrongError(f"all weights of the {what} start equal")
        if dead.any():
            doubts.append(f"some gates' weights of the {what} start equal")
        sums = np.sqrt(np.square(block).sum(axis=1))  # [G, H]
        for gate in range(len(block)):
            if not dead[gate]:
                mean = float(np.sqrt(np.square(sums[gate]).mean()))
                SUMS.judge(mean, f"a weighted sum of the {what}", doubts)
    columns = weights[:, :-1].reshape(-1, weights.shape[2]).T  # a unit's weights
    distinct = len(np.unique(columns, axis=0))
    if distinct == 1:
        raise WrongError("all units start equal")
    if distinct < len(columns):
        doubts.append("some units start equal")


Sums = list[tuple[str, float, Bounds]]
"""What is measured, its value, and its bounds."""


def _read_basic(cell: CellInGraph, activation: str) -> Sums:
    """The recurrent block, read from what the cell makes of unit vectors and of their negatives."""
    n_inp, n_out = cell.sizes.n_inp, cell.sizes.n_out
    call = cell.calls[1]
    factor = 1e-3
    state = factor * np.concatenate([np.eye(n_out), -np.eye(n_out)])
    x = np.zeros([2 * n_out, 1, n_inp])
    with failing_is_wrong("one step"):
        (came,) = cell.session.run(call.final, {call.x: x, call.state[0]: state})
    plus, minus = np.split(came.astype(np.float64), 2)
    block = (plus - minus) / (2 * factor)
    radius = float(np.abs(np.linalg.eigvals(block)).max())
    bounds = RADIUS
    if activation in ("tanh", "sigmoid"):  # they keep the state bounded, and sigmoid is flat
        bounds = Bounds((RADIUS.adequate[0] / 4, RADIUS.adequate[1]), (0.0, np.inf))
    return [("the spectral radius of the recurrent block", radius, bounds)]


def _read_lstm(cell: CellInGraph) -> Sums:
    """The sums of the forget and the output gate, read from one step with and without a memory."""
    call, sums = cell.calls[1], []
    for what, of_x, of_state in (("input", 1.0, 0.0), ("state", 0.0, 1.0)):
        x, (hidden, zeros) = cell.draw(8, 1, of_x, of_state)
        zeros = np.zeros_like(zeros)
        with failing_is_wrong("one step"):
            (_, without), (h, c) = (
                cell.session.run(
                    call.final, dict(zip([call.x, *call.state], [x, hidden, memory], strict=True))
                )
                for memory in (zeros, zeros + 1)
            )
        kept, squashed = c - without, np.tanh(c)
        # What is let out of an empty memory does not tell how far the gate is open.
        let_out = np.where(np.abs(squashed) > 1e-3, h / np.where(squashed, squashed, 1), np.nan)
        for gate, opened in (("forget", kept), ("output", let_out)):
            # A gate that is not between 0.0001 and 0.9999 has a sum of at least 9.
            opened = np.clip(opened.astype(np.float64), 1e-4, 1 - 1e-4)
            z = np.log(opened / (1 - opened))
            spread = float(np.sqrt(np.nanmean(np.square(z - np.nanmean(z, axis=0)))))
            sums.append((f"the {gate} gate's weighted sum of the {what}", spread, SUMS))
    return sums

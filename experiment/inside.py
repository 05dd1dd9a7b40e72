"""Looking inside a trained network: what it holds, what it keeps, and how far it learns.

A test sequence runs through the network, and `inside.png` shows along time

    what it holds        the part of the state that carries the memory
    what it keeps        the derivative of that part by itself, one step before
    how far it learns    the gradient of the loss by the state, before and after the training

The interface of `RNNCell` is all that this needs. The cell is called for a single step, and
`tf.gradients` of that step gives every derivative. So a cell of one's own is shown, too, whatever
its equations and its variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

import data
from experiment.model import Model, Network, choose_loss, get_session_config
from experiment.settings import Settings
from rnn_cells import RNNCell

NBR_UNITS = 24
"""The number of units that are shown: the most active ones."""

MOST_STEPS = 160
"""The number of time steps, spread over a longer sequence, of which is shown what a unit keeps."""
AT_THE_ENDS = 40
"""The number of time steps at both ends of a sequence of which none is left out."""

EIGENVALUE_BUDGET = 8e7
"""The largest product of the number of Jacobians and the cube of their size."""


class Sequence(NamedTuple):
    """A test sequence of T time steps."""

    x: np.ndarray
    """The input, [T, I]."""
    labels: np.ndarray
    """The truth, [T]."""
    asked: np.ndarray
    """Whether a step's output is among those whose loss is followed back, [T]: the digits, or the
    last sample."""

    @property
    def first_asked(self) -> int:
        return int(np.argmax(self.asked))


class Inside(NamedTuple):
    """What happens in a network while it reads a sequence of T time steps."""

    sequence: Sequence
    outputs: np.ndarray
    """The network's outputs, [T, C]."""
    memory: str
    """The field of the state that carries the memory."""
    units: np.ndarray
    """The U most active units of the memory, in an order that shows structure."""
    held: np.ndarray
    """Their values after each step, [T, U]."""
    steps: np.ndarray
    """The S time steps, from 0, that `kept` is of."""
    kept: np.ndarray
    """What these steps keep: of each of the units, [S, U], or the moduli of the eigenvalues of the
    whole state's Jacobian, the largest first, [S, N]."""
    kept_by_unit: bool
    """Whether it is of each unit: each depends on itself alone, if the other fields are given."""
    before: dict[str, np.ndarray]
    """Before the training, by field of the state: the norm of the gradient that the state after
    each step gets from the steps that follow, [T]."""
    after: dict[str, np.ndarray]
    """The same after the training."""


def look_inside(sess: tf.Session, model: Model, settings: Settings) -> Inside:
    """Runs a test sequence through a network, and differentiates each of its steps.

    The weights before the training are drawn once more, in another session of the graph: it has the
    same seeds, and draws the same values.

    Args:
        sess: A session with the trained variables.
        model: Its graph.
        settings: The experiment's settings.
    """
    sequence = choose_sequence(sess, model, settings)
    with sess.graph.as_default():
        initialise = tf.global_variables_initializer()
        walk = build_walk(model.network, sequence, choose_loss(settings))
        walked = Walk(*sess.run(walk))
        jacobians = Jacobians(sess, model.network.cell, sequence.x, walked.states)
    with tf.Session(graph=sess.graph, config=get_session_config(settings.towers)) as untrained:
        untrained.run(initialise)
        gradients_before = untrained.run(walk.gradients)

    memory, by_unit = find_memory(jacobians)
    held = walked.states[memory][1:]
    units = choose_units(held, sequence, settings.task)
    steps, kept = find_kept(jacobians, memory, units) if by_unit else find_moduli(jacobians)
    return Inside(
        sequence=sequence,
        outputs=walked.outputs,
        memory=memory,
        units=units,
        held=held[:, units],
        steps=steps,
        kept=kept,
        kept_by_unit=by_unit,
        before=get_norms(gradients_before),
        after=get_norms(walked.gradients),
    )


def choose_sequence(sess: tf.Session, model: Model, settings: Settings) -> Sequence:
    """The first of the longest sequences in the first batch of the test set."""
    xs, all_labels = next(data.one_pass(sess, model.it_test_init, [model.x, model.labels]))
    if settings.task == "sin":
        asked = np.arange(all_labels.shape[1]) == all_labels.shape[1] - 1
        return Sequence(xs[0], all_labels[0], asked)
    lengths = np.sum(all_labels != data.PADDING, axis=1)
    chosen = np.argmax(lengths)
    x, labels = (array[chosen, : lengths[chosen]] for array in (xs, all_labels))
    return Sequence(x, labels, labels < settings.num_digits)


# --- along time ---------------------------------------------------------------------------------


class Walk(NamedTuple):
    """A sequence's way through a network, as tensors or as arrays."""

    outputs: Any
    """The network's outputs, [T, C]."""
    states: dict[str, Any]
    """The state before the first step and after each step, by field, [T + 1, H]."""
    gradients: dict[str, Any]
    """The gradients by these states of the loss of what is asked for later, [T + 1, H]."""


def build_walk(
    network: Network,
    sequence: Sequence,
    get_loss: Callable[[list[tf.Tensor], tf.Tensor], tf.Tensor],
) -> Walk:
    """Adds a sequence's way through a network, and back, to the default graph."""
    cell, output_wrapper = network.cell, network.output_wrapper
    # Time comes first, then a batch of one sequence.
    x = tf.constant(sequence.x[:, np.newaxis, np.newaxis])
    labels = tf.constant(sequence.labels[:, np.newaxis, np.newaxis])
    asked = tf.constant(sequence.asked.astype(np.float32))
    zeros = cell.get_zero_state_for_inp(x[0])

    states = tf.scan(lambda state, x: cell(state, x)[1], x, zeros)
    states = [
        tf.concat([first[tf.newaxis], rest], 0) for first, rest in zip(zeros, states, strict=True)
    ]
    before = cell.state_type(*(field[:-1] for field in states))

    def go_back(gradients, step):
        x, labels, asked, state = step
        outputs, next_state = cell(state, x)
        loss = get_loss(output_wrapper(outputs), labels)
        return cell.state_type(*differentiate([*next_state, loss], state, [*gradients, asked]))

    gradients = tf.scan(go_back, (x, labels, asked, before), zeros, reverse=True)
    gradients = [
        tf.concat([rest, last[tf.newaxis]], 0) for rest, last in zip(gradients, zeros, strict=True)
    ]

    outputs, _ = cell(cell.state_type(*(field[:, 0] for field in before)), x[:, 0])
    by_field = (
        {name: field[:, 0] for name, field in zip(cell.state_type._fields, fields, strict=True)}
        for fields in (states, gradients)
    )
    return Walk(output_wrapper(outputs)[0], *by_field)


def differentiate(
    ys: list[tf.Tensor], state: NamedTuple, gradients: list[tf.Tensor]
) -> list[tf.Tensor]:
    """The gradients by the fields of a state, given those by tensors that follow from it."""
    zero = tf.UnconnectedGradients.ZERO
    return tf.gradients(ys, list(state), gradients, unconnected_gradients=zero)


def get_norms(gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Norms [T] of gradients [T + 1, H] by the states after each step."""
    return {field: np.linalg.norm(values[1:], axis=1) for field, values in gradients.items()}


# --- a step's derivatives -----------------------------------------------------------------------


class Jacobians:
    """The derivatives of the state after a step by the state before it.

    Args:
        sess: A session with the cell's variables; its graph is the default graph.
        cell: The cell.
        x: The inputs of a sequence, [T, I].
        states: The states before its first step and after each step, by field, [T + 1, H].
    """

    def __init__(
        self, sess: tf.Session, cell: RNNCell, x: np.ndarray, states: dict[str, np.ndarray]
    ):
        self.fields = cell.state_type._fields
        self.size = cell.get_output_size()
        self.length = len(x)
        self._sess, self._cell, self._x, self._states = sess, cell, x, states
        self._pl_x = cell.get_input_placeholder(1, "inside_x")
        self._pl_state = cell.get_state_placeholder("inside_state")
        self._pl_next = cell.get_state_placeholder("inside_gradient")
        _, next_state = cell(self._pl_state, self._pl_x)
        self._gradients = differentiate(list(next_state), self._pl_state, list(self._pl_next))
        self._pl_matrices = tf.placeholder(tf.float32, [None, None, None], "inside_matrices")
        self._eigenvalues = tf.compat.v2.linalg.eigvals(self._pl_matrices)

    def get_rows(self, steps: np.ndarray, field: str, units: np.ndarray) -> dict[str, np.ndarray]:
        """The derivatives of units of a field by all fields of the state before.

        Returns:
            By field of the state before: [S, U, H], for S steps and U units.
        """
        step = np.repeat(steps, len(units))
        nothing = np.zeros([len(step), self.size])
        each_unit = np.eye(self.size)[np.tile(units, len(steps))]
        feed_dict = {self._pl_x: self._x[step, np.newaxis]}
        for name in self.fields:
            feed_dict[getattr(self._pl_state, name)] = self._states[name][step]
            feed_dict[getattr(self._pl_next, name)] = each_unit if name == field else nothing
        shape = [len(steps), len(units), self.size]
        rows = self._sess.run(self._gradients, feed_dict)
        return {name: row.reshape(shape) for name, row in zip(self.fields, rows, strict=True)}

    def get_whole(self, step: int) -> np.ndarray:
        """The Jacobian [N, N] of the whole state."""
        units = np.arange(self.size)
        rows = (self.get_rows(np.array([step]), field, units) for field in self.fields)
        return np.concatenate([np.concatenate([*row.values()], axis=2)[0] for row in rows])

    def get_eigenvalues(self, matrices: np.ndarray) -> np.ndarray:
        """Eigenvalues [S, N] of matrices [S, N, N]; NumPy's threads get in one another's way."""
        return self._sess.run(self._eigenvalues, {self._pl_matrices: matrices})


def find_memory(jacobians: Jacobians) -> tuple[str, bool]:
    """The field of the state that keeps most of itself, and whether it does so unit by unit."""
    found = []
    for field in jacobians.fields:
        steps, units = spread(jacobians.length, 4), np.arange(jacobians.size)
        own = jacobians.get_rows(steps, field, units)[field]
        diagonal = np.diagonal(own, axis1=1, axis2=2)
        by_unit = np.count_nonzero(own) == np.count_nonzero(diagonal)
        found.append((np.mean(np.abs(diagonal)), field, bool(by_unit)))
    _, memory, by_unit = max(found)
    return memory, by_unit


def choose_units(held: np.ndarray, sequence: Sequence, task: str) -> np.ndarray:
    """The units of a memory [T, H] that are most active before something is asked for.

    They are in the order of their phase on the sine task, and in the order in which they fall to
    half of their largest value on the memory task.
    """
    active = np.argsort(-held[: sequence.first_asked].std(axis=0), kind="stable")[:NBR_UNITS]
    held = held[:, active]
    if task == "sin":
        spectrum = np.fft.rfft(held - held.mean(axis=0), axis=0)
        strongest = np.argmax(np.abs(spectrum).sum(axis=1))
        return active[np.argsort(np.angle(spectrum[strongest]))]
    size = np.abs(held)
    is_after_peak = np.arange(len(size))[:, np.newaxis] > np.argmax(size, axis=0)
    is_released = is_after_peak & (size < size.max(axis=0) / 2)
    release = np.where(is_released.any(axis=0), np.argmax(is_released, axis=0), len(size))
    return active[np.argsort(release, kind="stable")]


def find_kept(
    jacobians: Jacobians, memory: str, units: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps [S], and what they keep of each unit [S, U]."""
    length = jacobians.length
    ends = np.r_[: min(length, AT_THE_ENDS), max(0, length - AT_THE_ENDS) : length]
    steps = np.union1d(spread(length, MOST_STEPS), ends)
    rows = jacobians.get_rows(steps, memory, units)[memory]
    return steps, rows[:, np.arange(len(units)), units]


def find_moduli(jacobians: Jacobians) -> tuple[np.ndarray, np.ndarray]:
    """Steps [S], and the moduli of the eigenvalues of their Jacobians, the largest first [S, N]."""
    size = jacobians.size * len(jacobians.fields)
    steps = spread(jacobians.length, int(np.clip(EIGENVALUE_BUDGET / size**3, 2, 60)))
    some = [jacobians.get_whole(step) for step in steps]
    if all(np.array_equal(one, some[0]) for one in some):
        some = some[:1]  # a linear cell's is the same at all steps
    moduli = np.sort(np.abs(jacobians.get_eigenvalues(np.array(some))), axis=1)[:, ::-1]
    return steps, np.broadcast_to(moduli, [len(steps), size])


def spread(number: int, most: int) -> np.ndarray:
    """At most `most` of the whole numbers below `number`, evenly spread, with both ends."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int))

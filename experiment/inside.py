"""Looking inside a trained network: what it holds, what it keeps, and how far it learns.

A test sequence runs through the network, one time step after the other, and `inside.png` shows
along time

    what it holds        the part of the state that carries the memory
    what it keeps        the derivative of that part by itself, one step before
    how far it learns    the gradient of the loss by the state, before and after the training

The interface of `RNNCell` is all that this needs. The cell is called for a single step on
placeholders, and `tf.gradients` of that step gives every derivative. So a cell of one's own is
shown, too, whatever its equations and its variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

import data
from experiment.model import Model, choose_loss, get_session_config
from experiment.settings import Settings

NBR_UNITS = 24
"""The number of units that are shown: the most active ones."""

MOST_STEPS = 160
"""The number of time steps spread over a sequence, if it has more, at which a unit is looked at."""
AT_THE_ENDS = 40
"""The number of steps at each end of a sequence of which none is left out."""

EIGENVALUE_BUDGET = 3e7
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


class Inside(NamedTuple):
    """What happens in a network of H units while it reads a sequence."""

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
    """Before the training, by field of the state: the norm of the gradient that reaches the state
    after each step from later steps, [T]."""
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
        step = OneStep(model, settings)
        initialise = tf.global_variables_initializer()
    outputs, states = step.run(sess, sequence)
    after = step.get_gradient_norms(sess, sequence, states)
    with tf.Session(graph=sess.graph, config=get_session_config(settings.towers)) as untrained:
        untrained.run(initialise)
        _, untrained_states = step.run(untrained, sequence)
        before = step.get_gradient_norms(untrained, sequence, untrained_states)

    memory, by_unit = find_memory(sess, step, sequence, states)
    units = choose_units(states[memory][1:], settings.task)
    steps, kept = find_kept(sess, step, sequence, states, memory, units if by_unit else None)
    return Inside(
        sequence, outputs, memory, units, states[memory][1:, units], steps, kept, by_unit, before,
        after,
    )  # fmt: skip


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


class OneStep:
    """A single step of a network and its derivatives, added to the default graph.

    Arrays of states are dictionaries by the fields of the cell's state; [T + 1, H] are the states
    before the first step and after each of T steps.
    """

    def __init__(self, model: Model, settings: Settings):
        cell = model.network.cell
        self.fields = cell.state_type._fields
        self.size = cell.get_output_size()
        self._x = cell.get_input_placeholder(1, "inside_x")
        self._label = tf.placeholder(model.labels.dtype, [None, 1], "inside_label")
        self._state = cell.get_state_placeholder("inside_state")
        self._zero_state = cell.get_zero_state_for_inp(self._x)
        cell_outputs, next_state = cell(self._state, self._x)
        outputs = model.network.output_wrapper(cell_outputs)
        self._output, self._next_state = outputs[0], self._to_list(next_state)
        # The gradients by the state, given those by the next state and the weight of the loss.
        self._next_gradients = self._to_list(cell.get_state_placeholder("inside_gradient"))
        self._weight = tf.placeholder(tf.float32, [], "inside_weight")
        self._gradients = tf.gradients(
            [*self._next_state, choose_loss(settings)(outputs, self._label)],
            self._to_list(self._state),
            [*self._next_gradients, self._weight],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    def _to_list(self, state: NamedTuple) -> list[tf.Tensor]:
        return [getattr(state, field) for field in self.fields]

    def run(self, sess: tf.Session, sequence: Sequence) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The outputs [T, C] for a sequence, and the states [T + 1, H]."""
        advance = make_callable(
            sess, [self._output, self._next_state], [self._x, *self._to_list(self._state)]
        )
        zero_state = sess.run(self._zero_state, {self._x: sequence.x[:1, np.newaxis]})
        outputs, states = [], [self._to_list(zero_state)]
        for x in sequence.x:
            output, state = advance(x[np.newaxis, np.newaxis], *states[-1])
            outputs.append(output)
            states.append(state)
        by_field = map(np.concatenate, zip(*states, strict=True))
        return np.concatenate(outputs), dict(zip(self.fields, by_field, strict=True))

    def differentiate(self, sess: tf.Session) -> Callable[..., list[np.ndarray]]:
        """A function of x [B, 1, I], labels [B, 1], the state, the gradients by the next state and
        the weight of the loss, in B rows; it returns the gradients by the state."""
        return make_callable(
            sess,
            self._gradients,
            [
                self._x,
                self._label,
                *self._to_list(self._state),
                *self._next_gradients,
                self._weight,
            ],
        )

    def get_gradient_norms(
        self, sess: tf.Session, sequence: Sequence, states: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The norms of the gradient that reaches the state after each step, by field [T].

        It is the gradient of the loss of what is asked for after the step.
        """
        differentiate = self.differentiate(sess)
        gradients = [np.zeros([1, self.size], np.float32) for _ in self.fields]
        norms = []
        for t in reversed(range(len(sequence.x))):
            norms.append([np.linalg.norm(gradient) for gradient in gradients])
            gradients = differentiate(
                sequence.x[t : t + 1, np.newaxis],
                sequence.labels[t : t + 1, np.newaxis],
                *(states[field][t : t + 1] for field in self.fields),
                *gradients,
                float(sequence.asked[t]),
            )
        return dict(zip(self.fields, np.transpose(norms[::-1]), strict=True))

    def get_jacobian_rows(
        self,
        sess: tf.Session,
        sequence: Sequence,
        states: dict[str, np.ndarray],
        steps: np.ndarray,
        field: str,
        units: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """The derivatives of some units of a field by the whole state before the step.

        Returns:
            By field of the state before the step: [S, U, H], for S steps and U units.
        """
        step_of_row = np.repeat(steps, len(units))
        rows = np.zeros([len(step_of_row), self.size], np.float32)
        one_unit = np.eye(self.size, dtype=np.float32)[np.tile(units, len(steps))]
        derivatives = self.differentiate(sess)(
            sequence.x[step_of_row, np.newaxis],
            sequence.labels[step_of_row, np.newaxis],
            *(states[name][step_of_row] for name in self.fields),
            *(one_unit if name == field else rows for name in self.fields),
            0.0,
        )
        shape = [len(steps), len(units), self.size]
        return {
            name: derivative.reshape(shape)
            for name, derivative in zip(self.fields, derivatives, strict=True)
        }

    def get_jacobian(
        self, sess: tf.Session, sequence: Sequence, states: dict[str, np.ndarray], t: int
    ) -> np.ndarray:
        """The Jacobian of a step [N, N], N the size of the whole state."""
        everything = np.arange(self.size)
        rows = (
            self.get_jacobian_rows(sess, sequence, states, np.array([t]), field, everything)
            for field in self.fields
        )
        return np.concatenate([np.concatenate([*row.values()], axis=2)[0] for row in rows])


def make_callable(
    sess: tf.Session, fetches: list[Any], feeds: list[tf.Tensor]
) -> Callable[..., list[Any]]:
    """A function that runs a step in the calling thread: handing over to another takes longer."""
    run = sess.make_callable(fetches, feeds, accept_options=True)
    options = tf.RunOptions(inter_op_thread_pool=-1)
    return lambda *values: run(*values, options=options)


def find_memory(
    sess: tf.Session, step: OneStep, sequence: Sequence, states: dict[str, np.ndarray]
) -> tuple[str, bool]:
    """The field of the state that keeps most of itself, and whether it does so unit by unit."""
    some_steps = spread(len(sequence.x), 4)
    found = []
    for field in step.fields:
        own = step.get_jacobian_rows(
            sess, sequence, states, some_steps, field, np.arange(step.size)
        )[field]
        diagonal = np.diagonal(own, axis1=1, axis2=2)
        by_unit = np.count_nonzero(own) == np.count_nonzero(diagonal)
        found.append((np.mean(np.abs(diagonal)), field, bool(by_unit)))
    _, field, by_unit = max(found)
    return field, by_unit


def find_kept(
    sess: tf.Session,
    step: OneStep,
    sequence: Sequence,
    states: dict[str, np.ndarray],
    memory: str,
    units: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and what they keep: see `Inside.kept`; of the units, if some are given."""
    if units is not None:
        length = len(sequence.x)
        ends = np.r_[: min(length, AT_THE_ENDS), max(0, length - AT_THE_ENDS) : length]
        steps = np.union1d(spread(length, MOST_STEPS), ends)
        rows = step.get_jacobian_rows(sess, sequence, states, steps, memory, units)[memory]
        return steps, rows[:, np.arange(len(units)), units]
    size = step.size * len(step.fields)
    steps = spread(len(sequence.x), int(np.clip(EIGENVALUE_BUDGET / size**3, 6, 60)))
    jacobians = [step.get_jacobian(sess, sequence, states, t) for t in steps]
    if all(np.array_equal(jacobian, jacobians[0]) for jacobian in jacobians):
        jacobians = jacobians[:1]  # of a linear cell
    moduli = np.sort(np.abs(np.linalg.eigvals(np.array(jacobians))))[:, ::-1]
    return steps, np.broadcast_to(moduli, [len(steps), size])


def spread(number: int, most: int) -> np.ndarray:
    """At most `most` of the whole numbers below `number`, evenly spread, with both ends."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int))


def choose_units(held: np.ndarray, task: str) -> np.ndarray:
    """The most active units of a memory [T, H], in the order of their release or of their phase."""
    active = np.argsort(-held.std(axis=0), kind="stable")[:NBR_UNITS]
    held = held[:, active]
    if task == "sin":
        spectrum = np.fft.rfft(held - held.mean(axis=0), axis=0)
        return active[np.argsort(np.angle(spectrum[np.argmax(np.abs(spectrum).sum(axis=1))]))]
    size = np.abs(held)
    since_peak = np.arange(len(size))[:, np.newaxis] > np.argmax(size, axis=0)
    released = since_peak & (size < size.max(axis=0) / 2)
    when = np.where(released.any(axis=0), np.argmax(released, axis=0), len(size))
    return active[np.argsort(when, kind="stable")]

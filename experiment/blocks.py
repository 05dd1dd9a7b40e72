"""Unrolling a cell quickly: some time steps are built once, and copied with their gradients.

A cell that is unrolled over T time steps has the same operations T times, and Python takes long to
make them. So the cell is called on a *block* of a few steps, as anyone would, and the other blocks
are copies of it. So are their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from experiment.copying import Copy, Template
from experiment.gradients import get_gradients, lean_products, with_gradients

NBR_BLOCKS = 4
"""With more, the graph is built faster, and the training steps are slower: some of a cell's work is
done once a call, for all time steps. With 4 they take as long as without (tried: 2, 4 and 10)."""

Answer = tuple[list[tf.Tensor], NamedTuple]
"""T outputs [B, H], and the state after the last step."""


def unroll(
    call: Callable[[NamedTuple, tf.Tensor], Answer], state: NamedTuple, x: tf.Tensor
) -> Answer:
    """Unrolls a cell: what `call(state, x)` returns, except for rounding in the gradients.

    A cell with random numbers, prints or loops is not copied, but called on all that is left.

    Args:
        call: The cell.
        state: The state before the first step, a namedtuple of tensors [B, H].
        x: The input [B, T, I]; T must be known.
    """
    size, rest = divmod(int(x.shape[1]), NBR_BLOCKS)
    if size < 2:
        return call(state, x)
    *parts, last = tf.split(x, [size] * NBR_BLOCKS + [rest], axis=1)
    start = len(x.graph.get_operations())
    inputs = [tf.identity(tensor) for tensor in (*state, parts[0])]
    with lean_products():
        built = call(type(state)(*inputs[:-1]), inputs[-1])
    forward = Template(start, inputs, [*built[0], *built[1]])
    if not forward.is_faithful():
        return _join(built, call(built[1], x[:, size:]))
    block = _Block(forward, inputs, built)
    answer = block.give_gradients(Copy(forward, [*state, parts[0]], ""))
    for part in parts[1:]:
        copy = forward.copy("block", [*answer[1], part])
        answer = _join(answer, block.give_gradients(copy))
    return _join(answer, call(answer[1], last)) if rest else answer


def _join(before: Answer, after: Answer) -> Answer:
    return [*before[0], *after[0]], after[1]


class _Block:
    """Some time steps that are copied, and the operations of their gradients.

    Args:
        forward: The time steps.
        inputs: The state before them and their part of the input.
        built: Their outputs, and the state after them.
    """

    def __init__(self, forward: Template, inputs: Sequence[tf.Tensor], built: Answer):
        self._built = built
        self._tensors = [*built[0], *built[1]]
        variables = tf.trainable_variables()
        self._reads = [variable.read_value() for variable in variables]
        start = len(tf.get_default_graph().get_operations())
        given = [tf.identity(tf.placeholder(t.dtype, t.shape)) for t in self._tensors]
        self._gradients = get_gradients(self._tensors, [*inputs, *variables], given, inputs)
        known = [gradient for gradient in self._gradients if gradient is not None]
        varying = forward.names | forward.inputs.keys()
        self._backward = Template(start, given, known, varying)

    def give_gradients(self, copy: Copy) -> Answer:
        """The outputs of a copy and the state after it, with their gradients."""
        found = with_gradients(
            [copy.find(tensor) for tensor in self._tensors],
            [*copy.inputs, *self._reads],
            lambda *gradients: self._differentiate(copy, gradients),
        )
        outputs, state = self._built
        return found[: len(outputs)], type(state)(*found[len(outputs) :])

    def _differentiate(self, copy: Copy, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor | None]:
        """The gradients by inputs and variables, from those by outputs and last state."""
        taken_in = {name: copy.find(tensor) for name, tensor in self._backward.taken_in.items()}
        found = self._backward.copy("gradients", gradients, taken_in)
        return [None if known is None else found.find(known) for known in self._gradients]

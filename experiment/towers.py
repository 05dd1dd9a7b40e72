"""The same network on every core: towers over the batch.

A recurrent network is a long chain of small operations: step t waits for step t - 1, and one step
is too small to be shared among cores. But the sequences of a batch do not depend on one
another. So the batch is split into as many parts as there are cores, and each part goes through a
copy of the network, a *tower*. All towers share the variables; loss and gradients are those of the
whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from experiment.copying import Template, has_circle
from experiment.gradients import get_gradients, lean_products, with_gradients
from support.memory import no_search_for_garbage


class Tower(NamedTuple):
    """A network on a batch, or on a part of one."""

    outputs: list[tf.Tensor]
    """T tensors [B, C]."""
    loss: tf.Tensor
    """A scalar, the mean over the sequences."""


@no_search_for_garbage()
def build_towers(
    build: Callable[[tf.Tensor, tf.Tensor], Tower],
    x: tf.Tensor,
    labels: tf.Tensor,
    nbr_towers: int,
) -> Tower:
    """Builds a network as several towers, each on a part of the batch.

    Args:
        build: Adds the network for an input [B, T, …] and labels [B, …] to the graph. It is called
            once for parts of the same size that can be copied, and shares its variables among all
            calls.
        x: The input of the whole batch [B, T, …]; B may be unknown when the graph is built.
        labels: The labels of the whole batch [B, …].
        nbr_towers: The number of towers. If there are fewer sequences, some towers are idle.

    Returns:
        Outputs and loss of the whole batch: those of `build(x, labels)`, except for rounding. The
        loss has gradients like any other: `tf.gradients` works as usual.

    Raises:
        ValueError: If `nbr_towers` is not a whole number from 1, or a second call of `build`
            creates more variables.
    """
    if not isinstance(nbr_towers, int) or nbr_towers < 1:
        raise ValueError(f"nbr_towers must be a whole number from 1, got {nbr_towers!r}")
    towers, templates = [], {}
    for part in _split(x, labels, nbr_towers):
        size = tf.dimension_value(part.x.shape[0])
        if size in templates:
            towers.append(_copy(*templates[size], part))
            continue
        start = len(tf.get_default_graph().get_operations())
        built, inputs = _build(build, part)
        towers.append(built)
        if not has_circle(start):
            templates[size] = built, Template(start, inputs, _list_tensors(built))
    variables = tf.trainable_variables()
    if len(variables) > len(towers[0].gradients):
        raise ValueError(
            "the network creates new variables each time it is called, so that its towers share"
            " none: create them once, in __init__"
        )

    # All steps at once: three operations where there would be two a step.
    outputs = tf.concat([tf.stack(tower.outputs) for tower in towers], axis=1)
    if not x.shape[:1].is_fully_defined():
        outputs = outputs[:, : tf.shape(x)[0]]  # idle towers repeat a sequence
    gradients = [
        None if parts[0] is None else tf.add_n(parts)
        for parts in zip(*(t.gradients for t in towers), strict=True)
    ]
    loss = with_gradients(tf.add_n([tower.loss for tower in towers]), variables, gradients)
    return Tower(tf.unstack(outputs), loss)


# --- the parts of a batch -----------------------------------------------------------------------


class _Part(NamedTuple):
    x: tf.Tensor
    labels: tf.Tensor
    share: tf.Tensor
    """The part's share of the batch's sequences, a scalar."""


def _split(x: tf.Tensor, labels: tf.Tensor, nbr_towers: int) -> Iterator[_Part]:
    """Parts of equal size. The last ones may be smaller, or empty.

    If the batch size is unknown, an empty part gets one sequence, which counts for nothing: the
    mean over no sequences would not be a number.
    """
    batch_size = tf.dimension_value(x.shape[0])
    if batch_size is not None:
        size = -(-batch_size // nbr_towers)
        for start in range(0, batch_size, size):
            end = min(start + size, batch_size)
            yield _Part(x[start:end], labels[start:end], tf.constant((end - start) / batch_size))
        return
    batch_size = tf.shape(x)[0]
    size = -(-batch_size // nbr_towers)
    for index in range(nbr_towers):
        start = tf.minimum(index * size, batch_size)
        end = tf.minimum(start + size, batch_size)
        share = tf.cast((end - start) / batch_size, tf.float32)
        start = tf.minimum(start, batch_size - 1)
        end = tf.maximum(end, start + 1)
        yield _Part(x[start:end], labels[start:end], share)


# --- a tower, and copies of it ------------------------------------------------------------------


class _Built(NamedTuple):
    outputs: list[tf.Tensor]
    loss: tf.Tensor
    """The part's share of the whole batch's loss."""
    gradients: list[tf.Tensor | None]
    """The gradients of that share, one for each variable."""


def _build(build: Callable, part: _Part) -> tuple[_Built, _Part]:
    """Builds a tower; returns it with what it has taken in."""
    with tf.name_scope("tower"):
        inputs = _Part(*map(tf.identity, part))
        with lean_products():
            outputs, loss = build(inputs.x, inputs.labels)
        loss *= inputs.share
        built = _Built(outputs, loss, get_gradients(loss, tf.trainable_variables()))
    return built, inputs


def _list_tensors(built: _Built) -> list[tf.Tensor]:
    known = [gradient for gradient in built.gradients if gradient is not None]
    return [*built.outputs, built.loss, *known]


def _copy(built: _Built, template: Template, part: _Part) -> _Built:
    """A tower like another one, on another part of the batch."""
    find = template.copy("tower", part)
    return _Built(
        [find(output) for output in built.outputs],
        find(built.loss),
        [None if gradient is None else find(gradient) for gradient in built.gradients],
    )

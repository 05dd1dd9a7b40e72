"""What a loss is: the mean squared error (part e), the mean cross-entropy (part g)."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from tests.corpus.mutants.truth.finding import (
    Doubts,
    Finding,
    WrongError,
    failing_is_wrong,
    open_session,
)

BATCHES = (1, 2, 5)
"""Sizes of the batches that are fed; one equals a number of steps, so that mixed axes fit."""
LENGTHS = (5, 1, 2, 20)
"""Numbers of time steps."""
FEW_LENGTHS = (5, 1)
"""Numbers of time steps for further types and numbers of classes."""


class Kind(NamedTuple):
    """A loss and how its values are drawn."""

    name: str
    widths: tuple[int, ...]
    """Numbers of classes."""
    types: tuple[str, ...]
    """Types that the truth may have."""
    scales: tuple[float, ...]
    """Standard deviations of the outputs."""
    draw_truth: Callable[[np.random.Generator, tuple[int, int], int, float], np.ndarray]
    """The truth [B, T] for a number of classes and a size of the outputs."""
    compute: Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
    """Loss and gradient of outputs [T, B, C]."""


def compute_squared_error(outputs: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    errors = outputs[:, :, 0] - truth.T
    return float((errors * errors).sum() / errors.size), 2 * errors[:, :, None] / errors.size


def compute_cross_entropy(outputs: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """By its definition, -ln p(truth), with the largest logit taken out of the exponentials."""
    total, gradient = 0.0, np.zeros_like(outputs)
    for t, logits in enumerate(outputs):
        for b, row in enumerate(logits):
            powers = np.exp(row - row.max())
            total += np.log(powers.sum()) - (row[truth[b, t]] - row.max())
            gradient[t, b] = powers / powers.sum()
            gradient[t, b, truth[b, t]] -= 1
    return total / truth.size, gradient / truth.size


KINDS = {
    "e": Kind(
        "get_loss_sin",
        (1,),
        ("float32", "float64"),
        (1.0, 0.05, 30.0),
        lambda rng, shape, _, scale: rng.normal(0, scale, shape),
        compute_squared_error,
    ),
    "g": Kind(
        "get_loss_memory",
        (11, 2),
        ("int32", "int64"),
        (1.0, 30.0, 3000.0),
        lambda rng, shape, width, _: rng.integers(width, size=shape),
        compute_cross_entropy,
    ),
}


def judge_loss(module: types.ModuleType, part: str, rng: np.random.Generator) -> Finding:
    """Compares values and gradients on many shapes.

    Raises:
        WrongError: If they differ somewhere.
    """
    kind, doubts = KINDS[part], Doubts()
    with failing_is_wrong("finding it"):
        get_loss = getattr(module, kind.name)
    lengths = LENGTHS
    for width in kind.widths:
        for truth_type in kind.types:
            _judge_graph(get_loss, kind, width, truth_type, lengths, rng, doubts)
            lengths = FEW_LENGTHS
    return doubts.get_finding()


def _judge_graph(
    get_loss: Callable,
    kind: Kind,
    width: int,
    truth_type: str,
    lengths: tuple[int, ...],
    rng: np.random.Generator,
    doubts: Doubts,
) -> None:
    for length in lengths:
        with tf.Graph().as_default(), open_session() as sess:
            # A loss that adds a penalty on the weights must not find none to add.
            tf.get_variable("weights", [3, 3], regularizer=tf.nn.l2_loss)
            outputs = [tf.placeholder(tf.float32, [None, width]) for _ in range(length)]
            y = tf.placeholder(truth_type, [None, length])
            with failing_is_wrong(f"building it for {length} steps, truth of {truth_type}"):
                loss = get_loss(list(outputs), y)
                gradients = tf.gradients(loss, outputs)
            if not tf.is_tensor(loss):
                raise WrongError(f"it returns a {type(loss).__name__}")
            if any(gradient is None for gradient in gradients):
                raise WrongError("it does not depend on all outputs")
            sess.run(tf.global_variables_initializer())
            with failing_is_wrong("making it ready"):
                run = sess.make_callable([loss, gradients], [*outputs, y])
            _compare(run, kind, length, width, truth_type, rng, doubts)


def _compare(
    run: Callable,
    kind: Kind,
    length: int,
    width: int,
    truth_type: str,
    rng: np.random.Generator,
    doubts: Doubts,
) -> None:
    """Feeds batches of several sizes, outputs of several sizes."""
    for batch in BATCHES:
        for scale in kind.scales:
            values = rng.normal(0, scale, [length, batch, width]).astype(np.float32)
            truth = kind.draw_truth(rng, (batch, length), width, scale).astype(truth_type)
            expected, slopes = kind.compute(values.astype(np.float64), truth)
            where = f"T = {length}, B = {batch}, C = {width}, outputs of size {scale:g}"
            with failing_is_wrong(where):
                came, came_slopes = run(*values, truth)
            doubts.compare(came, expected, f"loss, {where}", 1e-3)
            least = 1e-3 * max(1.0, scale) / (length * batch)
            doubts.compare(came_slopes, slopes, f"gradient, {where}", least)

"""What a training operation is (part f): steps of an optimizer on clipped gradients."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from tests.corpus.mutants.truth.finding import (
    DIFFERENT,
    NOISE,
    Doubts,
    Finding,
    WrongError,
    failing_is_wrong,
    open_session,
)

CLIP_NORM = 5.0
"""The global norm at which gradients are clipped."""
SHAPES = ((2, 3), (4,), ())
"""Of the variables."""
NORMS = (
    (2.0, 30.0, 0.01, 4.9, 5.1),
    (5.5, 6.0, 5.0, 0.5, 400.0),
    (1e4, 1.0, 3.0, 12.0, 1e-3),
)
"""Global norms of gradients, step by step, in several runs."""
RATES: tuple[tuple[str, float], ...] = (
    ("a number", 0.1),
    ("a number", 0.003),
    ("a tensor", 0.1),
    ("a tensor", 1.5),
)
"""Learning rates, and what they are given as."""

Optimizer = Callable[[list[np.ndarray], float], Iterator[np.ndarray]]
"""Clipped gradients and a learning rate → what is subtracted from the weights, step by step."""


def descend(gradients: list[np.ndarray], lr: float) -> Iterator[np.ndarray]:
    for gradient in gradients:
        yield lr * gradient


def roll(momentum: float) -> Optimizer:
    """Momentum, as TensorFlow has it: v = m v + g; w -= lr v (Polyak 1964)."""

    def optimize(gradients: list[np.ndarray], lr: float) -> Iterator[np.ndarray]:
        velocity = np.zeros_like(gradients[0])
        for gradient in gradients:
            velocity = momentum * velocity + gradient
            yield lr * velocity

    return optimize


def adapt(gradients: list[np.ndarray], lr: float) -> Iterator[np.ndarray]:
    """Adam with TensorFlow's defaults (Kingma & Ba 2015, the form before section 2.1)."""
    mean, square = np.zeros_like(gradients[0]), np.zeros_like(gradients[0])
    for number, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = lr * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        yield rate * mean / (np.sqrt(square) + 1e-8)


def accumulate(gradients: list[np.ndarray], lr: float) -> Iterator[np.ndarray]:
    """Adagrad with TensorFlow's default of 0.1 at the start (Duchi et al. 2011)."""
    square = np.full_like(gradients[0], 0.1)
    for gradient in gradients:
        square = square + gradient**2
        yield lr * gradient / np.sqrt(square)


OPTIMIZERS: tuple[Optimizer, ...] = (descend, roll(0.9), adapt, accumulate)
"""Those that need no fit."""


def judge_train_op(module: types.ModuleType, part: str, rng: np.random.Generator) -> Finding:
    """Compares where the weights are after each of several steps.

    Raises:
        WrongError: If no optimizer goes there on clipped gradients.
    """
    with failing_is_wrong("finding it"):
        get_train_op = module.get_train_op
    doubts = Doubts()
    optimizers: list[Optimizer] | None = None
    for kind, rate in RATES:
        for norms in NORMS:
            gradients = [_draw(rng, norm) for norm in norms]
            came = _train(get_train_op, kind, rate, gradients, rng, doubts)
            clipped = [
                g * min(1.0, CLIP_NORM / norm) for g, norm in zip(gradients, norms, strict=True)
            ]
            optimizers = _keep_those_that_fit(optimizers, came, clipped, rate, doubts)
    with tf.Graph().as_default():
        _judge_at_zero(get_train_op, doubts)
    return doubts.get_finding()


def _draw(rng: np.random.Generator, norm: float) -> np.ndarray:
    gradient = rng.normal(size=sum(int(np.prod(shape)) for shape in SHAPES))
    return gradient * norm / np.linalg.norm(gradient)


def _train(
    get_train_op: Callable,
    kind: str,
    rate: float,
    gradients: list[np.ndarray],
    rng: np.random.Generator,
    doubts: Doubts,
) -> np.ndarray:
    """What is subtracted from the weights in each step [steps, N]."""
    with tf.Graph().as_default(), open_session() as sess:
        variables = [
            tf.get_variable(f"w{k}", shape, initializer=tf.random_normal_initializer())
            for k, shape in enumerate(SHAPES)
        ]
        frozen = tf.get_variable("frozen", [2], trainable=False)
        slopes = [tf.placeholder(tf.float32, shape) for shape in SHAPES]
        coupling = tf.placeholder(tf.float32, [])
        loss = tf.add_n([tf.reduce_sum(v * s) for v, s in zip(variables, slopes, strict=True)])
        # With a coupling, one variable's gradient depends on another's value.
        sums = [tf.reduce_sum(v) for v in variables]
        loss += coupling * sums[0] * sums[1]
        lr = rate if kind == "a number" else tf.placeholder(tf.float32, [])
        with failing_is_wrong("building it"):
            train_op = get_train_op(loss, lr)
        sess.run(tf.global_variables_initializer())
        values = sess.run(variables)
        kept = sess.run(frozen)
        way = []
        for gradient in gradients:
            strength = float(rng.choice([0.0, 0.1]))
            pieces = _split(gradient)
            total = [float(v.sum(dtype=np.float64)) for v in values]
            pieces[0] = pieces[0] - strength * total[1]
            pieces[1] = pieces[1] - strength * total[0]
            feeds: dict[Any, Any] = {**dict(zip(slopes, pieces, strict=True)), coupling: strength}
            if kind == "a tensor":
                feeds[lr] = rate
            with failing_is_wrong("running it"):
                sess.run(train_op, feeds)
            after = sess.run(variables)
            way.append(
                np.concatenate(
                    [np.ravel(b.astype(np.float64) - a) for b, a in zip(values, after, strict=True)]
                )
            )
            if not np.isfinite(way[-1]).all():
                raise WrongError(f"gradient of norm {np.linalg.norm(gradient):g}: not finite")
            values = after
        if not np.array_equal(kept, sess.run(frozen)):
            raise WrongError("it changes a variable that is not trainable")
        return np.array(way)


def _split(vector: np.ndarray) -> list[np.ndarray]:
    sizes = [int(np.prod(shape)) for shape in SHAPES]
    pieces = np.split(vector, np.cumsum(sizes)[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, SHAPES, strict=True)]


def _keep_those_that_fit(
    optimizers: list[Optimizer] | None,
    came: np.ndarray,
    clipped: list[np.ndarray],
    rate: float,
    doubts: Doubts,
) -> list[Optimizer]:
    """The optimizers that also go the way that the weights went."""
    if optimizers is None:
        optimizers = [*OPTIMIZERS, *_fit_momentum(came, clipped, rate)]
    errors = []
    for optimize in optimizers:
        expected = np.array(list(optimize(clipped, rate)))
        # Weights of size 1 are rounded to 1e-7, whatever the step.
        scales = np.abs(expected).max(axis=1) + 1e-7 / DIFFERENT
        errors.append(float((np.abs(came - expected).max(axis=1) / scales).max()))
    best = min(errors)
    if best > 10 * DIFFERENT:
        raise WrongError(f"no optimizer on clipped gradients goes this way (rate {rate:g})")
    if best > 100 * NOISE:
        doubts.append(f"the nearest optimizer differs by {best:.2g}")
    return [o for o, error in zip(optimizers, errors, strict=True) if error <= 10 * DIFFERENT]


def _fit_momentum(came: np.ndarray, clipped: list[np.ndarray], rate: float) -> list[Optimizer]:
    """Momentum with the factor that explains the second step, if it is from 0 to 1."""
    if not came[0].any():
        return []
    rest = came[1] - rate * clipped[1]
    momentum = float(rest @ came[0] / (came[0] @ came[0]))
    return [roll(momentum)] if 0 < momentum < 1 else []


def _judge_at_zero(get_train_op: Callable, doubts: Doubts) -> None:
    """A gradient of zero never comes in a training: what it does is only noted."""
    with open_session() as sess:
        weights = tf.get_variable("weights", [2], initializer=tf.ones_initializer())
        try:
            train_op = get_train_op(tf.reduce_sum(0.0 * weights), 0.1)
            sess.run(tf.global_variables_initializer())
            sess.run(train_op)
            still = np.array_equal(sess.run(weights), [1, 1])
        except Exception as error:
            raise WrongError(f"with one variable: {type(error).__name__}") from error
        if not still:
            doubts.append("a gradient of zero moves the weights")

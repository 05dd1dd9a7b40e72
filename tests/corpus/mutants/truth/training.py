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
    FailsError,
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
RATES: tuple[tuple[float, ...] | float, ...] = (0.1, 0.003, (0.1, 1.5))
"""Learning rates: numbers, and values of a tensor."""

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
    for rates in RATES:
        with _Trainer(get_train_op, rates, rng) as trainer:
            if trainer.creates_weights:
                doubts.append("it creates a trainable variable")
            for rate in rates if isinstance(rates, tuple) else (rates,):
                for norms in NORMS:
                    gradients = [_draw(rng, norm) for norm in norms]
                    came = trainer.train(gradients, rate)
                    clipped = [
                        gradient * min(1.0, CLIP_NORM / norm)
                        for gradient, norm in zip(gradients, norms, strict=True)
                    ]
                    optimizers = _keep_those_that_fit(optimizers, came, clipped, rate, doubts)
    with tf.Graph().as_default():
        _judge_at_zero(get_train_op, doubts)
    return doubts.get_finding()


def _draw(rng: np.random.Generator, norm: float) -> np.ndarray:
    gradient = rng.normal(size=sum(int(np.prod(shape)) for shape in SHAPES))
    return gradient * norm / np.linalg.norm(gradient)


class _Trainer:
    """A training operation in a graph with three variables, whose gradients are fed; a context."""

    def __init__(
        self, get_train_op: Callable, rates: tuple[float, ...] | float, rng: np.random.Generator
    ):
        self._rng = rng
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.set_random_seed(1)
            self._variables = [
                tf.get_variable(f"w{k}", shape, initializer=tf.random_normal_initializer())
                for k, shape in enumerate(SHAPES)
            ]
            self._frozen = tf.get_variable(
                "frozen", [2], initializer=tf.ones_initializer(), trainable=False
            )
            self._slopes = [tf.placeholder(tf.float32, shape) for shape in SHAPES]
            self._coupling = tf.placeholder(tf.float32, [])
            terms = zip(self._variables, self._slopes, strict=True)
            loss = tf.add_n([tf.reduce_sum(variable * slope) for variable, slope in terms])
            # With a coupling, one variable's gradient depends on another's value.
            sums = [tf.reduce_sum(v) for v in self._variables]
            loss += self._coupling * sums[0] * sums[1] + tf.reduce_sum(tf.square(self._frozen))
            self._rate = tf.placeholder(tf.float32, []) if isinstance(rates, tuple) else rates
            with failing_is_wrong("building it"):
                self._train_op = get_train_op(loss, self._rate)
            self.creates_weights = len(tf.trainable_variables()) > len(SHAPES)
            self._initialise = tf.global_variables_initializer()

    def __enter__(self) -> _Trainer:
        self._session = open_session(self._graph)
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def train(self, gradients: list[np.ndarray], rate: float) -> np.ndarray:
        """What is subtracted from the weights in each step [steps, N]."""
        run = self._session.run
        run(self._initialise)
        values, kept = run([self._variables, self._frozen])
        way = []
        for gradient in gradients:
            strength = float(self._rng.choice([0.0, 0.1]))
            slopes = _split(gradient)
            first, second, _ = (float(v.sum(dtype=np.float64)) for v in values)
            slopes[0] = slopes[0] - strength * second
            slopes[1] = slopes[1] - strength * first
            feeds: dict[Any, Any] = dict(zip(self._slopes, slopes, strict=True))
            feeds[self._coupling] = strength
            if tf.is_tensor(self._rate):
                feeds[self._rate] = rate
            with failing_is_wrong("running it"):
                run(self._train_op, feeds)
            after, frozen = run([self._variables, self._frozen])
            pairs = zip(values, after, strict=True)
            way.append(np.concatenate([np.ravel(b.astype(np.float64) - a) for b, a in pairs]))
            if not np.isfinite(way[-1]).all():
                raise WrongError(f"gradient of norm {np.linalg.norm(gradient):g}: not finite")
            if not np.array_equal(kept, frozen):
                raise WrongError("it changes a variable that is not trainable")
            values = after
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
            raise FailsError(f"with one variable: {type(error).__name__}") from error
        if not still:
            doubts.append("a gradient of zero moves the weights")

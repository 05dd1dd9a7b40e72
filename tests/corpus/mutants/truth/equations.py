"""The two cells in NumPy, written for the mutants alone: values in float64, derivatives exact.

The weights of a cell are one array [..., G, R, H]. G gates: 1 for the basic cell; i, j, f, o for
the LSTM. R rows: those of the input, those of the hidden state, one for the bias. Leading axes are
experiments. Derivatives come from complex steps: f(x + ih) = f(x) + ih f'(x), with no difference
that could cancel (Squire & Trapp 1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

STEP = 1e-30
"""The imaginary step: its square is nothing beside 1."""

Array = np.ndarray
Step = Callable[[Array, Array, tuple[Array, ...]], tuple[Array, ...]]
"""A step: weights, input [..., B, I] and state [..., B, H] → the state after it, output first."""


class Equation(NamedTuple):
    """A cell, with what may be chosen about it."""

    choice: str
    """The activation, or the constant in the forget gate."""
    step: Step


def sigmoid(z: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(z / 2)


def relu(z: Array) -> Array:
    return np.where(z.real > 0, z, 0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "ReLU": relu,
    "sigmoid": sigmoid,
}
"""What may stand around the basic cell's equation: the sheet's linear cell is the first."""


def weigh(weights: Array, x: Array, h: Array) -> Array:
    """x W_x + h W_h + b for each gate: [G, ..., B, H]."""
    n_inp = x.shape[-1]
    w_x, w_h, b = np.split(weights, [n_inp, weights.shape[-2] - 1], axis=-2)
    z = x[..., np.newaxis, :, :] @ w_x + h[..., np.newaxis, :, :] @ w_h + b
    return np.moveaxis(z, -3, 0)


def basic(name: str) -> Equation:
    """h' = activation(x W_x + h W_h + b), for an activation of `ACTIVATIONS`."""
    activation = ACTIVATIONS[name]

    def step(weights: Array, x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        return (activation(weigh(weights, x, state[0])[0]),)

    return Equation(name, step)


def lstm(forget_bias: float) -> Equation:
    """c' = sigmoid(f + a constant) c + sigmoid(i) tanh(j); h' = sigmoid(o) tanh(c')."""

    def step(weights: Array, x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        h, c = state
        i, j, f, o = weigh(weights, x, h)
        c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j)
        return sigmoid(o) * np.tanh(c), c

    return Equation(f"{forget_bias:g}", step)


def unroll(
    equation: Equation, weights: Array, x: Array, state: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...]]:
    """Outputs [T, ..., B, H] and the state after the last step, for x [..., B, T, I]."""
    outputs = []
    for t in range(x.shape[-2]):
        state = equation.step(weights, x[..., t, :], state)
        outputs.append(state[0])
    return np.stack(outputs), state


def differentiate(function: Callable[..., Array], *arguments: Array) -> list[Array]:
    """The derivatives of a number by each entry of each argument.

    Args:
        function: Takes the arguments, each with an axis of experiments in front; returns a number
            for each experiment.
        arguments: Where to take the derivatives.
    """
    sizes = [argument.size for argument in arguments]
    experiments, begin = [], 0
    for argument, size in zip(arguments, sizes, strict=True):
        many = np.repeat(argument[np.newaxis].astype(complex), sum(sizes), axis=0)
        many.reshape(sum(sizes), -1)[begin + np.arange(size), np.arange(size)] += 1j * STEP
        experiments.append(many)
        begin += size
    derivatives = np.split(function(*experiments).imag / STEP, np.cumsum(sizes)[:-1])
    return [d.reshape(a.shape) for d, a in zip(derivatives, arguments, strict=True)]

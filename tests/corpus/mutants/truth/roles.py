"""Which number of a cell's variables plays which role in its equation.

All numbers are set to one value, so that all weighted sums are known. From random start states, a
single step tells what each number does when it alone is changed: the unit by which output changes,
the row by the factor it comes with, the gate by what its sum does to the state. A cell is its
equation if its numbers and the equation's roles can be paired one to one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.corpus.mutants.truth.equations import ACTIVATIONS, Equation, basic, lstm, sigmoid
from tests.corpus.mutants.truth.finding import DIFFERENT, WrongError

VALUE = 0.3
"""What all numbers are set to."""
CHANGE = 0.7
"""What is added to one of them."""

Run = Callable[[np.ndarray], list[np.ndarray]]
"""A vector of all numbers → the state after one step, each [B, H], output first."""


def find_equation(
    run: Run, nbr_numbers: int, x: np.ndarray, state: tuple[np.ndarray, ...]
) -> Equation:
    """The equation, with what may be chosen about it: an activation, a forget bias.

    Raises:
        WrongError: If one step with equal weights is not the equation's.
    """
    came = run(np.full(nbr_numbers, VALUE))
    z = VALUE * (x.sum(axis=1) + state[0].sum(axis=1) + 1)[:, np.newaxis]
    if len(state) == 1:
        for name, activation in ACTIVATIONS.items():
            if _are_close(came[0], np.broadcast_to(activation(z), came[0].shape)):
                return basic(name)
        raise WrongError("one step with equal weights is not the equation's")
    cell = state[1]
    with np.errstate(all="ignore"):
        kept = (came[1] - sigmoid(z) * np.tanh(z)) / cell
        biases = np.log(kept / (1 - kept)) - z
    bias = float(np.median(biases))
    if not np.isfinite(bias):
        raise WrongError("one step with equal weights is not the equation's")
    bias = round(bias, 3)
    c = sigmoid(z + bias) * cell + sigmoid(z) * np.tanh(z)
    if not _are_close(came[1], c) or not _are_close(came[0], sigmoid(z) * np.tanh(c)):
        raise WrongError("one step with equal weights is not the equation's")
    return lstm(bias)


def find_roles(
    run: Run,
    equation: Equation,
    shape: tuple[int, int, int],
    x: np.ndarray,
    state: tuple[np.ndarray, ...],
) -> np.ndarray:
    """For each number the index of its role among the equation's weights [G, R, H].

    Raises:
        WrongError: If they cannot be paired one to one.
    """
    nbr_roles = int(np.prod(shape))
    changed = VALUE + CHANGE * np.eye(nbr_roles)
    expected = np.stack(equation.step(changed.reshape(-1, *shape), x, state))  # [S, roles, B, H]
    roles = np.full(nbr_roles, -1)
    for number in range(nbr_roles):
        came = np.stack(run(changed[number]))[:, np.newaxis]
        differences = np.abs(came - expected).max(axis=(0, 2, 3))
        role = int(np.nanargmin(differences)) if np.isfinite(differences).any() else -1
        if role < 0 or differences[role] > DIFFERENT * max(1.0, np.abs(expected).max()):
            raise WrongError(f"number {number} of {nbr_roles} plays no role of the equation")
        roles[number] = role
    if len(set(roles)) != nbr_roles:
        raise WrongError("two numbers play the same role")
    return roles


def _are_close(came: np.ndarray, expected: np.ndarray) -> bool:
    if came.shape != expected.shape or not np.isfinite(came).all():
        return False
    scale = max(1.0, float(np.abs(expected).max()))
    return bool(np.abs(came - expected).max() <= DIFFERENT * scale)

"""Finds out which of a graph's parameters plays which role in an equation.

A correct cell has the equation's weights in some order: split or fused, transposed, the gates in
any sequence. While all weights are equal, the order does not matter. Change one weight, and the
outputs tell its role. Equal hidden units are alike, so that some roles cannot be told apart yet. A
second round gives random values to the weights whose roles are known, and tells the others apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from grading.private.oracle import Equation

CONSTANT = 0.3
"""The value of a parameter whose role is not known yet."""
CHANGE = 0.5
"""What is added to one parameter at a time, to see what happens."""
TOLERANCE = 2e-5
"""Largest difference of two outputs that count as equal: graphs compute in float32."""
ROUNDS = 3
"""How often roles are told apart with the help of those that are known by then."""

Run = Callable[[np.ndarray], np.ndarray]


class NoRoleError(Exception):
    """The graph is not the equation in any order of its parameters.

    Args:
        parameter: The number of one that has no role; None if the outputs differ before any is
            changed.
        expected: An output that differs, if `parameter` is None: what it should be.
        came: What it is.
    """

    def __init__(self, parameter: int | None, expected: float = np.nan, came: float = np.nan):
        super().__init__(parameter)
        self.parameter, self.expected, self.came = parameter, expected, came


def find_roles(
    run: Run,
    equation: Equation,
    shape: tuple[int, int, int],
    x: np.ndarray,
    start: Sequence[np.ndarray],
    rng: np.random.Generator,
    layout: np.ndarray | None = None,
) -> np.ndarray:
    """The role of each parameter.

    Args:
        run: The graph: a vector of all its parameters → outputs [T, B, H].
        equation: What the graph should be.
        shape: The equation's parameters, [G, R, H].
        x: The input [B, T, I] that `run` feeds.
        start: The start state that `run` feeds, each field [B, H].
        rng: Draws the values of the known roles.
        layout: What `grading.engine.layout` found, if it did: then only the gates' order is open.

    Returns:
        For each parameter the index of its role among the equation's parameters.

    Raises:
        NoRoleError: If the graph is not the equation in any order.
    """
    nbr_roles = int(np.prod(shape))
    start = tuple(start)

    def expect(parameters: np.ndarray) -> np.ndarray:
        return equation.run(parameters.reshape(-1, *shape), x, start)[0]

    if layout is not None and layout.shape == shape:
        orders = [layout[list(order)] for order in itertools.permutations(range(shape[0]))]
        parameters = rng.uniform(-1, 1, nbr_roles)
        came = run(parameters)
        for order, expected in zip(orders, expect(parameters[orders]), strict=True):
            if _are_close(came, expected):
                return np.argsort(order.ravel())

    values = rng.uniform(-1, 1, nbr_roles)
    roles = np.full(nbr_roles, -1)  # of each parameter; -1 is unknown
    for _ in range(ROUNDS):
        unknown = np.flatnonzero(roles < 0)
        free = np.setdiff1d(np.arange(nbr_roles), roles)
        base = np.full(nbr_roles, CONSTANT)
        base[roles >= 0] = values[roles[roles >= 0]]
        expected_base = np.where(np.isin(np.arange(nbr_roles), roles), values, CONSTANT)
        _check_close(run(base), expect(expected_base)[0])
        responses = np.stack([run(base + CHANGE * _unit(p, nbr_roles)) for p in unknown])
        signatures = expect(expected_base + CHANGE * np.eye(nbr_roles)[free])
        fits = _pairwise_close(responses, signatures)
        if not fits.any(axis=1).all():
            raise NoRoleError(int(unknown[~fits.any(axis=1)][0]))
        sure = np.flatnonzero(fits.sum(axis=1) == 1)
        roles[unknown[sure]] = free[fits[sure].argmax(axis=1)]
        if len(sure) == len(unknown):
            break
    return _match_rest(roles, unknown, free, fits)


def _match_rest(
    roles: np.ndarray, unknown: np.ndarray, free: np.ndarray, fits: np.ndarray
) -> np.ndarray:
    """Shares out roles that cannot be told apart, such as two biases of one gate."""
    taken = set(roles[roles >= 0])
    for parameter, candidates in zip(unknown, fits, strict=True):
        if roles[parameter] >= 0:
            continue
        left = [role for role in free[candidates] if role not in taken]
        if not left:
            raise NoRoleError(int(parameter))
        roles[parameter] = left[0]
        taken.add(left[0])
    twice = [p for p in unknown if np.sum(roles == roles[p]) > 1]
    if twice:
        raise NoRoleError(int(twice[0]))
    return roles


def _unit(index: int, length: int) -> np.ndarray:
    return np.eye(1, length, index)[0]


def _check_close(outputs: np.ndarray, expected: np.ndarray) -> None:
    if outputs.shape != expected.shape:
        raise NoRoleError(None)
    if not _are_close(outputs, expected):
        worst = np.abs(outputs - expected).argmax()
        raise NoRoleError(None, expected.flat[worst], outputs.flat[worst])


def _are_close(outputs: np.ndarray, expected: np.ndarray) -> bool:
    return outputs.shape == expected.shape and bool(
        np.abs(outputs - expected).max() < TOLERANCE * max(1, np.abs(expected).max())
    )


def _pairwise_close(responses: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Which of the responses [P, T, B, H] equal which of the signatures [S, T, B, H]: [P, S]."""
    differences = np.abs(responses[:, np.newaxis] - signatures).max(axis=(2, 3, 4))
    return differences < TOLERANCE * max(1, np.abs(signatures).max())

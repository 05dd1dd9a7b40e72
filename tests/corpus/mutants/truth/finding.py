"""What is found out about a mutant, and how two arrays are compared."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

RIGHT, WRONG, FAILS, UNDECIDABLE = "right", "wrong", "fails", "undecidable"
"""What a mutant can be. One that fails is wrong, and ends with an error before it shows how."""

NOISE = 3e-5
"""Relative differences up to here come from float32."""
DIFFERENT = 1e-3
"""From here on, values differ; between the two nobody can tell."""


class Finding(NamedTuple):
    """What a mutant is, and why."""

    outcome: str
    why: str = ""


class WrongError(Exception):
    """The mutant is wrong; the message says why."""

    outcome = WRONG


class FailsError(WrongError):
    """The mutant's own code, or its graph, raises an error."""

    outcome = FAILS


class CountError(WrongError):
    """There are too few trainable numbers, or too many."""

    def __init__(self, numbers: int, needed: int, what: str):
        super().__init__(f"{numbers} trainable numbers, not {needed}, {what}")
        self.surplus = numbers - needed


class Doubts(list[str]):
    """Why a mutant may be wrong, although nothing proves it."""

    def compare(
        self, came: np.ndarray, expected: np.ndarray, what: str, least_scale: float = 0.1
    ) -> None:
        """Compares an array with the one of the equations.

        Args:
            came: The mutant's.
            expected: In float64.
            what: Says which array it is.
            least_scale: Differences are relative to the largest expected value, or to this one.

        Raises:
            WrongError: If they differ.
        """
        came, expected = np.asarray(came), np.asarray(expected)
        if came.shape != expected.shape:
            raise WrongError(f"{what}: shape {came.shape}, not {expected.shape}")
        if not np.isfinite(came).all():
            raise WrongError(f"{what}: not finite")
        scale = max(least_scale, float(np.abs(expected).max(initial=0)))
        difference = float(np.abs(came - expected).max(initial=0)) / scale
        if difference > DIFFERENT:
            raise WrongError(f"{what}: differs by {difference:.2g} of {scale:.3g}")
        if difference > NOISE:
            self.append(f"{what}: differs by {difference:.2g} of {scale:.3g}")

    def get_finding(self) -> Finding:
        """What the mutant is if nothing has shown that it is wrong."""
        return Finding(UNDECIDABLE, self[0]) if self else Finding(RIGHT)


@contextmanager
def failing_is_wrong(what: str) -> Iterator[None]:
    """Whatever the mutant raises makes it wrong."""
    try:
        yield
    except WrongError:
        raise
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise FailsError(f"{what}: {type(error).__name__}: {first_line[:200]}") from error


def load(file: str, text: str) -> types.ModuleType:
    """Runs a file of a mutant, beside the project's other files."""
    module = types.ModuleType("mutant")
    module.__file__ = file
    exec(compile(text, file, "exec"), module.__dict__)
    return module


def open_session(graph: tf.Graph | None = None) -> tf.Session:
    """A session for small graphs that are run a few times: no optimisation pays."""
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return tf.Session(graph=graph, config=config)

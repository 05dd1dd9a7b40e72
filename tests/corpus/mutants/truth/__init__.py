"""Whether a mutant is right, found out without the grader: each part against equations of its own.

The mutant's function is built in TensorFlow and run on many shapes, inputs and weights; what it
should compute is written here once more, in NumPy and float64. Neither the grader's tests nor its
oracle are used.
"""

from __future__ import annotations

import types
from collections.abc import Callable

import numpy as np

from tests.corpus.mutants.truth.cells import judge_cell
from tests.corpus.mutants.truth.finding import (
    Finding,
    WrongError,
    failing_is_wrong,
    load,
)
from tests.corpus.mutants.truth.losses import judge_loss
from tests.corpus.mutants.truth.recall import judge_memory_test
from tests.corpus.mutants.truth.training import judge_train_op
from tests.corpus.mutants.truth.variables import judge_variables

JUDGES: dict[str, Callable[[types.ModuleType, str, np.random.Generator], Finding]] = {
    "a": judge_variables,
    "b": judge_cell,
    "c": judge_variables,
    "d": judge_cell,
    "e": judge_loss,
    "f": judge_train_op,
    "g": judge_loss,
    "h": judge_memory_test,
}
"""How each part is judged."""
SEED = 13
"""Seeds what is drawn."""


def judge(file: str, text: str, part: str) -> Finding:
    """Says what a part of a mutant is.

    Args:
        file: The mutant's file.
        text: Its content.
        part: The part to look at.
    """
    try:
        with failing_is_wrong("importing it"):
            module = load(file, text)
        return JUDGES[part](module, part, np.random.default_rng(SEED))
    except WrongError as error:
        return Finding(error.outcome, str(error))

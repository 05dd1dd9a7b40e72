"""The parts of the sheet, with their points (see `course.toml`)."""

from __future__ import annotations

from typing import NamedTuple

from grading.engine.course import COURSE

TOTAL = COURSE.total
"""Points of the whole sheet."""


class Part(NamedTuple):
    """A part of the sheet."""

    title: str
    where: str
    """What the student writes."""
    file: str
    """Where it stands."""
    criteria: dict[str, float]
    """Points by criterion; a criterion is earned when all its tests pass."""
    needs: str | None = None
    """The part that this one needs."""

    @property
    def points(self) -> float:
        return sum(self.criteria.values())


BASIC = "rnn_cells/BasicRNNCell.py"
"""The file of parts a and b."""
LSTM = "rnn_cells/MyLSTMCell.py"
"""The file of parts c and d."""

_TITLES = {
    "a": ("variables of the basic cell", "BasicRNNCell.__init__", BASIC),
    "b": ("basic cell, unrolled", "BasicRNNCell.__call__", BASIC),
    "c": ("variables of the LSTM", "MyLSTMCell.__init__", LSTM),
    "d": ("LSTM, unrolled", "MyLSTMCell.__call__", LSTM),
    "e": ("loss of the sine task", "get_loss_sin", "train.py"),
    "f": ("clipped gradient descent", "get_train_op", "train.py"),
    "g": ("loss of the memory task", "get_loss_memory", "train.py"),
    "h": ("test of the memory task", "run_memory_test", "test.py"),
}
_NEEDS = {"b": "a", "d": "c"}

PARTS = {
    letter: Part(*titles, COURSE.points[letter], _NEEDS.get(letter))
    for letter, titles in _TITLES.items()
}

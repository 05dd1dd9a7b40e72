"""The table of points: the one place to change them."""

from __future__ import annotations

from typing import NamedTuple

TOTAL = 15


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
    """The part that this one stands on."""

    @property
    def points(self) -> float:
        return sum(self.criteria.values())


BASIC, LSTM = "rnn_cells/BasicRNNCell.py", "rnn_cells/MyLSTMCell.py"

PARTS = {
    "a": Part("variables of the basic cell", "BasicRNNCell.__init__", BASIC, {"variables": 1}),
    "b": Part(
        "basic cell, unrolled",
        "BasicRNNCell.__call__",
        BASIC,
        {"equation": 1, "state": 0.5, "graph": 0.5},
        needs="a",
    ),
    "c": Part("variables of the LSTM", "MyLSTMCell.__init__", LSTM, {"variables": 2}),
    "d": Part(
        "LSTM, unrolled",
        "MyLSTMCell.__call__",
        LSTM,
        {"equation": 3, "state": 1, "graph": 1},
        needs="c",
    ),
    "e": Part("loss of the sine task", "get_loss_sin", "train.py", {"loss": 1}),
    "f": Part(
        "clipped gradient descent",
        "get_train_op",
        "train.py",
        {"descent": 0.5, "clipping": 0.5},
    ),
    "g": Part("loss of the memory task", "get_loss_memory", "train.py", {"loss": 1}),
    "h": Part(
        "test of the memory task",
        "run_memory_test",
        "test.py",
        {"loss": 0.5, "accuracy": 1, "test set": 0.5},
    ),
}

if sum(part.points for part in PARTS.values()) != TOTAL:
    raise ValueError(f"the points of the parts do not add up to {TOTAL}")

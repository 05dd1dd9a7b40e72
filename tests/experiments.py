"""Makes experiments in this process small."""

from pathlib import Path

from matplotlib.figure import Figure

import experiment.evaluation
import experiment.model
from experiment.settings import TASK_DEFAULTS


def make_small(monkeypatch):
    """50 test sequences, and all sequences short."""
    for module in (experiment.model, experiment.evaluation):
        monkeypatch.setattr(module, "TEST_SIZE", 50)
    monkeypatch.setitem(TASK_DEFAULTS["sin"], "num_samples", 12)
    monkeypatch.setitem(TASK_DEFAULTS["memory"], "to_remember_len", 3)


def draw_nothing(monkeypatch):
    """Pictures take half of a small run's time."""
    monkeypatch.setattr(Figure, "savefig", lambda _, path, **__: Path(path).write_bytes(b"PNG"))
    monkeypatch.setattr(experiment.evaluation, "draw_inside", lambda *_: None)

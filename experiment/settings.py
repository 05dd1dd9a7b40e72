"""The settings of an experiment, and the defaults that work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from support.errors import ExplainedError
from support.executors import count_usable_cores

TEST_SIZE = 1000
"""Number of sequences of a test set."""
MONITORED_SIZE = 100
"""Number of its first sequences, to whole batches, whose loss is looked at after each epoch."""
VALIDATION_SIZE = 500
"""Number of sequences of the validation set, by which a curriculum goes on."""
NBR_GENERATED = 100
"""Number of samples by which a sine curve is continued."""


class SettingsError(ExplainedError):
    """Settings that do not fit together; the message names their options."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that decides an experiment's outcome; None if a setting does not apply."""

    task: str
    cell: str
    hidden_size: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    decay: str
    clip_norm: float
    towers: int
    unroll: str = "auto"
    train_size: int = 6400
    seed: int = 0
    activation: str | None = None
    forget_bias: float | None = None
    chrono: bool | int | None = None
    match_params: bool | None = None
    num_samples: int | None = None
    input_noise: float | None = None
    to_remember_len: int | None = None
    blank_separation_len: int | None = None
    min_blank_separation_len: int | None = None
    num_digits: int | None = None
    recall_input: str | None = None
    curriculum: float | None = None

    def name_cell(self) -> str:
        """The cell as people call it."""
        return f"basic ({self.activation})" if self.cell == "basic" else "LSTM"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The size of a network, and how it is trained."""

    hidden_size: int
    epochs: int
    batch_size: int
    optimizer: str = "adam"
    learning_rate: float
    decay: str = "cosine"
    clip_norm: float = 1.0
    forget_bias: float | None = None


# The settings that only one task or one cell has.
TASK_DEFAULTS: dict[str, dict[str, Any]] = {
    "sin": {"num_samples": 100, "input_noise": 0.02},
    "memory": {
        "to_remember_len": 8,
        "blank_separation_len": 5,
        "min_blank_separation_len": None,
        "num_digits": 9,
        "recall_input": "blank",
        "curriculum": None,
    },
}
CELL_DEFAULTS: dict[str, dict[str, Any]] = {
    "basic": {"activation": "linear"},
    "lstm": {"chrono": False, "match_params": False},
}

# The configurations that work, by task, cell and activation. They were chosen by measurement:
# `python -m benchmarks.defaults`. (On the memory task, tanh and ReLU have the best that was found;
# it works with some seeds only.)
TRAINING_DEFAULTS: dict[tuple[str, str, str | None], Training] = {
    ("sin", "basic", "linear"): Training(
        hidden_size=64, epochs=16, batch_size=50, learning_rate=0.005
    ),
    ("sin", "basic", "tanh"): Training(
        hidden_size=64, epochs=64, batch_size=50, learning_rate=0.005
    ),
    ("sin", "basic", "relu"): Training(
        hidden_size=64, epochs=64, batch_size=50, learning_rate=0.003
    ),
    ("sin", "lstm", None): Training(
        hidden_size=32,
        epochs=16,
        batch_size=50,
        learning_rate=0.02,
        clip_norm=0.1,
        forget_bias=1.0,
    ),
    ("memory", "basic", "linear"): Training(
        hidden_size=128,
        epochs=10,
        batch_size=100,
        optimizer="gradient_descent",
        learning_rate=0.1,
        decay="constant",
        clip_norm=5.0,
    ),
    ("memory", "basic", "tanh"): Training(
        hidden_size=128, epochs=30, batch_size=100, learning_rate=0.001
    ),
    ("memory", "basic", "relu"): Training(
        hidden_size=128, epochs=30, batch_size=100, learning_rate=0.001
    ),
    ("memory", "lstm", None): Training(
        hidden_size=128, epochs=24, batch_size=50, learning_rate=0.01, forget_bias=3.0
    ),
}

GROWTH = 4.0
"""The factor by which the largest number of blanks grows from stage to stage of a curriculum."""
PASSED = 0.995
"""The recall on the validation set from which on a stage of a curriculum is passed."""

CURRICULUM_DEFAULTS: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 50,
    "train_size": 3200,
    "optimizer": "adam",
    "learning_rate": 0.02,
    "decay": "lag",
    "clip_norm": 1.0,
    "min_blank_separation_len": 0,
}
"""What a curriculum changes of the defaults of every cell on the memory task.

The epochs are those that a stage may take.
"""


def complete(given: Mapping[str, Any]) -> Settings:
    """The settings that are given, completed by the defaults for their task and cell.

    Args:
        given: Fields of `Settings`, `task` and `cell` at least; None means not given.

    Raises:
        SettingsError: If a setting does not apply to the task and the cell, or two of them do not
            fit together.
    """
    given = {name: value for name, value in given.items() if value is not None}
    defaults = _get_defaults(given)
    for field in dataclasses.fields(Settings):
        applies = field.name in TASK_DEFAULTS[given["task"]] or defaults[field.name] is not None
        if field.name in given and not applies:
            raise SettingsError(
                f"{name_option(field.name)} does not apply to --task {given['task']} --cell"
                f" {given['cell']}: leave it out"
            )
    if given.get("chrono") and "forget_bias" in given:
        raise SettingsError("--chrono sets the forget bias, too: leave out one of the two")
    if {**defaults, **given}["chrono"]:
        defaults["forget_bias"] = None
    if given.get("match_params"):
        basic = TRAINING_DEFAULTS[given["task"], "basic", "linear"]
        defaults["hidden_size"] = basic.hidden_size
    settings = Settings(**{**defaults, **given})
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """Raises a SettingsError for settings that do not fit together."""
    least, most = settings.min_blank_separation_len, settings.blank_separation_len
    if least is not None and least > most:
        raise SettingsError(
            f"--min-blank-separation-len ({least}) is more than --blank-separation-len ({most}):"
            " lower it"
        )
    if settings.curriculum and not most:
        raise SettingsError(
            "--curriculum needs blanks that can grow in number: raise --blank-separation-len"
        )
    if settings.curriculum and settings.decay == "cosine":
        raise SettingsError(
            "--decay cosine needs a known number of steps, which --curriculum has not: use lag or"
            " constant"
        )
    if settings.decay == "lag" and not settings.curriculum:
        raise SettingsError("--decay lag is for --curriculum alone: use cosine or constant")


def _get_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each field of `Settings`."""
    task, cell = given["task"], given["cell"]
    activation = given.get("activation", "linear") if cell == "basic" else None
    defaults = {
        **{
            field.name: None if field.default is dataclasses.MISSING else field.default
            for field in dataclasses.fields(Settings)
        },
        **TASK_DEFAULTS[task],
        **CELL_DEFAULTS[cell],
        **dataclasses.asdict(TRAINING_DEFAULTS[task, cell, activation]),
        "task": task,
        "cell": cell,
        "towers": count_usable_cores(),
    }
    if task == "memory" and given.get("curriculum"):
        defaults |= CURRICULUM_DEFAULTS
        if cell == "lstm" and "forget_bias" not in given:
            defaults["chrono"] = True
    return defaults


def lengthen(saved: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings of a run that is continued: those of its start, or more epochs.

    Raises:
        SettingsError: If a given setting is not the run's. More epochs need a constant rate.
    """
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        may_change = name == "epochs" and saved.decay != "cosine"
        if not may_change and getattr(saved, name) != value:
            why = " (its learning rate falls until then)" if name == "epochs" else ""
            raise SettingsError(
                f"cannot resume with {name_option(name)} {value}: the run was started with"
                f" {getattr(saved, name)}{why}; leave it out, or start again in another --out-dir"
            )
    return dataclasses.replace(saved, **given)


def name_option(name: str) -> str:
    """The option of main.py for a setting."""
    return "--" + name.replace("_", "-")

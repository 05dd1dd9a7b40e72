"""Whether a network fits into memory, before TensorFlow is asked to build it."""

from __future__ import annotations

from typing import NamedTuple

from experiment.settings import Settings, SettingsError
from support.memory import get_available_memory

FLOAT = 4
"""Bytes of a float32."""
SLOTS = {"gradient_descent": 0, "momentum": 1, "rmsprop": 2, "adam": 2}
"""Numbers that an optimizer keeps for each parameter."""
KEPT = {"basic": 2, "lstm": 8}
"""Numbers that the backward pass needs of each hidden unit at each time step, at least."""


class Estimate(NamedTuple):
    """Bytes that a training needs at least."""

    parameters: int
    """For the parameters, their gradients, and what the optimizer keeps."""
    activations: int
    """For what the backward pass needs of a batch."""


def estimate(settings: Settings) -> Estimate:
    """What a training needs at least, from its settings alone.

    The shapes are those of the two cells and of the readout. With `match_params` the LSTM has as
    many parameters as a basic cell of `hidden_size` units.
    """
    units = settings.hidden_size
    n_inp = 1 if settings.task == "sin" else settings.num_digits + 2
    gates = 4 if settings.cell == "lstm" and not settings.match_params else 1
    parameters = (n_inp + units + 1) * gates * units + (units + 1) * n_inp
    kept = KEPT["basic" if settings.match_params else settings.cell]
    batch = min(settings.batch_size, settings.train_size)
    values = batch * get_length(settings) * kept * units
    return Estimate(FLOAT * parameters * (2 + SLOTS[settings.optimizer]), FLOAT * values)


def get_length(settings: Settings) -> int:
    """The number of time steps, at least."""
    if settings.task == "sin":
        return settings.num_samples
    return 2 * settings.to_remember_len + settings.blank_separation_len


def check_memory(settings: Settings) -> None:
    """Refuses a training that cannot fit.

    Raises:
        SettingsError: If it needs more memory than there is; says what to lower.
    """
    available, needed = get_available_memory(), estimate(settings)
    if available is None or sum(needed) <= available:
        return
    lower = ["--hidden-size"]
    if needed.activations > needed.parameters:
        length = "--num-samples" if settings.task == "sin" else "--blank-separation-len"
        lower = ["--batch-size", length, *lower]
    raise SettingsError(
        f"this training needs at least {describe(sum(needed))} of memory, of these"
        f" {describe(needed.parameters)} for the parameters and {describe(needed.activations)} for"
        f" a batch, and {describe(available)} are free: lower {' or '.join(lower)}"
    )


def describe(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"

"""Failures that a person is told about in one line."""

from __future__ import annotations

from typing import Any


class ExplainedError(Exception):
    """A failure whose message says in one line what is wrong and how to fix it.

    The command lines print the message alone; for any other error they also name its type.
    """


def describe(value: Any) -> str:
    """What a value is, in words; for a message that says what was expected."""
    shape = getattr(value, "shape", None)
    if "Tensor" in type(value).__name__:
        return f"one tensor of shape {shape}"
    if value is None:
        return "None (is there a return?)"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}" + (f" of shape {shape}" if shape is not None else "")

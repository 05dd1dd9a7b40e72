"""Text for a reason: words that come from a submission, and numbers that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def printable(text: Any, longest: int = 400) -> str:
    """Makes text fit for a terminal and a table: one line, no control codes."""
    line = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "?" for character in line)[:longest]


def tell_apart(*groups: Sequence[float] | float) -> list[str]:
    """Numbers, or lists of numbers, as text with so many digits that their difference shows."""
    for digits in range(4, 18):
        texts = [
            ", ".join(f"{number:.{digits}g}" for number in np.atleast_1d(group)) for group in groups
        ]
        if len(set(texts)) == len(texts):
            break
    return texts

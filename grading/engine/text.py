"""Text for a reason: words that come from a submission, and numbers that differ."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LONGEST_REASON = 1000
"""Characters of a reason for losing points."""
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{8,16}\b")
"""Where an object lies in memory, as Python prints it."""


def printable(text: Any, longest: int = 400) -> str:
    """Makes text fit for a terminal and a table: one line of bounded length, no control codes."""
    line = " ".join(str(text)[: 10 * longest].split())  # the rest is not even looked at
    return "".join(character if character.isprintable() else "?" for character in line)[:longest]


def printable_error(text: str) -> str:
    """An error's text, the same each time: addresses in memory differ from run to run."""
    return printable(ADDRESS.sub("0x…", text[:4000]))


def tell_apart(*groups: Iterable[float] | float) -> list[str]:
    """Numbers, or lists of numbers, as text with so many digits that their difference shows."""
    lists = [
        group if isinstance(group, (list, tuple)) or getattr(group, "ndim", 0) else [group]
        for group in groups
    ]
    for digits in range(4, 18):
        texts = [", ".join(f"{number:.{digits}g}" for number in numbers) for numbers in lists]
        if len(set(texts)) == len(texts):
            break
    return texts

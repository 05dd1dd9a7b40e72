"""Text that comes from a submission."""

from __future__ import annotations

from typing import Any


def printable(text: Any, longest: int = 400) -> str:
    """Makes text fit for a terminal and a table: one line, no control codes."""
    line = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "?" for character in line)[:longest]

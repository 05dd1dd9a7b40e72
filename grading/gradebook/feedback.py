"""What a group reads: its points, part by part, and why; as text, and as a page of its own."""

from __future__ import annotations

import textwrap

from grading.classroom.graded import Graded
from grading.gradebook.description import Description, describe
from grading.gradebook.pages import render

WIDTH = 100
"""Columns of the text."""


def make_text(entry: Graded) -> str:
    """The feedback as plain text."""
    shown = describe(entry)
    blocks = [[f"Group {shown.name}: {shown.total}", f"Handed in: {shown.handed_in}"]]
    if not shown.parts:
        blocks.append([f"Not graded: {entry.result.status}. You need not do anything."])
    blocks += [
        [line for remark in shown.remarks for line in _wrap(remark, "! ", "  ")],
        _list_parts(shown),
        _wrap(shown.lateness, "Late: ", "      ") if shown.lateness else [],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _list_parts(shown: Description) -> list[str]:
    lines = []
    for part in shown.parts:
        lines.append(f"{part.points:>7}  ({part.letter}) {part.title}")
        for why in filter(None, [part.decision, *part.why]):
            lines += _wrap(why, f"{'':13}- ", f"{'':15}")
    return lines


def _wrap(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others) or [first]


def make_page(entry: Graded) -> str:
    """The feedback as HTML."""
    return render("feedback.html.j2", group=describe(entry), status=entry.result.status)

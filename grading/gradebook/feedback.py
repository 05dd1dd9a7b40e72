"""What a group reads: its points, part by part, and why."""

from __future__ import annotations

from tabulate import tabulate

from grading.classroom.graded import Graded
from grading.engine.parts import PARTS, TOTAL
from grading.engine.text import printable

MARKDOWN = str.maketrans(
    {**{c: f"\\{c}" for c in "\\`*_[]#"}, **{c: f"&#{ord(c)};" for c in "<>&|"}}
)
"""Characters that Markdown interprets, and how it shows them as they are."""


def make_feedback(entry: Graded) -> str:
    """The feedback as Markdown."""
    points = entry.get_points()
    title = f"# Group {entry.group.name}"
    if not points:
        return "\n".join(
            [title, "", f"Not graded: {entry.result.status}. You need not do anything.", ""]
        )
    handed_in = make_plain(printable(entry.group.path.name))
    rows = [
        [
            letter,
            part.title,
            f"{points[letter]:g}/{part.points:g}",
            "<br>".join(map(make_plain, entry.get_reasons(letter) or entry.get_notes(letter))),
        ]
        for letter, part in PARTS.items()
    ]
    return "\n".join(
        [
            title,
            "",
            f"**{sum(points.values()):g} of {TOTAL:g} points.** Handed in: {handed_in}",
            "",
            *(f"- {make_plain(remark)}" for remark in entry.get_remarks()),
            "",
            tabulate(rows, ["part", "", "points", "why"], tablefmt="pipe", disable_numparse=True),
            "",
        ]
    )


def make_plain(text: str) -> str:
    """A text that Markdown shows as it is, in a table's cell."""
    return text.translate(MARKDOWN)

"""What is shown of a group, wherever it is shown."""

from __future__ import annotations

from typing import NamedTuple

from grading.classroom.graded import LATE, Graded
from grading.engine.parts import PARTS, TOTAL
from grading.engine.text import printable

LONGEST_NAME = 120
"""Characters of a file's name."""


class ShownPart(NamedTuple):
    """A part and what it earned."""

    letter: str
    title: str
    points: str
    why: list[str]
    """Why it lost points, or else remarks on it."""
    decision: str
    """What a person decided on it; empty if nothing."""


class Description(NamedTuple):
    """A group and its result, as text."""

    name: str
    handed_in: str
    """The file's name, and the time if there is a deadline."""
    total: str
    """The points, or that there are none."""
    parts: list[ShownPart]
    """Empty if there are no points."""
    remarks: list[str]
    """What the group is told beside its points."""
    lateness: str
    """What being late costs, and why; empty if it costs nothing."""


def describe(entry: Graded) -> Description:
    total = entry.get_total()
    handed_in = printable(entry.group.path.name, LONGEST_NAME)
    if entry.lateness:
        handed_in += f", {entry.lateness.time} (by {entry.lateness.source})"
    return Description(
        name=entry.group.name,
        handed_in=handed_in,
        total="no points yet" if total is None else f"{total:g} of {TOTAL:g} points",
        parts=[_describe_part(entry, part) for part in entry.get_points()],
        remarks=entry.get_remarks(),
        lateness=_describe_lateness(entry),
    )


def _describe_part(entry: Graded, letter: str) -> ShownPart:
    part, override = PARTS[letter], entry.overrides.get(letter)
    decision = ""
    if override:
        judged = entry.get_judged_points()
        before = f" instead of {judged[letter]:g}" if letter in judged else ""
        decision = f"corrected by hand, {override.points:g}{before}: {override.reason}"
    return ShownPart(
        letter=letter,
        title=part.title + _describe_criteria(entry, letter),
        points=f"{entry.get_points()[letter]:g}/{part.points:g}",
        why=entry.get_reasons(letter) or entry.get_notes(letter),
        decision=decision,
    )


def _describe_criteria(entry: Graded, letter: str) -> str:
    """What each criterion earned, where some of a part's points were lost."""
    criteria, verdict = PARTS[letter].criteria, entry.result.verdict
    if verdict is None or len(criteria) == 1:
        return ""
    earned = verdict[letter]["points"]
    if sum(earned.values()) in (0, PARTS[letter].points):
        return ""
    shown = (f"{name} {earned[name]:g}/{most:g}" for name, most in criteria.items())
    return f": {', '.join(shown)}"


def _describe_lateness(entry: Graded) -> str:
    rule = entry.lateness.rule if entry.lateness else ""
    if LATE in entry.overrides:
        rule = "; ".join(filter(None, [f"decided by hand: {entry.overrides[LATE].reason}", rule]))
    if not rule:
        return ""
    cost = entry.get_deduction()
    return f"{f'−{cost:g} points' if cost else 'nothing is deducted'} ({rule})"

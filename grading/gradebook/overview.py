"""The teacher's page: one HTML file, which leads to the feedback and to the code."""

from __future__ import annotations

import re
import statistics
import urllib.parse
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from grading.classroom.graded import ASIDE, Graded
from grading.classroom.result import GRADED, NOT_YET, OUR_FAULT, REFUSED
from grading.engine.parts import PARTS, TOTAL
from grading.gradebook.description import describe
from grading.gradebook.pages import render

MOST_REASONS = 12
"""How many reasons are listed."""
NOT_READ = (REFUSED, OUR_FAULT, NOT_YET)
"""Statuses of groups whose work nobody has read; the median is of the others."""


def make_overview(
    graded: Sequence[Graded], title: str = "Gradebook", pages: Mapping[str, str] | None = None
) -> str:
    """The page as HTML.

    Args:
        graded: The groups.
        title: Of the page.
        pages: Beside the feedback, what there is for a group: by its name, the page of its code.
    """
    judged = [points for entry in graded if (points := entry.get_points())]
    totals = [total for entry in graded if (total := entry.get_total()) is not None]
    read = [entry.get_total() for entry in graded if entry.result.status not in NOT_READ]
    histogram = [0] * (int(TOTAL) + 1)
    for total in totals:
        histogram[int(total)] += 1
    return render(
        "overview.html.j2",
        title=title,
        total=TOTAL,
        median=statistics.median(read) if read else None,
        nbr_late=sum(entry.lateness is not None and entry.lateness.days > 0 for entry in graded),
        statuses=Counter(entry.result.status for entry in graded).most_common(),
        histogram=histogram,
        most=max(1, *histogram),
        parts=[_count_part(letter, judged, graded) for letter in PARTS],
        reasons=_count_reasons(graded),
        groups=[_describe(entry, pages or {}) for entry in sorted(graded, key=_get_urgency)],
    )


def _count_part(
    letter: str, judged: Sequence[dict[str, float]], graded: Sequence[Graded]
) -> dict[str, Any]:
    """How many groups have all, some and none of a part's points, and which criteria."""
    part = PARTS[letter]
    full = sum(points[letter] == part.points for points in judged)
    some = sum(0 < points[letter] < part.points for points in judged)
    counts = {"full": full, "some": some, "no": len(judged) - full - some}
    earned = [
        entry.result.verdict[letter]["points"] if entry.result.verdict else {}
        for entry in graded
        if entry.get_judged_points()
    ]
    return {
        "letter": letter,
        "title": part.title,
        **counts,
        "of": max(1, len(judged)),
        "criteria": _count_criteria(part.criteria, earned) if len(part.criteria) > 1 else [],
    }


def _count_criteria(
    criteria: Mapping[str, float], earned: Collection[Mapping[str, float]]
) -> list[dict[str, Any]]:
    counts = {name: sum(bool(points.get(name)) for points in earned) for name in criteria}
    return [
        {
            "name": name,
            "points": criteria[name],
            "full": full,
            "no": len(earned) - full,
            "of": max(1, len(earned)),
        }
        for name, full in counts.items()
    ]


def _count_reasons(graded: Sequence[Graded]) -> list[tuple[tuple[str, str], int]]:
    """The most frequent reasons, by part; numbers in them do not count, nor how many there are."""
    number = r"(?<![\w.])-?\d+(\.\d+)?(e-?\d+)?\b"
    counts = Counter(
        (letter, re.sub(rf"{number}(?:, {number})*", "…", reasons[0]))
        for entry in graded
        for letter in PARTS
        if (reasons := entry.get_reasons(letter))
    )
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_REASONS]


def _get_urgency(entry: Graded) -> tuple[bool, bool, str]:
    return entry.result.status == GRADED, not entry.get_flags(), entry.group.name


def _describe(entry: Graded, pages: Mapping[str, str]) -> dict[str, Any]:
    total, name = entry.get_total(), entry.group.name
    links = [("feedback", f"feedback/{name}.html")]
    links += [("code, beside the reasons", pages[name])] if name in pages else []
    links += [(f"put aside: {file}", f"{ASIDE}/{file}") for file in entry.aside]
    return {
        "shown": describe(entry),
        "status": entry.result.status,
        "flags": entry.get_flags(),
        "is_decided": bool(entry.overrides),
        "days": entry.lateness.days if entry.lateness else 0,
        "total": f"{total:g}" if total is not None else "–",
        "links": [(text, urllib.parse.quote(target)) for text, target in links],
    }

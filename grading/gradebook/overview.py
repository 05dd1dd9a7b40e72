"""The teacher's page: one HTML file, which needs nothing else."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from grading.classroom.graded import Graded
from grading.classroom.result import GRADED
from grading.engine.parts import PARTS, TOTAL

TEMPLATE = Path(__file__).with_name("overview.html.j2")
"""The page, for jinja2."""
MOST_REASONS = 12
"""How many reasons are listed."""


def make_overview(graded: Sequence[Graded], title: str = "Gradebook") -> str:
    """The page as HTML; text from a submission never becomes markup."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    judged = [points for entry in graded if (points := entry.get_points())]
    totals = [sum(points.values()) for points in judged]
    histogram = [0] * (int(TOTAL) + 1)
    for total in totals:
        histogram[int(total)] += 1
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        total=TOTAL,
        median=statistics.median(totals) if totals else None,
        statuses=Counter(entry.result.status for entry in graded).most_common(),
        histogram=histogram,
        most=max(1, *histogram),
        parts=[_count_part(letter, judged) for letter in PARTS],
        reasons=_count_reasons(graded),
        groups=[_describe(entry) for entry in sorted(graded, key=_get_urgency)],
    )


def _count_part(letter: str, judged: Sequence[dict[str, float]]) -> dict[str, Any]:
    """How many groups have all, some and none of a part's points."""
    all_points = PARTS[letter].points
    full = sum(points[letter] == all_points for points in judged)
    some = sum(0 < points[letter] < all_points for points in judged)
    return {
        "letter": letter,
        "title": PARTS[letter].title,
        "full": full,
        "some": some,
        "no": len(judged) - full - some,
        "of": max(1, len(judged)),
    }


def _count_reasons(graded: Sequence[Graded]) -> list[tuple[tuple[str, str], int]]:
    """The most frequent reasons, by part; numbers in them do not count."""
    counts = Counter(
        (letter, re.sub(r"(?<![\w.])-?\d+(\.\d+)?(e-?\d+)?\b", "…", reasons[0]))
        for entry in graded
        for letter in PARTS
        if (reasons := entry.get_reasons(letter))
    )
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_REASONS]


def _get_urgency(entry: Graded) -> tuple[bool, bool, str]:
    return entry.result.status == GRADED, not entry.get_flags(), entry.group.name


def _describe(entry: Graded) -> dict[str, Any]:
    points = entry.get_points()
    return {
        "name": entry.group.name,
        "status": entry.result.status,
        "flags": entry.get_flags(),
        "aside": entry.aside,
        "total": f"{sum(points.values()):g}" if points else "–",
        "rows": [
            {
                "letter": letter,
                "title": PARTS[letter].title,
                "points": f"{points[letter]:g}/{PARTS[letter].points:g}",
                "why": "; ".join(entry.get_reasons(letter)),
            }
            for letter in points
        ],
    }

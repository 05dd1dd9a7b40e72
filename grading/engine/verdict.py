"""What JUDGE is asked, what it answers, and the answer as Gradescope takes it.

A verdict is plain data: a `PartVerdict` for each part, by its letter. Verdicts on several parts
are merged part by part.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from grading.engine.build import Build
from grading.engine.parts import PARTS
from grading.engine.text import LONGEST_REASON, printable

GRADER_FAILED = "the grader itself failed here"
"""How the reason begins if a test neither passed nor lost."""
MOST_REASONS = 2
"""How many reasons are given of a criterion: who has mended these sees the next."""


class Question(NamedTuple):
    """What JUDGE is asked."""

    build: Build
    seed: int
    """Seeds the judge's draws."""
    parts: Sequence[str]
    """The parts whose tests are run."""


class PartVerdict(TypedDict):
    """What a part has earned, and why not more."""

    points: dict[str, float]
    """Points earned, by criterion."""
    reasons: dict[str, list[str]]
    """Why points were lost, by criterion; each reason once."""
    notes: list[str]
    """Remarks that cost no points."""


Verdict = Mapping[str, PartVerdict]
"""By part."""


def lose_all(reason: str) -> Verdict:
    """A verdict without points, with the same reason everywhere."""
    return {letter: lose_part(letter, reason) for letter in PARTS}


def lose_part(letter: str, reason: str) -> PartVerdict:
    """A part without points, with the same reason everywhere."""
    criteria = PARTS[letter].criteria
    return PartVerdict(
        points=dict.fromkeys(criteria, 0), reasons={c: [reason] for c in criteria}, notes=[]
    )


def read(answer: bytes) -> Verdict:
    """JUDGE's answer, within bounds.

    Raises:
        ValueError: If it is no verdict.
    """
    try:
        verdict = json.loads(answer)
        return {letter: _read_part(letter, verdict[letter]) for letter in PARTS}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no verdict: {error!r}") from None


def _read_part(letter: str, part: Mapping[str, Any]) -> PartVerdict:
    def read_texts(texts: Sequence[Any]) -> list[str]:
        return [printable(text, LONGEST_REASON) for text in texts[:MOST_REASONS]]

    criteria = PARTS[letter].criteria
    return PartVerdict(
        points={c: most if part["points"][c] else 0 for c, most in criteria.items()},
        reasons={c: read_texts(part["reasons"][c]) for c in criteria},
        notes=read_texts(part["notes"]),
    )


def get_points(verdict: Verdict) -> dict[str, float]:
    """Points by part."""
    return {part: sum(verdict[part]["points"].values()) for part in PARTS}


def shorten(reasons: Iterable[str], most: int = MOST_REASONS) -> list[str]:
    """The first reasons, and of those that differ in a number only the first."""
    by_words: dict[str, str] = {}
    for reason in reasons:
        by_words.setdefault(re.sub(r"[-+]?\d[\d.,e+-]*", "0", reason), reason)
    return list(by_words.values())[:most]


def get_reasons(verdict: Verdict, part: str) -> list[str]:
    """Why a part lost points: a sentence for each criterion, or two for one."""
    lost = [reasons for reasons in verdict[part]["reasons"].values() if reasons]
    in_turns = itertools.chain.from_iterable(itertools.zip_longest(*lost))
    return shorten(filter(None, in_turns), most=max(MOST_REASONS, len(lost)))


def make_report(verdict: Verdict | None, output: str, **more: Any) -> dict[str, Any]:
    """Gradescope's record of a submission, one test per criterion.

    Args:
        verdict: If it is None, the record has neither a score nor tests.
        output: The text on the whole submission.
        more: Further entries of the record.
    """
    return {
        **({} if verdict is None else {"score": sum(get_points(verdict).values())}),
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        **more,
        "tests": [] if verdict is None else _make_tests(verdict),
    }


def _make_tests(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "name": f"({letter}) {part.title}: {criterion}",
            "number": f"{letter}.{number}",
            "score": verdict[letter]["points"][criterion],
            "max_score": most,
            "status": "passed" if verdict[letter]["points"][criterion] else "failed",
            "output": "\n".join(
                verdict[letter]["reasons"][criterion]
                or ([] if verdict[letter]["points"][criterion] else ["see the other reasons"])
                or (verdict[letter]["notes"] if number == 1 else [])
            ),
            "output_format": "text",
            "visibility": "visible",
        }
        for letter, part in PARTS.items()
        for number, (criterion, most) in enumerate(part.criteria.items(), start=1)
    ]

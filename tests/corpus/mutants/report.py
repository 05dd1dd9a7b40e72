"""What came out: a table by part, and every disagreement between truth and grade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tabulate import tabulate

from grading.engine.parts import PARTS
from grading.engine.verdict import GRADER_FAILED
from tests.corpus.mutants.examination import Examined

LOST, KEPT = "right, lost points", "wrong, kept all"
ELSEWHERE, UNDECIDABLE = "lost points elsewhere", "undecidable"
UNGRADED, SPEECHLESS = "not graded", GRADER_FAILED
HEADERS = ("mutants of", "number", "right", "wrong", "of these fail", UNDECIDABLE)
"""Of the table, before the kinds of disagreements."""
DISAGREEMENTS = (LOST, KEPT, ELSEWHERE, UNGRADED, SPEECHLESS)
"""The kinds of findings that say that something is to be fixed."""


def find(examined: Examined) -> Iterator[tuple[str, str]]:
    """What is to be said about a mutant: the kind of finding, and the part that it is about."""
    part = examined.mutant.original.part
    outcome = get_outcome(examined, part)
    if outcome == UNDECIDABLE:
        yield UNDECIDABLE, part
    if examined.grade is None:
        yield UNGRADED, part
        return
    lost = examined.grade["lost"]
    if outcome == "right" and part in lost:
        yield LOST, part
    if outcome in ("wrong", "fails") and part not in lost:
        yield KEPT, part
    for other in lost:
        # A cell cannot work with wrong variables, so that the truth about it is asked, too.
        if other != part and get_outcome(examined, other) == "right":
            yield ELSEWHERE, other
    for some, reasons in examined.grade["reasons"].items():
        if any(SPEECHLESS in reason for reason in reasons):  # so begins what it says then
            yield SPEECHLESS, some


def get_outcome(examined: Examined, part: str) -> str:
    """What a part of a mutant is; those that were not judged are as they were."""
    if part in examined.truth:
        return examined.truth[part][0]
    return UNDECIDABLE if part == examined.mutant.original.part else "right"


def list_findings(all_examined: Sequence[Examined]) -> list[dict[str, Any]]:
    """A record for each finding."""
    return [
        {
            "kind": kind,
            "part": part,
            "mutated": examined.mutant.original.part,
            "style": examined.mutant.original.style,
            "operator": examined.mutant.operator,
            "truth": examined.truth.get(part, [get_outcome(examined, part), ""]),
            "points": None if examined.grade is None else examined.grade["points"].get(part),
            "reasons": [] if examined.grade is None else examined.grade["reasons"].get(part, []),
            "diff": examined.mutant.get_diff(),
        }
        for examined in all_examined
        for kind, part in find(examined)
    ]


def describe(finding: dict[str, Any]) -> str:
    """A finding for a person to read."""
    (outcome, why), part = finding["truth"], finding["part"]
    lines = [
        f"--- {finding['kind']}: ({part}) of '{finding['style']}', {finding['operator']}",
        finding["diff"],
        f"    truth: {outcome}{': ' if why else ''}{why}",
        *(f"    grader: {reason}" for reason in finding["reasons"]),
    ]
    return "\n".join(lines)


def make_table(all_examined: Sequence[Examined]) -> str:
    """The numbers by part."""
    rows = []
    for letter, part in PARTS.items():
        of_part = [e for e in all_examined if e.mutant.original.part == letter]
        rows.append([f"({letter}) {part.title}", *_count(of_part)])
    rows.append(["all", *_count(all_examined)])
    return tabulate(rows, (*HEADERS, *DISAGREEMENTS), tablefmt="pipe")


def _count(some: Sequence[Examined]) -> list[int]:
    outcomes = [get_outcome(e, e.mutant.original.part) for e in some]
    kinds = [{kind for kind, _ in find(e)} for e in some]
    right, wrong, fails, undecidable = map(outcomes.count, ("right", "wrong", "fails", UNDECIDABLE))
    disagreements = [sum(kind in found for found in kinds) for kind in DISAGREEMENTS]
    return [len(some), right, wrong + fails, fails, undecidable, *disagreements]

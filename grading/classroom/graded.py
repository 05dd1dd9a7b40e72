"""A group and its result: a row of the gradebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from grading.classroom.groups import Group
from grading.classroom.result import NOT_YET, OUR_FAULT, Result
from grading.engine.parts import PARTS
from grading.engine.verdict import GRADER_FAILED, get_points, get_reasons
from support.errors import ExplainedError


class GradebookError(ExplainedError):
    """There is nothing to grade, no place for a gradebook, or no gradebook."""


ASIDE = "aside"
"""The gradebook's folder of pen-and-paper parts."""
CODE = "code"
"""The gradebook's folder of the files that are graded, by group."""
LATE = "late"
"""What may be decided beside the parts: the points that lateness costs."""
DECIMALS = 2
"""Totals and deductions are rounded to so many decimals."""


class Override(NamedTuple):
    """What a person decided on a part, or on lateness."""

    points: float
    reason: str


class Lateness(NamedTuple):
    """When a group handed in, and what that costs."""

    time: str
    source: str
    """Where the time comes from."""
    days: int
    """Days after the deadline; a day that has begun counts."""
    points: float
    """What is deducted."""
    rule: str
    """Why; empty if it is not late."""


class Graded(NamedTuple):
    """A group, its result, and what people and the deadline make of it."""

    group: Group
    flags: tuple[str, ...]
    """What is odd about the content."""
    aside: tuple[str, ...]
    """The files of the pen-and-paper part, by their names in the gradebook."""
    result: Result
    handed_in: float | None = None
    """The date of the file, in seconds since 1970; None if nobody has kept it."""
    overrides: Mapping[str, Override] = MappingProxyType({})
    """By part; they stand in no record, as people change them."""
    lateness: Lateness | None = None
    """None if there is no deadline, or no time; it stands in no record either."""

    def get_points(self) -> dict[str, float]:
        """Points by part; empty if one has none, and the group is not to blame."""
        decided = {part: self.overrides[part].points for part in self.overrides if part in PARTS}
        points = {**self.get_judged_points(), **decided}
        return {part: points[part] for part in PARTS} if len(points) == len(PARTS) else {}

    def get_deduction(self) -> float:
        """What lateness costs; never more than all points."""
        decided = self.overrides.get(LATE)
        cost = decided.points if decided else self.lateness.points if self.lateness else 0
        return round(min(cost, sum(self.get_points().values())), DECIMALS)

    def get_total(self) -> float | None:
        """All points without those deducted; None if there are none."""
        points = self.get_points()
        if not points:
            return None
        return round(sum(points.values()) - self.get_deduction(), DECIMALS)

    def get_decisions(self) -> list[str]:
        """What people decided, with their reasons."""
        judged = self.get_judged_points()
        lines = []
        for part, override in self.overrides.items():
            before = f" instead of {judged[part]:g}" if part in judged else ""
            shown = f"({part})" if part in PARTS else part
            lines.append(f"{shown} {override.points:g}{before}, by hand: {override.reason}")
        return lines

    def get_judged_points(self) -> dict[str, float]:
        """Points by part without any correction; empty if there is no verdict."""
        if self.result.status in (OUR_FAULT, NOT_YET):
            return {}
        if self.result.verdict is None:
            return dict.fromkeys(PARTS, 0)
        return get_points(self.result.verdict)

    def get_reasons(self, part: str) -> list[str]:
        """Why a part lost points, if it was judged."""
        return [] if self.result.verdict is None else get_reasons(self.result.verdict, part)

    def get_notes(self, part: str) -> list[str]:
        """Remarks on a part; they cost no points."""
        return [] if self.result.verdict is None else self.result.verdict[part]["notes"]

    def get_remarks(self) -> list[str]:
        """What the group is told beside its points."""
        return [*([self.result.why] if self.result.why else []), *self.flags]

    def get_flags(self) -> list[str]:
        """What the teacher should look at."""
        unsafe = [] if self.result.sandboxed else ["graded without a sandbox"]
        failed = [f"part ({p}): {GRADER_FAILED}" for p in PARTS if self._has_failed_on(p)]
        return [*self.get_remarks(), *self.group.flags, *failed, *unsafe]

    def _has_failed_on(self, part: str) -> bool:
        return any(reason.startswith(GRADER_FAILED) for reason in self.get_reasons(part))

    def to_record(self) -> dict[str, Any]:
        """Plain data, without what people decide; only the path's name is kept."""
        group = {**self.group._asdict(), "path": self.group.path.name}
        kept = {name: getattr(self, name) for name in ("flags", "aside", "handed_in")}
        return {**kept, "group": group, "result": self.result._asdict()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Graded:
        """The inverse of `to_record`.

        Raises:
            KeyError, TypeError: If it is not a record.
        """
        group = record["group"]
        return cls(
            group=Group(
                name=group["name"],
                numbers=tuple(group["numbers"]),
                path=Path(group["path"]),
                flags=tuple(group["flags"]),
            ),
            flags=tuple(record["flags"]),
            aside=tuple(record["aside"]),
            result=Result(**record["result"]),
            handed_in=record.get("handed_in"),
        )

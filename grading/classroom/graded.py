"""A group and its result: a row of the gradebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from grading.classroom.groups import Group
from grading.classroom.result import NOT_YET, OUR_FAULT, Result
from grading.engine.parts import PARTS
from grading.engine.verdict import GRADER_FAILED, get_points, get_reasons
from support.errors import ExplainedError


class GradebookError(ExplainedError):
    """There is nothing to grade, no place for a gradebook, or no gradebook."""


class Graded(NamedTuple):
    """A group and its result."""

    group: Group
    flags: tuple[str, ...]
    """What is odd about the content."""
    aside: tuple[str, ...]
    """The files of the pen-and-paper part, by their names in the gradebook."""
    result: Result

    def get_points(self) -> dict[str, float]:
        """Points by part; empty if there is no verdict, and the group is not to blame."""
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
        """Plain data; only the path's name is kept."""
        group = {**self.group._asdict(), "path": self.group.path.name}
        return {**self._asdict(), "group": group, "result": self.result._asdict()}

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
        )

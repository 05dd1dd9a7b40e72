"""What people and the deadline make of the results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from grading.classroom.graded import LATE, Graded, Override
from grading.engine.course import COURSE, LateRule
from grading.gradebook.late import NO_NUMBER_KNOWN, NO_TIME_KNOWN, find_lateness, read_times
from grading.gradebook.overrides import Overrides, read_overrides


def check_decisions(
    folder: Path, names: Collection[str], rule: LateRule | None = COURSE.late
) -> None:
    """Reads what people wrote beside a gradebook, before anything is graded.

    Raises:
        TableError: If something in there is impossible.
    """
    read_overrides(folder, names)
    if rule is not None:
        read_times(folder, rule)


def decide(
    graded: Sequence[Graded], folder: Path, rule: LateRule | None = COURSE.late
) -> list[Graded]:
    """The groups with what people decided and what lateness costs.

    Decisions that change nothing are left out; `list_idle` tells of them.

    Args:
        graded: All groups.
        folder: The gradebook's.
        rule: The deadline, if there is one.

    Raises:
        TableError: If a decision or a time is impossible.
    """
    overrides = read_overrides(folder, [entry.group.name for entry in graded])
    decided = [
        _flag(
            entry._replace(overrides=_keep_effective(entry, overrides)),
            *overrides.unclear.get(entry.group.name, ()),
        )
        for entry in graded
    ]
    if rule is None:
        return decided
    times = read_times(folder, rule)
    timed = [entry._replace(lateness=find_lateness(entry, times, rule)) for entry in decided]
    return [
        _flag(entry, NO_TIME_KNOWN if entry.group.numbers else NO_NUMBER_KNOWN)
        if times is not None and entry.lateness is None and LATE not in entry.overrides
        else entry
        for entry in timed
    ]


def list_idle(graded: Sequence[Graded], folder: Path) -> list[str]:
    """The decisions that change nothing, in words."""
    overrides = read_overrides(folder, [entry.group.name for entry in graded])
    return [
        f"({part}) of {entry.group.name} has {override.points:g} without it"
        for entry in graded
        for part, override in overrides.decided.get(entry.group.name, {}).items()
        if part not in _keep_effective(entry, overrides)
    ]


def _keep_effective(entry: Graded, overrides: Overrides) -> dict[str, Override]:
    """A group's decisions, without those on a part that has as many points anyway."""
    decided, judged = overrides.decided.get(entry.group.name, {}), entry.get_judged_points()
    return {
        part: decision for part, decision in decided.items() if decision.points != judged.get(part)
    }


def _flag(entry: Graded, *flags: str) -> Graded:
    return entry._replace(group=entry.group._replace(flags=(*entry.group.flags, *flags)))

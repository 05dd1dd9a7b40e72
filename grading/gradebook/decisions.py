"""What people and the deadline make of the results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from grading.classroom.graded import LATE, Graded
from grading.engine.course import COURSE, LateRule
from grading.gradebook.late import NO_TIME_KNOWN, find_lateness, read_times
from grading.gradebook.overrides import read_overrides


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

    Args:
        graded: All groups.
        folder: The gradebook's.
        rule: The deadline, if there is one.

    Raises:
        TableError: If a decision or a time is impossible.
    """
    overrides = read_overrides(folder, [entry.group.name for entry in graded])
    decided = [
        entry._replace(
            overrides=overrides.decided.get(name := entry.group.name, {}),
            group=entry.group._replace(
                flags=(*entry.group.flags, *overrides.unclear.get(name, ()))
            ),
        )
        for entry in graded
    ]
    if rule is None:
        return decided
    times = read_times(folder, rule)
    timed = [entry._replace(lateness=find_lateness(entry, times, rule)) for entry in decided]
    return [
        entry._replace(group=entry.group._replace(flags=(*entry.group.flags, NO_TIME_KNOWN)))
        if times is not None
        and entry.lateness is None
        and entry.group.numbers
        and LATE not in entry.overrides
        else entry
        for entry in timed
    ]

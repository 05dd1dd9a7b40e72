"""What people decide: `overrides.csv` beside the gradebook, which only people write.

    group,part,points,reason
    11111_22222_33333,d,5,"right, but the name of a tensor confuses the grader"
    44444_55555_66666,late,0,ill on that day

A row replaces the points of a part, or what is deducted for being late. In place of the group's
name, the number of a member will do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from grading.classroom.graded import LATE, Override
from grading.classroom.groups import GroupError, SeveralGroupsError, find_name
from grading.engine.parts import PARTS, TOTAL
from grading.engine.text import printable
from grading.gradebook.tables import Row, TableError, read_number, read_table

FILE = "overrides.csv"
"""The table of decisions."""
COLUMNS = ("group", "part", "points", "reason")
"""Its columns."""
GERMAN_COLUMNS = ("Gruppe", "Teil", "Punkte", "Grund")
"""The same; a table may have these."""
LONGEST_REASON = 1000
"""Characters of a reason."""


class Overrides(NamedTuple):
    """What people decided."""

    decided: Mapping[str, Mapping[str, Override]]
    """By group and part."""
    unclear: Mapping[str, list[str]]
    """By group, flags that say which rows may be meant for it. They are not applied: anybody can
    write a number of somebody else into the name of an archive."""


def read_overrides(folder: Path, names: Collection[str]) -> Overrides:
    """The decisions; none if there is no file.

    Args:
        folder: The gradebook's.
        names: Of all groups.

    Raises:
        TableError: If rows are not as the module says; it names each of them.
    """
    path = folder / FILE
    mistakes: list[str] = []
    found: dict[str, dict[str, Override]] = defaultdict(dict)
    unclear: dict[str, list[str]] = defaultdict(list)
    german = {name.casefold(): column for name, column in zip(GERMAN_COLUMNS, COLUMNS, strict=True)}
    for row in read_table(path, COLUMNS, german) if path.exists() else []:
        try:
            group, part, override = _read_row(row, names)
            if part in found[group]:
                raise row.fail(f"{part} of {group} is decided twice: keep one of the rows")
            found[group][part] = override
        except SeveralGroupsError as error:
            for name in error.names:
                unclear[name].append(f"{FILE} is not applied: {error}")
        except TableError as error:
            mistakes.append(str(error))
    if mistakes:
        raise TableError("\n".join(mistakes))
    return Overrides(found, unclear)


def _read_row(row: Row, names: Collection[str]) -> tuple[str, str, Override]:
    try:
        group = find_name(names, row.cells["group"])
    except SeveralGroupsError:
        raise
    except GroupError as error:
        raise row.fail(str(error)) from None
    part = row.cells["part"].strip("() ").lower()
    most = _get_most(part)
    if most is None:
        raise row.fail(f"there is no part {part!r}: write one of {', '.join(PARTS)}, or {LATE}")
    if row.cells["points"].startswith(("+", "-")):
        raise row.fail(
            f"write how many points of {part} are to count, without a sign, not how many more or"
            f" fewer ({row.cells['points']})"
        )
    points = read_number(row.cells["points"])
    if points is None or not 0 <= points <= most:
        shown = row.cells["points"] or "nothing"
        raise row.fail(f"points of {part} must be a number from 0 to {most:g}, not {shown}")
    reason = printable(row.cells["reason"], LONGEST_REASON)
    if not reason:
        raise row.fail("there is no reason: the group reads it")
    return group, part, Override(points, reason)


def _get_most(part: str) -> float | None:
    limits: Mapping[str, float] = {**{name: PARTS[name].points for name in PARTS}, LATE: TOTAL}
    return limits.get(part)

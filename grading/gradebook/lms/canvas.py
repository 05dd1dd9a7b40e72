"""Canvas: the table for the gradebook's import.

Canvas finds a student by its own ID, by the SIS User ID, or by the SIS Login ID. The columns
before the assignments are those of its export, in the same order. The number behind an assignment's
name is Canvas's; without it, a new assignment of this name is made. A row may say which points are
possible.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from grading.classroom.graded import Graded
from grading.engine.parts import TOTAL
from grading.gradebook.lms.students import Members
from grading.gradebook.tables import Row, TableError, make_table, read_number, read_table

STUDENT_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
"""The columns before the assignments."""
OPTIONAL = ("Integration ID", "Root Account")
"""Those that may stand before the last of them."""
POINTS_POSSIBLE = "Points Possible"
"""What the row of the possible points has in the first column."""
ASSIGNMENT = re.compile(r"(?P<name>.*) \((?P<id>[0-9]+)\)")
"""The header of an assignment's column."""


TEST_STUDENT = "Student, Test"
"""Canvas's own, for teachers."""


def make_import(graded: Sequence[Graded], assignment: str) -> str:
    """A table that needs nothing from Canvas; the SIS User ID is the matriculation number."""
    rows = [[f"    {POINTS_POSSIBLE}", "", "", "", "", f"{TOTAL:g}"]]
    rows += [
        ["", "", number, "", "", f"{entry.get_total():g}"]
        for entry in graded
        for number in entry.group.numbers
        if entry.get_total() is not None
    ]
    return make_table([*STUDENT_COLUMNS, assignment], rows, mark=False)


def fill_in(path: Path, members: Members, assignment: str | None) -> tuple[str, set[str], set[str]]:
    """Canvas's export with the points of one assignment; its other assignments are left out.

    Returns:
        The table, the numbers of the students who are in it, and the names of its others.

    Raises:
        TableError: If it is none, or the assignment is not known, or has other points.
    """
    rows = read_table(path)
    header = list(rows[0].cells) if rows else []
    if header[:2] != list(STUDENT_COLUMNS[:2]) or "Section" not in header:
        raise TableError(
            f"{path.name} does not begin with Student,ID: export the gradebook from Canvas"
        )
    column = _find_assignment(header, assignment, path.name)
    known = [name for name in header if name in (*STUDENT_COLUMNS, *OPTIONAL)]
    filled, found, strangers = [], set(), set()
    for row in rows:
        points = row.cells[column]
        if POINTS_POSSIBLE in row.cells["Student"]:
            _check_points(row, points)
        elif number := members.find(row.cells):
            found.add(number)
            total = members.by_number[number].get_total()
            points = points if total is None else f"{total:g}"
        elif row.cells["Student"] != TEST_STUDENT:
            strangers.add(row.cells["Student"])
        filled.append([*(row.cells[name] for name in known), points])
    if not found:
        raise TableError(
            f"{path.name} has none of the groups' numbers as SIS User ID: give a table of numbers"
            " and logins with --students"
        )
    return make_table([*known, column], filled, mark=False), found, strangers


def _find_assignment(header: Sequence[str], assignment: str | None, file: str) -> str:
    """The column of the assignment of this name; of the only one, if no name is given."""
    matches = filter(None, map(ASSIGNMENT.fullmatch, header))
    columns = {match[0]: match["name"] for match in matches}
    found = [c for c, name in columns.items() if assignment in (None, c, name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(columns.values()) or "none"
    raise TableError(f"{file}: say by --assignment which one to fill in ({names})")


def _check_points(row: Row, points: str) -> None:
    if read_number(points) not in (None, TOTAL):
        raise row.fail(
            f"the assignment has {points} points in Canvas, the exercise {TOTAL:g}: set them there,"
            " and export again"
        )

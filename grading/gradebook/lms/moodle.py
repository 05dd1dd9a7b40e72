"""Moodle: an assignment's grading worksheet, filled in, and the zip of feedback files.

The worksheet is what Moodle's "Download grading worksheet" gives, and its "Upload grading
worksheet" takes back. It finds a student by the number at the end of the first column, and reads
the columns of the grade, of the comment, and of the last change (`assignfeedback_offline`). The zip
is for "Upload multiple feedback files in a zip": the name of each file begins with that of the
student, the same number, and a plug-in (`assignfeedback_file`).

Without a worksheet there is a table for the gradebook's import (`gradeimport_csv`), in which people
choose what each column means.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from grading.classroom.graded import Graded
from grading.engine.parts import PARTS, TOTAL
from grading.gradebook.feedback import make_page
from grading.gradebook.lms.students import Members
from grading.gradebook.tables import (
    Row,
    TableError,
    find_column,
    make_table,
    read_number,
    read_table,
)

COLUMNS = {
    "identifier": ("Identifier", "ID"),
    "name": ("Full name", "Vollständiger Name"),
    "grade": ("Grade", "Bewertung"),
    "most": ("Maximum grade", "Bestwertung"),
    "comment": ("Feedback comments", "Feedback als Kommentar"),
}
"""The worksheet's columns, as Moodle calls them in English and in German."""
NEEDED = ("identifier", "grade")
"""Those that there must be."""
PLUGIN = "assignsubmission_file"
"""The plug-in in the names of the zip's files."""
FEEDBACK = "feedback.html"
"""The file that a student gets."""


class Worksheet(NamedTuple):
    """A grading worksheet."""

    rows: list[Row]
    columns: Mapping[str, str | None]
    """What its columns are called, by the keys of `COLUMNS`."""
    number_of: Mapping[str, str]
    """The number of the group's member, by the participant's."""

    def get_participant(self, row: Row) -> str:
        return find_participant(row.cells[self.columns["identifier"]])

    def list_strangers(self) -> set[str]:
        """The participants whom no group has, by name, with the line."""
        column = self.columns["name"] or self.columns["identifier"]
        return {
            f"{row.cells[column]} ({row.where})"
            for row in self.rows
            if self.get_participant(row) not in self.number_of
        }


def find_participant(identifier: str) -> str:
    """The number in "Participant 1234" or "Teilnehmer/in1234"; empty if there is none."""
    return re.search(r"\d*$", identifier)[0]


def read_worksheet(path: Path, members: Members) -> Worksheet:
    """Reads a worksheet, and finds the students of the class in it.

    Raises:
        TableError: If it is none, or Moodle would take the points for others.
    """
    rows = read_table(path)
    header = rows[0].cells if rows else {}
    columns = {key: find_column(header, names) for key, names in COLUMNS.items()}
    for key in NEEDED:
        if columns[key] is None:
            names = " or ".join(COLUMNS[key])
            raise TableError(
                f"{path.name} has no column {names}: download the grading worksheet of the"
                " assignment from Moodle"
            )
    number_of = {}
    for row in rows:
        participant = find_participant(row.cells[columns["identifier"]])
        if not participant:
            raise row.fail("there is no participant's number in the first column")
        if columns["most"] and read_number(row.cells[columns["most"]]) != TOTAL:
            raise row.fail(
                f"Moodle's maximum grade is {row.cells[columns['most']]}, the exercise has"
                f" {TOTAL:g} points: set it in the assignment's settings, and download again"
            )
        if number := members.find(row.cells):
            number_of[participant] = number
    if not number_of:
        raise TableError(
            f"{path.name} has none of the groups' numbers: let Moodle show the ID number, or give"
            " a table of numbers and e-mail addresses with --students"
        )
    return Worksheet(rows, columns, number_of)


def fill_in(worksheet: Worksheet, members: Members) -> str:
    """The worksheet with grades and comments; rows of all others stay as they are."""
    filled = []
    for row in worksheet.rows:
        cells = dict(row.cells)
        number = worksheet.number_of.get(worksheet.get_participant(row))
        entry = members.by_number[number] if number else None
        if entry and entry.get_total() is not None:
            cells[worksheet.columns["grade"]] = f"{entry.get_total():g}"
            if worksheet.columns["comment"]:
                comment = f"{make_comment(entry)} The file {FEEDBACK} says why."
                cells[worksheet.columns["comment"]] = comment
        filled.append(list(cells.values()))
    return make_table(list(worksheet.rows[0].cells), filled, mark=False)


def make_comment(entry: Graded) -> str:
    """The points of all parts in a line; it holds nothing that was handed in."""
    points = entry.get_points()
    parts = [
        f"({part}) {points[part]:g}/{PARTS[part].points:g}" + " by hand" * (part in entry.overrides)
        for part in PARTS
    ]
    late = entry.get_deduction()
    parts += [f"late −{late:g}"] if late else []
    return ", ".join(parts) + "."


def zip_feedback(worksheet: Worksheet, members: Members) -> bytes:
    """The zip of feedback files, one for each student of a group."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in worksheet.rows:
            participant = worksheet.get_participant(row)
            if participant in worksheet.number_of:
                column = worksheet.columns["name"]
                name = re.sub(r"[_/\\]", " ", row.cells[column] if column else "") or "student"
                info = zipfile.ZipInfo(f"{name}_{participant}_{PLUGIN}_{FEEDBACK}")
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(
                    info, make_page(members.by_number[worksheet.number_of[participant]])
                )
    return content.getvalue()


def make_import(graded: Sequence[Graded], assignment: str) -> str:
    """A table for the import into Moodle's gradebook."""
    rows = [
        [number, f"{entry.get_total():g}", make_comment(entry)]
        for entry in graded
        for number in entry.group.numbers
        if entry.get_total() is not None
    ]
    return make_table(["ID number", assignment, "Feedback"], rows, mark=False)

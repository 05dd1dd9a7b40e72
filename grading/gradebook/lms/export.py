"""Writes what an LMS imports, into a folder of the gradebook."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from grading.engine.text import printable
from grading.gradebook.decisions import decide
from grading.gradebook.gradebook import read_class
from grading.gradebook.lms import canvas, moodle
from grading.gradebook.lms.students import list_members
from grading.gradebook.tables import TableError
from support.files import replacing

FOLDER = "export"
"""The folder in the gradebook."""
ASSIGNMENT = "Recurrent neural networks"
"""How the assignment is called if nobody says."""
LISTED = 5
"""How many students are named."""
LONGEST_NAME = 60


class Request(NamedTuple):
    """What to write."""

    lms: str
    """A key of `WRITERS`."""
    table: Path | None = None
    """What the LMS has exported, to be filled in."""
    students: Path | None = None
    """A table of numbers and e-mail addresses."""
    assignment: str | None = None
    """The assignment's name."""


class Exported(NamedTuple):
    """What was written."""

    paths: list[Path]
    remarks: list[str]
    """What a person should know."""


def export(folder: Path, request: Request) -> Exported:
    """Writes the files.

    Args:
        folder: The gradebook's.
        request: What to write.

    Raises:
        GradebookError: If there is no gradebook.
        TableError: If a table cannot be used.
    """
    if request.students and not request.table:
        raise TableError(
            "--students tells whose row is whose in the LMS's table: give that, too, with --table"
        )
    graded = decide(read_class(folder), folder)
    members = list_members(graded, request.students)
    files, found, strangers = WRITERS[request.lms](graded, members, request)
    paths = []
    (folder / FOLDER).mkdir(exist_ok=True)
    removed = []
    for old in (folder / FOLDER).glob(f"{request.lms}-*"):  # of another table, with other points
        old.unlink()
        removed += [old.name] * (old.name not in files)
    for name, content in files.items():
        paths.append(folder / FOLDER / name)
        with replacing(paths[-1]) as path:
            path.write_bytes(content)
    without = [n for n, entry in members.by_number.items() if entry.get_total() is None]
    nameless = [entry.group.name for entry in graded if not entry.group.numbers]
    lost = members.by_number.keys() - found
    table = request.table.name if request.table else ""
    remarks = [
        (lost, f"not in {table}"),
        (
            strangers,
            f"in {table} and in no group: they handed in nothing, or under another number",
        ),
        (without, "without points yet"),
        (nameless, "of unknown members: their names have no numbers"),
    ]
    told = [f"{_list(names)}: {what}" for names, what in remarks if names]
    told += [f"{_list(removed)}: of an earlier export, and removed"] if removed else []
    told += [
        f"{number} is in {' and in '.join(groups)}, and was left out: take one of them out of the"
        " class, and grade again"
        for number, groups in members.contested.items()
    ]
    return Exported(paths, told)


def _list(names) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(printable(name, LONGEST_NAME) for name in sorted(names)[:LISTED]) + more


Answer = tuple[dict[str, bytes], set[str], set[str]]
"""The files, the numbers that are in the LMS's table, and the names of whom no group has."""


def _write_moodle(graded, members, request: Request) -> Answer:
    if request.table is None:
        table = moodle.make_import(graded, request.assignment or ASSIGNMENT)
        return {"moodle-gradebook.csv": table.encode()}, set(members.by_number), set()
    worksheet = moodle.read_worksheet(request.table, members)
    files = {
        "moodle-worksheet.csv": moodle.fill_in(worksheet, members).encode(),
        "moodle-feedback.zip": moodle.zip_feedback(worksheet, members),
    }
    return files, set(worksheet.number_of.values()), worksheet.list_strangers()


def _write_canvas(graded, members, request: Request) -> Answer:
    if request.table is None:
        table = canvas.make_import(graded, request.assignment or ASSIGNMENT)
        return {"canvas-gradebook.csv": table.encode()}, set(members.by_number), set()
    table, found, strangers = canvas.fill_in(request.table, members, request.assignment)
    return {"canvas-gradebook.csv": table.encode()}, found, strangers


WRITERS = {"moodle": _write_moodle, "canvas": _write_canvas}
"""What writes the files for an LMS, by its name."""

"""Tables as CSV: reads what a spreadsheet or an LMS has written, writes what they can read."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from grading.engine.course import COMMA, COURSE
from support.errors import ExplainedError

SEPARATORS = ",;\t"
"""What may stand between two cells."""


class TableError(ExplainedError):
    """A table cannot be read; the message names file and line."""


class Form(NamedTuple):
    """How a table is written."""

    decimal: str = COURSE.decimal
    separator: str = COURSE.separator

    def show(self, number: float) -> str:
        text = f"{number:g}"
        return text.replace(".", ",") if self.decimal == COMMA else text


COURSES = Form()
"""How the course wants its tables."""


class Row(NamedTuple):
    """A row of a table that was read."""

    where: str
    """The file and the line, for messages."""
    cells: Mapping[str, str]
    """By column, without blanks around."""

    def fail(self, what: str) -> TableError:
        return TableError(f"{self.where}: {what}")


def read_table(
    path: Path, columns: Sequence[str] = (), also_called: Mapping[str, str] = MappingProxyType({})
) -> list[Row]:
    """Reads a table with one line of headers; empty rows are left out.

    Args:
        path: UTF-8, or as Excel writes it: UTF-16, or in the code page of Western Europe. Commas,
            semicolons or tabs separate the cells.
        columns: Those that there must be.
        also_called: Other names of columns, in small letters, and what they are called here.

    Raises:
        TableError: If a column is missing, or a row has too many cells.
        OSError: If the file cannot be read.
    """
    text = _decode(path.read_bytes())
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[Row] = []
    header: list[str] = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            where = f"{path.name}, line {reader.line_num}"
            if not header:
                header = [also_called.get(cell.casefold(), cell) for cell in cells]
                if missing := [column for column in columns if column not in header]:
                    raise TableError(
                        f"{path.name} has no column {missing[0]}: its first line must be"
                        f" {','.join(columns)}"
                    )
            elif any(cells[len(header) :]):
                raise TableError(f"{where}: there are more cells than headers: quote each text")
            elif any(cells):
                cells += [""] * (len(header) - len(cells))
                rows.append(Row(where, dict(zip(header, cells, strict=False))))
    except csv.Error as error:
        raise TableError(f"{path.name}, line {reader.line_num}: {error}") from None
    if not header and columns:
        raise TableError(f"{path.name} is empty: its first line must be {','.join(columns)}")
    return rows


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_number(text: str) -> float | None:
    """A number with a decimal point or comma; None if it is none."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def find_column(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The first column that is called by one of the names, whatever the case."""
    known = {name.casefold() for name in names}
    return next((column for column in columns if column.casefold() in known), None)


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], separator: str = ",", mark: bool = True
) -> str:
    """A table as text.

    Args:
        columns: The first line.
        rows: The cells of the others.
        separator: What stands between two cells.
        mark: Whether a mark in front tells a spreadsheet that this is UTF-8.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return "\ufeff" * mark + text.getvalue()

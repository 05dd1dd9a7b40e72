"""Whose row is whose: the groups' members, by what an LMS knows of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from grading.classroom.graded import Graded
from grading.gradebook.late import NUMBER_COLUMNS
from grading.gradebook.tables import find_column, read_table

ACCOUNT_COLUMNS = (
    *("email", "e-mail", "mail", "Email address", "E-Mail-Adresse"),
    *("login", "username", "Benutzername", "Anmeldename", "SIS Login ID"),
)
"""How the columns of e-mail addresses and of accounts are called."""


class Members(NamedTuple):
    """The members of all groups."""

    by_number: Mapping[str, Graded]
    """By matriculation number."""
    numbers: Mapping[str, str]
    """The matriculation numbers by e-mail address and account, if a table says so."""
    contested: Mapping[str, list[str]]
    """The numbers that are in several groups, with these groups' names: nobody knows whose they
    are."""

    def find(self, cells: Mapping[str, str]) -> str | None:
        """The number of a student in a row of an LMS; None if no group has them."""
        for name, value in cells.items():
            if find_column([name], NUMBER_COLUMNS) and trim(value) in self.by_number:
                return trim(value)
            number = self.numbers.get(value.casefold())
            if find_column([name], ACCOUNT_COLUMNS) and number in self.by_number:
                return number
        return None


def trim(number: str) -> str:
    """A number without the zeros in front, which spreadsheets lose."""
    return number.strip().lstrip("0")


def list_members(graded: Sequence[Graded], students: Path | None = None) -> Members:
    """The members of all groups.

    Args:
        graded: The groups.
        students: A table that gives the number of an e-mail address or an account.

    Raises:
        TableError: If the table has no such columns.
    """
    of_number: dict[str, list[Graded]] = defaultdict(list)
    for entry in graded:
        for number in entry.group.numbers:
            of_number[trim(number)].append(entry)
    by_number = {number: entries[0] for number, entries in of_number.items() if len(entries) == 1}
    contested = {
        number: [entry.group.name for entry in entries]
        for number, entries in of_number.items()
        if len(entries) > 1
    }
    numbers = {}
    for row in read_table(students) if students else []:
        column = find_column(row.cells, NUMBER_COLUMNS)
        accounts = [name for name in row.cells if find_column([name], ACCOUNT_COLUMNS)]
        if column is None or not accounts:
            raise row.fail("there must be a column of numbers, and one of e-mail addresses")
        numbers |= {row.cells[name].casefold(): trim(row.cells[column]) for name in accounts}
    return Members(by_number, numbers, contested)

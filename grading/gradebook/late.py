"""Late days: when a group handed in, and what that costs.

The rule stands in `course.toml`. The times come from `times.csv` beside the gradebook, a table that
an LMS has exported or that people wrote. Who is not in there is flagged, and loses nothing. Without
such a table, a group has handed in when its file was last changed. The gradebook says which of the
two it was.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from grading.classroom.graded import Graded, Lateness
from grading.engine.course import LateRule
from grading.gradebook.tables import TableError, find_column, read_table

FILE = "times.csv"
"""The table of times."""
NUMBER_COLUMNS = (
    *("number", "matriculation number", "Matrikelnummer", "ID number", "ID-Nummer"),
    *("SID", "Student ID", "SIS User ID"),
)
"""How the column of students' numbers is called: here, in Moodle, in Gradescope, in Canvas."""
TIME_COLUMNS = (
    *("time", "handed in", "Last modified (submission)", "Zuletzt geändert (Abgabe)"),
    *("Zeit", "Zeitpunkt", "Abgabezeit", "Abgabezeitpunkt", "Abgegeben"),
    *("Submission Time", "Submitted At", "submitted_at"),
)
"""How the column of times is called."""
NO_TIME = ("", "-", "–")
"""What stands there if nothing was handed in."""
FILES_DATE = "the file's date"
"""Where a time comes from if there is no table."""
NO_TIME_KNOWN = (
    f"{FILE} has no time of this group: it counts as in time; add a row of one of its numbers, or"
    " decide `late` by hand"
)
"""The flag of a group that is not in the table."""
NO_NUMBER_KNOWN = (
    f"{FILE} cannot tell when it was handed in, as its name has no numbers: it counts as in time"
    " until it is renamed"
)
"""The flag of a group that cannot be in the table."""
GERMAN_MONTHS = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August"),
    *("September", "Oktober", "November", "Dezember"),
)
GERMAN_DAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")


def note_times(graded: Iterable[Graded]) -> list[Graded]:
    """Keeps the dates of the files that were handed in: there may be a deadline later."""
    return [entry._replace(handed_in=entry.group.path.lstat().st_mtime) for entry in graded]


def read_times(folder: Path, rule: LateRule) -> dict[str, datetime] | None:
    """The times of `times.csv`, by student's number; None if there is no file.

    Raises:
        TableError: If the columns are not known, or times cannot be read; it names each of them.
    """
    path = folder / FILE
    if not path.exists():
        return None
    times: dict[str, datetime] = {}
    mistakes: list[str] = []
    for row in read_table(path):
        number = find_column(row.cells, NUMBER_COLUMNS)
        time = find_column(row.cells, TIME_COLUMNS)
        if number is None or time is None:
            known = ", ".join(TIME_COLUMNS if number else NUMBER_COLUMNS)
            raise TableError(f"{FILE} must have one of these columns: {known}")
        if row.cells[time] in NO_TIME:
            continue
        handed_in = read_time(row.cells[time], ZoneInfo(rule.timezone))
        if handed_in is None:
            mistake = f"{row.cells[time]!r} is no time: write it like 2018-01-15 23:59"
            mistakes.append(str(row.fail(f"{mistake}, or with the month's name")))
            continue
        known_time = times.get(row.cells[number], handed_in)
        times[row.cells[number]] = max(known_time, handed_in)
    if mistakes:
        raise TableError("\n".join(mistakes))
    return times


def read_time(text: str, zone: tzinfo) -> datetime | None:
    """A time as an LMS writes it; None if it is none, or could be two different days.

    Args:
        text: Like 2018-01-15 23:59:00 +0100; 15.01.2018 23:59; Monday, 15 January 2018, 11:59 PM;
            Montag, 15. Januar 2018, 23:59.
        zone: The zone of a time that names none.
    """
    from dateutil import parser

    try:
        if re.match(r"\d{4}-\d\d-\d\d", text):
            plain = re.sub(r"\s+(UTC|Z|[+-]\d\d:?\d\d)$", r"\1", text).replace("UTC", "Z")
            plain = re.sub(r"[ T](\d:)", r" 0\1", plain)
            time = parser.isoparse(plain)
        elif re.match(r"\d{1,2}\.\d{1,2}\.\d{4}", text) or re.search(r"[^\W\d_]{3,}", text):
            time = parser.parse(text, dayfirst=True, parserinfo=_make_parserinfo())
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=zone)


@functools.cache
def _make_parserinfo():
    from dateutil import parser

    class EnglishAndGerman(parser.parserinfo):
        MONTHS = [
            (*names, german)
            for names, german in zip(parser.parserinfo.MONTHS, GERMAN_MONTHS, strict=True)
        ]
        WEEKDAYS = [
            (*names, german)
            for names, german in zip(parser.parserinfo.WEEKDAYS, GERMAN_DAYS, strict=True)
        ]
        JUMP = [*parser.parserinfo.JUMP, "um", "Uhr"]

    return EnglishAndGerman()


LATEST_DATE = datetime(9999, 1, 1, tzinfo=timezone.utc).timestamp()
"""A file may have a date after all that `datetime` knows."""


def find_lateness(
    entry: Graded, times: Mapping[str, datetime] | None, rule: LateRule
) -> Lateness | None:
    """When a group handed in, and what that costs; None if nobody knows the time.

    Seconds do not count: the minute of the deadline is still in time.
    """
    of_members = [times[number] for number in entry.group.numbers if number in (times or {})]
    if of_members:
        time, source = max(of_members), "the list of times"
    elif times is None and entry.handed_in is not None:
        date = min(entry.handed_in, LATEST_DATE)
        time, source = datetime.fromtimestamp(date, timezone.utc), FILES_DATE
    else:
        return None
    minutes = (time - rule.deadline).total_seconds() // 60
    days = max(0, math.ceil(minutes / (24 * 60)))
    earned = sum(entry.get_points().values())
    return Lateness(
        time=rule.show(time),
        source=source,
        days=days,
        points=_get_cost(days, earned, rule),
        rule=_explain(days, rule),
    )


def _get_cost(days: int, earned: float, rule: LateRule) -> float:
    """Points that are deducted; never more than were earned."""
    if rule.latest_days is not None and days > rule.latest_days:
        return earned
    costing = max(0, days - rule.grace_days)
    return min(earned, costing * (rule.points_a_day + rule.percent_a_day / 100 * earned))


def _explain(days: int, rule: LateRule) -> str:
    if days == 0:
        return ""
    parts = [f"{days} day{'s' * (days > 1)} late, the deadline was {rule.show(rule.deadline)}"]
    if rule.latest_days is not None and days > rule.latest_days:
        parts.append(f"nothing counts after {rule.latest_days} days")
    else:
        if rule.grace_days:
            parts.append(f"{rule.grace_days} of them free")
        parts.append(f"each costs {rule.show_cost()}")
    return "; ".join(parts)

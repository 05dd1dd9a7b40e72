"""The settings of `course.toml`, checked."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from support.errors import ExplainedError

PATH = Path(__file__).with_name("course.toml")
"""The settings."""

CRITERIA = {
    "a": ("variables",),
    "b": ("equation", "state", "graph"),
    "c": ("variables",),
    "d": ("equation", "state", "graph"),
    "e": ("loss",),
    "f": ("descent", "clipping"),
    "g": ("loss",),
    "h": ("loss", "accuracy", "test set"),
}
"""The criteria of each part, for which there are tests."""
ACTIVATIONS = ("linear", "tanh", "ReLU", "sigmoid")
"""What may stand around the basic cell's equation."""
POINT, COMMA = DECIMALS = ("point", "comma")
"""What may stand before a number's decimals in a table."""
SEPARATORS = (",", ";")
"""What may stand between the cells of a table."""


class CourseError(ExplainedError):
    """`course.toml` says something impossible."""


class LateRule(NamedTuple):
    """The deadline, and what lateness costs; the fields are those of `[late]`."""

    deadline: datetime
    timezone: str
    points_a_day: float = 0
    percent_a_day: float = 0
    grace_days: int = 0
    latest_days: int | None = None

    def describe(self) -> str:
        """The deadline and what lateness costs."""
        parts = [self.show(self.deadline)]
        if self.points_a_day or self.percent_a_day:
            free = f" after {self.grace_days} free" if self.grace_days else ""
            parts.append(f"each day that has begun{free} costs {self.show_cost()}")
        if self.latest_days is not None:
            parts.append(f"nothing counts after {self.latest_days} days")
        return "; ".join(parts)

    def show(self, time: datetime) -> str:
        return time.astimezone(ZoneInfo(self.timezone)).strftime("%Y-%m-%d %H:%M %Z")

    def show_cost(self) -> str:
        """What a day costs."""
        if self.percent_a_day:
            return f"{self.percent_a_day:g} % of the points earned"
        return f"{self.points_a_day:g} points"


class Course(NamedTuple):
    """What a course may change; the fields are those of `course.toml`."""

    basic_activations: tuple[str, ...]
    clip_norm: float
    members: tuple[int, int]
    digits: tuple[int, int]
    part_seconds: float
    judge_seconds: float
    memory_mib: int
    processes: int
    disk_mib: int
    decimal: str
    separator: str
    total: float
    points: dict[str, dict[str, float]]
    """By part and criterion."""
    hand_in_at: str = ""
    """Where the students hand in; the handout says it."""
    late: LateRule | None = None
    """None if there is no deadline."""

    def get_what_points_depend_on(self) -> dict[str, Any]:
        """The settings that decide how a submission is judged."""
        elsewhere = ("members", "digits", "hand_in_at", "decimal", "separator", "late")
        return {name: value for name, value in self._asdict().items() if name not in elsewhere}


def read(path: Path = PATH) -> Course:
    """Reads and checks the settings.

    Raises:
        CourseError: If they are not as `course.toml` explains them.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        points = dict(settings.pop("points"))
        late = settings.pop("late", None)
        flat = {name: value for table in settings.values() for name, value in table.items()}
        named = {*Course._fields} - {"late", "total", "points"}
        _check_names("", flat, named, named - {"hand_in_at"})
        if late is not None:
            _check_names("[late] ", late, LateRule._fields, ("deadline", "timezone"))
        course = Course(
            **{name: tuple(v) if isinstance(v, list) else v for name, v in flat.items()},
            total=points.pop("total"),
            points=points,
            late=None if late is None else _read_late(**late),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        forms = "a text stands in quotes, a date is like 2018-01-15 23:59:00"
        raise CourseError(f"{path.name}: {error}; {forms}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise CourseError(f"{path.name}: a setting is missing or misplaced ({error})") from None
    for problem in _find_problems(course):
        raise CourseError(f"{path.name}: {problem}")
    return course


def _check_names(
    table: str, settings: Collection[str], known: Collection[str], needed: Iterable[str]
) -> None:
    for name in settings:
        if name not in known:
            raise CourseError(
                f"{PATH.name}: {table}there is no setting {name!r}, only {', '.join(sorted(known))}"
            )
    for name in needed:
        if name not in settings:
            raise CourseError(f"{PATH.name}: {table}{name} is missing")


def _find_problems(course: Course) -> list[str]:
    problems = []
    if {part: set(criteria) for part, criteria in course.points.items()} != {
        part: set(criteria) for part, criteria in CRITERIA.items()
    }:
        problems.append(f"[points] must have these parts and criteria: {CRITERIA}")
    numbers = [value for criteria in course.points.values() for value in criteria.values()]
    if not all(_is_number(value, 0) for value in numbers):
        problems.append("[points]: all points must be numbers from 0")
    elif sum(numbers) != course.total:
        problems.append(f"[points] add up to {sum(numbers):g}, not to total = {course.total:g}")
    for name in ("part_seconds", "judge_seconds", "memory_mib", "processes", "disk_mib"):
        if not _is_number(getattr(course, name), 1):
            problems.append(f"[limits] {name} must be a number from 1")
    for name in ("members", "digits"):
        sizes = getattr(course, name)
        if not all(_is_number(size, 1) for size in sizes) or sorted(sizes) != list(sizes):
            problems.append(f"[groups] {name} must be two numbers, the smaller first")
    if not isinstance(course.hand_in_at, str):
        problems.append("[groups] hand_in_at must be a text, in quotes")
    if course.decimal not in DECIMALS:
        problems.append(f"[table] decimal must be one of {list(DECIMALS)}")
    if course.separator not in SEPARATORS:
        problems.append(f"[table] separator must be one of {list(SEPARATORS)}")
    problems += [] if course.late is None else _find_problems_of_late(course.late)
    if not _is_number(course.clip_norm, 1e-6):
        problems.append("[readings] clip_norm must be a positive number")
    if not course.basic_activations or set(course.basic_activations) - set(ACTIVATIONS):
        problems.append(f"[readings] basic_activations must be some of {list(ACTIVATIONS)}")
    return problems


def _read_late(**table: Any) -> LateRule:
    """The rule, with the deadline in its time zone."""
    rule = LateRule(**table)
    try:
        zone = ZoneInfo(rule.timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise CourseError(
            f"{PATH.name}: [late] timezone must be one like Europe/Berlin, not {rule.timezone!r}"
        ) from None
    if isinstance(rule.deadline, datetime) and rule.deadline.tzinfo is None:
        return rule._replace(deadline=rule.deadline.replace(tzinfo=zone))
    return rule


def _find_problems_of_late(rule: LateRule) -> list[str]:
    problems = []
    if not isinstance(rule.deadline, datetime):
        problems.append("[late] deadline must be a date and a time, like 2018-01-15 23:59:00")
    for name in ("points_a_day", "percent_a_day"):
        if not _is_number(getattr(rule, name), 0):
            problems.append(f"[late] {name} must be a number from 0")
    for name in ("grace_days", "latest_days"):
        days = getattr(rule, name)
        if days is not None and (not isinstance(days, int) or not _is_number(days, 0)):
            problems.append(f"[late] {name} must be a whole number from 0")
    if not problems and 0 < rule.percent_a_day < 1:
        problems.append(
            f"[late] percent_a_day = {rule.percent_a_day:g} is less than one percent: write 10 for"
            " 10 %"
        )
    is_free = not (rule.points_a_day or rule.percent_a_day) and rule.latest_days is None
    if not problems and is_free:
        problems.append(
            "[late] does not say what a day costs: write points_a_day, percent_a_day or latest_days"
        )
    if rule.points_a_day and rule.percent_a_day:
        problems.append("[late] has points_a_day and percent_a_day: choose one of them")
    return problems


def _is_number(value: Any, smallest: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= smallest


COURSE = read()

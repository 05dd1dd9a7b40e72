"""Who handed in: the names of the archives tell the groups.

A group hands in `mn1_mn2_mn3[_mn4].zip` (or .tar.gz, .tgz, or a folder of that name), named after
the matriculation numbers of its members. An archive of another name is graded, too, if possible.
What is odd becomes a flag, for a person to look at.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from grading.classroom.archives import SUFFIXES
from grading.engine.course import COURSE
from grading.engine.text import printable

NUMBER = re.compile("(?<![0-9])[0-9]{{{},{}}}(?![0-9])".format(*COURSE.digits))
"""A matriculation number."""
LONGEST_NAME = 80
"""Characters of a group's name."""
LISTED = 3
"""How many others a flag names."""


class Group(NamedTuple):
    """A group, and the one archive of it that counts."""

    name: str
    """The numbers, in order and joined by underscores, or else the archive's own name. It has only
    letters, digits, `_`, `-` and `.`, so that files can be named after it."""
    numbers: tuple[str, ...]
    path: Path
    flags: tuple[str, ...]


def find_groups(paths: Iterable[Path]) -> list[Group]:
    """The groups of what was handed in, by name. If a group handed in twice, the latest counts."""
    versions: dict[str, list[Group]] = defaultdict(list)
    for path in sorted(paths):
        numbers, flags = read_name(path)
        name = _name(path, numbers)
        versions[name].append(Group(name, numbers, path, flags))
    names = defaultdict(list)  # of each student's groups
    for name, (first, *_) in versions.items():
        for number in first.numbers:
            names[number].append(name)
    groups = []
    for name, handed_in in sorted(versions.items()):
        latest = max(handed_in, key=lambda group: (group.path.lstat().st_mtime, group.path))
        flags = list(latest.flags)
        if len(handed_in) > 1:
            others = join_some([printable(g.path.name) for g in handed_in if g is not latest])
            times = f"handed in {len(handed_in)} times"
            flags.append(f"{times}, {printable(latest.path.name)} is the latest ({others})")
        for number in latest.numbers:
            if len(names[number]) > 1:
                others = join_some([other for other in names[number] if other != name])
                flags.append(f"{number} is also in {others}")
        groups.append(latest._replace(flags=tuple(flags)))
    return groups


def join_some(texts: Sequence[str]) -> str:
    """Some texts with commas, and how many more there are."""
    more = [f"{len(texts) - LISTED} more"] if len(texts) > LISTED else []
    return ", ".join([*texts[:LISTED], *more])


def read_name(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The matriculation numbers in a path's name, in order, and what is odd about it."""
    stem = _get_stem(path)
    found = NUMBER.findall(unicodedata.normalize("NFKC", stem))
    numbers = tuple(sorted(set(found)))
    flags = []
    if stem != "_".join(found):
        flags.append("the name should be the group's matriculation numbers, mn1_mn2_mn3")
    if len(found) != len(numbers):
        flags.append("a number is in the name twice")
    smallest, largest = COURSE.members
    if not smallest <= len(numbers) <= largest:
        flags.append(f"a group of {len(numbers)}, not of {smallest} to {largest}")
    return numbers, tuple(flags)


def _name(path: Path, numbers: Sequence[str]) -> str:
    """The group's name: its numbers, or a name that no other archive has."""
    joined = "_".join(numbers)
    if joined and len(joined) <= LONGEST_NAME:
        return joined
    digest = hashlib.sha256(os.fsencode(_get_stem(path))).hexdigest()[:6]
    return f"{_make_plain(_get_stem(path))}-{digest}"


def _get_stem(path: Path) -> str:
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]


def _make_plain(text: str) -> str:
    """A name that a file may have on any system."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "-", ascii_only)[:LONGEST_NAME].strip("-") or "no-name"

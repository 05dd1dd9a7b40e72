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

from grading.classroom.archives import LITTER, SUFFIXES
from grading.engine.course import COURSE
from grading.engine.text import printable
from support.errors import ExplainedError

NUMBER = re.compile("(?<![0-9])[0-9]{{{},{}}}(?![0-9])".format(*COURSE.digits))
"""A matriculation number."""
LONGEST_NAME = 80
"""Characters of a group's name."""
LISTED = 3
"""How many others a flag names."""
MOODLE = re.compile(r"[^_]*_[0-9]+_assignsubmission_file_?")
"""How Moodle begins the names of what it has downloaded; a folder has only this."""


class GroupError(ExplainedError):
    """There is no such group."""


class SeveralGroupsError(GroupError):
    """More than one group is called so."""

    def __init__(self, wanted: str, names: list[str]):
        super().__init__(
            f"{wanted} is in {' and in '.join(names)}: give the group's name, or take one of them"
            " out of the class"
        )
        self.names = names


class Group(NamedTuple):
    """A group, and the one archive of it that counts."""

    name: str
    """The numbers, in order and joined by underscores, or else the archive's own name. It has only
    Latin letters, digits, `_` and `-`, so that files can be named after it."""
    numbers: tuple[str, ...]
    path: Path
    flags: tuple[str, ...]


def list_handed_in(folder: Path) -> list[Path]:
    """The archives and folders that were handed in; they may lie in the folders that Moodle makes.

    Raises:
        OSError: If a folder cannot be read.
    """
    paths = []
    for path in folder.iterdir():
        downloaded = MOODLE.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        paths += path.iterdir() if downloaded else [path]
    return [path for path in paths if not LITTER.search(path.name)]


def find_name(names: Iterable[str], wanted: str) -> str:
    """The name of the group that is called so, or has a member of this number.

    Raises:
        SeveralGroupsError: If more than one does.
        GroupError: If no group does.
    """
    names = list(names)
    found = [name for name in names if wanted == name or wanted in name.split("_")]
    if len(found) > 1:
        raise SeveralGroupsError(wanted, found)
    if not found:
        example = f": give a name like {names[0]}, or the number of a member" if names else ""
        raise GroupError(f"there is no group {wanted}{example}")
    return found[0]


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
    """The matriculation numbers in a path's name, in order, and what is odd about it, if anything.

    All that is odd about a name is one flag.
    """
    stem = _get_stem(path)
    found = NUMBER.findall(unicodedata.normalize("NFKC", stem))
    numbers = tuple(sorted(set(found)))
    smallest, largest = COURSE.members
    is_size_wrong = not smallest <= len(numbers) <= largest
    if stem != "_".join(found) or len(found) != len(numbers):
        size = f" (it has {len(numbers)} of them)" if is_size_wrong else ""
        flag = f"the name should be the group's {smallest} to {largest} matriculation numbers"
        return numbers, (f"{flag}, mn1_mn2_mn3{size}: rename it, and grade again",)
    if is_size_wrong:
        return numbers, (f"a group of {len(numbers)}, not of {smallest} to {largest}",)
    return numbers, ()


def _name(path: Path, numbers: Sequence[str]) -> str:
    """The group's name: its numbers, or a name that no other archive has."""
    joined = "_".join(numbers)
    if joined and len(joined) <= LONGEST_NAME:
        return joined
    whose = path.parent.name if MOODLE.fullmatch(path.parent.name) else ""
    identity = os.fsencode(f"{whose}{path.name if MOODLE.match(path.name) else _get_stem(path)}")
    digest = hashlib.sha256(identity).hexdigest()[:6]
    return f"{_make_plain(_get_stem(path))}-{digest}"


def _get_stem(path: Path) -> str:
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    stem = path.name[: len(path.name) - len(suffix)]
    downloaded = MOODLE.match(stem)
    return stem[downloaded.end() :] if downloaded and downloaded.end() < len(stem) else stem


def _make_plain(text: str) -> str:
    """A name that a file may have on any system; of all letters, only Latin ones are kept."""
    plain = re.sub(r"[^A-Za-z0-9_À-ÖØ-öø-ž-]+", "-", unicodedata.normalize("NFKC", text))
    return plain[:LONGEST_NAME].strip("-") or "no-name"

"""Takes in an archive: what is graded, what is put aside, what a person should look at."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from grading.classroom import archives
from grading.classroom.groups import Group, join_some
from grading.classroom.result import OUR_FAULT, REFUSED, Result
from grading.classroom.sources import find_suspects
from grading.engine.manifest import SUBMITTED_FILES
from grading.engine.submission import (
    MAX_SOURCE,
    Submission,
    explain_missing,
    explain_too_large,
)
from grading.engine.text import printable
from support.files import replacing

CODE = (".py", ".ipynb", ".md", ".txt", ".toml", ".cfg", ".ini", ".sh", ".bat", ".json", "Makefile")
"""Files whose names end so may lie beside the four without a flag."""
TOO_MUCH = "it takes too long to open, or too much memory: pack your code only, as a plain .zip"
"""Why an archive is refused that takes more than it may."""


class Arrival(NamedTuple):
    """What a group handed in, opened: it has a submission to grade, or a result."""

    group: Group
    flags: tuple[str, ...] = ()
    """What is odd about the content."""
    suspects: tuple[str, ...] = ()
    """What the teacher should look at in the sources."""
    aside: tuple[str, ...] = ()
    """The files of the pen-and-paper part, by their names where they are put aside."""
    submission: Submission | None = None
    """What is to be graded."""
    result: Result | None = None
    """How it ended, if there is nothing to grade."""


def take_in(group: Group, aside: Path) -> Arrival:
    """Opens what a group handed in, and puts its pen-and-paper part into a folder."""
    try:
        content = archives.read(group.path, SUBMITTED_FILES)
    except archives.RefusedError as error:
        return Arrival(group, result=Result(REFUSED, why=str(error)))
    except MemoryError:
        return Arrival(group, result=Result(REFUSED, why=TOO_MUCH))
    except OSError as error:
        return Arrival(group, result=Result(OUR_FAULT, why=f"it cannot be read ({error.strerror})"))
    names = []
    for number, (name, data) in enumerate(sorted(content.laid_aside.items()), start=1):
        names.append(f"{group.name}-{number}{Path(name).suffix.lower()}")
        with replacing(aside / names[-1]) as path:
            path.write_bytes(data)
    submission = to_submission(content)
    return Arrival(
        group,
        flags=tuple(get_flags(content)),
        suspects=tuple(find_suspects(submission.files)),
        aside=tuple(names),
        submission=submission,
    )


def to_submission(content: archives.Content) -> Submission:
    """The files that are graded."""
    files = {name: data for name, data in content.files.items() if len(data) <= MAX_SOURCE}
    missing = {
        name: explain_too_large(name)
        if name in content.files
        else explain_missing(name, content.others)
        for name in SUBMITTED_FILES
        if name not in files
    }
    return Submission(files, missing)


def get_flags(content: archives.Content) -> list[str]:
    """What is odd about the content of an archive."""
    flags = []
    if not content.files:
        flags.append("none of the exercise's files is in it")
    if content.root.count("/") > 1:
        where = printable(content.root, 60)
        flags.append(f"the files lie in {where}: move them to the top next time (it cost nothing)")
    odd = [printable(name, 60) for name in content.others if not name.endswith(CODE)]
    if odd:
        flags.append(f"more than code: {join_some(odd)}")
    return flags

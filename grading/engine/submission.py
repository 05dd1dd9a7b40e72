"""What is handed in: reads its files, and writes them beside what is given.

Only the four files that the exercise asks for are taken; all others come from this tree.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from grading.engine.manifest import BUILD, SUBMITTED_FILES
from grading.engine.parts import PARTS
from grading.engine.text import printable
from support.files import find_files

MAX_SOURCE = 1 << 18
"""Bytes of a submitted file."""


class Submission(NamedTuple):
    """The files of a submission."""

    files: Mapping[str, bytes]
    """By name, those of `SUBMITTED_FILES`."""
    missing: Mapping[str, str]
    """Why a file is not there, by name."""

    def get_lost_parts(self) -> dict[str, str]:
        """By part, why it cannot be built, if its file is missing."""
        return {p: self.missing[PARTS[p].file] for p in PARTS if PARTS[p].file in self.missing}


def read_folder(folder: Path) -> Submission:
    """Reads a submission that lies in a folder."""
    files, missing = {}, {}
    for file in SUBMITTED_FILES:
        path = folder / file
        if path.is_symlink():
            missing[file] = f"{file} is a link: hand in the file itself"
        elif not path.is_file():
            names = [p.relative_to(folder).as_posix() for p in folder.glob("**/*.py")]
            own = [name for name in names if not name.startswith(".")]  # not those of .venv
            missing[file] = explain_missing(file, own)
        elif path.stat().st_size > MAX_SOURCE:
            missing[file] = explain_too_large(file)
        else:
            files[file] = path.read_bytes()
    return Submission(files, missing)


def explain_too_large(file: str) -> str:
    """Says that a file is too large."""
    return f"{file} is larger than {MAX_SOURCE >> 10} KiB: hand in code only"


def explain_missing(file: str, names: Iterable[str]) -> str:
    """Says that a file is missing, and which other file may be meant."""
    wanted = file.rpartition("/")[2]
    alike = sorted(
        name
        for name in names
        if (last := name.rpartition("/")[2]) == wanted or _squeeze(last) == _squeeze(wanted)
    )
    if not alike:
        return f"there is no file {file}"
    folder = file.rpartition("/")[0]
    misplaced = [name for name in alike if name.rpartition("/")[2] == wanted]
    advice = f"move it to {f'{folder}/' if folder else 'the top'}" if misplaced else "rename it"
    return f"there is no file {file} (is {printable((misplaced or alike)[0])} meant? then {advice})"


def lay_out(files: Mapping[str, bytes], stage: Path) -> None:
    """Writes what is submitted beside what is given."""
    for file, source in find_files(*BUILD, without=SUBMITTED_FILES).items():
        (stage / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, stage / file)
    for file, content in files.items():
        (stage / file).write_bytes(content)


def _squeeze(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))

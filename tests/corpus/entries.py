"""An entry of the corpus: the reference with a few lines changed."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from grading.engine.manifest import SUBMITTED_FILES
from grading.engine.parts import BASIC, LSTM, PARTS
from grading.handout.regions import fill
from support.files import ROOT

TRAIN, TEST = "train.py", "test.py"
Edit = Callable[[dict[str, str]], None]


class Entry(NamedTuple):
    """A submission and what is expected of it."""

    name: str
    edits: tuple[Edit, ...]
    lost: str = ""
    """The parts that lose points; all others earn all of theirs."""
    reason: str = ""
    """What the first lost part's reasons must say."""
    binary: Callable[[bytes], bytes] = bytes
    """What is done to the content of all files in the end."""
    flag: str = ""
    """What a flag of its group must say."""
    alone: bool = False
    """Whether it must be built in a process of its own."""
    on_demand: bool = False
    """Whether only `python -m tests.corpus` grades it, because it takes long."""
    add: Callable[[Path], None] | None = None
    """What else is done to the submission's folder."""

    def get_files(self) -> dict[str, bytes]:
        """The submission's files."""
        files = read_reference()
        for edit in self.edits:
            edit(files)
        return {name: self.binary(content.encode()) for name, content in files.items()}

    def get_changed_parts(self) -> str:
        """The parts whose file is not the reference's; all parts if no file is changed."""
        reference = read_reference()
        files = self.get_files()
        changed = [
            p for p in PARTS if files.get(PARTS[p].file) != reference[PARTS[p].file].encode()
        ]
        return "".join(changed or PARTS)


def read_reference() -> dict[str, str]:
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in SUBMITTED_FILES}


def change(file: str, *pairs: tuple[str, str]) -> Edit:
    """Replaces texts that must be there once."""

    def edit(files: dict[str, str]) -> None:
        for old, new in pairs:
            if files[file].count(old) != 1:
                raise ValueError(f"{file} has {old!r} {files[file].count(old)} times, not once")
            files[file] = files[file].replace(old, new)

    return edit


def body(part: str, code: str) -> Edit:
    """Replaces a part's solution."""
    file = PARTS[part].file

    def edit(files: dict[str, str]) -> None:
        files[file] = fill(files[file], file, part, textwrap.dedent(code))

    return edit


def bodies(**parts: str) -> tuple[Edit, ...]:
    """Replaces several parts' solutions."""
    return tuple(body(part, code) for part, code in parts.items())


def prepend(file: str, code: str) -> Edit:
    """Puts lines before a file's first import of TensorFlow."""
    return change(
        file,
        (
            "import tensorflow.compat.v1 as tf\n",
            textwrap.dedent(code).strip("\n") + "\nimport tensorflow.compat.v1 as tf\n",
        ),
    )


__all__ = ["BASIC", "LSTM", "TEST", "TRAIN", "Entry", "bodies", "body", "change", "prepend"]

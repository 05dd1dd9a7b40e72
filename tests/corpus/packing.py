"""How a group hands in: archives and folders, right and damaged, and what they must get."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.corpus.entries import TRAIN, read_reference

Files = Mapping[str, bytes]

SOLVED = {name: content.encode() for name, content in read_reference().items()}
SPOILED = {**SOLVED, TRAIN: b"raise SystemExit\n"}


class Arrival(NamedTuple):
    """What a group hands in, and what it must get."""

    what: str
    pack: Callable[[Path, str], None]
    """Writes it into a folder, under the group's name."""
    lost: str = ""
    """The parts that lose points."""
    status: str | None = None
    """How grading must end, if that is given."""
    flag: str = ""
    """What a flag must say."""
    reason: str = ""
    """What a reason for losing points must say."""


def pack_zip(files: Files, change: Callable[[zipfile.ZipInfo], None] = lambda info: None):
    def pack(folder: Path, group: str) -> None:
        with zipfile.ZipFile(folder / f"{group}.zip", "w") as archive:
            for name, content in files.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                change(info)
                archive.writestr(info, content)

    return pack


def pack_tar(files: Files, change: Callable[[tarfile.TarInfo], None] = lambda info: None):
    def pack(folder: Path, group: str) -> None:
        with tarfile.open(folder / f"{group}.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                change(info)
                archive.addfile(info, io.BytesIO(content) if info.size else None)

    return pack


def pack_folder(files: Files):
    def pack(folder: Path, group: str) -> None:
        for name, content in files.items():
            (folder / group / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / group / name).write_bytes(content)

    return pack


def then(pack: Callable, change: Callable[[Path], object]):
    """Packs, then changes the archive at its path."""

    def pack_and_change(folder: Path, group: str) -> None:
        before = set(folder.iterdir())
        pack(folder, group)
        (path,) = set(folder.iterdir()) - before
        change(path)

    return pack_and_change


def damaged(pack: Callable, damage: Callable[[bytes], bytes]):
    return then(pack, lambda path: path.write_bytes(damage(path.read_bytes())))


def renamed(pack: Callable, name: Callable[[str], str]):
    return then(pack, lambda path: path.rename(path.with_name(name(path.name))))


def pack_twice(folder: Path, group: str) -> None:
    """An empty solution, and later the right one."""
    pack_zip(SPOILED)(folder, group)
    os.utime(folder / f"{group}.zip", (1_000_000_000, 1_000_000_000))
    pack_tar(SOLVED)(folder, group)

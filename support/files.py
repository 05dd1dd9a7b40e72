"""Files: where the project lies, what is in its folders, and writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
"""The project's folder."""

UNFINISHED = ".unfinished-"
"""How the name of a file begins while it is being written."""


def find_files(*paths: str, root: Path = ROOT, without: Collection[str] = ()) -> dict[str, Path]:
    """The files of the project at some paths; each path is a file or a whole folder.

    Args:
        *paths: Relative to `root`.
        root: The project's folder.
        without: Paths of files that are left out.

    Returns:
        The files by their paths in the project, in order; without the caches that Python and other
        tools leave behind.

    Raises:
        FileNotFoundError: If there is nothing at one of the paths.
    """
    found = {}
    for path in paths:
        if not (root / path).exists():
            raise FileNotFoundError(f"there is no {path} in {root}")
        files = [root / path] if (root / path).is_file() else (root / path).rglob("*")
        found |= {file.relative_to(root).as_posix(): file for file in files if file.is_file()}
    return {
        name: found[name]
        for name in sorted(found)
        if name not in without and not any(map(_is_leftover, Path(name).parts))
    }


def _is_leftover(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to `path` when the block ends without error.

    After an error or an interrupt `path` still holds what it held before.
    """
    path = Path(path)
    temporary = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes plain data, indented, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")

"""Files of the gradebook that somebody changed: they are kept aside before they are written again.

The program knows what it wrote by a hash of each file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from support.files import replacing, write_json

RECORD = ".written.json"
"""The hashes of the files, by name."""
EDITED = "edited"
"""The folder of files that somebody changed."""


def write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Writes files, and moves those aside that were changed since the last time.

    Args:
        folder: The gradebook's.
        files: The texts, by name.

    Returns:
        The names of what was moved to `EDITED`.
    """
    contents = {name: text.encode() for name, text in files.items()}
    written = _read_record(folder)
    edited = []
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.is_file() else None
        if before == content:
            continue
        if before is not None and written.get(name, "") not in ("", _hash(before)):
            edited.append(name)
            (folder / EDITED / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, folder / EDITED / name)
        with replacing(path) as unfinished:
            unfinished.write_bytes(content)
    record = {name: _hash(content) for name, content in contents.items()}
    if record != written:
        write_json(folder / RECORD, record)
    return edited


def _read_record(folder: Path) -> dict[str, str]:
    try:
        return dict(json.loads((folder / RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

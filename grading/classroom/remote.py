"""Grades on the workers of a Dask cluster, which get the sources as one uploaded archive.

A worker imports only this module from the archive, so it imports nothing else of the project at
first. A program in an unpacked copy does the grading.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

TREE = "tree"
"""The folder in the archive that holds all that grading needs."""


def list_sources() -> dict[str, Path]:
    """The files of the archive, by their paths in it."""
    from grading.engine.manifest import IMPORTED_BY_DASK, ONE_GRADING, SUBMITTED_FILES
    from support.files import find_files

    needed = find_files(*ONE_GRADING, without=SUBMITTED_FILES)
    unpacked = {f"{TREE}/{name}": file for name, file in needed.items()}
    return {**find_files(*IMPORTED_BY_DASK), **unpacked}


def grade_from_archive(task: bytes) -> dict[str, Any]:
    """`grade_and_time` for a pickled `Task`, in a copy of the archive that this module came from.

    Returns:
        What `grade_and_time` returns.

    Raises:
        RuntimeError: If grading is not possible here.
    """
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        with zipfile.ZipFile(__loader__.archive) as archive:
            archive.extractall(folder)
        process = subprocess.run(
            [sys.executable, "-m", "grading.classroom.remote"],
            cwd=Path(folder, TREE),
            input=task,
            capture_output=True,
            check=False,
        )
    if process.returncode:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"grading failed on a worker: {lines[-1] if lines else 'no message'}")
    return json.loads(process.stdout)


def main() -> None:
    from grading.classroom.grade import grade_and_time
    from grading.sandbox.check import check_sandbox

    task = pickle.load(sys.stdin.buffer)
    if task.sandboxed:
        check_sandbox(task.limits)
    json.dump(grade_and_time(task), sys.stdout)


if __name__ == "__main__":
    main()

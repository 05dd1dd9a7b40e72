"""Grades on the workers of a Dask cluster, which have the sources as an uploaded archive alone.

Of the archive only this module is imported, so it needs nothing else at first; the grading itself
is done by a program in an unpacked copy.
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

SOURCES = (
    "pyproject.toml",
    "data.py",
    "rnn_cells/__init__.py",
    "rnn_cells/RNN*.py",
    "rnn_cells/towers.py",
    "rnn_cells/unrolling.py",
    "tests/__init__.py",
    "tests/graded/*",
    "grading/*.py",
    "grading/*.j2",
    "grading/private/*.py",
)
"""What grading needs of the tree: no solution."""
TREE = "tree"
"""The folder in the archive where it is."""


def grade_from_archive(task: bytes) -> dict[str, Any]:
    """`grade` for a pickled `Task`, in a copy of the archive that this module was imported from.

    Raises:
        RuntimeError: If grading is not possible here.
    """
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        with zipfile.ZipFile(__loader__.archive) as archive:
            archive.extractall(folder)
        process = subprocess.run(
            [sys.executable, "-m", "grading.remote"],
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
    from grading.grade import grade
    from grading.sandbox import check_sandbox

    task = pickle.load(sys.stdin.buffer)
    if task.sandboxed:
        check_sandbox(task.limits)
    json.dump(grade(task), sys.stdout)


if __name__ == "__main__":
    main()

"""Which files of the project are needed where: paths of folders and of single files.

`support.files.find_files` lists what is in them. Where a submission is graded, the four
files that are handed in are left out: no solution is there.
"""

from __future__ import annotations

from grading.engine.parts import PARTS

SUBMITTED_FILES = tuple(dict.fromkeys(part.file for part in PARTS.values()))
"""What a student hands in."""

PUBLIC_TESTS = "tests/graded"
"""The tests that are handed out."""

PRIVATE_TESTS = "grading/private"
"""The tests that are not handed out, with what they know."""

BUILD = ("data.py", "rnn_cells", "support")
"""What a submission gets to run with."""

JUDGE = (
    "pyproject.toml",
    "support",
    "tests/__init__.py",
    PUBLIC_TESTS,
    "grading/__init__.py",
    "grading/engine",
    PRIVATE_TESTS,
)
"""What the judge's sandbox holds."""

ONE_GRADING = (
    *BUILD,
    *JUDGE,
    "grading/sandbox",
    "grading/classroom/__init__.py",
    "grading/classroom/result.py",
    "grading/classroom/grade.py",
    "grading/classroom/judging.py",
    "grading/classroom/remote.py",
)
"""What grading one submission depends on, and all that a cluster's worker has."""

IMPORTED_BY_DASK = (
    "grading/__init__.py",
    "grading/classroom/__init__.py",
    "grading/classroom/remote.py",
)
"""What a worker imports before it unpacks all that it needs."""

GRADESCOPE = (
    *ONE_GRADING,
    "requirements.txt",
    "grading/requirements.txt",
    "grading/gradescope.py",
    "grading/classroom",
    "grading/gradebook",
    "grading/handout/__init__.py",
    "grading/handout/regions.py",
)
"""What Gradescope's container has."""

HANDOUT = (
    "main.py",
    "data.py",
    "train.py",
    "test.py",
    "rnn_cells",
    "experiment",
    "support",
    "grading/__init__.py",
    "grading/engine",
    "tests/__init__.py",
    "tests/conftest.py",
    PUBLIC_TESTS,
)
"""What the students get; the files that they hand in come without the solution."""

"""Writes the student's tree: the solution without its solution regions, and the public tests.

It is written only if it is worth its points: the solution must earn all of them, and the blank
handout none, from the public tests and from the private ones.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from grading.regions import RegionError, find_regions, strip
from tests.graded.parts import PARTS, TOTAL
from tests.graded.submission import GIVEN_FILES, ROOT, SUBMITTED_FILES

STUDENT_FILES = Path(__file__).parent / "student"
"""README and settings of the handout, in place of the solution's."""

CHECK_LIMIT = 600
"""Seconds for one run of pytest."""


class HandoutError(Exception):
    """The handout cannot be written; the message says why in one line."""


class Check(NamedTuple):
    """A run of pytest that must end with a number of points."""

    what: str
    tree: Path
    arguments: list[str]
    points: float


def write_handout(target: Path, root: Path = ROOT) -> None:
    """Writes the handout to a folder that does not exist yet, or to a zip file.

    Args:
        target: The folder, or a file whose name ends in `.zip`.
        root: The solution's tree.

    Raises:
        HandoutError: If the target exists, a mark is wrong, or the points are not as they should.
    """
    is_zip = target.suffix == ".zip"
    if target.exists() and (is_zip or not target.is_dir() or any(target.iterdir())):
        raise HandoutError(f"{target} is there already: remove it, or choose another name")
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".handout-", dir=target.absolute().parent) as folder:
        handout = Path(folder, target.stem if is_zip else target.name)
        lay_out_handout(handout, root)
        check_points(handout, Path(folder), root)
        if is_zip:
            written = shutil.make_archive(
                os.path.join(folder, "archive"), "zip", folder, handout.name
            )
        else:
            written = handout
            if target.exists():
                target.rmdir()
        os.replace(written, target)


def lay_out_handout(handout: Path, root: Path = ROOT) -> None:
    """Writes the student's tree, unchecked."""
    public = sorted(
        path.relative_to(root).as_posix()
        for path in (root / "tests" / "graded").iterdir()
        if path.is_file()
    )
    given = [*GIVEN_FILES, "main.py", "tests/__init__.py", "tests/conftest.py", *public]
    try:
        files = {file: (root / file).read_text(encoding="utf-8") for file in SUBMITTED_FILES}
        for file, source in files.items():
            files[file] = strip(source, file, [p for p in PARTS if PARTS[p].file == file])
        for file in given:
            files[file] = (root / file).read_text(encoding="utf-8")
            if file.endswith(".py") and find_regions(files[file], file):
                raise RegionError(f"{file}: it is given to the students, and has a region")
    except RegionError as error:
        raise HandoutError(str(error)) from error
    except OSError as error:
        raise HandoutError(f"{error.filename} cannot be read: {error.strerror}") from error
    files |= {path.name: path.read_text(encoding="utf-8") for path in STUDENT_FILES.iterdir()}
    files["requirements.txt"] = _get_requirements(root)
    for file, content in files.items():
        if file.endswith(".py"):
            compile(content, file, "exec")
        path = handout / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _get_requirements(root: Path) -> str:
    """The program's packages, and of the tests' those of the public ones."""
    program, tests = (
        (root / folder / "requirements.txt").read_text(encoding="utf-8") for folder in ("", "tests")
    )
    needed = [
        line for line in tests.splitlines() if line.startswith(("pytest", "tabulate", "tomli"))
    ]
    return program + "\n".join(needed) + "\n"


def check_points(handout: Path, folder: Path, root: Path = ROOT) -> None:
    """Solution and blank handout, public and private tests: all points, or none."""
    solved = folder / "solved"
    shutil.copytree(handout, solved)
    for file in SUBMITTED_FILES:
        shutil.copyfile(root / file, solved / file)
    private = "grading/private"
    checks = [
        Check("the blank handout, by its own tests", handout, ["tests/graded"], 0),
        Check("the solution, by the handout's tests", solved, ["tests/graded"], TOTAL),
        Check(
            "the blank handout, by the private tests", ROOT, [private, f"--submission={handout}"], 0
        ),
        Check(
            "the solution, by all tests",
            ROOT,
            ["tests/graded", private, f"--submission={solved}"],
            TOTAL,
        ),
    ]
    reports = [folder / f"points-{number}.json" for number in range(len(checks))]
    with (
        ThreadPoolExecutor(os.cpu_count()) as executor,
        tqdm(total=len(checks), desc="checking the points", unit="run", disable=None) as bar,
    ):
        runs = executor.map(_run_check, checks, reports)
        for check, points in zip(checks, runs, strict=True):
            bar.update()
            if points != check.points:
                raise HandoutError(
                    f"{check.what}: {points:g} points, and it should be {check.points:g}; see"
                    " what pytest says of it"
                )
    for leftover in (*handout.rglob("__pycache__"), *handout.rglob(".pytest_cache")):
        shutil.rmtree(leftover, ignore_errors=True)


def _run_check(check: Check, report: Path) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *check.arguments]
    process = subprocess.run(
        [*command, f"--gradescope={report}"],
        cwd=check.tree,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CHECK_LIMIT,
        check=False,
    )
    if not report.exists():
        lines = (process.stderr or process.stdout).strip().splitlines()
        raise HandoutError(f"{check.what}: pytest gave no points: {lines[-1] if lines else '?'}")
    return json.loads(report.read_text())["score"]

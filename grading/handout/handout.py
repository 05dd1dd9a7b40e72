"""Writes the student's tree: the solution without its solution regions, and the public tests.

It is written only after a check: the solution must earn all points, by the public tests and by all,
and the blank handout none.
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

import jinja2
from tqdm import tqdm

from grading.engine.course import COURSE, Course
from grading.engine.manifest import HANDOUT, PRIVATE_TESTS, PUBLIC_TESTS, SUBMITTED_FILES
from grading.engine.parts import PARTS, TOTAL
from grading.handout.regions import RegionError, find_regions, strip
from support.errors import ExplainedError
from support.files import ROOT, find_files

STUDENT_FILES = Path(__file__).parent / "student"
"""The handout's own README (a template), settings, and the program that packs what is handed in."""

CHECK_LIMIT = 600
"""Seconds for one run of pytest."""


class HandoutError(ExplainedError):
    """The handout cannot be written."""


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
        HandoutError: If the target exists, or the points are wrong.
        RegionError: If a mark of a solution region is wrong.
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
    """Writes the student's tree without a check.

    Raises:
        RegionError: If a mark of a solution region is wrong.
    """
    files = {
        file: make_students_version(file, path.read_text(encoding="utf-8"))
        for file, path in find_files(*HANDOUT, root=root).items()
    }
    files["README.md"] = make_readme(COURSE)
    for name in ("pyproject.toml", "handin.py"):
        files[name] = (STUDENT_FILES / name).read_text(encoding="utf-8")
    files["requirements.txt"] = make_requirements(root)
    for file, content in files.items():
        if file.endswith(".py"):
            compile(content, file, "exec")
        path = handout / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def make_students_version(file: str, source: str) -> str:
    """A file without its solution regions; it must have those of its parts, and no others."""
    if file in SUBMITTED_FILES:
        return strip(source, file, [letter for letter in PARTS if PARTS[letter].file == file])
    if file.endswith(".py") and find_regions(source, file):
        raise RegionError(f"{file}: it is given to the students as it is, but has a region")
    return source


def make_readme(course: Course) -> str:
    """The students' README, with the course's points, norm and deadline."""
    template = (STUDENT_FILES / "README.md.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    points = {letter: sum(criteria.values()) for letter, criteria in course.points.items()}
    return environment.from_string(template).render(
        points={letter: f"{number:g}" for letter, number in points.items()},
        total=f"{course.total:g}",
        clip_norm=f"{course.clip_norm:g}",
        members=f"{course.members[0]} to {course.members[1]}",
        deadline=course.late.describe() if course.late else "",
        where=course.hand_in_at,
        activations=", ".join(course.basic_activations),
    )


def make_requirements(root: Path) -> str:
    """The program's packages, and those of the public tests."""
    program = (root / "requirements.txt").read_text(encoding="utf-8")
    return f"{program}-r grading/engine/requirements.txt\n"


def check_points(handout: Path, folder: Path, root: Path = ROOT) -> None:
    """Checks that the solution earns all points, and the blank handout none.

    More tests only take points away. So the blank handout earns none by the private tests either.
    """
    solved = folder / "solved"
    shutil.copytree(handout, solved)
    for file in SUBMITTED_FILES:
        shutil.copyfile(root / file, solved / file)
    checks = [
        Check("the blank handout, by its own tests", handout, [PUBLIC_TESTS], 0),
        Check("the solution, by the handout's tests", solved, [PUBLIC_TESTS], TOTAL),
        Check(
            "the solution, by all tests",
            ROOT,
            [PUBLIC_TESTS, PRIVATE_TESTS, f"--submission={solved}"],
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
                    f"{check.what}: {points:g} points, not {check.points:g}; run pytest on it to"
                    " see why"
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

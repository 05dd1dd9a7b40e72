"""What is kept in the gradebook's folder while a class is graded.

Finished results are kept by a hash of what was handed in and of the grader. So the same call
continues where an earlier one was stopped, whatever stopped it.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from grading.classroom.grade import Task
from grading.classroom.graded import ASIDE, GradebookError
from grading.classroom.result import Result
from grading.engine import course
from grading.engine.manifest import ONE_GRADING, SUBMITTED_FILES
from grading.engine.submission import Submission
from support.files import UNFINISHED, find_files, replacing, write_json

logger = logging.getLogger("grading")
logger.setLevel(logging.INFO)

KEPT = ".kept"
"""The folder of finished results."""
OPENED = ".opened"
"""The folder of what archives hold, so that each is opened once."""
WORK = ".work"
"""The folder of all temporary files."""
LOCK = ".lock"
"""The file that is locked during a grading."""
LOG = "log.txt"
"""The file that says what was done when."""
SALT = ".salt"
"""The file of a secret, from which the judge draws; a copy of it makes the same gradebook again."""


@contextlib.contextmanager
def open_gradebook(folder: Path, submissions: Path) -> Iterator[Path]:
    """Opens a gradebook's folder and its log, for this process alone.

    Yields:
        The folder for temporary files.

    Raises:
        GradebookError: If there are no submissions, the folder lies among them, or another process
            works in it.
    """
    if not submissions.is_dir():
        raise GradebookError(f"there is no folder {submissions}")
    if folder.resolve().is_relative_to(submissions.resolve()):
        raise GradebookError(f"{folder} lies in {submissions}: choose a folder outside of it")
    for name in (KEPT, OPENED, ASIDE):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GradebookError(f"another grading is under way in {folder}: wait for it") from None
        scratch = (folder / WORK).resolve()
        shutil.rmtree(scratch, ignore_errors=True)  # of a killed run
        for unfinished in [*folder.glob(f"{UNFINISHED}*"), *folder.glob(f"*/{UNFINISHED}*")]:
            unfinished.unlink(missing_ok=True)
        scratch.mkdir()
        make_salt(folder / SALT)
        log = logging.FileHandler(folder / LOG)
        log.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(log)
        try:
            yield scratch
        finally:
            logger.removeHandler(log)
            log.close()


def keep_code(folder: Path, submissions: Iterable[tuple[str, Submission]]) -> None:
    """Keeps the files that are graded, for people to read, and removes all others.

    Args:
        folder: For the code.
        submissions: Groups' names, and what they handed in; one is looked at at a time.
    """
    kept = set()
    for name, submission in submissions:
        for file, content in submission.files.items():
            path = folder / name / file
            kept.update((path, *path.parents))
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != content:
                with replacing(path) as unfinished:
                    unfinished.write_bytes(content)
    for group in (path for path in folder.glob("*") if path.is_dir()):
        if group not in kept:
            shutil.rmtree(group)
            continue
        for path in (path for path in group.rglob("*") if path.is_file() and path not in kept):
            path.unlink()


def make_salt(path: Path) -> None:
    """Draws a secret that only the owner of the file may read, if there is none yet."""
    if not path.exists():
        with replacing(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(32))


def read_salt(gradebook: Path) -> bytes:
    return (gradebook / SALT).read_bytes()


class Kept:
    """Finished results, by a hash of the task and of the grader."""

    def __init__(self, folder: Path):
        self._folder, self._grader = folder, hash_grader()

    def get_path(self, task: Task) -> Path:
        """Where the result of a task is kept."""
        files = task.submission.files
        key = {
            "grader": self._grader,
            "files": {name: hashlib.sha256(files[name]).hexdigest() for name in files},
            "missing": dict(task.submission.missing),
            "seed": task.seed,
            "part_limit": task.part_limit,
            "limits": task.limits._asdict(),
            "sandboxed": task.sandboxed,
        }
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self._folder / f"{digest[:32]}.json"

    def read(self, path: Path) -> Result | None:
        """A result; None if there is none, or it is damaged."""
        try:
            return Result(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, path: Path, result: Result) -> None:
        write_json(path, result._asdict())


def hash_grader() -> str:
    """A hash of all that points depend on, without the submission.

    Comments in the sources, and settings that only name or present something, do not count.
    """
    digest = hashlib.sha256(f"{sys.version} {importlib.metadata.version('tensorflow')}".encode())
    for name, file in find_files(*ONE_GRADING, without=SUBMITTED_FILES).items():
        content = file.read_bytes()
        if file == course.PATH:
            content = repr(course.read(file).get_what_points_depend_on()).encode()
        elif file.suffix == ".py":
            content = ast.dump(ast.parse(content)).encode()
        digest.update(name.encode() + content)
    return digest.hexdigest()

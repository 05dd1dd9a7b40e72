"""Grades a class: every archive of a folder, several at a time.

What is finished is kept in the gradebook's folder, by a hash of what was handed in and of the
grader, so that the same call goes on where an earlier one was stopped, whatever stopped it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from data import replacing
from grading import archives
from grading.grade import OUR_FAULT, REFUSED, Task
from grading.groups import Group, find_groups
from grading.sandbox import Limits
from tests.graded import submission
from tests.graded.parts import PARTS

logger = logging.getLogger("grading")
logger.setLevel(logging.INFO)

NOT_YET = "not graded yet"

KEPT, WORK, ASIDE = ".kept", ".work", "aside"
"""Folders in the gradebook's: of finished results, of work under way, of pen-and-paper parts."""
LOCK, LOG = ".lock", "log.txt"
CODE = (".py", ".ipynb", ".md", ".txt", ".toml", ".cfg", ".ini", ".sh", ".bat", ".json", "Makefile")
"""How the names of files end that may lie beside the four without a remark."""
LISTED = 3
"""How many files a flag names."""


class Graded(NamedTuple):
    """A group and its result."""

    group: Group
    flags: tuple[str, ...]
    """What is odd about the content of what was handed in."""
    aside: tuple[str, ...]
    """The files of the pen-and-paper part, as they are called in the gradebook's `ASIDE`."""
    result: Mapping[str, Any]
    """As `grade` returns it; of an archive that is not opened, `status` and `why`."""

    def get_points(self) -> dict[str, float]:
        """Points by part; nothing where there is no verdict through no fault of the group's."""
        if self.result["status"] in (OUR_FAULT, NOT_YET):
            return {}
        return self.result.get("points") or dict.fromkeys(PARTS, 0)

    def get_remarks(self) -> list[str]:
        """What the group is told beside its points."""
        why = [self.result["why"]] if "why" in self.result else []
        return [*why, *self.flags]

    def get_flags(self) -> list[str]:
        """What the teacher should look at."""
        unsafe = [] if self.result.get("sandboxed", True) else ["graded without a sandbox"]
        return [*self.get_remarks(), *self.group.flags, *unsafe]


class Settings(NamedTuple):
    """How a class is graded."""

    only: str | None = None
    """The name of the one group to grade anew."""
    fresh: bool = False
    """Whether to grade all anew."""
    sandboxed: bool = True
    """Whether to shut submissions away."""
    limits: Limits = Limits()
    part_limit: float = submission.PART_LIMIT


class GradebookError(Exception):
    """There is nothing to grade or no place for it; the message says in one line why."""


Submit = Callable[[Task], "futures.Future[dict[str, Any]]"]
"""Has a task graded, by `grade` somewhere."""


@contextlib.contextmanager
def open_gradebook(folder: Path, submissions: Path) -> Iterator[None]:
    """Has a gradebook's folder for this process alone: for its temporary files, and for its log.

    Raises:
        GradebookError: If there are no submissions, it lies among them, or another process is at
            work in it.
    """
    if not submissions.is_dir():
        raise GradebookError(f"there is no folder {submissions}")
    if folder.resolve().is_relative_to(submissions.resolve()):
        raise GradebookError(f"{folder} lies in {submissions}: choose a folder outside of it")
    for name in (KEPT, ASIDE):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GradebookError(f"another grading is under way in {folder}: wait for it") from None
        shutil.rmtree(folder / WORK, ignore_errors=True)  # of one that was killed
        for unfinished in folder.glob("*/.unfinished-*"):  # as `replacing` calls them
            unfinished.unlink(missing_ok=True)
        (folder / WORK).mkdir()
        log = logging.FileHandler(folder / LOG)
        log.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(log)
        before, tempfile.tempdir = tempfile.tempdir, os.fspath((folder / WORK).resolve())
        try:
            yield
        finally:
            tempfile.tempdir = before
            logger.removeHandler(log)
            log.close()


def grade_class(folder: Path, gradebook: Path, submit: Submit, settings: Settings) -> list[Graded]:
    """Grades all that lies in a folder.

    Args:
        folder: The archives, or folders, that were handed in.
        gradebook: Where results are kept.
        submit: Has a task graded.
        settings: How.

    Returns:
        The groups, by name. Those that are not `settings.only` and were never graded are
        `NOT_YET`.

    Raises:
        GradebookError: If there is nothing in the folder, or not the one group.
        OSError: If the folder cannot be read or the gradebook not be written.
    """
    groups = find_groups(path for path in folder.iterdir() if not archives.LITTER.search(path.name))
    if not groups:
        raise GradebookError(f"{folder} is empty: put the groups' archives there")
    if settings.only not in (None, *(group.name for group in groups)):
        raise GradebookError(
            f"there is no group {settings.only}: it is called {groups[0].name}, say"
        )
    arrivals = [take_in(group, gradebook) for group in groups]
    listed = {name for arrival, _ in arrivals for name in arrival.aside}
    for path in (gradebook / ASIDE).iterdir():
        if path.name not in listed:
            path.unlink()
    kept = Kept(gradebook / KEPT)
    results, tasks = {}, {}
    for arrival, content in arrivals:
        name = arrival.group.name
        if not isinstance(content, submission.HandedIn):
            results[name] = content
            logger.info("%s: %s (%s)", name, content["status"], content["why"])
            continue
        task = make_task(content, settings)
        known = kept.read(task)
        anew = name == settings.only or (settings.fresh and settings.only is None)
        if known is not None and not anew:
            results[name] = known
        elif settings.only in (None, name):
            tasks[name] = task
        else:
            results[name] = {"status": NOT_YET}
    for name, result in run(tasks, results, submit):
        results[name] = result
        if result["status"] != OUR_FAULT:
            kept.keep(tasks[name], result)
    return [arrival._replace(result=results[arrival.group.name]) for arrival, _ in arrivals]


def run(
    tasks: Mapping[str, Task], known: Mapping[str, Mapping], submit: Submit
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Grades, shows how far it is, and writes a line a submission into the log."""
    outcomes = Counter(result["status"] for result in known.values())
    names = {submit(task): name for name, task in tasks.items()}
    total = len(names) + len(known)
    with tqdm(total=total, initial=len(known), unit=" submissions", disable=None) as bar:
        bar.set_postfix(outcomes)
        for future in futures.as_completed(names):
            try:
                result = future.result()
            except OSError:  # the disk is full
                raise
            except Exception as error:  # of the executor: a lost worker, say
                result = {"status": OUR_FAULT, "why": submission.printable(error)}
            points = sum(result["points"].values()) if "points" in result else "no"
            logger.info("%s: %s, %s points", names[future], result["status"], points)
            yield names[future], result
            outcomes[result["status"]] += 1
            bar.update()
            bar.set_postfix(outcomes)


# --- before grading -----------------------------------------------------------------------------


def take_in(group: Group, gradebook: Path) -> tuple[Graded, submission.HandedIn | dict[str, Any]]:
    """Opens what a group handed in, and lays its pen-and-paper part aside.

    Returns:
        The group without its result, and the files; or the result, where there is nothing to grade.
    """
    try:
        content = archives.read(group.path, submission.SUBMITTED_FILES)
    except archives.RefusedError as error:
        return Graded(group, (), (), {}), {"status": REFUSED, "why": str(error)}
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
        return Graded(group, (), (), {}), {"status": OUR_FAULT, "why": why}
    aside = []
    for number, (name, data) in enumerate(sorted(content.laid_aside.items()), start=1):
        aside.append(f"{group.name}-{number}{Path(name).suffix.lower()}")
        with replacing(gradebook / ASIDE / aside[-1]) as path:
            path.write_bytes(data)
    files = {n: data for n, data in content.files.items() if len(data) <= submission.MAX_SOURCE}
    missing = {
        name: f"{name} is larger than {submission.MAX_SOURCE >> 20} MiB: hand in code only"
        if name in content.files
        else submission.explain_missing(name, content.others)
        for name in submission.SUBMITTED_FILES
        if name not in files
    }
    entry = Graded(group, tuple(get_flags(content)), tuple(aside), {})
    return entry, submission.HandedIn(files, missing)


def get_flags(content: archives.HandedIn) -> list[str]:
    """What is odd about the content of an archive."""
    flags = []
    if not content.files:
        flags.append("none of the exercise's files is in it")
    odd = [submission.printable(name, 60) for name in content.others if not name.endswith(CODE)]
    if odd:
        more = f" and {len(odd) - LISTED} more" if len(odd) > LISTED else ""
        flags.append(f"more than code: {', '.join(odd[:LISTED])}{more}")
    return flags


def make_task(handed_in: submission.HandedIn, settings: Settings) -> Task:
    """The judge's draws depend on what is handed in, so that gradebooks repeat."""
    digest = hashlib.sha256(repr(sorted(handed_in.files.items())).encode()).digest()
    return Task(
        handed_in,
        int.from_bytes(digest[:4], "big"),
        settings.part_limit,
        settings.limits,
        settings.sandboxed,
    )


# --- what is kept -------------------------------------------------------------------------------


class Kept:
    """Finished results, by a hash of the task and of the grader."""

    def __init__(self, folder: Path):
        self._folder, self._grader = folder, hash_grader()

    def _get_path(self, task: Task) -> Path:
        text = repr(
            (self._grader, sorted(task.handed_in.files.items()), task._replace(handed_in=0))
        )
        missing = repr(sorted(task.handed_in.missing.items()))
        return self._folder / f"{hashlib.sha256((text + missing).encode()).hexdigest()[:32]}.json"

    def read(self, task: Task) -> dict[str, Any] | None:
        """A result; None if there is none, or it is damaged."""
        try:
            result = json.loads(self._get_path(task).read_text())
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) and "status" in result else None

    def keep(self, task: Task, result: Mapping[str, Any]) -> None:
        with replacing(self._get_path(task)) as path:
            path.write_text(json.dumps(result))


def hash_grader() -> str:
    """Of all that points depend on, save for the submission."""
    root = submission.ROOT
    own = [*root.glob("tests/graded/*"), *root.glob("grading/**/*.py")]
    digest = hashlib.sha256(f"{sys.version} {importlib.metadata.version('tensorflow')}".encode())
    for file in sorted({*own, *(root / name for name in submission.GIVEN_FILES)}):
        if file.is_file():
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()

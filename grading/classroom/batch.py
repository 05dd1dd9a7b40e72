"""Grades a class: every archive of a folder, several at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from grading.classroom.arrivals import take_in
from grading.classroom.grade import Task
from grading.classroom.graded import ASIDE, CODE, GradebookError, Graded
from grading.classroom.groups import find_groups, find_name, list_handed_in
from grading.classroom.kept import KEPT, Kept, keep_code, logger
from grading.classroom.result import NOT_YET, OUR_FAULT, Result
from grading.engine.build import PART_LIMIT
from grading.engine.submission import Submission
from grading.engine.text import printable
from grading.engine.verdict import get_points
from grading.sandbox.limits import Limits


class Settings(NamedTuple):
    """How a class is graded."""

    only: str | None = None
    """The one group to grade again: its name, or the number of a member."""
    fresh: bool = False
    """Whether to grade all again."""
    sandboxed: bool = True
    """Whether to use the sandbox."""
    limits: Limits = Limits()
    part_limit: float = PART_LIMIT


Submit = Callable[[Task], "futures.Future[dict[str, Any]]"]
"""Has `grade` run on a task somewhere; the future gives the fields of its result."""


def grade_class(folder: Path, gradebook: Path, submit: Submit, settings: Settings) -> list[Graded]:
    """Grades everything in a folder.

    Args:
        folder: The archives, or folders, that were handed in.
        gradebook: Where results are kept.
        submit: Has a task graded.
        settings: How to grade.

    Returns:
        The groups, by name. If `settings.only` is given, other groups that were never graded
        are `NOT_YET`.

    Raises:
        GradebookError: If the folder is empty.
        GroupError: If it lacks the one group.
        OSError: If the folder cannot be read, or the gradebook not written.
    """
    groups = find_groups(list_handed_in(folder))
    if not groups:
        raise GradebookError(f"{folder} is empty: put the groups' archives there")
    if settings.only is not None:
        only = find_name((group.name for group in groups), settings.only)
        settings = settings._replace(only=only)
    arrivals = {group.name: take_in(group, gradebook / ASIDE) for group in groups}
    listed = {name for arrival in arrivals.values() for name in arrival.aside}
    for path in (gradebook / ASIDE).iterdir():
        if path.name not in listed:
            path.unlink()
    submissions = {name: a.submission for name, a in arrivals.items() if a.submission}
    keep_code(gradebook / CODE, submissions)
    kept = Kept(gradebook / KEPT)
    results: dict[str, Result] = {}
    tasks: dict[str, Task] = {}
    for name, arrival in arrivals.items():
        if arrival.submission is None:
            results[name] = arrival.result
            logger.info("%s: %s (%s)", name, arrival.result.status, arrival.result.why)
            continue
        task = make_task(arrival.submission, settings)
        known = kept.read(task)
        anew = name == settings.only or (settings.fresh and settings.only is None)
        if known is not None and not anew:
            results[name] = known
        elif settings.only in (None, name):
            tasks[name] = task
        else:
            results[name] = Result(NOT_YET)
    for name, result in run(tasks, results, submit):
        results[name] = result
        if result.status != OUR_FAULT:
            kept.keep(tasks[name], result)
    return [
        Graded(arrival.group, arrival.flags, arrival.aside, results[name])
        for name, arrival in arrivals.items()
    ]


def make_task(submission: Submission, settings: Settings) -> Task:
    """The seed comes from the files, so the same files give the same points."""
    digest = hashlib.sha256(repr(sorted(submission.files.items())).encode()).digest()
    return Task(
        submission,
        seed=int.from_bytes(digest[:4], "big"),
        part_limit=settings.part_limit,
        limits=settings.limits,
        sandboxed=settings.sandboxed,
    )


def run(
    tasks: Mapping[str, Task], known: Mapping[str, Result], submit: Submit
) -> Iterator[tuple[str, Result]]:
    """Grades, shows the progress, and logs one line per submission."""
    outcomes = Counter(result.status for result in known.values())
    names = {submit(task): name for name, task in tasks.items()}
    total = len(names) + len(known)
    with tqdm(total=total, initial=len(known), unit=" submissions", disable=None) as bar:
        bar.set_postfix(outcomes)
        for future in futures.as_completed(names):
            result = get_result(future)
            points = "no" if result.verdict is None else sum(get_points(result.verdict).values())
            logger.info("%s: %s, %s points", names[future], result.status, points)
            yield names[future], result
            outcomes[result.status] += 1
            bar.update()
            bar.set_postfix(outcomes)


def get_result(future: futures.Future[dict[str, Any]]) -> Result:
    """The result of a task.

    Raises:
        OSError: If the disk is full.
    """
    try:
        return Result(**future.result())
    except OSError:
        raise
    except Exception as error:  # of the executor, such as a lost worker
        return Result(OUR_FAULT, why=printable(error))

"""Grades a class: every archive of a folder, several at a time."""

from __future__ import annotations

import functools
import hmac
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from grading.classroom.grade import Task
from grading.classroom.graded import ASIDE, CODE, GradebookError, Graded
from grading.classroom.groups import Group, find_groups, find_name, list_handed_in
from grading.classroom.kept import KEPT, OPENED, Kept, keep_code, logger, read_salt
from grading.classroom.opening import Opened, open_all
from grading.classroom.result import NOT_YET, OUR_FAULT, Result
from grading.engine.build import PART_LIMIT
from grading.engine.submission import Submission
from grading.engine.text import printable
from grading.engine.verdict import get_points
from grading.sandbox.limits import Limits

MAX_WAITING = 200
"""Tasks that wait to be graded at a time."""


class Settings(NamedTuple):
    """How a class is graded."""

    only: str | None = None
    """The one group to grade again: its name, or the number of a member."""
    fresh: bool = False
    """Whether to grade all again."""
    sandboxed: bool = True
    """Whether to use the sandbox."""
    nbr_jobs: int = 1
    """How many archives are opened at a time."""
    limits: Limits = Limits()
    part_limit: float = PART_LIMIT


Submit = Callable[[Task], "futures.Future[dict[str, Any]]"]
"""Has `grade_and_time` run on a task somewhere; the future gives what it returns."""


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
    arrivals = open_with_progress(groups, gradebook, settings)
    keep_arrivals(gradebook, arrivals)
    kept = Kept(gradebook / KEPT)
    results: dict[str, Result] = {}
    keys: dict[str, Path] = {}
    tasks: dict[str, Callable[[], Task]] = {}
    salt = read_salt(gradebook)
    for name, arrival in arrivals.items():
        if arrival.result is not None:
            results[name] = arrival.result
            logger.info("%s: %s (%s)", name, arrival.result.status, arrival.result.why)
            continue
        make = functools.partial(read_task, arrival, settings, salt)
        keys[name] = kept.get_path(make())
        known = kept.read(keys[name])
        anew = name == settings.only or (settings.fresh and settings.only is None)
        if known is not None and not anew:
            results[name] = known
            logger.info("%s: %s, as it was graded before", name, known.status)
        elif settings.only in (None, name):
            tasks[name] = make
        else:
            results[name] = Result(NOT_YET)
    for name, result in run(tasks, results, submit):
        results[name] = result
        if result.status != OUR_FAULT:
            kept.keep(keys[name], result)
    return [
        Graded(arrival.flag_group(), arrival.flags, arrival.aside, results[name])
        for name, arrival in arrivals.items()
    ]


def keep_arrivals(gradebook: Path, arrivals: Mapping[str, Opened]) -> None:
    """Keeps code and papers of what was handed in, and removes those of all else."""
    listed = {name for arrival in arrivals.values() for name in arrival.aside}
    for path in (gradebook / ASIDE).iterdir():
        if path.name not in listed:
            path.unlink()
    keep_code(
        gradebook / CODE,
        ((name, a.read_submission()) for name, a in arrivals.items() if a.result is None),
    )


def open_with_progress(
    groups: Sequence[Group], gradebook: Path, settings: Settings
) -> dict[str, Opened]:
    """Opens what was handed in, and shows the progress."""
    opened = open_all(groups, gradebook / ASIDE, gradebook / OPENED, settings.nbr_jobs)
    with tqdm(opened, total=len(groups), unit=" archives", leave=False, disable=None) as bar:
        arrivals = {arrival.group.name: arrival for arrival in bar}
    return {group.name: arrivals[group.name] for group in groups}


def read_task(arrival: Opened, settings: Settings, salt: bytes) -> Task:
    return make_task(arrival.read_submission(), settings, salt)


def make_task(submission: Submission, settings: Settings, salt: bytes) -> Task:
    """The seed comes from the files and a secret, so the same files give the same points.

    Without the secret, a submission could compute the judge's draws from its own files.
    """
    content = repr(sorted(submission.files.items())).encode()
    digest = hmac.digest(salt, content, "sha256")
    return Task(
        submission,
        seed=int.from_bytes(digest[:8], "big"),
        part_limit=settings.part_limit,
        limits=settings.limits,
        sandboxed=settings.sandboxed,
    )


def run(
    tasks: Mapping[str, Callable[[], Task]], known: Mapping[str, Result], submit: Submit
) -> Iterator[tuple[str, Result]]:
    """Grades, shows the progress, and logs one line per submission.

    Only so many tasks wait at a time: all submissions of a class would take much memory.
    """
    outcomes = Counter(result.status for result in known.values())
    waiting = iter(tasks.items())
    names: dict[futures.Future, str] = {}

    def submit_some() -> None:
        for name, make in itertools.islice(waiting, MAX_WAITING - len(names)):
            names[submit(make())] = name

    total = len(tasks) + len(known)
    with tqdm(total=total, initial=len(known), unit=" submissions", disable=None) as bar:
        bar.set_postfix(outcomes)
        submit_some()
        while names:
            done, _ = futures.wait(names, return_when=futures.FIRST_COMPLETED)
            for future in done:
                name = names.pop(future)
                result, seconds = get_result(future)
                verdict = result.verdict
                points = "no" if verdict is None else sum(get_points(verdict).values())
                logger.info("%s: %s, %s points, %.0f s", name, result.status, points, seconds)
                yield name, result
                outcomes[result.status] += 1
                bar.update()
                bar.set_postfix(outcomes)
            submit_some()


def get_result(future: futures.Future[dict[str, Any]]) -> tuple[Result, float]:
    """The result of a task, and the seconds that it took.

    Raises:
        OSError: If the disk is full.
    """
    try:
        answer = future.result()
        return Result(**answer["result"]), answer["seconds"]
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's
            raise
        return Result(OUR_FAULT, why=printable(error)), 0.0  # the executor's, as of a lost worker

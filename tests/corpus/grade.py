"""Grades many submissions in few processes.

Harmless entries share a few processes, and only the parts whose file they change are built. Each
other entry is built alone, as any submission is. Pytest judges all of them, one after another, in
processes that never run their Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import multiprocessing
import os
import pickle
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from grading.engine import builder
from grading.engine.build import MAX_SIZES, Build, build, collect
from grading.engine.manifest import SUBMITTED_FILES
from grading.engine.memory_truth import choose_telling_seed
from grading.engine.parts import PARTS
from grading.engine.submission import lay_out, read_folder
from grading.engine.verdict import Question, get_points, get_reasons
from grading.private import judge as judging
from grading.private.judge import in_folder
from support.executors import count_usable_cores
from tests.corpus.entries import Entry

SEED = 20261122
"""Seeds the judge's draws."""
PART_LIMIT = 10.0
"""Seconds for a part of a hostile submission."""


class Grade(NamedTuple):
    """What the grading says of a submission, for the parts that were judged."""

    points: dict[str, float]
    reasons: dict[str, list[str]]
    failures: dict[str, set[str]]
    """The failed tests of each part, by function, if other tests of the part passed: then something
    was built, and a test saw what is wrong."""

    def of_part(self, part: str) -> Grade:
        """What it says of one part."""
        return Grade(*({part: of_all[part]} if part in of_all else {} for of_all in self))

    def get_lost(self) -> str:
        return "".join(p for p, points in self.points.items() if points < PARTS[p].points)


@contextlib.contextmanager
def grading(entries: Iterable[Entry], *, full: bool = False) -> Iterator[dict[str, Future[Grade]]]:
    """Grades entries in the background; at the end, cancels what has not started.

    Args:
        entries: Those not marked `alone` must do no harm to the process that builds them.
        full: Whether to build and judge all parts of all, also unchanged ones.

    Yields:
        The grades to come, by the entries' names.
    """
    tasks = [
        (entry, entry.get_files(), "".join(PARTS) if full else entry.get_changed_parts())
        for entry in _mix(entries)
    ]
    context = multiprocessing.get_context("spawn")
    half = max(1, count_usable_cores() // 2)
    in_background = {"mp_context": context, "initializer": _work_in_background}
    with (
        ProcessPoolExecutor(half, **in_background) as builders,
        ProcessPoolExecutor(half, **in_background) as judges,
        ThreadPoolExecutor(half) as loners,
        ThreadPoolExecutor(16 * half) as waiting,
    ):

        def grade(entry: Entry, files: dict[str, bytes], parts: str) -> Grade:
            if entry.alone:
                parts = "".join(PARTS)
                build = loners.submit(build_alone, entry, files).result()
            else:
                build = builders.submit(build_here, files, parts).result()
            return judges.submit(judge, build, parts).result()

        futures = {entry.name: waiting.submit(grade, entry, *more) for entry, *more in tasks}
        try:
            yield futures
        finally:
            for future in futures.values():
                future.cancel()


def _work_in_background() -> None:
    """Leaves the processors to other tests, and hides what TensorFlow says."""
    os.nice(10)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _mix(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries with the slow ones spread among the others."""
    entries = list(entries)
    slow, others = ([e for e in entries if e.alone is alone] for alone in (True, False))
    shares = [
        (number / len(group), e) for group in (slow, others) for number, e in enumerate(group)
    ]
    yield from (entry for _, entry in sorted(shares, key=lambda share: share[0]))


def build_alone(entry: Entry, files: dict[str, bytes]) -> Build:
    """Builds a submission as any is built, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        _write(files, Path(folder))
        if entry.add is not None:
            entry.add(Path(folder))
        submission = read_folder(Path(folder))
    return build(submission, seed=choose_telling_seed(SEED), part_limit=PART_LIMIT)


def build_here(files: dict[str, bytes], parts: str) -> Build:
    """Builds parts of a submission in this process, as its own process would."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        _write(files, Path(folder, "handed-in"))
        submission = read_folder(Path(folder, "handed-in"))
        lay_out(submission.files, Path(folder, "stage"))
        lost = {part: why for part, why in submission.get_lost_parts().items() if part in parts}
        sent: dict[str, bytes] = {}

        def send(name: str, content: bytes) -> None:
            if len(content) <= MAX_SIZES[name]:
                sent[name] = content

        seed = choose_telling_seed(SEED)
        with _standing_in(Path(folder, "stage")), contextlib.redirect_stdout(io.StringIO()):
            builder.make_lazy_package()
            builder.build([part for part in parts if part not in lost], send, seed)
        others = {part: "not built" for part in PARTS if part not in parts}
        return collect(sent, {**others, **lost}, seed)


DEPENDS = {"a": "ab", "c": "cd"}
"""The parts that a part's tests look at, if there are others than its own."""

_judged: dict[str, Grade] = {}
"""What this process has judged: most entries leave most parts of the reference as they are."""


def judge(build: Build, parts: str) -> Grade:
    """Grades some parts of what was built. The same graphs are judged once."""
    keys = {part: _hash(part, build) for part in parts}
    new = "".join(part for part in parts if keys[part] not in _judged)
    if new:
        grade = run_tests(build, new)
        _judged.update({keys[part]: grade.of_part(part) for part in new})
    merged = Grade({}, {}, {})
    for part in parts:
        for whole, of_part in zip(merged, _judged[keys[part]], strict=True):
            whole.update(of_part)
    return merged


def _hash(part: str, build: Build) -> str:
    """Of all that a part's verdict depends on."""
    probes = [build.probes[other] for other in DEPENDS.get(part, part)]
    return part + hashlib.sha256(pickle.dumps(probes)).hexdigest()


def run_tests(build: Build, parts: str) -> Grade:
    """Runs pytest on what was built; only the tests of some parts."""
    passed: set[str] = set()  # parts
    failures: dict[str, set[str]] = {}

    class Watch:
        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            self.parts = {i.nodeid: i.get_closest_marker("part").args[0] for i in items}

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            part = self.parts[report.nodeid]
            if report.failed:
                test = report.nodeid.partition("::")[2].partition("[")[0]
                failures.setdefault(part, set()).add(test)
            elif report.when == "call" and report.passed:
                passed.add(part)

    verdict = judging.judge(Question(build, SEED, parts), plugins=(Watch(),))
    points = get_points(verdict)
    return Grade(
        {part: points[part] for part in parts},
        {part: get_reasons(verdict, part) for part in parts},
        {part: tests for part, tests in failures.items() if part in passed},
    )


def _write(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    """Works in a submission's folder, as its process would; forgets its modules at the end."""
    names = {Path(name).parts[0].removesuffix(".py") for name in (*SUBMITTED_FILES, "data.py")}

    def forget() -> None:
        for module in list(sys.modules):
            if module.partition(".")[0] in names:
                del sys.modules[module]

    forget()
    sys.path.insert(0, os.fspath(folder))
    try:
        with in_folder(folder):
            yield
    finally:
        sys.path.remove(os.fspath(folder))
        forget()

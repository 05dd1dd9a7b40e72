"""JUDGE: the points for what BUILD has left, without running a line of a submission's Python."""

from __future__ import annotations

import contextlib
import gc
import io
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from grading.engine.build import Build
from grading.engine.manifest import PRIVATE_TESTS, PUBLIC_TESTS
from grading.engine.points import SCORER, Scorer, get_part
from grading.engine.verdict import Question, Verdict
from support.files import ROOT


class NoVerdictError(Exception):
    """Pytest did not come to an end, or a test did not report."""


class _Judge:
    """The part of pytest that takes what was built, and only the tests of some parts.

    The tests run part by part. A part's graphs are dropped before the next part begins. If memory
    or a running graph is left behind even so, pytest stops: the next part would pay for it.
    """

    def __init__(self, build: Build, parts: Collection[str]):
        self._build, self._parts = build, parts
        self.scorer: Scorer

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self.scorer = config.stash[SCORER]
        self.scorer.use(self._build)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        markers = [item.get_closest_marker("part") for item in items]
        items[:] = [
            item
            for item, marker in zip(items, markers, strict=True)
            if marker and marker.args[0] in self._parts
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        from grading.engine.bounds import measure_footprint

        self._before = measure_footprint()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Iterator[None]:
        result = yield
        if nextitem is not None and get_part(item) != get_part(nextitem):
            self.scorer.drop_graphs()
            if not self._has_room():
                gc.collect()
                if not self._has_room():
                    item.session.shouldstop = f"part {get_part(item)} leaves something behind"
        return result

    def _has_room(self) -> bool:
        from grading.engine.bounds import measure_footprint

        return measure_footprint().has_room_as(self._before)


def judge(question: Question, plugins: tuple = ()) -> Verdict:
    """Runs pytest on what was built, in this process.

    Args:
        question: What was built, and which parts are asked for.
        plugins: More plugins of pytest.

    Raises:
        NoVerdictError: If a test did not report: what was built got in its way.
    """
    decides = _Judge(question.build, question.parts)
    status = _run_pytest(decides, *plugins, seed=question.seed)
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise NoVerdictError(f"pytest ended with {status!r}")
    if left := set().union(*decides.scorer.awaited.values()):
        raise NoVerdictError(f"{len(left)} tests did not report")
    return decides.scorer.get_verdict()


def import_tests() -> None:
    """Has pytest import the tests, with all that they need, and run none of them."""
    _run_pytest(_Judge(Build({}, seed=0), parts=()), seed=0)


def _run_pytest(*plugins: object, seed: int) -> int:
    options = ["-q", "-p", "no:cacheprovider", "--tb=no", "-rN", f"--seed={seed}"]
    options += ["-p", "no:unraisableexception"]  # which would collect garbage after each test
    with contextlib.redirect_stdout(io.StringIO()), in_folder(ROOT):
        return pytest.main([PUBLIC_TESTS, PRIVATE_TESTS, *options], plugins=list(plugins))


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """With a folder as the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)

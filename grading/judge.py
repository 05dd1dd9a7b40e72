"""JUDGE: the points for what BUILD has left, without running a line of a submission's Python.

    python -m grading.judge        in a sandbox, for the class

reads a triple, pickled, of the `Build`, the seed of the judge's draws and the parts to be judged,
and writes the verdict as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.graded import points, submission
from tests.graded.parts import PARTS

TESTS = ("tests/graded", "grading/private")


class _Judge:
    """The part of pytest that takes what was built, and only the tests of some parts."""

    def __init__(self, build: submission.Build, parts: Collection[str]):
        self._build, self._parts = build, parts
        self.scorer: points.Scorer

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self.scorer = config.stash[points.SCORER]
        self.scorer.use(self._build)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        markers = [item.get_closest_marker("part") for item in items]
        items[:] = [
            item
            for item, marker in zip(items, markers, strict=True)
            if marker and marker.args[0] in self._parts
        ]


def judge(
    build: submission.Build, seed: int, parts: Collection[str] = PARTS, plugins: tuple = ()
) -> points.Scorer:
    """Runs pytest on what was built, in this process.

    Args:
        build: What BUILD has left.
        seed: Of the judge's draws.
        parts: The parts whose tests are run.
        plugins: More plugins of pytest.
    """
    decides = _Judge(build, parts)
    options = ["-q", "-p", "no:cacheprovider", "--tb=no", "-rN", f"--seed={seed}"]
    options += ["-p", "no:unraisableexception"]  # which would collect garbage after each test
    options += ["-p", "no:hypothesispytest"]  # which would import Hypothesis for its summary
    with contextlib.redirect_stdout(io.StringIO()), in_folder(submission.ROOT):
        pytest.main([*TESTS, *options], plugins=[decides, *plugins])
    return decides.scorer


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """With a folder as the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def describe(scorer: points.Scorer) -> dict[str, Any]:
    """The verdict as plain data, the same each time."""
    gradescope = scorer.to_gradescope()
    del gradescope["execution_time"]
    return {
        "points": {part: scorer.score_part(part) for part in PARTS},
        "reasons": {part: scorer.get_reasons(part) for part in PARTS},
        "notes": {part: list(dict.fromkeys(scorer.notes.get(part, []))) for part in PARTS},
        "gradescope": gradescope,
    }


def main() -> None:
    build, seed, parts = pickle.load(sys.stdin.buffer)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    json.dump(describe(judge(build, seed, parts)), answer)
    answer.close()


if __name__ == "__main__":
    main()

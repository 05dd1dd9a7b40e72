"""The part of pytest that grades: options, fixtures, and the table of points at the end.

A test says by `@pytest.mark.part("b", "state")` which criterion of which part it belongs to; the
points of a criterion are earned when all its tests have reported, some have run, and none has
failed.
"""

from __future__ import annotations

import functools
import secrets
import shutil
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tabulate import tabulate

from grading.engine.bounds import TOO_LONG, Clock
from grading.engine.build import PART_LIMIT, Build, Probe, build
from grading.engine.losing import VagueFailure, lose
from grading.engine.manifest import PRIVATE_TESTS, PUBLIC_TESTS
from grading.engine.memory_truth import choose_telling_seed
from grading.engine.parts import PARTS, TOTAL
from grading.engine.submission import read_folder
from grading.engine.text import LONGEST_REASON, printable
from grading.engine.verdict import (
    GRADER_FAILED,
    PartVerdict,
    Verdict,
    get_points,
    get_reasons,
    make_report,
    shorten,
)
from support.files import ROOT, write_json

GRADED_FOLDERS = (ROOT / PUBLIC_TESTS, ROOT / PRIVATE_TESTS)
"""Where the tests are that give points."""

NARROW = 80
"""Columns below which a terminal is narrow."""
NOT_CHECKED = "not checked in this run"
"""The reason for losing points where none of a criterion's tests was run."""


class Reason(NamedTuple):
    """Why a test failed."""

    text: str
    vague: bool = False
    """Whether any other reason of the part tells more."""


class Scorer:
    """Builds the submission, collects the outcomes of its tests, and adds up the points.

    Args:
        folder: The submission.
        seed: Of the judge's draws; the builder does not see it.
        part_limit: Seconds for the builder's work on one part.
    """

    def __init__(self, folder: Path, seed: int, part_limit: float):
        self.folder, self.seed, self._part_limit = folder, seed, part_limit
        self._has_started = False
        self._parts: dict[str, Future[Mapping[str, Probe]]] = {part: Future() for part in PARTS}
        self._loaded: dict[tuple[str, str], Any] = {}
        self._clocks: dict[str, Any] = {}
        self._found: dict[Hashable, Any] = {}
        self.started = time.perf_counter()
        self.reasons: dict[tuple[str, str], list[Reason]] = defaultdict(list)
        self.has_run: set[tuple[str, str]] = set()
        self.awaited: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.notes: dict[str, list[str]] = defaultdict(list)

    @functools.cached_property
    def build_seed(self) -> int:
        """Seeds the data of part h."""
        return choose_telling_seed(self.seed)

    def start_building(self) -> None:
        """Starts the builder, once; it works while pytest is collecting and judging."""
        if not self._has_started:
            self._has_started = True
            executor = ThreadPoolExecutor(1)
            executor.submit(self._build)
            executor.shutdown(wait=False)

    def _build(self) -> None:
        try:
            built = build(
                read_folder(self.folder),
                seed=self.build_seed,
                part_limit=self._part_limit,
                tell=lambda part, probes: self._parts[part].set_result(probes),
            )
            self.use(built)
        except BaseException as error:
            for probes in self._parts.values():
                if not probes.done():
                    probes.set_exception(error)

    def use(self, built: Build) -> None:
        """Takes what has been built; of parts that have been told before, nothing."""
        self._has_started, self.build_seed = True, built.seed
        for part, probes in built.probes.items():
            if not self._parts[part].done():
                self._parts[part].set_result(probes)

    def get_probes(self, part: str) -> Mapping[str, Probe]:
        """What BUILD left of a part; waits for it."""
        self.start_building()
        return self._parts[part].result()

    def get_facts(self, part: str, name: str) -> Mapping[str, Any]:
        """What BUILD has recorded of a probe; fails the test where there is nothing."""
        probe = self.get_probes(part)[name]
        if probe.needs:
            why = "" if "not solved yet" in probe.error else f": {probe.error}"
            lose(f"cannot be checked until part ({PARTS[part].needs}) works{why}")
        if probe.error is not None:
            lose(probe.error)
        if probe.facts.get("library"):
            library = printable(probe.facts["library"])
            lose(f"this is {library}: the exercise is to write the cell yourself")
        return probe.facts

    def get_graph(self, part: str, name: str) -> Any:
        """A probe's graph; fails the test where there is none, or it must not be run."""
        from grading.engine.graphs import LoadedGraph

        self.get_facts(part, name)
        clock = self._clocks.setdefault(part, Clock())
        with clock.running():
            if (part, name) not in self._loaded:
                graph = self.get_probes(part)[name].graph
                try:
                    self._loaded[part, name] = LoadedGraph(graph, clock)
                except pytest.fail.Exception as failure:
                    self._loaded[part, name] = failure.msg
        if isinstance(self._loaded[part, name], str):
            lose(self._loaded[part, name])
        return self._loaded[part, name]

    def find_once(self, what: Hashable, find: Callable[[], Any]) -> Any:
        """What `find` returns, or how it fails the test: found once for all tests of a part."""
        if what not in self._found:
            try:
                self._found[what] = find()
            except pytest.fail.Exception as failure:
                self._found[what] = failure
        if isinstance(self._found[what], pytest.fail.Exception):
            raise self._found[what].with_traceback(None)
        return self._found[what]

    def drop_graphs(self) -> None:
        """Forgets all graphs, with all that their variables hold, and what was found of them."""
        for graph in self._loaded.values():
            if not isinstance(graph, str):
                graph.close()
        self._loaded.clear()
        self._found.clear()
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            vars(sys).pop(name, None)  # pytest keeps the last failure there, and it keeps graphs

    def get_verdict(self) -> Verdict:
        """What the tests that have run say of all parts."""
        return {part: self._get_part_verdict(part) for part in PARTS}

    def _get_part_verdict(self, part: str) -> PartVerdict:
        verdict = PartVerdict(points={}, reasons={}, notes=list(dict.fromkeys(self.notes[part])))
        of_part = {criterion: self.reasons[part, criterion] for criterion in PARTS[part].criteria}
        is_explained = any(not reason.vague for reasons in of_part.values() for reason in reasons)
        has_stopped = part in self._clocks and self._clocks[part].has_stopped
        for criterion, points in PARTS[part].criteria.items():
            key, reasons = (part, criterion), of_part[criterion]
            told = [reason.text for reason in reasons if not (reason.vague and is_explained)]
            is_earned = not reasons
            if key not in self.has_run or self.awaited[key]:
                told.append(NOT_CHECKED)
                is_earned = False
            if has_stopped:
                told = [TOO_LONG]  # what came before the end would be a matter of luck
                is_earned = False
            told.sort(key=lambda reason: not reason.startswith(GRADER_FAILED))  # not to be missed
            verdict["points"][criterion] = points if is_earned else 0
            verdict["reasons"][criterion] = shorten(told)
        return verdict


def _was_checked(verdict: Verdict, letter: str) -> bool:
    return any(told != [NOT_CHECKED] for told in verdict[letter]["reasons"].values())


def _get_found(verdict: Verdict, letter: str) -> list[str]:
    """The reasons of a part that tests have found."""
    return [reason for reason in get_reasons(verdict, letter) if reason != NOT_CHECKED]


def make_table(verdict: Verdict) -> list[list[str]]:
    """The rows of the table: part, title, points, first reason or notes."""
    points = get_points(verdict)
    rows = []
    for letter, part in PARTS.items():
        reasons = _get_found(verdict, letter) or get_reasons(verdict, letter)
        earned = f"{points[letter]:g}" if _was_checked(verdict, letter) else "-"
        if earned != "-" and reasons == [NOT_CHECKED]:
            reasons = ["the rest is " + NOT_CHECKED]
        remarks = reasons[:1] or verdict[letter]["notes"]
        rows.append([letter, part.title, f"{earned}/{part.points:g}", "; ".join(remarks)])
    rows.append(["", "total", f"{sum(points.values()):g}/{TOTAL:g}", ""])
    return rows


SCORER = pytest.StashKey[Scorer]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("points of the exercise")
    group.addoption(
        "--submission",
        metavar="DIR",
        help="grade the submission in DIR instead of this tree (write it with =, --submission=DIR)",
    )
    group.addoption("--gradescope", metavar="FILE", help="write the points as Gradescope's JSON")
    group.addoption(
        "--seed", type=int, metavar="N", help="of the judge's draws (a new one each time)"
    )
    group.addoption(
        "--part-limit",
        type=float,
        metavar="SECONDS",
        default=PART_LIMIT,
        help="time for the submission's work on one part (%(default)g)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "part(letter, criterion): the criterion of the sheet's part that a test decides"
    )
    folder = config.getoption("--submission")
    if "--submission" in config.invocation_params.args:
        raise pytest.UsageError(
            "write --submission=DIR with an equals sign: with a blank, pytest takes DIR for a"
            " folder of tests and runs what is in there"
        )
    if folder is not None and not Path(folder).is_dir():
        raise pytest.UsageError(f"--submission: there is no folder {folder}")
    if folder is not None:  # the table says it all
        config.option.tbstyle, config.option.reportchars = "no", "N"
    report = config.getoption("--gradescope")
    if report is not None and not Path(report).absolute().parent.is_dir():
        raise pytest.UsageError(f"--gradescope: there is no folder for {report}")
    seed = config.getoption("--seed")
    config.stash[SCORER] = Scorer(
        ROOT if folder is None else Path(folder).absolute(),
        secrets.randbits(64) if seed is None else seed,
        config.getoption("--part-limit"),
    )


def pytest_report_header(config: pytest.Config) -> str:
    scorer = config.stash[SCORER]
    return f"grading: {scorer.folder}, seed {scorer.seed}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --submission, only what grades is collected."""
    if config.getoption("--submission") is None:
        return None
    related = any(
        collection_path.is_relative_to(folder) or folder.is_relative_to(collection_path)
        for folder in GRADED_FOLDERS
    )
    return None if related else True


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> None:
    if file_path.parent in GRADED_FOLDERS and file_path.name.startswith("test_"):
        parent.config.stash[SCORER].start_building()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("part")
        if marker and marker.args[1] not in PARTS[marker.args[0]].criteria:
            raise pytest.UsageError(f"{item.nodeid}: the table of points has no {marker.args}")
    items.sort(key=get_part)  # so that a part is judged while later ones are built


def get_part(item: pytest.Item) -> str:
    """The part that a test is about; what sorts after all parts, if it is about none."""
    marker = item.get_closest_marker("part")
    return marker.args[0] if marker else "~"


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:
        if marker := item.get_closest_marker("part"):
            session.config.stash[SCORER].awaited[marker.args].add(item.nodeid)


@pytest.fixture(scope="session")
def scorer(pytestconfig: pytest.Config) -> Scorer:
    return pytestconfig.stash[SCORER]


@pytest.fixture
def rng(request: pytest.FixtureRequest, scorer: Scorer) -> np.random.Generator:
    """A generator of the judge's draws, another one for each test."""
    return np.random.default_rng([scorer.seed, zlib.crc32(request.node.nodeid.encode())])


@pytest.fixture
def note(request: pytest.FixtureRequest, scorer: Scorer) -> Any:
    """Adds a remark to the part's row where no points are lost."""
    letter = request.node.get_closest_marker("part").args[0]
    return lambda text: scorer.notes[letter].append(text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = yield
    marker = item.get_closest_marker("part")
    if marker is None:
        return report
    scorer, key = item.config.stash[SCORER], tuple(marker.args)
    if report.when == "teardown":
        scorer.awaited[key].discard(item.nodeid)
    if report.when == "call" and report.passed:
        scorer.has_run.add(key)
    if report.failed:
        reason = _explain(call.excinfo)
        if call.excinfo.errisinstance(pytest.fail.Exception) or item.config.option.verbose < 1:
            report.longrepr = reason
        scorer.has_run.add(key)
        scorer.reasons[key].append(Reason(reason, call.excinfo.errisinstance(VagueFailure)))
    return report


def _explain(excinfo: pytest.ExceptionInfo) -> str:
    if excinfo.errisinstance(pytest.fail.Exception):
        return printable(excinfo.value.msg, LONGEST_REASON)
    return (
        f"{GRADER_FAILED} ({excinfo.typename}: {printable(excinfo.value)}): this is not your fault;"
        " tell your teacher, who sees more with pytest -v"
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    scorer = config.stash[SCORER]
    if not scorer.has_run:
        return
    verdict = scorer.get_verdict()
    terminalreporter.ensure_newline()  # before the first heading, not after it
    for letter in PARTS:
        reasons = _get_found(verdict, letter)
        if reasons:
            terminalreporter.section(f"part ({letter})", sep="-")
        for reason in reasons:
            terminalreporter.write_line(f"- {reason}")
    terminalreporter.section("points")
    terminalreporter.write_line(_lay_out(make_table(verdict), shutil.get_terminal_size().columns))


def _lay_out(rows: list[list[str]], columns: int) -> str:
    """The table for a terminal; a narrow one has no room for the titles."""
    headers, aligned, taken = ["part", "", "points", "why"], ["left", "left", "right", "left"], 55
    if columns < NARROW:
        rows = [[letter, points, why] for letter, _, points, why in rows]
        headers, aligned, taken = ["part", "points", "why"], ["left", "right", "left"], 18
    return tabulate(
        rows,
        headers=headers,
        tablefmt="simple",
        colalign=aligned,
        maxcolwidths=[*[None] * (len(headers) - 1), max(18, columns - taken)],
        disable_numparse=True,
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    report = session.config.getoption("--gradescope")
    scorer = session.config.stash[SCORER]
    if report is not None and scorer.has_run:
        verdict = scorer.get_verdict()
        output = f"{sum(get_points(verdict).values()):g} of {TOTAL} points"
        seconds = round(time.perf_counter() - scorer.started, 2)
        write_json(report, make_report(verdict, output, execution_time=seconds))

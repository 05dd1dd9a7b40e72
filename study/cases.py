"""A cell on a task, run with several seeds at its best learning rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from experiment.settings import complete
from study.runner import Row, RunAll

SEEDS = (0, 1, 2)
"""Seeds of the runs that are reported."""
SEARCH_SEED = 100
"""Seed of the runs that only choose a learning rate."""
SEARCH_SHARE = 0.25
"""The share of the epochs that a run takes if it only tries a learning rate."""


class Case(NamedTuple):
    """A cell on a task, to be run with several seeds at its best learning rate."""

    names: Row
    """Its names in the table."""
    settings: dict[str, Any]
    """Its runs' settings, without the learning rate and the seed."""
    rates: Sequence[float] = ()
    """The learning rates to choose from."""
    search_share: float = SEARCH_SHARE
    """As `SEARCH_SHARE`."""

    def get_search_epochs(self) -> int:
        return max(1, int(self.settings["epochs"] * self.search_share))


def search_and_run(run_all: RunAll, cases: Sequence[Case]) -> list[Row]:
    """Runs each case with each seed at its best learning rate.

    One run per rate chooses it, with another seed and maybe with fewer updates.

    Returns:
        The rows of all runs, with the `stage` "search" or "run".
    """
    searched = run_cases(
        run_all,
        [
            (case, {"learning_rate": rate, "seed": SEARCH_SEED, "epochs": case.get_search_epochs()})
            for case in cases
            for rate in case.rates
        ],
    )
    tried = iter(searched)
    at_best_rate = []
    for case in cases:
        best = min((next(tried) for _ in case.rates), key=get_badness)
        at_best_rate += with_each_seed(case, {"learning_rate": best["learning_rate"]})
    return [
        *({**row, "stage": "search"} for row in searched),
        *({**row, "stage": "run"} for row in run_cases(run_all, at_best_rate)),
    ]


def with_each_seed(case: Case, change: dict[str, Any]) -> list[tuple[Case, dict[str, Any]]]:
    """A case with a change of its settings, to be run with all seeds."""
    return [(case, {**change, "seed": seed}) for seed in SEEDS]


def run_cases(run_all: RunAll, runs: Sequence[tuple[Case, dict[str, Any]]]) -> list[Row]:
    """Runs each case with the changed settings beside it."""
    rows = run_all([fill_in({**case.settings, **change}) for case, change in runs])
    return [{**case.names, **row} for (case, _), row in zip(runs, rows, strict=True)]


def get_badness(row: Row) -> float:
    """The error that is smallest at the best learning rate."""
    badness = row.get("continuation_mse", row.get("test_loss", math.inf))
    return badness if math.isfinite(badness) else math.inf


def select(rows: list[Row], **wanted: Any) -> list[Row]:
    """The rows of the runs (not of the search for a learning rate) with these entries."""
    return [
        row
        for row in rows
        if row["stage"] == "run" and all(row[name] == value for name, value in wanted.items())
    ]


def fill_in(given: dict[str, Any]) -> dict[str, Any]:
    """All settings of an experiment, which uses one core unless it says otherwise."""
    return dataclasses.asdict(complete({"towers": 1, **given}))

"""Runs experiments on an executor, and keeps each finished one."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from experiment.folder import RunFolder
from experiment.settings import NBR_GENERATED, PASSED, TEST_SIZE, Settings
from support.errors import ExplainedError
from support.executors import deferred_interrupts
from support.files import replacing, write_json
from support.imports import importing_tensorflow
from support.terminal import quiet_stderr

if TYPE_CHECKING:
    import tensorflow.compat.v1 as tf

    from experiment.curriculum import StageMetrics
    from experiment.model import Model

RECALL_LAGS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1500, 2000)
"""The numbers of blanks at which recall is measured after a curriculum, beside the longest."""

LOSSES_IN_A_ROW = 3
"""The study ends if the workers are lost so often without finishing an experiment."""

Row = dict[str, Any]
"""An experiment's settings and what it achieved."""
RunAll = Callable[[Sequence[dict[str, Any]]], list[Row]]
"""Runs experiments, given by their settings, and returns their rows in the same order."""


class LostWorkersError(ExplainedError):
    """The workers are lost again and again."""


def run_experiment(settings: dict[str, Any]) -> dict[str, Any]:
    """Trains and tests one network.

    Args:
        settings: All fields of `Settings`; the experiment uses one core per tower.

    Returns:
        Whether it `diverged`. If not, what it achieved: `test_loss`, and `recall_accuracy` (memory)
        or `continuation_mse` and `squared_errors`, the mean squared errors at each step of the
        continuation (sin). After a curriculum, `recall_by_lag` at `RECALL_LAGS`, the `last_blanks`
        that it came to, and whether that stage was `passed`. Also `hidden_size`, `parameters`,
        `updates`, and the `seconds` of wall clock for building, training and testing.
    """
    os.environ["TQDM_DISABLE"] = "1"  # the study has a progress bar of its own
    with quiet_stderr(), importing_tensorflow():
        from experiment.run import open_trained
        from train import DivergenceError
    start = time.perf_counter()
    settings = Settings(**settings)
    models: list[Model] = []
    nbr_epochs = settings.epochs
    with tempfile.TemporaryDirectory() as path:
        try:
            with open_trained(
                settings,
                RunFolder(Path(path)),
                announce=lambda model, remarks: models.append(model),
            ) as trained:
                sess, model, history = trained
                nbr_epochs = len(history)
                achieved = {"diverged": False, **_test(sess, model, settings)}
                if settings.curriculum:
                    achieved |= _test_lags(sess, model, settings, history[-1])
        except DivergenceError:
            achieved = {"diverged": True}
    return {
        **achieved,
        "hidden_size": models[0].hidden_size,
        "parameters": models[0].network.parameters.total,
        "updates": nbr_epochs * math.ceil(settings.train_size / settings.batch_size),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _test(sess: tf.Session, model: Model, settings: Settings) -> dict[str, Any]:
    import numpy as np

    import data
    import test
    from experiment.evaluation import get_recalled

    if settings.task == "memory":
        outputs, labels = get_recalled(model, settings)
        result = test.run_memory_test(
            sess, model.loss, outputs, labels, model.it_test_init, settings.to_remember_len
        )
        return {"test_loss": result.loss, "recall_accuracy": result.accuracy}
    rng = data.get_rng(settings.seed, data.CONTINUATION)
    curves = data.draw_sin(rng, TEST_SIZE, test.WARM_UP + NBR_GENERATED)
    beginnings, truth = np.split(curves, [test.WARM_UP], axis=1)
    generated = test.continue_sin(
        sess, model.network.cell, model.network.output_wrapper, beginnings, NBR_GENERATED
    )
    errors = np.mean(np.square(generated - truth, dtype=np.float64), axis=0)
    return {
        "test_loss": test.get_mean_loss(sess, model.loss, model.labels, model.it_test_init),
        "continuation_mse": float(errors.mean()),
        "squared_errors": errors.tolist(),
    }


def _test_lags(
    sess: tf.Session, model: Model, settings: Settings, last_epoch: StageMetrics
) -> dict[str, Any]:
    from experiment.lags import measure_recall

    lags = sorted({*RECALL_LAGS, settings.blank_separation_len})
    recalls = measure_recall(sess, model.network, settings, lags)
    return {
        "recall_by_lag": list(zip(lags, recalls, strict=True)),
        "last_blanks": last_epoch.blanks,
        "passed": last_epoch.recall >= PASSED,
    }


class Runner:
    """Runs experiments on an executor, keeps each finished one, and shows how far it is."""

    def __init__(
        self,
        make_executor: Callable[[], contextlib.AbstractContextManager[futures.Executor]],
        folder: Path,
        nbr_experiments: int,
    ):
        self._make_executor = make_executor
        self._folder = folder
        self._bar = tqdm(total=nbr_experiments, unit=" experiments", disable=None, smoothing=0)

    def __enter__(self) -> Runner:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def run_all(self, experiments: Sequence[dict[str, Any]]) -> list[Row]:
        """Runs what is not finished yet; repeats an experiment whose worker was lost."""
        achieved: dict[str, dict[str, Any]] = {}
        to_run = {}
        for settings in experiments:
            key = self._get_key(settings)
            kept = self._read(key)
            if kept is None:
                to_run[key] = settings
            else:
                achieved[key] = kept
                self._bar.update()
        losses = 0
        while to_run:
            try:
                for key, result in self._run(to_run):
                    achieved[key] = result
                    self._keep(key, to_run.pop(key), result)
                    self._bar.update()
                    losses = 0
            except futures.BrokenExecutor as error:
                losses += 1
                if losses == LOSSES_IN_A_ROW:
                    raise LostWorkersError(
                        f"the workers were lost {losses} times in a row ({error}): is there enough"
                        " memory? Try fewer --jobs; finished experiments are kept"
                    ) from error
        return [{**settings, **achieved[self._get_key(settings)]} for settings in experiments]

    def _run(self, to_run: dict[str, dict]) -> Iterator[tuple[str, dict[str, Any]]]:
        with deferred_interrupts() as stop_here, self._make_executor() as executor:
            keys = {
                executor.submit(run_experiment, settings): key for key, settings in to_run.items()
            }
            while keys:
                done, _ = futures.wait(keys, timeout=0.1, return_when=futures.FIRST_COMPLETED)
                stop_here()
                for future in done:
                    yield keys.pop(future), future.result()

    def _get_key(self, settings: dict[str, Any]) -> str:
        """Experiments with the same settings are the same, also in different questions."""
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            return json.loads((self._folder / f"{key}.json").read_text())["achieved"]
        except (OSError, ValueError, KeyError):
            return None

    def _keep(self, key: str, settings: dict[str, Any], achieved: dict[str, Any]) -> None:
        write_json(self._folder / f"{key}.json", {"settings": settings, "achieved": achieved})


def write_table(rows: list[Row], path: Path) -> None:
    """One row per experiment, without settings that no row has; of curves, only the recalls."""
    rows = [
        {**row, **{f"recall_at_{lag}": recall for lag, recall in row.get("recall_by_lag", ())}}
        for row in rows
    ]
    columns = dict.fromkeys(name for row in rows for name in row)
    columns = [
        name
        for name in columns
        if any(row.get(name) is not None and not isinstance(row[name], list) for row in rows)
    ]
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)

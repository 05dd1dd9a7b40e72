"""The sheet's questions, answered by many small experiments.

    python study.py span            how recall falls with the lag, at equal numbers of parameters
    python study.py reach           the longest lag that each cell solves
    python study.py variable-lag    the same where each sequence has a lag of its own
    python study.py sine            how fast a continued sine goes wrong, and what helps
    python study.py optimizers      which optimizer suits which cell and task

Each leaves a table (CSV) and a figure in runs/study/. Finished experiments are kept there, too: a
stopped study goes on where it was. See `python study.py --help`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import functools
import hashlib
import json
import math
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

import main as program

ROOT = Path(__file__).parent
SOURCES = ("data.py", "main.py", "study.py", "test.py", "train.py", "rnn_cells/*.py")
"""What an experiment runs, for a cluster."""

CONNECT_TIMEOUT = "5s"
"""For the scheduler of a cluster to answer."""
LOSSES_IN_A_ROW = 3
"""Number of times in a row that the workers may be lost without finishing an experiment."""

Row = dict[str, Any]
"""An experiment's settings and what it achieved."""
RunAll = Callable[[Sequence[dict[str, Any]]], list[Row]]
"""Runs experiments, given by their settings, and returns their rows in the same order."""


class StudyError(Exception):
    """A failure that its message explains in one line."""


class Question(NamedTuple):
    """One of the study's questions."""

    answer: Callable[[RunAll], list[Row]]
    """Runs the experiments and returns the rows of the table."""
    plot: Callable[[list[Row], Path], None]
    """Draws the rows of the table."""
    side_by_side: bool = True
    """Whether experiments may run in parallel; if not, each has all cores to itself."""


# --- one experiment -----------------------------------------------------------------------------


def run_experiment(settings: dict[str, Any]) -> dict[str, Any]:
    """Trains and tests one network.

    Args:
        settings: Fields of `main.Settings`, complete; it uses a core for each of its `towers`.

    Returns:
        What it achieved: `test_loss`, and `recall_accuracy` (memory) or `continuation_mse` and
        `squared_errors`, the mean squared errors at each step of the continuation (sin); whether it
        `diverged`, in place of all these; `hidden_size`, `parameters`, `updates`, and the `seconds`
        of wall clock for building, training and testing.
    """
    os.environ["TQDM_DISABLE"] = "1"  # the study has a progress bar of its own
    with program.quiet_stderr():
        import tensorflow.compat.v1 as tf

        import train
    tf.logging.set_verbosity(tf.logging.FATAL)
    start = time.perf_counter()
    settings = program.Settings(**settings)
    graph, config = tf.Graph(), train.get_session_config(settings.towers)
    with graph.as_default(), tf.Session(config=config) as sess:
        tf.set_random_seed(settings.seed)
        hidden_size = settings.hidden_size
        if settings.match_params:
            hidden_size = program.match_hidden_size(settings)
        model = program.build_model(settings, hidden_size, 0)
        try:
            train.run_training(
                sess, settings.epochs, model.train_op, model.loss, model.it_train_init
            )
            achieved = {"diverged": False, **_test(sess, model, settings)}
        except train.DivergenceError:
            achieved = {"diverged": True}
    return {
        **achieved,
        "hidden_size": hidden_size,
        "parameters": model.parameters["total"],
        "updates": settings.epochs * math.ceil(settings.train_size / settings.batch_size),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _test(sess: Any, model: program.Model, settings: program.Settings) -> dict[str, Any]:
    import numpy as np

    import data
    import test

    if settings.task == "memory":
        outputs, labels = program.get_recalled(model, settings)
        loss, accuracy = test.run_memory_test(
            sess, model.loss, outputs, labels, model.it_test_init, settings.to_remember_len
        )
        return {"test_loss": loss, "recall_accuracy": accuracy}
    rng = data.get_rng(settings.seed, data.CONTINUATION)
    curves = data.draw_sin(rng, program.TEST_SIZE, test.WARM_UP + program.NBR_GENERATED)
    beginnings, truth = np.split(curves, [test.WARM_UP], axis=1)
    generated = test.continue_sin(
        sess, model.cell, model.output_wrapper, beginnings, program.NBR_GENERATED
    )
    errors = np.mean(np.square(generated - truth, dtype=np.float64), axis=0)
    return {
        "test_loss": test.get_mean_loss(sess, model.loss, model.labels, model.it_test_init),
        "continuation_mse": float(errors.mean()),
        "squared_errors": errors.tolist(),
    }


def complete(**given: Any) -> dict[str, Any]:
    """All settings of an experiment: those given, and main.py's defaults for the rest."""
    task, cell = given["task"], given["cell"]
    activation = given.get("activation", "linear") if cell == "basic" else None
    settings = program.Settings(
        **{
            **program.TASK_DEFAULTS[task],
            **program.CELL_DEFAULTS[cell],
            **program.TRAINING_DEFAULTS[task, cell, activation],
            "towers": 1,
            **given,
        }
    )
    return dataclasses.asdict(settings)


# --- many experiments ---------------------------------------------------------------------------


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
        """Runs what is not finished already; a lost worker costs a repeat of its experiment."""
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
                    raise StudyError(
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
        """Experiments of the same settings are the same: also of different questions."""
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            return json.loads((self._folder / f"{key}.json").read_text())["achieved"]
        except (OSError, ValueError, KeyError):
            return None

    def _keep(self, key: str, settings: dict[str, Any], achieved: dict[str, Any]) -> None:
        from data import replacing

        with replacing(self._folder / f"{key}.json") as path:
            path.write_text(json.dumps({"settings": settings, "achieved": achieved}, indent=1))


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Callable[[], None]]:
    """Lets Ctrl-C and SIGTERM wait until what this gives is called, or the end of the block.

    There they raise KeyboardInterrupt. Anywhere else they could leave one of the executor's locks
    taken, and all waiting for it.
    """
    caught: list[int] = []

    def stop_here() -> None:
        if caught:
            raise KeyboardInterrupt

    handlers = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop_here
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        stop_here()


@contextlib.contextmanager
def local_executor(nbr_jobs: int) -> Iterator[futures.Executor]:
    """Processes of this machine; an error or Ctrl-C ends them at once."""
    others = set(multiprocessing.active_children())
    executor = futures.ProcessPoolExecutor(
        nbr_jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    try:
        yield executor
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # and no semaphore, which would outlive it


def find_sources(*patterns: str) -> dict[str, Path]:
    """The project's files that match, by their paths in it."""
    found = (file for pattern in patterns for file in ROOT.glob(pattern))
    return {file.relative_to(ROOT).as_posix(): file for file in found if file.is_file()}


@contextlib.contextmanager
def dask_executor(address: str, sources: Mapping[str, Path]) -> Iterator[futures.Executor]:
    """The workers of a Dask cluster; no disk is shared.

    Args:
        address: Of the scheduler.
        sources: The files that are sent there, by their paths in an archive. Dask imports what is
            a module at its top, on the scheduler as on the workers.

    Raises:
        StudyError: If Dask is not installed or there is no scheduler at the address.
        futures.BrokenExecutor: If an experiment lost worker after worker.
    """
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError:
        raise StudyError("--scheduler needs Dask: pip install dask distributed") from None
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"there is no Dask scheduler at {address} ({error}): start one with `dask scheduler`,"
            " and workers with `dask worker ADDRESS --nthreads 1`"
        ) from None
    with client, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rnn-sources.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, file in sources.items():
                archive.write(file, name)
        client.upload_file(str(path))
        try:
            yield client.get_executor()
        except KilledWorker as error:
            raise futures.BrokenExecutor(str(error)) from error


# --- the questions ------------------------------------------------------------------------------


SEARCH_SHARE = 0.25
"""Updates of a run that only tries a learning rate, for one of those that are reported."""


class Case(NamedTuple):
    """A cell on a task, to be run with several seeds at its best learning rate."""

    names: Row
    """What it is called in the table."""
    settings: dict[str, Any]
    rates: Sequence[float] = ()
    """The learning rates to choose from."""
    search_share: float = SEARCH_SHARE

    def get_search_epochs(self) -> int:
        return max(1, int(self.settings["epochs"] * self.search_share))


SEEDS = (0, 1, 2)
SEARCH_SEED = 100
"""Of the runs that only choose a learning rate."""

MEMORY_MODELS = {
    "linear": {"cell": "basic", "activation": "linear"},
    "LSTM, forget bias 1": {"cell": "lstm", "forget_bias": 1.0, "match_params": True},
    "LSTM, chrono": {"cell": "lstm", "forget_bias": None, "chrono": True, "match_params": True},
}
"""The cells of the memory questions; an LSTM has at most as many parameters as the linear cell."""
SINE_MODELS = {
    "linear": {"cell": "basic", "activation": "linear"},
    "tanh": {"cell": "basic", "activation": "tanh"},
    "LSTM": {"cell": "lstm", "forget_bias": 1.0, "match_params": True},
}
LINES = {
    "linear": {"color": "black", "linestyle": "-", "marker": "o"},
    "tanh": {"color": "tab:green", "linestyle": "-.", "marker": "^"},
    "LSTM": {"color": "tab:red", "linestyle": "--", "marker": "s"},
    "LSTM, forget bias 1": {"color": "tab:orange", "linestyle": ":", "marker": "^"},
    "LSTM, chrono": {"color": "tab:red", "linestyle": "--", "marker": "s"},
}
"""How each cell is drawn, told apart without colours, too."""

RECALL = {
    "task": "memory",
    "hidden_size": 128,
    "batch_size": 50,
    "train_size": 5000,
    "optimizer": "adam",
    "decay": "cosine",
    "clip_norm": 1.0,
}
SPAN = {**RECALL, "epochs": 8}
VARIABLE_LAG = {**RECALL, "epochs": 20, "min_blank_separation_len": 0}
SPAN_LAGS = (5, 20, 50, 100, 200, 500, 1000)
VARIABLE_LAGS = (5, 20, 50, 100, 200)
VARIABLE_LAG_RATES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SPAN_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""The learning rates that each cell is tried with at each lag."""


def answer_span(run_all: RunAll) -> list[Row]:
    """Recall accuracy against the lag."""
    # At long lags the best rate of a short training is far too large for a long one.
    return _answer_recall(run_all, SPAN, SPAN_LAGS, SPAN_RATES, search_share=1)


def answer_variable_lag(run_all: RunAll) -> list[Row]:
    """The same, each sequence with a number of blanks of its own, from none to the lag."""
    return _answer_recall(run_all, VARIABLE_LAG, VARIABLE_LAGS, VARIABLE_LAG_RATES)


def _answer_recall(
    run_all: RunAll,
    settings: dict[str, Any],
    lags: Sequence[int],
    rates: Sequence[float],
    search_share: float = SEARCH_SHARE,
) -> list[Row]:
    return search_and_run(
        run_all,
        [
            Case(
                {"model": model, "lag": lag},
                {**settings, **of_model, "blank_separation_len": lag},
                rates,
                search_share,
            )
            for lag in reversed(lags)  # the longest take longest
            for model, of_model in MEMORY_MODELS.items()
        ],
    )


def search_and_run(run_all: RunAll, cases: Sequence[Case]) -> list[Row]:
    """Runs each case with each seed at its best learning rate.

    The rate is chosen by one run for each, of another seed and maybe of fewer updates.

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
        change = {"learning_rate": best["learning_rate"]}
        at_best_rate += [(case, {**change, "seed": seed}) for seed in SEEDS]
    return [
        *({**row, "stage": "search"} for row in searched),
        *({**row, "stage": "run"} for row in run_cases(run_all, at_best_rate)),
    ]


def run_cases(run_all: RunAll, runs: Sequence[tuple[Case, dict[str, Any]]]) -> list[Row]:
    """Runs each case with the changes of its settings beside it."""
    rows = run_all([complete(**{**case.settings, **change}) for case, change in runs])
    return [{**case.names, **row} for (case, _), row in zip(runs, rows, strict=True)]


def get_badness(row: Row) -> float:
    """What the best learning rate has least of."""
    badness = row.get("continuation_mse", row.get("test_loss", math.inf))
    return badness if math.isfinite(badness) else math.inf


def plot_recall(rows: list[Row], path: Path, xlabel: str, title: str) -> None:
    """Recall against the lag: medians of the seeds, and their spread as a band.

    A run that diverged recalls nothing.
    """
    figure, axes = new_figure(title)
    lags = sorted({row["lag"] for row in rows})
    for model in MEMORY_MODELS:
        recalls = [
            [row.get("recall_accuracy", 0.0) for row in select(rows, model=model, lag=lag)]
            for lag in lags
        ]
        axes.plot(lags, [statistics.median(r) for r in recalls], label=model, **LINES[model])
        axes.fill_between(
            lags,
            [min(r) for r in recalls],
            [max(r) for r in recalls],
            color=LINES[model]["color"],
            alpha=0.15,
        )
    axes.axhline(1 / rows[0]["num_digits"], color="0.5", linewidth=0.8, label="chance")
    axes.set(xscale="log", xlabel=xlabel, ylabel="recall accuracy", ylim=(0, 1.02))
    axes.set_xticks(lags, map(str, lags))
    axes.minorticks_off()
    axes.legend()
    save(figure, path)


def plot_span(rows: list[Row], path: Path) -> None:
    plot_recall(rows, path, "blanks between the digits and the delimiter", "Recall against the lag")


def plot_variable_lag(rows: list[Row], path: Path) -> None:
    plot_recall(
        rows, path, "largest number of blanks", "Recall where each sequence has its own lag"
    )


REACH = {
    "task": "memory",
    "batch_size": 50,
    "train_size": 5000,
    "optimizer": "adam",
    "decay": "cosine",
    "clip_norm": 1.0,
    "unroll": "static",
    "seed": 0,
}
REACH_LINEAR = {"cell": "basic", "activation": "linear"}
REACH_LSTM = {"cell": "lstm", "chrono": True, "forget_bias": None}
REACH_RUNS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("linear", 100, {**REACH_LINEAR, "hidden_size": 128, "learning_rate": 1e-3, "epochs": 6}),
    ("linear", 500, {**REACH_LINEAR, "hidden_size": 256, "learning_rate": 1e-4, "epochs": 10}),
    ("linear", 1000, {**REACH_LINEAR, "hidden_size": 512, "learning_rate": 3e-5, "epochs": 6}),
    ("LSTM, chrono", 20, {**REACH_LSTM, "hidden_size": 128, "learning_rate": 1e-2, "epochs": 60}),
    ("LSTM, chrono", 50, {**REACH_LSTM, "hidden_size": 128, "learning_rate": 1e-2, "epochs": 120}),
    ("LSTM, chrono", 100, {**REACH_LSTM, "hidden_size": 128, "learning_rate": 1e-2, "epochs": 300}),
    ("LSTM, chrono", 200, {**REACH_LSTM, "hidden_size": 128, "learning_rate": 1e-2, "epochs": 300}),
)
SOLVED = 0.99


def answer_reach(run_all: RunAll) -> list[Row]:
    """Whether a cell solves a lag, and in what time on all cores."""
    rows = run_all(
        [
            complete(
                **REACH, **settings, blank_separation_len=lag, towers=program.count_usable_cores()
            )
            for _, lag, settings in REACH_RUNS
        ]
    )
    names = ({"model": model, "lag": lag} for model, lag, _ in REACH_RUNS)
    return [
        {**name, "solved": row.get("recall_accuracy", 0.0) >= SOLVED, **row}
        for name, row in zip(names, rows, strict=True)
    ]


def plot_reach(rows: list[Row], path: Path) -> None:
    figure, axes = new_figure("The longest lags: time taken and recall")
    for model, line in LINES.items():
        of_model = [row for row in rows if row["model"] == model]
        if not of_model:
            continue
        lags, minutes = zip(*((row["lag"], row["seconds"] / 60) for row in of_model), strict=True)
        axes.plot(lags, minutes, label=model, **{**line, "marker": ""})
        for row in of_model:
            axes.plot(
                row["lag"],
                row["seconds"] / 60,
                marker=line["marker"],
                color=line["color"],
                fillstyle="full" if row["solved"] else "none",
                markersize=8,
            )
            axes.annotate(
                f"{row.get('recall_accuracy', 0.0):.2%}",
                (row["lag"], row["seconds"] / 60),
                xytext=(6, -12),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"blanks between the digits and the delimiter (hollow: below {SOLVED:.0%} recall)",
        ylabel="minutes of the whole run",
    )
    axes.margins(0.1)
    axes.yaxis.set_major_formatter("{x:g}")
    lags = sorted({row["lag"] for row in rows})
    axes.set_xticks(lags, map(str, lags))
    axes.minorticks_off()
    axes.legend()
    save(figure, path)


SINE = {
    "task": "sin",
    "hidden_size": 64,
    "batch_size": 50,
    "train_size": 6400,
    "epochs": 24,
    "optimizer": "adam",
    "decay": "cosine",
    "clip_norm": 1.0,
}
AS_IT_IS = "as it is"
SINE_VARIANTS: dict[str, dict[str, Any]] = {
    AS_IT_IS: {},
    "constant learning rate": {"decay": "constant"},
    "clipped at 0.1": {"clip_norm": 0.1},
    "not clipped": {"clip_norm": 1e9},
    "half the hidden size": {"hidden_size": 32},
    "twice the hidden size": {"hidden_size": 128},
    "no noise on the inputs": {"input_noise": 0.0},
}
SINE_RATES = (1e-3, 3e-3, 1e-2, 3e-2)


def answer_sine(run_all: RunAll) -> list[Row]:
    """The error of a continued sine, and what changes it."""
    cases = [
        Case({"model": model, "variant": AS_IT_IS}, {**SINE, **of_model}, SINE_RATES)
        for model, of_model in SINE_MODELS.items()
    ]
    rows = search_and_run(run_all, cases)
    rates = {row["model"]: row["learning_rate"] for row in rows if row["stage"] == "run"}
    variants = [
        (case._replace(names={**case.names, "variant": variant}), {**change, **at_best_rate})
        for variant, change in SINE_VARIANTS.items()
        for case in cases
        for seed in SEEDS
        if variant != AS_IT_IS
        for at_best_rate in [{"learning_rate": rates[case.names["model"]], "seed": seed}]
    ]
    return [*rows, *({**row, "stage": "run"} for row in run_cases(run_all, variants))]


def fit_linear_predictor(nbr_curves: int = 20000) -> tuple[Any, Any]:
    """The best linear prediction of 100 samples of a curve from 30.

    Least squares in float64, fitted to one set of curves and tested on another.

    Returns:
        The weights [30, 100], and the mean squared errors [100] at each sample, float64 arrays.
    """
    import numpy as np

    import data
    import test

    length = test.WARM_UP + program.NBR_GENERATED
    fitted, tested = (
        data.draw_sin(data.get_rng(seed, data.CONTINUATION), nbr_curves, length).astype(np.float64)
        for seed in (SEARCH_SEED, SEEDS[0])
    )
    x, y = np.split(fitted, [test.WARM_UP], axis=1)
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    x, y = np.split(tested, [test.WARM_UP], axis=1)
    return weights, np.mean(np.square(x @ weights - y), axis=0)


def plot_sine(rows: list[Row], path: Path) -> None:
    """Above, the error over the horizon; beneath, what the variants change."""
    import numpy as np

    figure, (over_horizon, of_variants) = new_figure(
        "Continued sine curves at equal numbers of parameters", nbr_panels=2
    )
    horizon = np.arange(1, program.NBR_GENERATED + 1)
    for model in SINE_MODELS:
        line = {**LINES[model], "marker": ""}
        runs = select(rows, model=model, variant=AS_IT_IS, diverged=False)
        errors = np.array([row["squared_errors"] for row in runs])
        over_horizon.plot(horizon, np.median(errors, axis=0), label=model, **line)
        over_horizon.fill_between(
            horizon, errors.min(0), errors.max(0), color=line["color"], alpha=0.15
        )
    over_horizon.plot(
        horizon,
        fit_linear_predictor()[1],
        color="0.6",
        linewidth=4,
        label="best linear predictor (float64)",
    )
    over_horizon.axhline(0.5, color="0.5", linestyle=":", label="always predicting 0")
    over_horizon.set(
        yscale="log", xlabel="samples after the last one seen", ylabel="mean squared error"
    )
    over_horizon.legend()
    _draw_dots(of_variants, rows, SINE_MODELS, "variant", SINE_VARIANTS, "continuation_mse")
    of_variants.set(yscale="log", ylabel="mean squared error over 100 samples")
    for label in of_variants.get_xticklabels():
        label.set(rotation=20, horizontalalignment="right")
    save(figure, path)


def _draw_dots(
    axes: Any,
    rows: list[Row],
    models: Collection[str],
    column: str,
    places: Collection[str],
    metric: str,
) -> None:
    """A dot for each run that did not diverge: models beside one another at each place."""
    for position, model in enumerate(models):
        for place, name in enumerate(places):
            runs = select(rows, model=model, diverged=False, **{column: name})
            axes.plot(
                [place + 0.2 * (position - (len(models) - 1) / 2)] * len(runs),
                [row[metric] for row in runs],
                label=model if place == 0 else None,
                color=LINES[model]["color"],
                marker=LINES[model]["marker"],
                linestyle="",
            )
    axes.set_xticks(range(len(places)), places)
    axes.legend()


METRICS = {"memory": "recall_accuracy", "sin": "continuation_mse"}
OPTIMIZERS = {
    "gradient_descent": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    "momentum": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "rmsprop": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03),
    "adam": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
}
"""The learning rates that each optimizer is tried with."""
OPTIMIZER_CASE = {
    "batch_size": 50,
    "train_size": 5000,
    "epochs": 24,
    "decay": "cosine",
    "clip_norm": 1.0,
}
OPTIMIZER_CASES: dict[tuple[str, str], dict[str, Any]] = {
    ("memory", "linear"): {"cell": "basic", "hidden_size": 128},
    ("memory", "LSTM"): {"cell": "lstm", "hidden_size": 64},
    ("sin", "tanh"): {"cell": "basic", "activation": "tanh", "hidden_size": 64},
    ("sin", "LSTM"): {"cell": "lstm", "hidden_size": 32},
}


def answer_optimizers(run_all: RunAll) -> list[Row]:
    """Each optimizer at its best learning rate, on both tasks and cells."""
    return search_and_run(
        run_all,
        [
            Case(
                {"task": task, "model": model},
                {**OPTIMIZER_CASE, **of_case, "task": task, "optimizer": optimizer},
                rates,
            )
            for optimizer, rates in OPTIMIZERS.items()
            for (task, model), of_case in OPTIMIZER_CASES.items()
        ],
    )


def plot_optimizers(rows: list[Row], path: Path) -> None:
    """A panel a task: what each optimizer achieved, a point a seed."""
    figure, panels = new_figure("Each optimizer at its best learning rate", nbr_panels=2)
    for task, axes in zip(("memory", "sin"), panels, strict=True):
        models = [model for of_task, model in OPTIMIZER_CASES if of_task == task]
        _draw_dots(axes, select(rows, task=task), models, "optimizer", OPTIMIZERS, METRICS[task])
        axes.set(title=f"{task} task")
    panels[0].set(ylabel="recall accuracy", ylim=(0, 1.02))
    panels[1].set(ylabel="mean squared error of the continuation", yscale="log")
    save(figure, path)


QUESTIONS = {
    "span": Question(answer_span, plot_span),
    "reach": Question(answer_reach, plot_reach, side_by_side=False),
    "variable-lag": Question(answer_variable_lag, plot_variable_lag),
    "sine": Question(answer_sine, plot_sine),
    "optimizers": Question(answer_optimizers, plot_optimizers),
}


# --- tables and figures -------------------------------------------------------------------------


def select(rows: list[Row], **wanted: Any) -> list[Row]:
    """The rows of the runs (not of the search for a learning rate) with these entries."""
    return [
        row
        for row in rows
        if row["stage"] == "run" and all(row[name] == value for name, value in wanted.items())
    ]


def new_figure(title: str, nbr_panels: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5 * nbr_panels), layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(nbr_panels)


def save(figure: Any, path: Path) -> None:
    from data import replacing

    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=130)


def write_table(rows: list[Row], path: Path) -> None:
    """A row an experiment; settings that no row has, and whole curves, are left out."""
    from data import replacing

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


# --- the command line ---------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    args = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no worker is left behind
    try:
        for path in answer(args.question, args.out_dir, args.jobs, args.scheduler):
            print(path)
    except KeyboardInterrupt:
        print(
            "study.py: interrupted; finished experiments are kept, the same command goes on",
            file=sys.stderr,
        )
        return 130
    except (StudyError, OSError) as error:
        print(f"study.py: error: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = program.Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument(
        "--out-dir",
        type=Path,
        default=Path("runs", "study"),
        metavar="DIR",
        help="where tables, figures and finished experiments are kept (runs/study)",
    )
    parser.add_argument(
        "--jobs",
        type=program.positive_int,
        default=program.count_usable_cores(),
        metavar="N",
        help="experiments at a time on this machine (the number of usable cores; reach: always 1)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run the experiments on the Dask cluster of this scheduler, tcp://HOST:PORT",
    )
    return parser


def answer(question: str, out_dir: Path, nbr_jobs: int, scheduler: str | None) -> list[Path]:
    """Answers a question of `QUESTIONS`.

    Returns:
        The paths of the table and of the figure.

    Raises:
        StudyError: If the experiments cannot be run.
    """
    with program.quiet_stderr():
        import data  # noqa: F401 (tables and figures need it; TensorFlow comes with it)
    ask, plot, side_by_side = QUESTIONS[question]
    if scheduler:
        make_executor = functools.partial(dask_executor, scheduler, find_sources(*SOURCES))
    else:
        make_executor = functools.partial(local_executor, nbr_jobs if side_by_side else 1)
    with Runner(make_executor, out_dir / "experiments", count(ask)) as runner:
        rows = ask(runner.run_all)
    paths = [out_dir / f"{question}.csv", out_dir / f"{question}.png"]
    write_table(rows, paths[0])
    plot(rows, paths[1])
    return paths


def count(ask: Callable[[RunAll], list[Row]]) -> int:
    """The number of experiments that a question needs."""
    nbr_experiments = 0

    def run_none(experiments: Sequence[dict[str, Any]]) -> list[Row]:
        nonlocal nbr_experiments
        nbr_experiments += len(experiments)
        return [{**settings, "diverged": True} for settings in experiments]

    ask(run_none)
    return nbr_experiments


if __name__ == "__main__":
    sys.exit(main())

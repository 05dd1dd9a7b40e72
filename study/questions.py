"""The questions: for each, the experiments that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiment.settings import GROWTH
from study.cases import (
    SEARCH_SHARE,
    Case,
    fill_in,
    run_cases,
    search_and_run,
    with_each_seed,
)
from study.runner import Row, RunAll
from support.executors import count_usable_cores

# --- span and variable-lag ------------------------------------------------------------------------

MEMORY_MODELS = {
    "linear": {"cell": "basic", "activation": "linear"},
    "LSTM, forget bias 1": {"cell": "lstm", "forget_bias": 1.0, "match_params": True},
    "LSTM, chrono": {"cell": "lstm", "forget_bias": None, "chrono": True, "match_params": True},
}
"""The cells of the memory questions; an LSTM has at most as many parameters as the linear cell."""
RECALL = {
    "task": "memory",
    "hidden_size": 128,
    "batch_size": 50,
    "train_size": 5000,
    "optimizer": "adam",
    "decay": "cosine",
    "clip_norm": 1.0,
}
"""What the memory questions have in common."""

SPAN = {**RECALL, "epochs": 8}
SPAN_LAGS = (5, 20, 50, 100, 200, 500, 1000)
"""Numbers of blanks."""
SPAN_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""The learning rates that each cell is tried with at each lag."""

VARIABLE_LAG = {**RECALL, "epochs": 20, "min_blank_separation_len": 0}
VARIABLE_LAGS = (5, 20, 50, 100, 200)
"""The largest numbers of blanks."""
VARIABLE_LAG_RATES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2)
"""The learning rates that each cell is tried with."""


def answer_span(run_all: RunAll) -> list[Row]:
    """Recall accuracy against the lag."""
    # At long lags the best rate of a short training is far too large for a long one.
    return _answer_recall(run_all, SPAN, SPAN_LAGS, SPAN_RATES, search_share=1)


def answer_variable_lag(run_all: RunAll) -> list[Row]:
    """The same, but each sequence has its own number of blanks, from 0 to the lag."""
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


# --- reach ----------------------------------------------------------------------------------------

REACH = {
    "task": "memory",
    "batch_size": 50,
    "train_size": 5000,
    "optimizer": "adam",
    "decay": "cosine",
    "clip_norm": 1.0,
    "unroll": "static",
}
"""What the runs at one lag have in common."""
REACH_LINEAR = {**REACH, "cell": "basic", "activation": "linear"}
REACH_LINEAR_FARTHEST = {
    **REACH_LINEAR,
    "hidden_size": 512,
    "learning_rate": 1.5e-5,
    "batch_size": 16,
    "train_size": 1600,
    "epochs": 13,
}
"""Smaller steps, and more of them in the same time."""
REACH_LSTM = {
    **REACH,
    "cell": "lstm",
    "chrono": True,
    "forget_bias": None,
    "hidden_size": 128,
    "learning_rate": 1e-2,
}
REACH_TAUGHT = {"task": "memory", "cell": "lstm", "curriculum": GROWTH}
REACH_EQUAL = {**REACH_TAUGHT, "match_params": True}
REACH_RUNS: tuple[tuple[str, int, dict[str, Any]], ...] = (  # model, lag, its settings
    ("linear", 100, {**REACH_LINEAR, "hidden_size": 128, "learning_rate": 1e-3, "epochs": 6}),
    ("linear", 500, {**REACH_LINEAR, "hidden_size": 256, "learning_rate": 1e-4, "epochs": 10}),
    ("linear", 1000, {**REACH_LINEAR, "hidden_size": 512, "learning_rate": 3e-5, "epochs": 6}),
    ("linear", 2000, REACH_LINEAR_FARTHEST),
    *(("LSTM, 62, curriculum", lag, REACH_EQUAL) for lag in (100, 500, 1000, 3000)),
    *(("LSTM, 128, curriculum", lag, REACH_TAUGHT) for lag in (100, 500, 1000, 3000)),
    ("LSTM, 128, one lag", 20, {**REACH_LSTM, "epochs": 60}),
    ("LSTM, 128, one lag", 50, {**REACH_LSTM, "epochs": 120}),
    ("LSTM, 128, one lag", 100, {**REACH_LSTM, "epochs": 300}),
    ("LSTM, 128, one lag", 200, {**REACH_LSTM, "epochs": 300}),
)
SOLVED = 0.99
"""A lag is solved from this recall accuracy on."""


def answer_reach(run_all: RunAll) -> list[Row]:
    """Whether a cell solves a lag, and in what time on all cores."""
    shared = {"seed": 0, "towers": count_usable_cores()}
    rows = run_all(
        [
            fill_in({**shared, **settings, "blank_separation_len": lag})
            for _, lag, settings in REACH_RUNS
        ]
    )
    named = [
        {"model": model, "lag": lag, **row}
        for (model, lag, _), row in zip(REACH_RUNS, rows, strict=True)
    ]
    return [{"solved": get_recall_at_lag(row) >= SOLVED, **row} for row in named]


def get_recall_at_lag(row: Row) -> float:
    """The recall at the row's lag; after a curriculum, a run also recalls at shorter ones."""
    return dict(row.get("recall_by_lag", ())).get(row["lag"], row.get("recall_accuracy", 0.0))


# --- curriculum -----------------------------------------------------------------------------------

CURRICULUM = {"task": "memory", "curriculum": GROWTH}
CURRICULUM_MODELS = {
    "linear": {"cell": "basic", "activation": "linear"},
    "tanh": {"cell": "basic", "activation": "tanh"},
    "ReLU": {"cell": "basic", "activation": "relu"},
    "LSTM, 62": {"cell": "lstm", "match_params": True},
    "LSTM, 128": {"cell": "lstm"},
}
"""The cells of 128 units, and an LSTM with at most as many parameters as the basic ones."""
CURRICULUM_LAGS = (5, 20, 100, 500, 1000)
"""The largest numbers of blanks that are trained."""

AS_IT_IS = "as it is"
ABLATED = {**CURRICULUM, **CURRICULUM_MODELS["LSTM, 62"], "blank_separation_len": 200}
"""The training that the variants change."""
AT_ONCE = {
    "curriculum": None,
    "min_blank_separation_len": 0,
    "chrono": True,
    "learning_rate": 0.005,
    "decay": "constant",
    "epochs": 100,
    "train_size": 3200,
}
"""Without a curriculum, with several times the updates that one takes."""
ABLATIONS: dict[str, dict[str, Any]] = {
    AS_IT_IS: {},
    "no curriculum": AT_ONCE,
    "forget bias 1": {"forget_bias": 1.0},
    "forget bias 3": {"forget_bias": 3.0},
    "chrono for the last stage": {"chrono": 217},
    "constant rate": {"decay": "constant"},
    "jumps by 40": {"curriculum": 40.0},
    "fixed lags": {"min_blank_separation_len": 200},
    "plain gradient descent": {"optimizer": "gradient_descent", "learning_rate": 1.0},
}


def answer_curriculum(run_all: RunAll) -> list[Row]:
    """Recall against the lag after a curriculum, and what makes the curriculum work."""
    trained = [
        (
            Case(
                {"model": model, "trained": lag, "variant": AS_IT_IS},
                {**CURRICULUM, **of_model, "blank_separation_len": lag},
            ),
            {},
        )
        for lag in reversed(CURRICULUM_LAGS)  # the longest take longest
        for model, of_model in CURRICULUM_MODELS.items()
    ]
    ablated = [
        (Case({"model": "LSTM, 62", "trained": 200, "variant": variant}, ABLATED), change)
        for variant, change in ABLATIONS.items()
    ]
    runs = [run for case, change in (*trained, *ablated) for run in with_each_seed(case, change)]
    return [{**row, "stage": "run"} for row in run_cases(run_all, runs)]


# --- sine -----------------------------------------------------------------------------------------

SINE_MODELS = {
    "linear": {"cell": "basic", "activation": "linear"},
    "tanh": {"cell": "basic", "activation": "tanh"},
    "LSTM": {"cell": "lstm", "forget_bias": 1.0, "match_params": True},
}
"""The cells of the sine question; the LSTM has at most as many parameters as the linear cell."""
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
    variants = []
    for variant, change in SINE_VARIANTS.items():
        if variant == AS_IT_IS:
            continue
        for case in cases:
            named = case._replace(names={**case.names, "variant": variant})
            at_best_rate = {**change, "learning_rate": rates[case.names["model"]]}
            variants += with_each_seed(named, at_best_rate)
    return [*rows, *({**row, "stage": "run"} for row in run_cases(run_all, variants))]


# --- optimizers -----------------------------------------------------------------------------------

METRICS = {"memory": "recall_accuracy", "sin": "continuation_mse"}
"""What is compared, by task."""
OPTIMIZERS = {
    "gradient_descent": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    "momentum": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    "rmsprop": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
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

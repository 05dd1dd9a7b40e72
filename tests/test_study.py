"""The study: experiments on executors, kept, repeated if a worker is lost, and drawn."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent import futures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import experiment.lags
import experiment.model
from experiment.model import build_network, match_hidden_size
from experiment.settings import NBR_GENERATED, complete
from study import cases, linear, questions
from study.__main__ import QUESTIONS, count
from study.__main__ import main as command_line
from study.runner import LostWorkersError, Runner, run_experiment
from support import executors
from support.executors import deferred_interrupts, local_executor
from support.files import ROOT
from tests.clusters import start_cluster

TINY = {"epochs": 2, "train_size": 20, "batch_size": 10, "hidden_size": 4}


@pytest.fixture(autouse=True)
def _no_bars_of_experiments(monkeypatch):
    """An experiment switches them off in its process; here this is undone after each test."""
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.fixture
def small_study(monkeypatch):
    """Makes the questions' experiments few and short."""
    monkeypatch.setattr(cases, "SEEDS", (0, 1))
    for name in ("SPAN", "VARIABLE_LAG", "CURRICULUM", "ABLATED", "SINE", "OPTIMIZER_CASE"):
        monkeypatch.setattr(questions, name, {**getattr(questions, name), **TINY})
    monkeypatch.setattr(questions, "SPAN_LAGS", (2, 4))
    monkeypatch.setattr(questions, "VARIABLE_LAGS", (2, 4))
    monkeypatch.setattr(questions, "CURRICULUM_LAGS", (2, 4))
    ablations = {questions.AS_IT_IS: {}, "no curriculum": {**questions.AT_ONCE, **TINY}}
    monkeypatch.setattr(questions, "ABLATIONS", ablations)
    monkeypatch.setattr(questions, "SPAN_RATES", (0.001, 0.01))
    monkeypatch.setattr(questions, "VARIABLE_LAG_RATES", (0.001, 0.01))
    monkeypatch.setattr(questions, "SINE_RATES", (0.01,))
    monkeypatch.setattr(questions, "OPTIMIZERS", {"gradient_descent": (0.1,), "adam": (0.01,)})
    monkeypatch.setattr(
        questions,
        "OPTIMIZER_CASES",
        {key: {**case, "hidden_size": 4} for key, case in questions.OPTIMIZER_CASES.items()},
    )
    variants = {name: questions.SINE_VARIANTS[name] for name in (questions.AS_IT_IS, "not clipped")}
    monkeypatch.setattr(questions, "SINE_VARIANTS", variants)
    runs = [
        ("linear", 3, {**questions.REACH_LINEAR, **TINY, "learning_rate": 0.01}),
        ("LSTM, 128, curriculum", 6, {**questions.REACH_TAUGHT, **TINY}),
    ]
    monkeypatch.setattr(questions, "REACH_RUNS", runs)


def invent(settings):
    """An experiment that takes no time; the larger the learning rate, the better."""
    rng = np.random.default_rng(int(1e6 * settings["learning_rate"]) + settings["seed"])
    common = {"diverged": False, "seconds": 60.0, "test_loss": 0.1 / settings["learning_rate"]}
    if settings["curriculum"]:
        common |= {"updates": 100, "recall_by_lag": [[0, 0.9], [4, rng.uniform()]]}
    if settings["task"] == "memory":
        return {"updates": 200, "recall_accuracy": rng.uniform(), **common}
    errors = rng.uniform(0.01, 0.1, NBR_GENERATED)
    mse = 0.1 / settings["learning_rate"]
    return {**common, "continuation_mse": mse, "squared_errors": errors.tolist()}


def run_invented(experiments):
    return [{**settings, **invent(settings)} for settings in experiments]


def make_runner(folder, make_executor, count=1):
    return Runner(make_executor, folder, count)


def in_this_process():
    return futures.ThreadPoolExecutor(1)


def draw_settings(**changes):
    return cases.fill_in({"task": "memory", "cell": "basic", "seed": 0, **TINY, **changes})


# --- one experiment -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["memory", "sin"])
def test_an_experiment_tells_what_it_achieved(task, monkeypatch):
    monkeypatch.setattr(experiment.model, "TEST_SIZE", 30)
    monkeypatch.setattr("study.runner.TEST_SIZE", 30)
    achieved = run_experiment(draw_settings(task=task))
    assert achieved["diverged"] is False
    assert (achieved["updates"], achieved["hidden_size"]) == (4, 4)
    assert np.isfinite(achieved["test_loss"])
    if task == "memory":
        assert 0 <= achieved["recall_accuracy"] <= 1
    else:
        assert len(achieved["squared_errors"]) == NBR_GENERATED
        assert achieved["continuation_mse"] == pytest.approx(np.mean(achieved["squared_errors"]))


def test_an_experiment_with_a_curriculum_tells_of_its_lags(monkeypatch):
    for module in (experiment.model, experiment.lags):
        monkeypatch.setattr(module, "TEST_SIZE", 30)
    monkeypatch.setattr("study.runner.RECALL_LAGS", (0, 3, 6))
    achieved = run_experiment(draw_settings(curriculum=4.0, blank_separation_len=8, epochs=1))
    assert achieved["updates"] == 2
    assert (achieved["last_blanks"], achieved["passed"]) == (5, False)
    lags, recalls = zip(*achieved["recall_by_lag"], strict=True)
    assert lags == (0, 3, 6, 8)
    assert all(0 <= recall <= 1 for recall in recalls)


def test_an_experiment_that_diverges_says_so():
    settings = draw_settings(learning_rate=1e30, optimizer="gradient_descent", clip_norm=1e30)
    achieved = run_experiment(settings)
    assert achieved["diverged"] is True
    assert "recall_accuracy" not in achieved


def count_parameters(settings):
    size = match_hidden_size(settings) if settings.match_params else settings.hidden_size
    with tf.Graph().as_default():
        return build_network(settings, size).parameters.total


def test_lstms_have_no_more_parameters_than_the_linear_cell():
    for models in (questions.MEMORY_MODELS, questions.SINE_MODELS):
        settings = questions.SINE if models is questions.SINE_MODELS else questions.SPAN
        counts = {}
        for model, of_model in models.items():
            counts[model] = count_parameters(complete({**settings, **of_model}))
        budget = counts.pop("linear")
        assert all(0.95 * budget < count <= budget for count in counts.values())


# --- many experiments ---------------------------------------------------------------------------


def test_finished_experiments_are_kept_and_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr("study.runner.run_experiment", invent)
    experiments = [draw_settings(learning_rate=rate) for rate in (0.1, 0.2)]
    with make_runner(tmp_path, in_this_process) as runner:
        rows = runner.run_all(experiments)
    assert [row["learning_rate"] for row in rows] == [0.1, 0.2]

    called = []
    monkeypatch.setattr("study.runner.run_experiment", lambda s: called.append(s) or invent(s))
    more = draw_settings(learning_rate=0.3)
    with make_runner(tmp_path, in_this_process) as runner:
        assert runner.run_all([*experiments, more])[:2] == rows
    assert called == [more]


def test_a_damaged_record_is_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr("study.runner.run_experiment", invent)
    experiments = [draw_settings(learning_rate=0.1)]
    with make_runner(tmp_path, in_this_process) as runner:
        rows = runner.run_all(experiments)
        (record,) = tmp_path.iterdir()
        record.write_text(record.read_text()[:50])
        assert runner.run_all(experiments) == rows
    json.loads(record.read_text())


def test_lost_workers_cost_a_repeat(tmp_path, monkeypatch):
    calls = []

    def lose_the_second(settings):
        calls.append(settings["learning_rate"])
        if len(calls) == 2:
            raise futures.BrokenExecutor("a worker is lost")
        return invent(settings)

    monkeypatch.setattr("study.runner.run_experiment", lose_the_second)
    experiments = [draw_settings(learning_rate=rate) for rate in (0.1, 0.2, 0.3)]
    with make_runner(tmp_path, in_this_process) as runner:
        rows = runner.run_all(experiments)
    assert [row["learning_rate"] for row in rows] == [0.1, 0.2, 0.3]
    assert calls.count(0.1) == 1


def test_workers_that_are_always_lost_end_the_study(tmp_path, monkeypatch):
    def lose(settings):
        raise futures.BrokenExecutor("a worker is lost")

    monkeypatch.setattr("study.runner.run_experiment", lose)
    with (
        make_runner(tmp_path, in_this_process) as runner,
        pytest.raises(LostWorkersError, match="lost 3 times in a row .* enough memory"),
    ):
        runner.run_all([draw_settings()])


def test_a_killed_process_costs_a_repeat(tmp_path):
    """On the default executor."""
    folder = tmp_path / "experiments"
    experiments = [draw_settings(seed=seed) for seed in range(3)]
    killed = []
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True)
    other.start()

    def make_executor():
        executor = local_executor(1)
        if killed:
            return executor
        return _KillingExecutor(executor, killed)

    with make_runner(folder, make_executor) as runner:
        rows = runner.run_all(experiments)
    assert killed
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert len(list(folder.iterdir())) == 3
    assert other.is_alive()  # the study ends only its own processes
    other.kill()


class _KillingExecutor:
    """An executor whose first task kills its worker."""

    def __init__(self, executor, killed):
        self._executor, self._killed = executor, killed

    def __enter__(self):
        executor = self._executor.__enter__()
        self._killed.append(executor.submit(os.kill, executor.submit(os.getpid).result(), 9))
        return executor

    def __exit__(self, *error):
        return self._executor.__exit__(*error)


# --- the questions ------------------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_leaves_a_table_and_a_figure(question, small_study, tmp_path, monkeypatch):
    monkeypatch.setattr("study.runner.run_experiment", invent)
    monkeypatch.setattr("study.__main__.local_executor", lambda nbr_jobs: in_this_process())
    assert command_line([question, "--out-dir", str(tmp_path)]) == 0
    assert (tmp_path / f"{question}.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / f"{question}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ask = QUESTIONS[question].answer
    assert len(rows) == count(ask)
    assert len(list((tmp_path / "experiments").iterdir())) <= len(rows)


def test_every_cell_is_searched_alike_and_run_at_its_best_rate(small_study):
    rows = questions.answer_span(run_invented)
    for model in questions.MEMORY_MODELS:
        for lag in questions.SPAN_LAGS:
            searched, run = (
                [row for row in rows if (row["model"], row["lag"], row["stage"]) == (model, lag, s)]
                for s in ("search", "run")
            )
            assert [row["learning_rate"] for row in searched] == list(questions.SPAN_RATES)
            assert {row["learning_rate"] for row in run} == {max(questions.SPAN_RATES)}
            assert [row["seed"] for row in run] == list(cases.SEEDS)
            assert cases.SEARCH_SEED not in cases.SEEDS


def test_the_best_linear_predictor_is_next_to_exact_at_first():
    """Later it is far better than always predicting 0 (error 0.5). Its weights are huge."""
    weights, errors = linear.fit_predictor(2000)
    assert len(errors) == NBR_GENERATED
    assert np.abs(weights).max() > 1e5
    assert errors[0] < 1e-12
    assert np.mean(errors) < 0.01
    assert errors[-1] < 0.1


def test_a_linear_cell_can_continue_sines_though_no_training_finds_it():
    """Trained, it has an error of 0.3."""
    _, errors = linear.fit_delay_line()
    assert len(errors) == NBR_GENERATED
    assert errors[0] < 1e-6
    assert np.mean(errors) < 0.05


@pytest.mark.parametrize(
    ("line", "message"),
    [("weather", "invalid choice: 'weather'"), ("span --jobs 0", "whole number from 1, got 0")],
)
def test_wrong_usage_is_a_line(capsys, line, message):
    with pytest.raises(SystemExit, match="2"):
        command_line(line.split())
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error


def test_a_missing_scheduler_is_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_TIMEOUT", "1s")
    address = "tcp://127.0.0.1:1"
    assert command_line(["span", "--out-dir", str(tmp_path), "--scheduler", address]) == 1
    error = capsys.readouterr().err
    assert error.startswith("study: error: there is no Dask scheduler at tcp://127.0.0.1:1")
    assert error.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("error", [None, futures.BrokenExecutor()])
def test_an_interrupt_waits_and_is_not_lost(number, error):
    went_on = []

    def be_interrupted():
        with deferred_interrupts() as stop_here:
            stop_here()
            signal.raise_signal(number)
            went_on.append(True)
            if error:
                raise error

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert went_on


def has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="Ctrl-C"),
        pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="SIGTERM"),
    ],
)
def test_a_stopped_study_ends_at_once_and_keeps_what_is_finished(stop, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "study", "optimizers", "--out-dir", str(tmp_path), "--jobs", "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    experiments = tmp_path / "experiments"
    deadline = time.monotonic() + 120
    while not (experiments.is_dir() and any(experiments.glob("*.json"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    stop(process.pid)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "finished experiments are kept" in error
    assert error.count("\n") == 1
    deadline = time.monotonic() + 20
    while has_processes(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


# --- a cluster ----------------------------------------------------------------------------------


def test_a_cluster_runs_a_study_and_may_lose_a_worker(small_study, tmp_path, monkeypatch):
    monkeypatch.setattr(questions, "SPAN_LAGS", (2,))
    model = next(iter(questions.MEMORY_MODELS))
    monkeypatch.setattr(questions, "MEMORY_MODELS", {model: questions.MEMORY_MODELS[model]})
    keep = Runner._keep

    def keep_and_kill(*args):
        keep(*args)
        workers[0].kill()

    monkeypatch.setattr(Runner, "_keep", keep_and_kill)
    out_dir = tmp_path / "study"
    with start_cluster(tmp_path) as (address, workers):
        assert command_line(["span", "--out-dir", str(out_dir), "--scheduler", address]) == 0
    with (out_dir / "span.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 + 2
    here = run_experiment(_first(rows))
    assert here["recall_accuracy"] == pytest.approx(float(rows[0]["recall_accuracy"]))


def _first(rows):
    """The settings of the first experiment of the table."""
    return cases.fill_in(
        {
            **questions.SPAN,
            **questions.MEMORY_MODELS[rows[0]["model"]],
            "blank_separation_len": 2,
            "learning_rate": float(rows[0]["learning_rate"]),
            "seed": int(rows[0]["seed"]),
            "epochs": int(rows[0]["epochs"]),
        }
    )

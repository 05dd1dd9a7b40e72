"""What main.py says of a training that is not what was asked for."""

import json
import math
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import experiment.model
import main
import test
import train
from experiment.remarks import check_solved, judge_result
from experiment.settings import complete
from rnn_cells import RNNOutputWrapper
from support.files import ROOT
from tests.experiments import draw_nothing, make_small

TINY = shlex.split("--epochs 1 --train-size 20 --batch-size 8 --hidden-size 4 --towers 1")


@pytest.fixture(autouse=True)
def small_experiments(monkeypatch):
    make_small(monkeypatch)
    draw_nothing(monkeypatch)


def plain(loss, lr, *, optimizer="gradient_descent", clip_norm=5.0):
    """A student's, as the handout allows: it ignores the optimizer, and records no norm."""
    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm)
    return tf.train.GradientDescentOptimizer(lr).apply_gradients(
        zip(gradients, variables, strict=True)
    )


def always_at_five(loss, lr, *, optimizer="gradient_descent", clip_norm=5.0):
    return plain(loss, lr, optimizer=optimizer)


def unclipped(loss, lr, *, optimizer="gradient_descent", clip_norm=5.0):
    return train.OPTIMIZERS[optimizer](lr).minimize(loss)


def run(folder, line):
    assert main.main([*line.split(), *TINY, "--out-dir", str(folder)]) == 0


@pytest.mark.parametrize(
    ("get_train_op", "line", "remark"),
    [
        (train.get_train_op, "--cell lstm --task sin", ""),
        (train.get_train_op, "--cell basic --task memory", ""),
        (plain, "--cell lstm --task sin", "plain gradient descent, not with Adam"),
        (plain, "--cell basic --task memory", ""),
        (plain, "--cell lstm --task sin --optimizer momentum", "descent, not with momentum"),
        (plain, "--cell basic --task memory --clip-norm 3", ""),
        (plain, "--cell basic --task memory --activation tanh --optimizer gradient_descent", ""),
        (always_at_five, "--cell basic --task memory --clip-norm 3", "at norm 5, not at 3"),
        (unclipped, "--cell lstm --task sin", "does not clip the gradients"),
    ],
)
def test_what_is_not_as_it_was_asked_for_is_said_before_and_after(
    get_train_op, line, remark, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train, "get_train_op", get_train_op)
    run(tmp_path, line)
    lines = capsys.readouterr().out.splitlines()
    notes = [n for n, text in enumerate(lines) if text.startswith("note: get_train_op")]
    if remark:
        assert notes == [1, len(lines) - 2]
        assert remark in lines[1]
        assert lines[1] == lines[-2]
    else:
        assert notes == []
    norms = (tmp_path / "metrics.csv").read_text().splitlines()[1].split(",")[2]
    assert (norms == "nan") == (get_train_op is unclipped)


def test_a_gap_that_is_needed_after_the_training_is_known_before(tmp_path, monkeypatch, capsys):
    def run_memory_test(*_):
        raise NotImplementedError("part (h): write run_memory_test")

    monkeypatch.setattr(test, "run_memory_test", run_memory_test)
    line = ["--cell", "basic", "--task", "memory", *TINY, "--out-dir", str(tmp_path)]
    assert main.main(line) == 1
    error = capsys.readouterr().err
    assert error.startswith("main.py: error: part (h): write run_memory_test (`")
    assert error.count("\n") == 1
    assert not (tmp_path / "metrics.csv").exists()


def test_the_learning_rate_falls_even_if_the_training_operation_counts_no_steps(
    tmp_path, monkeypatch
):
    rates = {}
    for name, get_train_op in (("counts", train.get_train_op), ("plain", plain)):
        monkeypatch.setattr(train, "get_train_op", record_rate(get_train_op))
        run(tmp_path / name, "--cell lstm --task sin --decay cosine")
        row = (tmp_path / name / "metrics.csv").read_text().splitlines()[-1]
        rates[name] = float(row.split(",")[3])
    steps, first = 3, complete({"task": "sin", "cell": "lstm"}).learning_rate
    expected = first * (1 + math.cos(math.pi * (steps - 1) / steps)) / 2  # of the last step
    assert rates == {name: pytest.approx(expected) for name in rates}


def record_rate(get_train_op):
    """As `train.get_train_op` does it before the part that students write."""

    def record(loss, lr, **options):
        tf.add_to_collection(train.LEARNING_RATE, tf.convert_to_tensor(lr))
        return get_train_op(loss, lr, **options)

    return record


def test_an_activation_that_nobody_asked_for_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(experiment.model.ACTIVATIONS, "linear", tf.tanh)
    run(tmp_path, "--cell basic --task sin")
    assert "note: the basic cell applies tanh, though its argument" in capsys.readouterr().out


def test_a_part_h_that_counts_otherwise_is_said(tmp_path, monkeypatch, capsys):
    right = test.run_memory_test

    def count_otherwise(*arguments):
        return right(*arguments)._replace(accuracy=0.75)

    monkeypatch.setattr(test, "run_memory_test", count_otherwise)
    run(tmp_path, "--cell basic --task memory")
    assert (
        "note: run_memory_test says that 75.00% were recalled; counted" in capsys.readouterr().out
    )


def test_weights_drawn_by_numpy_follow_from_the_seed(tmp_path, monkeypatch):
    def draw(shape, *_, **__):
        return (np.random.randn(*shape) / random.uniform(5, 9)).astype("float32")

    losses = []
    monkeypatch.setattr(tf, "orthogonal_initializer", lambda *_, **__: draw)
    for number in range(2):
        run(tmp_path / str(number), "--cell basic --task sin")
        losses.append(json.loads((tmp_path / str(number) / "result.json").read_text())["test_loss"])
    assert losses[0] == losses[1]


def test_a_run_that_does_not_begin_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "get_loss_sin", lambda outputs, y: None)
    folder = tmp_path / "runs"
    line = ["--cell", "basic", "--task", "sin", *TINY, "--out-dir", str(folder)]
    assert main.main(line) == 1
    assert not folder.exists()


def test_a_run_of_another_network_is_not_continued(tmp_path, monkeypatch, capsys):
    run(tmp_path, "--cell basic --task sin")

    def build(*sizes):
        tf.get_variable("more", [1])
        return RNNOutputWrapper(*sizes)

    monkeypatch.setattr(experiment.model, "RNNOutputWrapper", build)
    line = ["--cell", "basic", "--task", "sin", *TINY, "--out-dir", str(tmp_path), "--resume"]
    assert main.main(line) == 1
    assert "as the variable more is only in this one" in capsys.readouterr().err


def test_a_hopeless_network_is_called_that():
    settings = complete({"task": "sin", "cell": "lstm"})
    result = {"epochs": 1, "seconds": 1.0, "test_loss": 0.1}
    reports = []
    for error in (0.61, 0.5):
        measured = {**result, "continuation_mse": error}
        measured["remarks"] = judge_result(measured, settings)
        reports.append(main.report(measured, settings, Path("x")))
    bad, good = reports
    assert "has learned nothing" in bad
    assert "note" not in good
    assert good.startswith("finished 1 epoch; 1.0 s from")


def test_a_batch_larger_than_the_training_set_is_not_passed_over(tmp_path, capsys):
    line = ["--cell", "basic", "--task", "sin", *TINY, "--batch-size", "50"]
    assert main.main([*line, "--out-dir", str(tmp_path)]) == 0
    assert "a batch of 50 is more than the training set of 20" in capsys.readouterr().out


def test_an_experiment_does_not_overwrite_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["--cell", "basic", "--task", "memory", *TINY]
    for seed, moved in (("1", ""), ("1", "basic.1"), ("2", "basic.2"), ("3", "basic.3")):
        assert main.main([*line, "--seed", seed]) == 0
        printed = capsys.readouterr().out
        assert ("note: the earlier run is now in" in printed) == bool(moved)
        assert moved in printed
    seeds = {
        path.name: json.loads((path / "result.json").read_text())["seed"]
        for path in (tmp_path / "runs").iterdir()
    }
    assert seeds == {
        "memory-basic": 3,
        "memory-basic.1": 1,
        "memory-basic.2": 1,
        "memory-basic.3": 2,
    }
    assert (tmp_path / "runs" / "memory-basic.1" / "recall.png").exists()


def test_without_a_terminal_there_is_a_sign_of_life(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "SAY_EVERY", 0.0)
    run(tmp_path, "--cell basic --task memory")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("epoch 1/1: loss ")


@pytest.mark.parametrize(
    ("option", "answer"),
    [
        ("--cel", "--cel (is --cell meant?)"),
        ("--lr=3", "--lr (is --learning-rate meant?)"),
        ("--xyz=3", "unrecognized arguments: --xyz, --hiden"),
    ],
)
def test_an_unknown_option_is_named_with_one_that_is_like_it(option, answer, capsys):
    with pytest.raises(SystemExit):
        main.main([option, "lstm", "--task", "sin", "--hiden-size", "3"])
    error = capsys.readouterr().err
    assert answer in error
    assert "--hiden-size (is --hidden-size meant?)" in error


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path):
    command = [sys.executable, "main.py", "--cell", "basic", "--task", "sin", *TINY]
    process = subprocess.Popen(
        [*command, "--out-dir", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == ""
    assert (tmp_path / "result.json").exists()


def test_an_error_in_an_own_file_says_where_and_who_knows_more(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "OPTIMIZERS", {"gradient_descent": lambda lr: None})
    line = ["--cell", "basic", "--task", "memory", *TINY, "--out-dir", str(tmp_path)]
    assert main.main(line) == 1
    error = capsys.readouterr().err
    assert re.search(r"AttributeError: .*, in train.py, line \d+ \(`.*` shows what is not", error)
    assert error.count("\n") == 1


def run_without_end(sess, loss, outputs, labels, it_test_init, to_remember_len):
    sess.run(it_test_init)
    while True:
        sess.run(loss)


@pytest.mark.parametrize(
    ("module", "name", "function", "answer"),
    [
        (train, "get_loss_memory", lambda outputs, y: None, r"must be a tensor; it is None \(is"),
        (
            train,
            "get_loss_memory",
            lambda outputs, y: list(outputs),
            "must be a tensor; .* list of",
        ),
        (train, "get_loss_memory", lambda outputs, y: outputs[0], r"scalar; it is of shape \["),
        (train, "get_train_op", lambda loss, lr, **_: None, "must return the training operation"),
        (test, "run_memory_test", lambda *_: None, r"must return MemoryTestResult\(loss, acc"),
        (test, "run_memory_test", lambda sess, loss, *_: (loss, loss), "two numbers; it returned"),
        (test, "run_memory_test", run_without_end, "the data set has ended, which must be caught"),
    ],
)
def test_a_function_that_returns_something_else_is_told_what_to_return(
    module, name, function, answer, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(module, name, function)
    line = ["--cell", "basic", "--task", "memory", *TINY, "--out-dir", str(tmp_path)]
    assert main.main(line) == 1
    error = capsys.readouterr().err
    assert re.search(answer, error)
    assert error.count("\n") == 1


def test_a_function_that_is_not_there_or_not_python_is_not_looked_at():
    check_solved([None, print, test.run_memory_test])

"""What main.py says of a training that is not what was asked for."""

import shlex

import pytest
import tensorflow.compat.v1 as tf

import main
import test
import train
from experiment.remarks import check_solved

TINY = shlex.split("--epochs 1 --train-size 20 --batch-size 8 --hidden-size 4 --towers 1")


def plain(loss, lr, *, optimizer="gradient_descent", clip_norm=5.0):
    """A student's, as the handout allows: it ignores the optimizer, and records no norm."""
    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm)
    return tf.train.GradientDescentOptimizer(lr).apply_gradients(
        zip(gradients, variables, strict=True)
    )


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
        (unclipped, "--cell lstm --task sin", "does not clip the gradients"),
    ],
)
def test_what_is_not_as_it_was_asked_for_is_said_before_and_after(
    get_train_op, line, remark, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train, "get_train_op", get_train_op)
    run(tmp_path, line)
    lines = capsys.readouterr().out.splitlines()
    notes = [number for number, text in enumerate(lines) if text.startswith("note: ")]
    assert len(notes) == (2 if remark else 0)
    if remark:
        assert notes == [1, len(lines) - 1]
        assert remark in lines[1]
        assert lines[1] == lines[-1]
    norms = (tmp_path / "metrics.csv").read_text().splitlines()[1].split(",")[2]
    assert (norms == "nan") == (get_train_op is unclipped)


def test_a_gap_that_is_needed_after_the_training_is_known_before(tmp_path, monkeypatch, capsys):
    def run_memory_test(*_):
        raise NotImplementedError("part (h): write run_memory_test")

    monkeypatch.setattr(test, "run_memory_test", run_memory_test)
    line = ["--cell", "basic", "--task", "memory", *TINY, "--out-dir", str(tmp_path)]
    assert main.main(line) == 1
    assert capsys.readouterr().err == "main.py: error: part (h): write run_memory_test\n"
    assert not (tmp_path / "metrics.csv").exists()


def test_a_function_that_is_not_there_or_not_python_is_not_looked_at():
    check_solved([None, print, test.run_memory_test])

"""One experiment: its settings, its checkpoints, its pictures."""

import csv
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import train
from experiment.checkpoints import CheckpointError, Checkpoints, get_finished_epochs
from experiment.evaluation import plot_training
from experiment.settings import SettingsError, complete
from tests.regression import build_regression

# --- settings -----------------------------------------------------------------------------------


def test_what_is_given_stands_and_the_rest_is_the_default():
    settings = complete({"task": "memory", "cell": "lstm", "epochs": 3, "seed": None})
    assert (settings.epochs, settings.seed, settings.hidden_size) == (3, 0, 128)
    assert (settings.forget_bias, settings.chrono) == (3.0, False)
    assert (settings.activation, settings.num_samples) == (None, None)


def test_a_choice_changes_the_defaults_that_follow_from_it():
    chrono = complete({"task": "memory", "cell": "lstm", "chrono": True})
    assert chrono.forget_bias is None
    matched = complete({"task": "sin", "cell": "lstm", "match_params": True})
    assert matched.hidden_size == complete({"task": "sin", "cell": "basic"}).hidden_size


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "sin", "num_digits": 9}, "--num-digits does not apply to --task sin"),
        ({"task": "memory", "activation": "tanh"}, "--activation does not apply"),
        (
            {"task": "memory", "min_blank_separation_len": 6},
            r"--min-blank-separation-len \(6\) is more than --blank-separation-len \(5\)",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        complete({"cell": "lstm", **given})


# --- checkpoints --------------------------------------------------------------------------------


def test_metrics_and_the_last_checkpoint_are_left(sess, tmp_path):
    train_op, loss, it_train_init, w = build_regression()
    history = train.run_training(
        sess,
        3,
        train_op,
        loss,
        it_train_init,
        checkpoints=Checkpoints(sess, tmp_path),
        validate=lambda: 0.25,
    )
    header, *rows = csv.reader((tmp_path / "metrics.csv").open(newline=""))
    assert header == ["epoch", "train_loss", "gradient_norm", "learning_rate", "validation_loss"]
    assert [tuple(map(float, row)) for row in rows] == history
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint",
        "metrics.csv",
        "model.ckpt-3.data-00000-of-00001",
        "model.ckpt-3.index",
    ]
    assert tf.train.load_variable(str(tmp_path), "w") == sess.run(w)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path):
    ends = []
    for name, parts in (("whole", [4]), ("resumed", [1, 3, 4])):
        (tmp_path / name).mkdir()
        for number, nbr_epochs in enumerate(parts):
            with tf.Graph().as_default(), tf.Session() as sess:
                train_op, loss, it_train_init, w = build_regression()
                train.run_training(
                    sess,
                    nbr_epochs,
                    train_op,
                    loss,
                    it_train_init,
                    checkpoints=Checkpoints(sess, tmp_path / name, resume=number > 0),
                )
                end = sess.run(w)
        ends.append((end, (tmp_path / name / "metrics.csv").read_text()))
    assert ends[0] == ends[1]


def test_a_diverging_training_stops_at_once_and_keeps_the_last_checkpoint(sess, tmp_path):
    train_op, loss, it_train_init, _ = build_regression(lr=0.1)
    steps = itertools.count(1)

    def worsen(loss):
        """The loss of step 8, the second of the third epoch, is infinite."""
        return np.float32(np.inf if next(steps) == 8 else loss)

    worsened = tf.numpy_function(worsen, [loss], tf.float32)
    worsened.set_shape([])
    with pytest.raises(train.DivergenceError, match="step 2 of epoch 3.*--learning-rate, now 0.1"):
        train.run_training(
            sess, 5, train_op, worsened, it_train_init, checkpoints=Checkpoints(sess, tmp_path)
        )
    assert get_finished_epochs(tmp_path) == 2
    assert next(steps) == 9


def test_there_must_be_something_to_resume(sess, tmp_path):
    train_op, loss, it_train_init, _ = build_regression()
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        train.run_training(
            sess,
            3,
            train_op,
            loss,
            it_train_init,
            checkpoints=Checkpoints(sess, tmp_path, resume=True),
        )


def test_the_training_figure_is_left(tmp_path):
    history = [train.EpochMetrics(epoch, 1 / epoch, 2 / epoch, 0.1) for epoch in (1, 2, 3)]
    plot_training(history, complete({"task": "memory", "cell": "lstm"}), tmp_path, 0.5)
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")

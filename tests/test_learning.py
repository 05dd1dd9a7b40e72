"""The losses by hand, clipping and the optimizers, the training loop."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import main
import train
from data import PADDING
from tests import oracle
from tests.regression import build_regression


def value_of(sess, tensor):
    assert tensor.shape.rank == 0
    return sess.run(tensor)


# --- the losses ---------------------------------------------------------------------------------


def test_the_sine_loss_by_hand(sess):
    outputs = [
        tf.constant([[1.0], [2.0]]),
        tf.constant([[3.0], [4.0]]),
        tf.constant([[0.0], [0.0]]),
    ]
    y = tf.constant([[1.0, 1.0, 3.0], [0.0, 4.0, 1.0]])
    errors_squared = [0, 4, 9, 4, 0, 1]
    assert value_of(sess, train.get_loss_sin(outputs, y)) == pytest.approx(sum(errors_squared) / 6)


def test_the_memory_loss_by_hand(sess):
    # Odds of 1 : 3 and 1 : 1, as logits.
    outputs = [tf.constant([[0.0, math.log(3)]]), tf.constant([[7.0, 7.0]])]
    y = tf.constant([[1, 0]])
    expected = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    assert value_of(sess, train.get_loss_memory(outputs, y)) == pytest.approx(expected)


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 6), st.sampled_from([1.0, 1000.0]))
def test_the_losses_equal_numpy(batch, len_inp, classes, scale):
    rng = np.random.default_rng(batch + 10 * len_inp + 100 * classes)
    logits = (scale * rng.normal(size=[batch, len_inp, classes])).astype(np.float32)
    labels = rng.integers(classes, size=[batch, len_inp])
    predictions, truth = rng.normal(size=[2, batch, len_inp]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as sess:
        loss = train.get_loss_memory(tf.unstack(tf.constant(logits), axis=1), labels)
        assert value_of(sess, loss) == pytest.approx(oracle.cross_entropy(logits, labels), rel=1e-4)
        loss = train.get_loss_sin(tf.split(tf.constant(predictions), len_inp, axis=1), truth)
        assert value_of(sess, loss) == pytest.approx(np.mean((predictions - truth) ** 2), rel=1e-4)


def test_the_padded_memory_loss_is_the_mean_of_each_sequences_own(sess):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[3, 7, 5]).astype(np.float32)
    labels = rng.integers(5, size=[3, 7])
    lengths = [7, 4, 1]
    losses = [
        oracle.cross_entropy(logits[[b], :length], labels[[b], :length])
        for b, length in enumerate(lengths)
    ]
    for b, length in enumerate(lengths):
        labels[b, length:] = PADDING
    outputs = tf.unstack(tf.constant(logits), axis=1)
    loss = train.get_loss_memory_padded(outputs, tf.constant(labels, tf.int32))
    assert value_of(sess, loss) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_labels_of_both_integer_types(sess, dtype):
    outputs, y = [tf.zeros([1, 4])], tf.constant([[3]], dtype)
    assert value_of(sess, train.get_loss_memory(outputs, y)) == pytest.approx(math.log(4))


def test_a_truth_of_float64_is_cast(sess):
    outputs, y = [tf.ones([1, 1])], tf.constant([[3.0]], tf.float64)
    assert value_of(sess, train.get_loss_sin(outputs, y)) == 4


@pytest.mark.parametrize("shape", [[2, 1], [1, 3], [2, 3, 1]])
def test_a_truth_that_would_be_broadcast_is_refused(sess, shape):
    with pytest.raises(ValueError, match="incompatible"):
        train.get_loss_sin([tf.zeros([2, 1])] * 3, tf.zeros(shape))


# --- the training operation ---------------------------------------------------------------------


def two_variables(slopes, at=(0.0, 0.0, 0.0)):
    """A loss with the given slopes, of a vector and a scalar variable."""
    v = tf.get_variable("v", initializer=tf.constant(at[:2], tf.float32))
    s = tf.get_variable("s", initializer=tf.constant(at[2], tf.float32))
    slopes = np.array(slopes, np.float32)
    return tf.reduce_sum(v * slopes[:2]) + s * slopes[2]


def step(sess, train_op):
    """The change of the two variables, as one vector."""
    sess.run(tf.global_variables_initializer())
    variables = tf.trainable_variables()
    before = sess.run(variables)
    sess.run(train_op)
    after = sess.run(variables)
    return np.concatenate([np.ravel(a - b) for a, b in zip(after, before, strict=True)])


def test_a_short_gradient_is_followed_as_it_is(sess):
    loss = two_variables([2.0, 3.0, 1.0])
    np.testing.assert_allclose(step(sess, train.get_train_op(loss, 0.1)), [-0.2, -0.3, -0.1])


def test_a_long_gradient_keeps_its_direction_and_gets_the_norm_5(sess):
    slopes = np.array([30.0, -40.0, 120.0])  # its norm is 130, over both variables
    change = step(sess, train.get_train_op(two_variables(slopes), 0.1))
    np.testing.assert_allclose(change, -0.1 * 5 * slopes / 130, rtol=1e-5)


@settings(max_examples=20)
@given(
    st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3), st.floats(0.125, 20, width=32)
)
def test_clipping_is_by_global_norm(slopes, clip_norm):
    norm = np.linalg.norm(slopes)
    with tf.Graph().as_default(), tf.Session() as sess:
        train_op = train.get_train_op(two_variables(slopes), 1.0, clip_norm=clip_norm)
        change = step(sess, train_op)
        (reported,) = sess.run(tf.get_collection(train.GRADIENT_NORM))
    expected = -np.array(slopes) * min(1.0, clip_norm / norm if norm else 1.0)
    np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-6)
    assert reported == pytest.approx(norm, rel=1e-5)  # the norm before clipping


def test_momentum_rolls_on(sess):
    """v <- 0.9 v + g, w <- w - lr v (Polyak 1964; Sutskever et al. 2013)."""
    loss = two_variables([1.0, 0.0, 0.0])
    train_op = train.get_train_op(loss, 0.1, optimizer="momentum")
    assert step(sess, train_op)[0] == pytest.approx(-0.1)
    sess.run(train_op)
    assert sess.run(tf.trainable_variables()[0])[0] == pytest.approx(-0.1 - 0.1 * 1.9)


def test_adam_begins_with_steps_of_the_learning_rate(sess):
    """Kingma & Ba 2015: the first step is lr in each coordinate, whatever the gradient's size."""
    loss = two_variables([1.0, -0.5, 3.0])
    change = step(sess, train.get_train_op(loss, 0.01, optimizer="adam"))
    np.testing.assert_allclose(change, [-0.01, 0.01, -0.01], rtol=1e-4)


def test_rmsprop_divides_by_the_root_of_a_running_mean_square(sess):
    """r <- 0.9 r + 0.1 g^2 from r = 1 as in TensorFlow, w <- w - lr g / sqrt(r)."""
    loss = two_variables([1.0, -2.0, 0.5])
    g = np.array([1.0, -2.0, 0.5])
    change = step(sess, train.get_train_op(loss, 0.01, optimizer="rmsprop"))
    np.testing.assert_allclose(change, -0.01 * g / np.sqrt(0.9 + 0.1 * g**2), rtol=1e-4)


def test_the_learning_rate_may_be_a_tensor(sess):
    lr = tf.placeholder_with_default(0.5, [])
    change = step(sess, train.get_train_op(two_variables([1.0, 2.0, 0.0]), lr))
    np.testing.assert_allclose(change, [-0.5, -1.0, 0.0])


def test_the_global_step_counts_where_there_is_one(sess):
    train_op = train.get_train_op(two_variables([1, 1, 1]), 0.1)
    step(sess, train_op)  # without one it works as well
    global_step = tf.train.create_global_step()
    train_op = train.get_train_op(tf.trainable_variables()[1] * 1.0, 0.1)
    sess.run(tf.global_variables_initializer())
    sess.run(train_op)
    sess.run(train_op)
    assert sess.run(global_step) == 2


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lr": 0.0}, "learning rate must be a positive number, got 0.0"),
        ({"lr": -1.0}, "learning rate must be a positive number, got -1.0"),
        ({"lr": math.nan}, "learning rate must be a positive number, got nan"),
        ({"clip_norm": 0.0}, "clip_norm must be a positive number"),
        ({"clip_norm": math.inf}, "clip_norm must be a positive number"),
        ({"optimizer": "sgd"}, "one of gradient_descent, momentum, rmsprop, adam, got 'sgd'"),
    ],
)
def test_bad_settings_are_refused(sess, keywords, message):
    with pytest.raises(ValueError, match=message):
        train.get_train_op(two_variables([1, 1, 1]), **{"lr": 0.1, **keywords})


def test_the_command_line_offers_the_optimizers_there_are():
    (action,) = (a for a in main.build_parser()._actions if a.dest == "optimizer")
    assert list(action.choices) == list(train.OPTIMIZERS)


# --- the learning rate --------------------------------------------------------------------------


def test_a_constant_learning_rate():
    assert train.get_learning_rate(0.3, "constant", 10) == 0.3


def test_cosine_decay_ends_at_zero(sess):
    rate = train.get_learning_rate(0.3, "cosine", 8)
    global_step = tf.train.get_global_step()
    rates = []
    for step in range(9):
        global_step.load(step, sess)
        rates.append(sess.run(rate))
    expected = 0.3 * (1 + np.cos(np.pi * np.arange(9) / 8)) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-7)


def test_another_decay_is_refused(sess):
    with pytest.raises(ValueError, match='must be "constant" or "cosine", got \'linear\''):
        train.get_learning_rate(0.3, "linear", 8)


# --- the training loop --------------------------------------------------------------------------


def test_training_runs_the_epochs_and_returns_their_metrics(sess):
    train_op, loss, it_train_init, w = build_regression(lr=0.01)
    history = train.run_training(sess, 2, train_op, loss, it_train_init)

    expected, w_by_hand = [], 0.0
    for epoch in (1, 2):
        losses, norms = [], []
        for x in (1, 2, 3):
            gradient = 2 * (w_by_hand - 2) * x**2
            losses.append(((w_by_hand - 2) * x) ** 2)
            norms.append(abs(gradient))
            w_by_hand -= 0.01 * np.clip(gradient, -5, 5)
        expected.append((epoch, np.mean(losses), np.mean(norms), 0.01))
    np.testing.assert_allclose([row[:4] for row in history], expected, rtol=1e-5)
    assert sess.run(w) == pytest.approx(w_by_hand, rel=1e-5)


def test_a_training_operation_of_ones_own_reports_no_norm(sess):
    _, loss, it_train_init, w = build_regression()
    tf.get_default_graph().clear_collection(train.GRADIENT_NORM)
    tf.get_default_graph().clear_collection(train.LEARNING_RATE)
    train_op = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
    (metrics,) = train.run_training(sess, 1, train_op, loss, it_train_init)
    assert metrics.train_loss > 0
    assert math.isnan(metrics.gradient_norm)
    assert math.isnan(metrics.learning_rate)
    assert sess.run(w) != 0


def test_the_session_says_which_graph_is_trained():
    with tf.Graph().as_default() as graph:
        train_op, loss, it_train_init, _ = build_regression(lr=0.01)
    session = tf.Session(graph=graph)  # the default graph is another one
    (metrics,) = train.run_training(session, 1, train_op, loss, it_train_init)
    assert metrics.epoch == 1


def test_the_progress_bar_shows_loss_and_gradient_norm(sess, monkeypatch):
    shown = []

    class Recorder(train.tqdm):
        def set_postfix(self, values, refresh):
            shown.append((self.desc, values["loss"], values["gradient_norm"]))

    monkeypatch.setattr(train, "tqdm", Recorder)
    train_op, loss, it_train_init, _ = build_regression()
    history = train.run_training(sess, 2, train_op, loss, it_train_init)
    assert [desc for desc, _, _ in shown] == ["epoch 1/2"] * 3 + ["epoch 2/2"] * 3
    for epoch, steps in zip(history, (shown[:3], shown[3:]), strict=True):
        assert np.mean([loss for _, loss, _ in steps]) == pytest.approx(epoch.train_loss)
        assert np.mean([norm for _, _, norm in steps]) == pytest.approx(epoch.gradient_norm)

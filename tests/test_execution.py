"""Towers over the batch and loops over the time steps: the same numbers as the plain network."""

import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import train
from experiment import unrolling
from experiment.towers import Tower, build_towers
from experiment.unrolling import run_cell
from rnn_cells import (
    BasicRNNCell,
    MyBasicRNNState,
    MyLSTMCell,
    RNNCell,
    RNNOutputWrapper,
)
from rnn_cells.answers import AnswerError
from tests import oracle

CELLS = [BasicRNNCell, MyLSTMCell]
N_INP, HIDDEN, CLASSES = 3, 4, 5


class RightToLeftCell(RNNCell):
    """h_t = tanh(U V h_{t-1} + W x_t), y_t = h_t^T P: products in other forms than a W."""

    state_type = MyBasicRNNState

    def __init__(self, n_inp, n_out):
        super().__init__(n_inp, n_out)
        self._u = tf.get_variable("u", [n_out, 2])
        self._v = tf.get_variable("v", [2, n_out])
        self._w = tf.get_variable("w", [n_out, n_inp])
        self._p = tf.get_variable("p", [n_out, n_out])

    def __call__(self, state, x):
        h = tf.transpose(state.hidden)
        recurrent = tf.matmul(self._u, self._v)
        outputs = []
        for x_t in tf.unstack(x, axis=1):
            inputs = tf.matmul(self._w, x_t, transpose_b=True)
            h = tf.tanh(tf.matmul(recurrent, h) + inputs)
            outputs.append(tf.matmul(h, self._p, transpose_a=True))
        return outputs, MyBasicRNNState(tf.transpose(h))


def draw(batch, len_inp):
    rng = np.random.default_rng([batch, len_inp])
    x = rng.normal(size=[batch, len_inp, N_INP]).astype(np.float32)
    return x, rng.integers(CLASSES, size=[batch, len_inp]).astype(np.int32)


def build(cell_type, x, labels, nbr_towers, *, known=True, unroll="static"):
    """Outputs, loss and gradients on x and labels, without towers if `nbr_towers` is None."""
    batch = x.shape[0] if known else None
    pl_x = tf.placeholder(tf.float32, [batch, *x.shape[1:]])
    pl_labels = tf.placeholder(tf.int32, [batch, x.shape[1]])
    cell, readout = cell_type(N_INP, HIDDEN), RNNOutputWrapper(HIDDEN, CLASSES)

    def build_tower(x, labels):
        states, _ = run_cell(cell, cell.get_zero_state_for_inp(x), x, unroll)
        outputs = readout(states)
        return Tower(outputs, train.get_loss_memory(outputs, labels))

    if nbr_towers is None:
        outputs, loss = build_tower(pl_x, pl_labels)
    else:
        outputs, loss = build_towers(build_tower, pl_x, pl_labels, nbr_towers)
    gradients = tf.gradients(loss, tf.trainable_variables())
    return [outputs, loss, gradients], {pl_x: x, pl_labels: labels}


def evaluate(*args, **keywords):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        fetches, feed_dict = build(*args, **keywords)
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feed_dict)


@functools.cache
def evaluate_plainly(cell_type, batch, len_inp):
    return evaluate(cell_type, *draw(batch, len_inp), None)


def assert_equal(came, expected):
    """Outputs, loss and gradients, number by number."""
    for a, b in zip(tf.nest.flatten(came), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# --- towers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_type", [*CELLS, RightToLeftCell])
@pytest.mark.parametrize("known", [True, False], ids=["known batch", "unknown batch"])
@pytest.mark.parametrize("nbr_towers", [1, 2, 8])
def test_towers_give_what_one_network_gives(cell_type, known, nbr_towers):
    """A batch of 7 is uneven for 2 towers, and leaves one of 8 idle."""
    came = evaluate(cell_type, *draw(7, 4), nbr_towers, known=known)
    assert_equal(came, evaluate_plainly(cell_type, 7, 4))


@settings(max_examples=10)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_the_loss_of_towers_is_that_of_numpy(batch, len_inp, nbr_towers, known):
    x, labels = draw(batch, len_inp)
    outputs, loss, _ = evaluate(MyLSTMCell, x, labels, nbr_towers, known=known)
    assert np.shape(outputs) == (len_inp, batch, CLASSES)
    logits = np.moveaxis(outputs, 0, 1)
    assert loss == pytest.approx(oracle.cross_entropy(logits, labels), rel=1e-4)


@pytest.mark.parametrize("nbr_towers", [1, 2])
def test_the_gradients_of_towers_are_the_slopes_of_numpys_loss(nbr_towers):
    """Central differences in float64, along a random direction of each variable."""
    x, labels = draw(5, 6)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        (_, _, gradients), feed_dict = build(MyLSTMCell, x, labels, nbr_towers)
        sess.run(tf.global_variables_initializer())
        w, b, v, c = sess.run(tf.trainable_variables())
        gradients = sess.run(gradients, feed_dict)

    def get_loss(w, b, v, c):
        zeros = np.zeros([5, HIDDEN])
        states, *_ = oracle.lstm(x, zeros, zeros, w, b)
        return oracle.cross_entropy(np.moveaxis(states @ v + c, 0, 1), labels)

    rng = np.random.default_rng(0)
    for index, gradient in enumerate(gradients):
        direction, step = rng.normal(size=gradient.shape), 1e-5
        moved = [[w, b, v, c], [w, b, v, c]]
        for values, sign in zip(moved, (1, -1), strict=True):
            values[index] = values[index].astype(np.float64) + sign * step * direction
        slope = (get_loss(*moved[0]) - get_loss(*moved[1])) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_gradients_of_anything_but_the_loss_are_right_too(sess):
    x, labels = draw(4, 3)
    (outputs, loss, _), feed_dict = build(BasicRNNCell, x, labels, 2)
    variables = tf.trainable_variables()
    of_a_sum = tf.gradients(tf.add_n(outputs), variables)
    of_three_losses = tf.gradients(3 * loss, variables)
    of_one_loss = tf.gradients(loss, variables)
    sess.run(tf.global_variables_initializer())
    weights = sess.run(variables)
    of_a_sum, of_three_losses, of_one_loss = sess.run(
        [of_a_sum, of_three_losses, of_one_loss], feed_dict
    )
    assert_equal(of_three_losses, [3 * gradient for gradient in of_one_loss])
    # The slope along the weights of the cell, again by differences of the outputs' sum.
    sums = []
    for sign in (1, -1):
        variables[0].load(weights[0] * (1 + sign * 1e-2), sess)
        sums.append(np.sum(sess.run(outputs, feed_dict), dtype=np.float64))
    slope = (sums[0] - sums[1]) / 2e-2
    assert np.sum(of_a_sum[0] * weights[0]) == pytest.approx(slope, rel=1e-2)


class LateCell(BasicRNNCell):
    """Creates another variable when it is called."""

    def __call__(self, state, x):
        with tf.variable_scope("late", reuse=tf.AUTO_REUSE):
            scale = tf.get_variable("scale", [HIDDEN])
        outputs, state = super().__call__(state, x)
        return [output * scale for output in outputs], state


@pytest.mark.parametrize("nbr_towers", [2, 3])
def test_variables_may_be_created_late_but_are_shared(nbr_towers):
    x, labels = draw(6, 3)
    plain = evaluate(LateCell, x, labels, None)
    assert_equal(evaluate(LateCell, x, labels, nbr_towers), plain)


def test_variables_that_are_not_shared_are_refused(sess):
    class ForgetfulCell(LateCell):
        def __call__(self, state, x):
            tf.Variable(tf.zeros([HIDDEN]))
            return super().__call__(state, x)

    x, labels = draw(5, 3)
    with pytest.raises(ValueError, match="creates new variables each time it is called"):
        build(ForgetfulCell, x, labels, 2)


def test_a_variable_that_the_network_does_not_use_has_no_gradient(sess):
    tf.get_variable("unused", [2])
    x, labels = draw(4, 3)
    (_, _, gradients), _ = build(BasicRNNCell, x, labels, 2)
    assert gradients[0] is None
    assert None not in gradients[1:]


def test_towers_of_the_same_size_are_built_once(sess):
    x, labels = draw(6, 3)
    sizes = []

    def build_tower(x, labels):
        sizes.append(x.shape[0])
        return Tower([x[:, 0]], tf.reduce_mean(x))

    build_towers(build_tower, tf.constant(x[:5]), tf.constant(labels[:5]), 3)
    assert sizes == [2, 1]


@pytest.mark.parametrize("nbr_towers", [0, -1, 1.5])
def test_the_number_of_towers_is_checked(sess, nbr_towers):
    x, labels = draw(2, 3)
    with pytest.raises(ValueError, match="nbr_towers must be a whole number from 1"):
        build(BasicRNNCell, x, labels, nbr_towers)


def test_training_on_towers_ends_where_training_without_does():
    x, labels = draw(7, 6)
    losses = []
    for nbr_towers in (None, 3):
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.set_random_seed(0)
            (_, loss, _), feed_dict = build(MyLSTMCell, x, labels, nbr_towers)
            train_op = train.get_train_op(loss, 0.01, optimizer="adam")
            sess.run(tf.global_variables_initializer())
            losses.append([sess.run([loss, train_op], feed_dict)[0] for _ in range(50)])
    assert losses[0][-1] < 0.9 * losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)


# --- loops --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_type", [*CELLS, RightToLeftCell])
@pytest.mark.parametrize("len_inp", [1, 5, 12])
@pytest.mark.parametrize("nbr_towers", [None, 2])
def test_a_loop_gives_what_the_unrolled_cell_gives(cell_type, len_inp, nbr_towers):
    came = evaluate(cell_type, *draw(5, len_inp), nbr_towers, known=False, unroll="dynamic")
    assert_equal(came, evaluate_plainly(cell_type, 5, len_inp))


@pytest.fixture
def old_loops():
    """Loops and variables as `tf.disable_v2_behavior`, which many programs call, makes them."""
    tf.disable_control_flow_v2()
    tf.disable_resource_variables()
    yield
    tf.enable_resource_variables()
    tf.enable_control_flow_v2()


def test_loops_of_tensorflow_1_run_in_towers_too(old_loops):
    came = evaluate(MyLSTMCell, *draw(6, 12), 2, unroll="dynamic")
    assert_equal(came, evaluate_plainly(MyLSTMCell, 6, 12))


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_loop_goes_on_from_a_state_and_returns_the_last_one(sess, cell_type):
    x, _ = draw(4, 13)
    cell = cell_type(N_INP, HIDDEN)
    rng = np.random.default_rng(0)
    state = cell.state_type(
        *(tf.constant(rng.normal(size=[4, HIDDEN]), tf.float32) for _ in cell.state_type._fields)
    )
    fetches = [run_cell(cell, state, tf.constant(x), mode) for mode in ("static", "dynamic")]
    sess.run(tf.global_variables_initializer())
    unrolled, looped = sess.run(fetches)
    assert isinstance(fetches[1][1], cell.state_type)
    assert_equal(looped, unrolled)


def get_operation_types(len_inp, unroll):
    with tf.Graph().as_default() as graph:
        cell = BasicRNNCell(N_INP, HIDDEN)
        x = cell.get_input_placeholder(len_inp, "x")
        run_cell(cell, cell.get_zero_state_for_inp(x), x, unroll)
        return [operation.type for operation in graph.get_operations()]


def test_only_long_sequences_are_looped_over(monkeypatch):
    monkeypatch.setattr(unrolling, "LONGEST_STATIC", 10)
    is_loop = [any("While" in t for t in get_operation_types(n, "auto")) for n in (10, 11)]
    assert is_loop == [False, True]
    assert not any("While" in t for t in get_operation_types(11, "static"))
    assert any("While" in t for t in get_operation_types(10, "dynamic"))


def test_a_loop_does_not_grow_with_the_sequence():
    assert len(get_operation_types(1000, "dynamic")) == len(get_operation_types(100, "dynamic"))


def test_loops_need_a_known_length_and_a_known_word(sess):
    cell = BasicRNNCell(N_INP, HIDDEN)
    x = tf.placeholder(tf.float32, [None, None, N_INP])
    for unroll in ("auto", "static", "dynamic"):
        with pytest.raises(ValueError, match="number of time steps must be known"):
            run_cell(cell, cell.get_zero_state_for_inp(x), x, unroll)
    x = cell.get_input_placeholder(3, "x")
    with pytest.raises(ValueError, match='"auto", "static" or "dynamic", got "loop"|\'loop\''):
        run_cell(cell, cell.get_zero_state_for_inp(x), x, "loop")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda outputs, state: outputs, "must return two things"),
        (lambda outputs, state: (state, outputs), "returned the state first"),
        (lambda outputs, state: (tf.stack(outputs), state), "must be a list of tensors"),
        (lambda outputs, state: ([1.0], state), "tensors and nothing else"),
        (lambda outputs, state: (outputs, state.hidden), "instead of a MyBasicRNNState"),
        (lambda outputs, state: None, "is there a return"),
    ],
)
def test_a_cell_that_returns_something_else_is_told_in_a_line(sess, change, reason):
    class Unfinished(BasicRNNCell):
        def __call__(self, state, x):
            return change(*super().__call__(state, x))

    cell = Unfinished(N_INP, HIDDEN)
    x = cell.get_input_placeholder(3, "x")
    for unroll in ("static", "dynamic"):
        with pytest.raises(AnswerError, match=reason):
            run_cell(cell, cell.get_zero_state_for_inp(x), x, unroll)

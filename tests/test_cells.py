"""The cells and the readout, against NumPy and against implementations that are not ours."""

import numpy as np
import onnx.helper
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from rnn_cells import (
    BasicRNNCell,
    MyBasicRNNState,
    MyLSTMCell,
    MyLSTMState,
    RNNCell,
    RNNOutputWrapper,
)
from tests import oracle

CELLS = [BasicRNNCell, MyLSTMCell]
sizes = st.integers(1, 5)


def random_weights(sess, rng, scale=0.7):
    """Gives all variables of the graph random values, and returns these by name."""
    values = {}
    for variable in tf.global_variables():
        values[variable.op.name] = rng.normal(0, scale, variable.shape).astype(np.float32)
        variable.load(values[variable.op.name], sess)
    return values


def random_state(cell, rng, batch):
    shape = [batch, cell.get_output_size()]
    return cell.state_type(
        *(rng.normal(size=shape).astype(np.float32) for _ in cell.state_type._fields)
    )


def run_cell(sess, cell, x, state):
    """Outputs [T, B, H] and final state of the cell, through placeholders."""
    pl_x = cell.get_input_placeholder(x.shape[1], "x")
    pl_state = cell.get_state_placeholder("state")
    fetches = cell(pl_state, pl_x)
    outputs, final_state = sess.run(
        fetches, {pl_x: x, **cell.create_state_feed_dict(pl_state, state)}
    )
    return np.array(outputs), final_state


# --- the interface ------------------------------------------------------------------------------


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        RNNCell(1, 2)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 3), (3, -1), (2.5, 3)])
def test_sizes_must_be_whole_numbers_from_1(sess, cell_type, sizes):
    with pytest.raises(ValueError, match="must be a whole number from 1"):
        cell_type(*sizes)


def test_a_cell_tells_its_sizes(sess):
    cell = BasicRNNCell(3, 5)
    assert (cell.get_n_inp(), cell.get_output_size()) == (3, 5)


def test_state_fields_have_the_names_of_the_sheet():
    assert MyBasicRNNState._fields == ("hidden",)
    assert MyLSTMState._fields == ("hidden", "cell")


@pytest.mark.parametrize("cell_type", CELLS)
def test_placeholders_leave_the_batch_open(sess, cell_type):
    cell = cell_type(3, 5)
    assert cell.get_input_placeholder(7, "x").shape.as_list() == [None, 7, 3]
    state = cell.get_state_placeholder("state")
    assert isinstance(state, cell.state_type)
    assert [field.shape.as_list() for field in state] == [[None, 5]] * len(state)


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_zero_state_has_the_batch_size_of_the_input(sess, cell_type):
    cell = cell_type(3, 5)
    x = cell.get_input_placeholder(7, "x")
    state = sess.run(cell.get_zero_state_for_inp(x), {x: np.ones([4, 7, 3])})
    assert isinstance(state, cell.state_type)
    for field in state:
        np.testing.assert_array_equal(field, np.zeros([4, 5]))


def test_a_cell_of_ones_own_gets_states_from_its_state_type_alone(sess):
    class Counter(RNNCell):
        state_type = MyLSTMState

        def __call__(self, state, x):
            return [state.hidden], state

    cell = Counter(2, 3)
    state = cell.get_state_placeholder("state")
    values = MyLSTMState(hidden=np.full([1, 3], 1.0), cell=np.full([1, 3], 2.0))
    feed_dict = cell.create_state_feed_dict(state, values)
    assert feed_dict[state.hidden] is values.hidden
    assert feed_dict[state.cell] is values.cell


# --- the variables ------------------------------------------------------------------------------


def test_variables_of_the_basic_cell(sess):
    BasicRNNCell(3, 5)
    shapes = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    assert shapes == {"BasicRNNCell/W": [8, 5], "BasicRNNCell/b": [5]}


def test_variables_of_the_lstm_cell(sess):
    MyLSTMCell(3, 5)
    shapes = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    assert shapes == {"MyLSTMCell/W": [8, 20], "MyLSTMCell/b": [20]}


def test_variables_of_the_readout(sess):
    RNNOutputWrapper(5, 2)
    shapes = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    assert shapes == {"RNNOutputWrapper/W": [5, 2], "RNNOutputWrapper/b": [2]}


@pytest.mark.parametrize("cell_type", CELLS)
def test_however_often_a_cell_is_called_its_variables_are_the_same(sess, cell_type):
    cell, readout = cell_type(3, 5), RNNOutputWrapper(5, 2)
    before = tf.global_variables()
    for len_inp in (1, 4):
        x = cell.get_input_placeholder(len_inp, "x")
        readout(cell(cell.get_zero_state_for_inp(x), x)[0])
    assert [v.ref() for v in tf.global_variables()] == [v.ref() for v in before]
    assert tf.trainable_variables() == before


@pytest.mark.parametrize("cell_type", CELLS)
def test_two_cells_in_one_graph_have_variables_of_their_own(sess, cell_type):
    cell_type(3, 5)
    cell_type(3, 5)
    names = [v.op.name for v in tf.global_variables()]
    assert len(set(names)) == 4
    assert names[0].partition("/")[0] + "_1/W" == names[2]


def test_the_recurrent_block_starts_orthogonal(sess):
    BasicRNNCell(3, 50)
    sess.run(tf.global_variables_initializer())
    w, b = sess.run(tf.global_variables())
    np.testing.assert_allclose(w[3:] @ w[3:].T, np.eye(50), atol=1e-5)
    limit = np.sqrt(6 / (3 + 50))  # Glorot & Bengio 2010
    assert 0.9 * limit < np.abs(w[:3]).max() <= limit
    np.testing.assert_array_equal(b, np.zeros(50))


@pytest.mark.parametrize(("keywords", "forget_bias"), [({}, 1.0), ({"forget_bias": -2.5}, -2.5)])
def test_the_forget_bias_is_an_initial_value(sess, keywords, forget_bias):
    MyLSTMCell(3, 4, **keywords)
    sess.run(tf.global_variables_initializer())
    _, b = sess.run(tf.global_variables())
    np.testing.assert_array_equal(b.reshape(4, 4), [[0] * 4, [0] * 4, [forget_bias] * 4, [0] * 4])


def test_chrono_initialisation_spreads_the_memory_over_the_lags(sess):
    """b_f = log U[1, T - 1], b_i = -b_f (Tallec & Ollivier 2018, section 2)."""
    MyLSTMCell(3, 2000, chrono=100)
    sess.run(tf.global_variables_initializer())
    b_i, b_j, b_f, b_o = np.split(sess.run(tf.global_variables())[1], 4)
    np.testing.assert_array_equal(b_i, -b_f)
    np.testing.assert_array_equal([b_j, b_o], np.zeros([2, 2000]))
    lags = np.exp(b_f)
    assert 1 <= lags.min() < 3
    assert 97 < lags.max() <= 99 * (1 + 1e-5)
    assert abs(lags.mean() - 50) < 5 * 98 / np.sqrt(12 * 2000)  # five standard errors


@pytest.mark.parametrize("chrono", [1, 0, -5, float("nan")])
def test_chrono_needs_a_lag(sess, chrono):
    with pytest.raises(ValueError, match="at least 2 time steps"):
        MyLSTMCell(3, 2, chrono=chrono)


# --- the equations ------------------------------------------------------------------------------


@settings(max_examples=25)
@given(sizes, sizes, sizes, sizes, st.sampled_from(["linear", "tanh", "relu"]))
def test_the_basic_cell_equals_numpy(n_inp, n_out, batch, len_inp, activation):
    rng = np.random.default_rng(n_inp + 10 * n_out + 100 * batch + 1000 * len_inp)
    in_tf = {"linear": None, "tanh": tf.tanh, "relu": tf.nn.relu}[activation]
    in_np = {"linear": lambda a: a, "tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}[activation]
    with tf.Graph().as_default(), tf.Session() as sess:
        cell = BasicRNNCell(n_inp, n_out, activation=in_tf)
        weights = random_weights(sess, rng)
        x, state = rng.normal(size=[batch, len_inp, n_inp]), random_state(cell, rng, batch)
        outputs, final_state = run_cell(sess, cell, x, state)
    expected, expected_hidden = oracle.basic_rnn(
        x, state.hidden, weights["BasicRNNCell/W"], weights["BasicRNNCell/b"], in_np
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(final_state.hidden, expected_hidden, rtol=1e-4, atol=1e-4)


@settings(max_examples=25)
@given(sizes, sizes, sizes, sizes)
def test_the_lstm_cell_equals_numpy(n_inp, n_out, batch, len_inp):
    rng = np.random.default_rng(n_inp + 10 * n_out + 100 * batch + 1000 * len_inp)
    with tf.Graph().as_default(), tf.Session() as sess:
        cell = MyLSTMCell(n_inp, n_out)
        weights = random_weights(sess, rng)
        x, state = rng.normal(size=[batch, len_inp, n_inp]), random_state(cell, rng, batch)
        outputs, final_state = run_cell(sess, cell, x, state)
    expected, expected_hidden, expected_cell = oracle.lstm(
        x, state.hidden, state.cell, weights["MyLSTMCell/W"], weights["MyLSTMCell/b"]
    )
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(final_state.hidden, expected_hidden, atol=1e-5)
    np.testing.assert_allclose(final_state.cell, expected_cell, rtol=1e-5, atol=1e-5)


def test_the_basic_cell_equals_onnx_with_affine_activation(sess):
    """ONNX's reference evaluator: op RNN, activation Affine with alpha 1 and beta 0 is linear."""
    rng = np.random.default_rng(1)
    n_inp, n_out, batch, len_inp = 3, 5, 4, 6
    cell = BasicRNNCell(n_inp, n_out)
    weights = random_weights(sess, rng, scale=0.4)
    x = rng.normal(size=[batch, len_inp, n_inp]).astype(np.float32)
    state = random_state(cell, rng, batch)
    outputs, final_state = run_cell(sess, cell, x, state)

    names = ["X", "W", "R", "B", "sequence_lens", "initial_h"]
    node = onnx.helper.make_node(
        "RNN",
        [*names[:4], "", names[5]],
        ["Y", "Y_h"],
        hidden_size=n_out,
        activations=["Affine"],
        activation_alpha=[1.0],
        activation_beta=[0.0],
    )
    w, b = weights["BasicRNNCell/W"], weights["BasicRNNCell/b"]
    y, y_h = ReferenceEvaluator(node).run(
        None,
        {
            "X": x.transpose(1, 0, 2),
            "W": w[np.newaxis, :n_inp].transpose(0, 2, 1),
            "R": w[np.newaxis, n_inp:].transpose(0, 2, 1),
            "B": np.concatenate([b, np.zeros_like(b)])[np.newaxis],
            "initial_h": state.hidden[np.newaxis],
        },
    )
    np.testing.assert_allclose(outputs, y[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(final_state.hidden, y_h[0], rtol=1e-4, atol=1e-5)


def test_the_lstm_cell_equals_tensorflows_block_lstm(sess):
    rng = np.random.default_rng(2)
    n_inp, n_out, batch, len_inp = 3, 5, 4, 6
    cell = MyLSTMCell(n_inp, n_out)
    weights = random_weights(sess, rng)
    x = rng.normal(size=[batch, len_inp, n_inp]).astype(np.float32)
    state = random_state(cell, rng, batch)
    outputs, final_state = run_cell(sess, cell, x, state)

    block = tf.raw_ops.BlockLSTM(
        seq_len_max=np.int64(len_inp),
        x=x.transpose(1, 0, 2),
        cs_prev=state.cell,
        h_prev=state.hidden,
        w=weights["MyLSTMCell/W"],
        wci=np.zeros(n_out, np.float32),
        wcf=np.zeros(n_out, np.float32),
        wco=np.zeros(n_out, np.float32),
        b=weights["MyLSTMCell/b"],
        forget_bias=0.0,
        cell_clip=-1.0,
    )
    theirs = sess.run(block)
    np.testing.assert_allclose(outputs, theirs.h, atol=1e-5)
    np.testing.assert_allclose(final_state.hidden, theirs.h[-1], atol=1e-5)
    np.testing.assert_allclose(final_state.cell, theirs.cs[-1], atol=1e-5)


@pytest.mark.parametrize(
    ("bias", "forget_bias", "published"),
    [
        (0.03, 1.0, [0.6288687, 0.86899155, 0.9460773]),
        (0.03, 0.03, [0.57019705, 0.8661914, 0.9459622]),
        (0.0, 0.0, [0.54986924, 0.86226785, 0.9443936]),
    ],
    ids=["unit forget bias", "equal biases", "no bias"],
)
def test_the_lstm_cell_gives_the_numbers_in_keras_own_test(sess, bias, forget_bias, published):
    """keras/src/layers/rnn/lstm_test.py, test_correctness: one number per row, for all units."""
    cell = MyLSTMCell(4, 3)
    w, b = tf.global_variables()
    w.load(np.concatenate([np.full([4, 12], 0.01), np.full([3, 12], 0.02)]), sess)
    b.load(np.repeat([bias, bias, forget_bias, bias], 3), sess)
    x = np.arange(72).reshape(3, 6, 4)
    outputs, _ = run_cell(sess, cell, x, MyLSTMState(np.zeros([3, 3]), np.zeros([3, 3])))
    np.testing.assert_allclose(outputs[-1], np.repeat([published], 3, axis=0).T, atol=1e-6)


@pytest.mark.parametrize("cell_type", CELLS)
def test_gradients_equal_finite_differences(sess, cell_type):
    rng = np.random.default_rng(3)
    cell, readout = cell_type(2, 3), RNNOutputWrapper(3, 2)
    weights = random_weights(sess, rng)
    x = rng.normal(size=[4, 5, 2]).astype(np.float32)
    outputs, _ = cell(cell.get_zero_state_for_inp(x), x)
    loss = tf.reduce_mean([tf.reduce_mean(tf.square(y)) for y in readout(outputs)])
    variables = tf.trainable_variables()
    analytic = sess.run(tf.gradients(loss, variables))

    def loss_at(values):
        """The loss in float64, by NumPy."""
        w, b = values[f"{cell_type.__name__}/W"], values[f"{cell_type.__name__}/b"]
        zeros = np.zeros([4, 3])
        if cell_type is MyLSTMCell:
            hiddens = oracle.lstm(x, zeros, zeros, w, b)[0]
        else:
            hiddens = oracle.basic_rnn(x, zeros, w, b)[0]
        y = hiddens @ values["RNNOutputWrapper/W"] + values["RNNOutputWrapper/b"]
        return np.mean(np.square(y))

    values = {name: value.astype(np.float64) for name, value in weights.items()}
    for variable, gradient in zip(variables, analytic, strict=True):
        value = values[variable.op.name]
        for index in np.ndindex(value.shape):
            original, step = value[index], 1e-5
            value[index] = original + step
            above = loss_at(values)
            value[index] = original - step
            below = loss_at(values)
            value[index] = original
            slope = (above - below) / (2 * step)
            assert gradient[index] == pytest.approx(slope, rel=1e-3, abs=1e-5)


# --- the unroll ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_list_of_outputs_a_step_each_and_the_state_after_the_last(sess, cell_type):
    cell = cell_type(3, 5)
    x = cell.get_input_placeholder(4, "x")
    outputs, state = cell(cell.get_zero_state_for_inp(x), x)
    assert isinstance(outputs, list)
    assert [output.shape.as_list() for output in outputs] == [[None, 5]] * 4
    assert isinstance(state, cell.state_type)
    assert [field.shape.as_list() for field in state] == [[None, 5]] * len(state)


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_graph_is_a_static_unroll(sess, cell_type):
    cell = cell_type(3, 5)
    x = cell.get_input_placeholder(4, "x")
    cell(cell.get_zero_state_for_inp(x), x)
    assert not {"While", "StatelessWhile", "Enter"} & {
        op.type for op in sess.graph.get_operations()
    }


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_graph_with_its_gradients_grows_by_the_same_for_each_step(cell_type):
    def nbr_operations(len_inp):
        with tf.Graph().as_default() as graph:
            cell = cell_type(3, 5)
            x = tf.placeholder(tf.float32, [2, len_inp, 3])
            outputs, _ = cell(cell.get_zero_state_for_inp(x), x)
            tf.gradients(tf.add_n(outputs), tf.trainable_variables())
            return len(graph.get_operations())

    short, middle, long = map(nbr_operations, (10, 20, 30))
    assert long - middle == middle - short
    assert (middle - short) / 10 < {BasicRNNCell: 15, MyLSTMCell: 60}[cell_type]


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_sequence_in_two_parts_equals_the_whole(sess, cell_type):
    rng = np.random.default_rng(4)
    cell = cell_type(3, 5)
    random_weights(sess, rng)
    x, state = rng.normal(size=[2, 7, 3]), random_state(cell, rng, 2)
    whole, whole_state = run_cell(sess, cell, x, state)
    first, between = run_cell(sess, cell, x[:, :3], state)
    second, last_state = run_cell(sess, cell, x[:, 3:], between)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(last_state, whole_state, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell_type", CELLS)
def test_one_graph_serves_any_batch_size(sess, cell_type):
    rng = np.random.default_rng(5)
    cell = cell_type(3, 5)
    random_weights(sess, rng)
    pl_x = cell.get_input_placeholder(4, "x")
    outputs, _ = cell(cell.get_zero_state_for_inp(pl_x), pl_x)
    x = rng.normal(size=[6, 4, 3])
    together = np.array(sess.run(outputs, {pl_x: x}))
    for row in range(6):
        alone = np.array(sess.run(outputs, {pl_x: x[row : row + 1]}))
        np.testing.assert_allclose(alone, together[:, row : row + 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell_type", CELLS)
def test_integer_one_hots_are_cast(sess, cell_type):
    cell = cell_type(3, 5)
    sess.run(tf.global_variables_initializer())
    x = np.eye(3, dtype=np.int32)[[[0, 2, 1]]]
    with_integers, _ = cell(cell.get_zero_state_for_inp(x), tf.constant(x))
    with_floats, _ = cell(cell.get_zero_state_for_inp(x), tf.constant(x, tf.float32))
    assert with_integers[0].dtype == tf.float32
    np.testing.assert_array_equal(*sess.run([with_integers, with_floats]))


@pytest.mark.parametrize("cell_type", CELLS)
def test_an_unknown_number_of_time_steps_is_refused(sess, cell_type):
    cell = cell_type(3, 5)
    x = tf.placeholder(tf.float32, [2, None, 3])
    with pytest.raises(ValueError, match="number of time steps must be known"):
        cell(cell.get_zero_state_for_inp(x), x)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("shape", [[2, 3], [2, 4, 3, 1], [2, 4, 5], None])
def test_an_input_of_another_shape_is_refused(sess, cell_type, shape):
    cell = cell_type(3, 5)
    state = cell.get_state_placeholder("state")
    with pytest.raises(ValueError, match=r"must be of shape \[batch, time, 3\]"):
        cell(state, tf.placeholder(tf.float32, shape))


# --- the readout --------------------------------------------------------------------------------


def test_the_readout_is_linear_and_shared_among_the_steps(sess):
    rng = np.random.default_rng(6)
    readout = RNNOutputWrapper(5, 2)
    weights = random_weights(sess, rng)
    hiddens = rng.normal(size=[3, 4, 5]).astype(np.float32)  # T, B, H
    expected = hiddens @ weights["RNNOutputWrapper/W"] + weights["RNNOutputWrapper/b"]
    of_list = readout([tf.constant(hidden) for hidden in hiddens])
    assert isinstance(of_list, list)
    np.testing.assert_allclose(sess.run(of_list), expected, rtol=1e-5, atol=1e-6)
    of_tensor = readout(tf.constant(hiddens[0]))
    assert tf.is_tensor(of_tensor)
    np.testing.assert_allclose(sess.run(of_tensor), expected[0], rtol=1e-5, atol=1e-6)

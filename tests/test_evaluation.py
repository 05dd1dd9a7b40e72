"""Free running on sine curves, and the memory test, against NumPy and by hand."""

import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from matplotlib.figure import Figure

import data
import test
import train
from rnn_cells import BasicRNNCell, MyLSTMCell, RNNOutputWrapper
from tests import oracle


def random_weights(sess, scale):
    rng = np.random.default_rng(0)
    for variable in tf.global_variables():
        variable.load(rng.normal(0, scale, variable.shape), sess)
    return {variable.op.name: sess.run(variable) for variable in tf.global_variables()}


# --- the sine task ------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_type", [BasicRNNCell, MyLSTMCell])
def test_warm_up_and_free_running_equal_one_recurrence_in_numpy(sess, cell_type):
    cell, readout = cell_type(1, 6), RNNOutputWrapper(6, 1)
    weights = random_weights(sess, 0.35)
    w, b = weights[f"{cell_type.__name__}/W"], weights[f"{cell_type.__name__}/b"]
    beginnings = data.draw_sin(np.random.default_rng(1), 5, 30)
    generated = test.continue_sin(sess, cell, readout, beginnings, 12)

    state = [np.zeros([5, 6])] * (2 if cell_type is MyLSTMCell else 1)
    equations = oracle.lstm if cell_type is MyLSTMCell else oracle.basic_rnn
    curve = [beginnings[:, [t]] for t in range(30)]
    for t in itertools.count():
        outputs, *state = equations(curve[t][:, np.newaxis], *state, w, b)
        if t >= 29:  # the output of the last warm-up sample is the first prediction
            curve.append(outputs[0] @ weights["RNNOutputWrapper/W"] + weights["RNNOutputWrapper/b"])
        if len(curve) == 42:
            break
    assert generated.shape == (5, 12)
    np.testing.assert_allclose(generated, np.hstack(curve[30:]), rtol=1e-4, atol=1e-5)


def perfect_sine_generator(sess, omega=0.8):
    """A linear cell that continues sines of one frequency: x_{t+1} = 2 cos(omega dt) x_t - x_{t-1}.

    Hidden units: (x_t, x_{t-1}).
    """
    cell, readout = BasicRNNCell(1, 2), RNNOutputWrapper(2, 1)
    values = {
        "BasicRNNCell/W": [[1, 0], [0, 1], [0, 0]],
        "BasicRNNCell/b": [0, 0],
        "RNNOutputWrapper/W": [[2 * np.cos(omega * data.SIN_STEP)], [-1]],
        "RNNOutputWrapper/b": [0],
    }
    for variable in tf.global_variables():
        variable.load(values[variable.op.name], sess)
    return cell, readout


def test_a_perfect_generator_has_no_error(sess, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SIN_OMEGA", (0.8, 0.8))
    cell, readout = perfect_sine_generator(sess)
    mse = test.run_test_sin(sess, cell, readout, 20, "perfect", out_dir=tmp_path, nbr_curves=10)
    assert mse < 1e-5
    assert (tmp_path / "continuation.png").read_bytes().startswith(b"\x89PNG")


def test_a_constant_zero_has_the_error_of_a_sine(sess, tmp_path):
    """The mean of sin^2 is one half."""
    cell, readout = BasicRNNCell(1, 2), RNNOutputWrapper(2, 1)
    for variable in tf.global_variables():
        variable.load(np.zeros(variable.shape), sess)
    mse = test.run_test_sin(sess, cell, readout, 100, "zero", out_dir=tmp_path)
    assert mse == pytest.approx(0.5, abs=0.01)


def test_the_sine_test_is_the_same_every_time(sess, tmp_path):
    cell, readout = perfect_sine_generator(sess)
    a, b, c = (
        test.run_test_sin(sess, cell, readout, 9, "", out_dir=tmp_path, nbr_curves=5, seed=seed)
        for seed in (0, 0, 1)
    )
    assert a == b != c


# --- the memory task ----------------------------------------------------------------------------


def fixed_answers(answers, truth, sz_batch):
    """Outputs, labels and initialiser of a test set; a network's answers are `answers` [N, T]."""
    logits = 5.0 * np.eye(4, dtype=np.float32)[np.array(answers)]
    dataset = tf.data.Dataset.from_tensor_slices((logits, np.array(truth, np.int32)))
    iterator = tf.data.make_initializable_iterator(dataset.batch(sz_batch))
    logits, labels = iterator.get_next()
    return tf.unstack(logits, num=len(answers[0]), axis=1), labels, iterator.initializer


TRUTH = [[2, 2, 0, 1], [2, 2, 1, 1], [2, 2, 1, 0], [2, 2, 0, 0], [2, 2, 1, 1]]
ANSWERS = [[2, 2, 0, 1], [2, 2, 1, 0], [0, 2, 1, 0], [2, 2, 1, 1], [2, 0, 1, 1]]
CORRECT_OF_THE_LAST_TWO = 2 + 1 + 2 + 0 + 2
CORRECT_OF_THE_LAST_THREE = 3 + 2 + 3 + 1 + 2


@pytest.mark.parametrize("sz_batch", [1, 2, 3, 4, 5, 9])
def test_the_memory_test_is_exact_however_the_batches_are_cut(sess, sz_batch):
    outputs, labels, it_test_init = fixed_answers(ANSWERS, TRUTH, sz_batch)
    loss = train.get_loss_memory(outputs, labels)
    result = test.run_memory_test(sess, loss, outputs, labels, it_test_init, 2)
    assert result.accuracy == CORRECT_OF_THE_LAST_TWO / 10
    expected = oracle.cross_entropy(5.0 * np.eye(4)[ANSWERS], np.array(TRUTH))
    assert result.loss == pytest.approx(expected, rel=1e-6)


def test_only_the_last_outputs_count_as_recall(sess):
    outputs, labels, it_test_init = fixed_answers(ANSWERS, TRUTH, 2)
    loss = train.get_loss_memory(outputs, labels)
    result = test.run_memory_test(sess, loss, outputs, labels, it_test_init, 3)
    assert result.accuracy == CORRECT_OF_THE_LAST_THREE / 15


def test_the_memory_test_can_be_repeated(sess):
    outputs, labels, it_test_init = fixed_answers(ANSWERS, TRUTH, 2)
    loss = train.get_loss_memory(outputs, labels)
    arguments = (sess, loss, outputs, labels, it_test_init, 2)
    assert test.run_memory_test(*arguments) == test.run_memory_test(*arguments)


def test_the_mean_loss_weighs_sequences_not_batches(sess):
    outputs, labels, it_test_init = fixed_answers(ANSWERS, TRUTH, 2)
    loss = train.get_loss_memory(outputs, labels)
    expected = test.run_memory_test(sess, loss, outputs, labels, it_test_init, 2).loss
    assert test.get_mean_loss(sess, loss, labels, it_test_init) == pytest.approx(expected)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures = []
    savefig = Figure.savefig

    def record(figure, *arguments, **keywords):
        figures.append(figure)
        savefig(figure, *arguments, **keywords)

    monkeypatch.setattr(Figure, "savefig", record)
    return figures


def labels_of(figure):
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_the_recall_figure_shows_each_position_and_chance(sess, tmp_path, drawn):
    outputs, labels, it_test_init = fixed_answers(ANSWERS, TRUTH, 2)
    test.plot_recall(
        sess, outputs, labels, it_test_init, 2, "fixed", num_digits=2, out_dir=tmp_path
    )
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
    (figure,) = drawn
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [4 / 5, 3 / 5]
    (chance,) = axes.lines
    assert set(chance.get_ydata()) == {1 / 2}
    assert labels_of(figure) == {"recalled", "chance (1 of 2 digits)"}


def test_the_continuation_figure_shows_five_curves_and_the_error(sess, tmp_path, drawn):
    cell, readout = perfect_sine_generator(sess)
    test.run_test_sin(sess, cell, readout, 20, "some", out_dir=tmp_path, nbr_curves=7)
    (figure,) = drawn
    assert "some cell" in figure.get_suptitle()
    *panels, error_panel = figure.axes
    assert len(panels) == 5
    for axes in panels:
        truth, warm_up, prediction = axes.lines
        assert [len(line.get_xdata()) for line in axes.lines] == [50, 30, 20]
        styles = {
            (line.get_linestyle(), line.get_marker(), line.get_color()) for line in axes.lines
        }
        assert len(styles) == 3
    assert labels_of(figure) == {"truth", "warm-up samples", "prediction"}
    mean, median, always_zero = error_panel.lines
    assert len(mean.get_ydata()) == len(median.get_ydata()) == 20
    assert set(always_zero.get_ydata()) == {0.5}


def test_a_prediction_that_leaves_the_figure_says_how_far_it_goes(sess, tmp_path, drawn):
    cell, readout = perfect_sine_generator(sess)
    tf.global_variables()[-1].load([1.0], sess)  # a bias, so that the curves grow
    test.run_test_sin(sess, cell, readout, 50, "growing", out_dir=tmp_path, nbr_curves=5)
    notes = [text.get_text() for axes in drawn[0].axes for text in axes.texts]
    assert len(notes) == 5
    assert all("leaves the axes: it comes to " in note for note in notes)
    assert all(float(note.split()[-1]) > 1.6 for note in notes)


def test_the_recalled_outputs_of_padded_sequences(sess):
    labels = np.array([[9, 9, 3, 1, data.PADDING], [9, 9, 9, 4, 2], [5, 6] + 3 * [data.PADDING]])
    logits = np.arange(3 * 5 * 11, dtype=np.float32).reshape(3, 5, 11)
    outputs, recalled = test.select_recalled(
        tf.unstack(tf.constant(logits), axis=1), tf.constant(labels, tf.int32), 2
    )
    outputs, recalled = sess.run([outputs, recalled])
    assert recalled.tolist() == [[3, 1], [4, 2], [5, 6]]
    np.testing.assert_array_equal(outputs[0], logits[[0, 1, 2], [2, 3, 0]])
    np.testing.assert_array_equal(outputs[1], logits[[0, 1, 2], [3, 4, 1]])

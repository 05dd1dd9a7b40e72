"""Looking inside a network: the figures against NumPy, and what stands in the picture."""

import functools
import json
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from matplotlib.figure import Figure

import experiment.model
import main
import test
from data import BLANK, DELIMITER
from experiment.inside import Sequence, choose_units, look_inside
from experiment.inside_figure import draw_inside
from experiment.run import open_experiment
from experiment.settings import complete
from rnn_cells import RNNCell
from tests import oracle
from train import run_training

H = 5
SMALL = {"hidden_size": H, "towers": 1, "batch_size": 8, "train_size": 16, "epochs": 2}


def small_settings(task, cell="lstm", **more):
    lengths = {"sin": {"num_samples": 9}, "memory": {"to_remember_len": 3}}[task]
    return complete({"task": task, "cell": cell, **SMALL, **lengths, **more})


@functools.cache
def look(settings):
    """What is seen in a network of random weights, and the weights."""
    with open_experiment(settings) as (sess, model):
        sess.run(tf.global_variables_initializer())
        rng = np.random.default_rng(3)
        for variable in tf.trainable_variables():
            variable.load(rng.normal(0, 0.5, variable.shape), sess)
        weights = {variable.op.name: sess.run(variable) for variable in tf.trainable_variables()}
        return look_inside(sess, model, settings), weights


# --- the figures --------------------------------------------------------------------------------


class InNumPy:
    """The same network in NumPy, with its loss from any state on."""

    def __init__(self, weights, sequence):
        self.sequence, self.weights = sequence, weights
        self.is_lstm = "MyLSTMCell/W" in weights
        name = "MyLSTMCell" if self.is_lstm else "BasicRNNCell"
        self.w, self.b = weights[f"{name}/W"], weights[f"{name}/b"]

    def run(self, state, start, end=None):
        """Outputs [T, H] of steps from `start` to before `end`, and the state after them."""
        x = self.sequence.x[np.newaxis, start:end]
        equations = oracle.lstm if self.is_lstm else oracle.basic_rnn
        outputs, *state = equations(x, *state, self.w, self.b)
        return outputs[:, 0], state

    def get_states(self):
        """The state after each step."""
        zeros = [np.zeros([1, H])] * (2 if self.is_lstm else 1)
        return [self.run(zeros, 0, t + 1)[1] for t in range(len(self.sequence.x))]

    def get_outputs(self, cell_outputs):
        return (
            cell_outputs @ self.weights["RNNOutputWrapper/W"] + self.weights["RNNOutputWrapper/b"]
        )

    def get_loss(self, state, start):
        """The sum over what is asked for from a step on."""
        outputs = self.get_outputs(self.run(state, start)[0])
        asked, labels = self.sequence.asked[start:], self.sequence.labels[start:]
        if outputs.shape[1] == 1:
            return np.sum((outputs[asked, 0] - labels[asked]) ** 2)
        return asked.sum() * oracle.cross_entropy(
            outputs[np.newaxis, asked], labels[np.newaxis, asked]
        )

    def get_gradient_norm(self, state, start, field, step=1e-4):
        """By central differences."""
        gradient = []
        for unit in range(H):
            losses = []
            for sign in (1, -1):
                moved = [part.copy() for part in state]
                moved[field][0, unit] += sign * step
                losses.append(self.get_loss(moved, start))
            gradient.append((losses[0] - losses[1]) / (2 * step))
        return np.linalg.norm(gradient)


@pytest.mark.parametrize("task", ["sin", "memory"])
@pytest.mark.parametrize("cell", ["basic", "lstm"])
def test_outputs_states_and_gradients_are_those_of_numpy(task, cell):
    seen, weights = look(small_settings(task, cell))
    numpy = InNumPy(weights, seen.sequence)
    states = numpy.get_states()
    length = len(seen.sequence.x)
    outputs, _ = numpy.run([np.zeros_like(part) for part in states[0]], 0)
    np.testing.assert_allclose(seen.outputs, numpy.get_outputs(outputs), rtol=1e-4, atol=1e-5)
    memory = {"hidden": 0, "cell": 1}[seen.memory]
    held = np.array([state[memory][0] for state in states])
    np.testing.assert_allclose(seen.held, held[:, seen.units], rtol=1e-4, atol=1e-5)
    assert sorted(seen.units) == list(range(H))
    for field, name in enumerate(seen.after):
        expected = [
            numpy.get_gradient_norm(state, t + 1, field) for t, state in enumerate(states[:-1])
        ]
        np.testing.assert_allclose(seen.after[name], [*expected, 0], rtol=1e-3, atol=1e-6)
        assert len(seen.after[name]) == length


def test_only_the_digits_or_the_last_sample_are_asked_for():
    seen, _ = look(small_settings("memory"))
    assert seen.sequence.asked.tolist() == [False] * 9 + [True] * 3
    seen, _ = look(small_settings("sin"))
    assert seen.sequence.asked.tolist() == [False] * 8 + [True]


def test_what_an_lstm_keeps_is_its_forget_gate():
    seen, weights = look(small_settings("memory"))
    hidden = [np.zeros([1, H]), *(h for h, _ in InNumPy(weights, seen.sequence).get_states())]
    w, b = weights["MyLSTMCell/W"], weights["MyLSTMCell/b"]
    for t, x in enumerate(seen.sequence.x):
        forget = (np.concatenate([x, hidden[t][0]]) @ w + b)[2 * H : 3 * H]
        expected = 1 / (1 + np.exp(-forget))
        np.testing.assert_allclose(seen.kept[t], expected[seen.units], rtol=1e-4)
    assert (seen.memory, seen.kept_by_unit) == ("cell", True)


def test_what_a_basic_cell_keeps_are_the_moduli_of_its_eigenvalues():
    seen, weights = look(small_settings("sin", "basic"))
    moduli = np.abs(np.linalg.eigvals(weights["BasicRNNCell/W"][1:]))
    expected = np.tile(np.sort(moduli)[::-1], [len(seen.steps), 1])
    np.testing.assert_allclose(seen.kept, expected, rtol=1e-4)
    assert not seen.kept_by_unit


def test_what_a_tanh_cell_keeps_changes_from_step_to_step():
    seen, weights = look(small_settings("sin", "basic", activation="tanh"))
    w = weights["BasicRNNCell/W"][1:]
    for t in (0, len(seen.steps) - 1):
        held = np.empty(H)
        held[seen.units] = seen.held[seen.steps[t]]
        moduli = np.abs(np.linalg.eigvals(w * (1 - held**2)))
        np.testing.assert_allclose(seen.kept[t], np.sort(moduli)[::-1], rtol=1e-3)


def test_before_the_training_is_what_it_was_before_the_training():
    settings = small_settings("memory")
    with open_experiment(settings) as (sess, model):
        sess.run(tf.global_variables_initializer())
        at_first = look_inside(sess, model, settings)
        run_training(sess, 2, model.train_op, model.loss, model.it_train_init)
        later = look_inside(sess, model, settings)
    with open_experiment(settings, first_epoch=1) as (sess, model):  # as a resumed run does
        sess.run(tf.global_variables_initializer())
        resumed = look_inside(sess, model, settings)
    for field in ("hidden", "cell"):
        first = at_first.after[field]
        for seen in (at_first, later, resumed):
            np.testing.assert_array_equal(seen.before[field], first)
        assert not np.allclose(later.after[field], first)


def test_the_longest_sequence_is_looked_at_without_its_padding():
    settings = small_settings("memory", blank_separation_len=40, min_blank_separation_len=0)
    seen, _ = look(settings)
    symbols = np.argmax(seen.sequence.x, axis=1)
    nbr_blanks = np.argmax(symbols == settings.num_digits + 1) - 3
    assert len(seen.sequence.labels) == len(seen.outputs) == 2 * 3 + nbr_blanks + 1
    assert nbr_blanks > 20  # the most of eight draws


def test_units_are_sorted_by_when_they_are_released():
    released_after = [5, 3, 7, 4]
    held = np.array([[1.0 if t < end else 0.1 for end in released_after] for t in range(9)])
    held[0] = 0
    sequence = Sequence(np.zeros([9, 1]), np.zeros(9), np.arange(9) >= 3)
    assert choose_units(held, sequence, "memory").tolist() == [1, 3, 0, 2]


def test_units_are_sorted_by_their_phase():
    phases = [0.3, -2.0, 1.5, -0.4]
    t = np.arange(40)[:, np.newaxis]
    held = 0.7 + np.cos(2 * np.pi * 2 * t / 40 + phases)
    sequence = Sequence(np.zeros([40, 1]), np.zeros(40), np.arange(40) == 39)
    assert choose_units(held, sequence, "sin").tolist() == [1, 3, 0, 2]


# --- cells of one's own -------------------------------------------------------------------------


class OneField(NamedTuple):
    state: tf.Tensor


class GatedCell(RNNCell):
    """A gated unit in the style of a student's: one field, one kernel for each of its parts."""

    state_type = OneField

    def __init__(self, n_inp, n_out):
        super().__init__(n_inp, n_out)
        self.kernels = [tf.get_variable(f"k{i}", [n_inp + n_out, n_out]) for i in range(2)]

    def __call__(self, state, x):
        outputs, h = [], state.state
        for x_t in tf.unstack(tf.cast(x, tf.float32), axis=1):
            gate, new = (tf.matmul(tf.concat([x_t, h], 1), kernel) for kernel in self.kernels)
            h += tf.sigmoid(gate) * (tf.tanh(new) - h)
            outputs.append(h)
        return outputs, OneField(h)


class Store(NamedTuple):
    kept: tf.Tensor
    unused: tf.Tensor
    shown: tf.Tensor


class StoringCell(RNNCell):
    """Adds up its inputs in a field of another name; another field is not used at all."""

    state_type = Store

    def __init__(self, n_inp, n_out):
        super().__init__(n_inp, n_out)
        self.w = tf.get_variable("w", [n_inp, n_out])

    def __call__(self, state, x):
        outputs, kept = [], state.kept
        for x_t in tf.unstack(tf.cast(x, tf.float32), axis=1):
            kept = 0.9 * kept + tf.matmul(x_t, self.w)
            outputs.append(tf.tanh(kept))
        return outputs, Store(kept=kept, unused=state.unused * 0, shown=outputs[-1])


@pytest.fixture
def use_cell(monkeypatch):
    """Puts a cell in the LSTM's place."""
    return lambda cell: monkeypatch.setattr(
        experiment.model, "MyLSTMCell", lambda n_inp, n_out, **_: cell(n_inp, n_out)
    )


@pytest.mark.parametrize("task", ["sin", "memory"])
def test_a_cell_with_one_field_is_shown(use_cell, tmp_path, task):
    use_cell(GatedCell)
    settings = small_settings(task)
    with open_experiment(settings) as (sess, model):
        sess.run(tf.global_variables_initializer())
        assert draw_inside(sess, model, settings, tmp_path) is None
        seen = look_inside(sess, model, settings)
    assert (tmp_path / "inside.png").read_bytes().startswith(b"\x89PNG")
    assert (seen.memory, seen.kept_by_unit) == ("state", False)
    assert seen.kept.shape[1] == H


def test_the_memory_is_found_whatever_its_name(use_cell):
    use_cell(StoringCell)
    seen, _ = look.__wrapped__(small_settings("sin"))
    assert (seen.memory, seen.kept_by_unit) == ("kept", True)
    np.testing.assert_allclose(seen.kept, 0.9, rtol=1e-6)
    assert not seen.after["unused"].any()


class ImpatientCell(GatedCell):
    """Refuses to be called for one step, as no cell should."""

    def __call__(self, state, x):
        if x.shape[1] == 1:
            raise ValueError("a single step\nis not enough")
        return super().__call__(state, x)


def test_a_cell_that_cannot_be_shown_costs_the_picture_only(use_cell, tmp_path, capsys):
    use_cell(ImpatientCell)
    line = "--cell lstm --task memory --to-remember-len 3 --hidden-size 5 --epochs 1 --towers 1"
    more = ["--train-size", "20", "--out-dir", str(tmp_path)]
    assert main.main([*line.split(), *more]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    *_, why_not, plots = printed.out.splitlines()
    assert why_not == "not drawn            inside.png: ValueError: a single step"
    assert "inside.png" not in plots
    assert not (tmp_path / "inside.png").exists()
    assert json.loads((tmp_path / "result.json").read_text())["recall_accuracy"] >= 0


# --- the picture --------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws the inside of a random network; returns the figure."""
    figures = []

    def record(figure, path, **_):
        figures.append(figure)
        path.write_bytes(b"PNG")

    monkeypatch.setattr(Figure, "savefig", record)

    def draw(settings):
        with open_experiment(settings) as (sess, model):
            sess.run(tf.global_variables_initializer())
            assert draw_inside(sess, model, settings, tmp_path) is None
        return figures[-1]

    return draw


def get_symbols(axes, row):
    """The symbols of a row of the last panel, in the order of time."""
    rows = dict(
        zip((label.get_text() for label in axes.get_yticklabels()), axes.get_yticks(), strict=True)
    )
    texts = [text for text in axes.texts if text.get_position()[1] == rows[row]]
    texts.sort(key=lambda text: text.get_position()[0])
    return [text.get_text() for text in texts if "…" not in text.get_text()]


def test_the_picture_has_a_panel_for_each_question_and_the_sequence(drawn):
    figure = drawn(small_settings("memory", blank_separation_len=2))
    held, _, kept, _, learned, _, symbols, _ = figure.axes
    for axes, title in ((held, "What it holds"), (kept, "What it keeps"), (learned, "How far")):
        assert axes.get_title(loc="left").startswith(title)
        assert axes.get_xlim() == (0, 9)
    assert [text.get_text() for text in held.texts] == ["digits", "blanks", "recall"]
    *digits, _, _, delimiter, _, _, _ = get_symbols(symbols, "sees")
    assert delimiter == DELIMITER
    assert len(digits) == 3
    assert set(digits) <= set("012345678")
    assert len(get_symbols(symbols, "answers")) == 9
    labels = [text.get_text() for text in learned.get_legend().get_texts()]
    assert [label.partition(" (")[0] for label in labels] == [
        "after training, by $c_t$",
        "after training, by $h_t$",
        "before training, by $c_t$",
        "before training, by $h_t$",
    ]
    styles = {(line.get_linestyle(), line.get_color()) for line in learned.lines[:4]}
    assert len(styles) == 4  # they can be told apart without colours


def test_a_long_wait_is_compressed_and_its_ends_stay_legible(drawn):
    settings = small_settings("memory", blank_separation_len=70)
    figure = drawn(settings)
    *_, symbols, _ = figure.axes
    assert symbols.get_xlim()[1] < 60
    seen = get_symbols(symbols, "sees")
    assert seen[3:6] == [BLANK] * 3
    assert seen[-4:] == [DELIMITER, BLANK, BLANK, BLANK]
    (gap,) = [text.get_text() for text in symbols.texts if "…" in text.get_text()]
    nbr_blanks = len([symbol for symbol in seen[:-3] if symbol == BLANK])
    assert gap == f"… {70 - nbr_blanks} more blanks, drawn narrower …"
    assert [tick.get_text() for tick in symbols.get_xticklabels()] == ["1", "4", "75", "77"]


def test_wrong_answers_are_marked(drawn, monkeypatch):
    figure = drawn(small_settings("memory"))  # it has learned nothing
    *_, symbols, _ = figure.axes
    marked = [text for text in symbols.texts if text.get_bbox_patch()]
    assert marked
    answers, truth = (get_symbols(symbols, row) for row in ("answers", "truth"))
    assert {text.get_text() for text in marked} <= set(answers)
    assert len(truth) == len(marked)
    assert "a wrong answer" in symbols.get_xlabel()


def test_many_digits_have_no_room_for_symbols(drawn):
    figure = drawn(small_settings("memory", "basic", to_remember_len=36))
    *_, symbols, _ = figure.axes
    assert [text.get_text() for text in symbols.texts] == ["(no room for the symbols)"]


def test_the_sine_task_shows_the_curve_and_the_predictions(drawn):
    figure = drawn(small_settings("sin", "basic"))
    *_, curve, _ = figure.axes
    truth, prediction = curve.lines
    assert len(truth.get_xdata()) == len(prediction.get_xdata()) == 9
    assert {text.get_text() for text in curve.get_legend().get_texts()} == {
        "next sample",
        "prediction",
    }


# --- the loss after each epoch ------------------------------------------------------------------


def test_looking_at_the_validation_loss_changes_no_training():
    settings = small_settings("memory", epochs=3)
    histories, ends = [], []
    for looks in (False, True):
        with open_experiment(settings) as (sess, model):

            def validate(sess=sess, model=model):
                return test.get_mean_loss(sess, model.loss, model.labels, model.it_test_init, 2)

            history = run_training(
                sess,
                3,
                model.train_op,
                model.loss,
                model.it_train_init,
                validate=validate if looks else None,
            )
            histories.append(history)
            ends.append([sess.run(variable) for variable in tf.global_variables()])
            last = validate()
    without, with_validation = histories
    assert [row[:4] for row in without] == [row[:4] for row in with_validation]
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))
    assert np.isnan([row.validation_loss for row in without]).all()
    assert with_validation[-1].validation_loss == last

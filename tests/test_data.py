"""The sequences of both tasks, against sequences by hand and against their definitions."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import data

_ = 9  # blank
D = 10  # the delimiter


class FixedDigits:
    """A generator of random numbers with given draws."""

    def __init__(self, digits):
        self._digits = np.array(digits, np.int32)

    def integers(self, high, size, dtype):
        assert self._digits.shape == tuple(size)
        assert self._digits.max() < high
        return self._digits.astype(dtype)


def passes(sess, dataset, number):
    """The batches of several passes over a set: a list of passes of (x, y)."""
    iterator = tf.data.make_initializable_iterator(dataset)
    batch = iterator.get_next()
    return [list(data.one_pass(sess, iterator.initializer, batch)) for _ in range(number)]


def whole(batches):
    return tuple(np.concatenate(part) for part in zip(*batches, strict=True))


# --- the memory task ----------------------------------------------------------------------------


def test_memory_sequences_by_hand():
    inputs, targets = data.draw_memory(FixedDigits([[3, 1, 4], [1, 5, 0]]), 2, 3, 3)
    assert inputs.tolist() == [[3, 1, 4, _, _, _, D, _, _, _], [1, 5, 0, _, _, _, D, _, _, _]]
    assert targets.tolist() == [[_, _, _, _, _, _, _, 3, 1, 4], [_, _, _, _, _, _, _, 1, 5, 0]]


def test_memory_sequences_with_teacher_forcing_by_hand():
    inputs, targets = data.draw_memory(FixedDigits([[3, 1, 4]]), 1, 3, 2, recall_input="truth")
    assert inputs.tolist() == [[3, 1, 4, _, _, D, 3, 1]]
    assert targets.tolist() == [[_, _, _, _, _, 3, 1, 4]]


def test_the_shortest_memory_sequences_by_hand():
    for recall_input, inputs, targets in (
        ("blank", [7, D, _], [_, _, 7]),
        ("truth", [7, D], [_, 7]),
    ):
        drawn = data.draw_memory(FixedDigits([[7]]), 1, 1, 0, recall_input=recall_input)
        assert [array.tolist() for array in drawn] == [[inputs], [targets]]


def test_other_numbers_of_digits_move_blank_and_delimiter():
    inputs, targets = data.draw_memory(FixedDigits([[1, 0]]), 1, 2, 1, num_digits=2)
    assert inputs.tolist() == [[1, 0, 2, 3, 2, 2]]
    assert targets.tolist() == [[2, 2, 2, 2, 1, 0]]


@given(
    st.integers(1, 12), st.integers(0, 20), st.integers(1, 12), st.sampled_from(["blank", "truth"])
)
def test_the_last_targets_are_the_first_inputs(length, blanks, num_digits, recall_input):
    rng = np.random.default_rng(length)
    inputs, targets = data.draw_memory(rng, 6, length, blanks, num_digits, recall_input)
    assert inputs.shape == targets.shape
    assert inputs.shape[1] == data.get_memory_length(length, blanks, recall_input)
    np.testing.assert_array_equal(targets[:, -length:], inputs[:, :length])
    assert (targets[:, :-length] == num_digits).all()
    assert ((inputs == num_digits + 1).sum(axis=1) == 1).all()


def test_all_digits_are_drawn_alike():
    inputs, _targets = data.draw_memory(np.random.default_rng(0), 9000, 10, 0)
    counts = np.bincount(inputs[:, :10].ravel(), minlength=9)
    expected = 9000 * 10 / 9
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert len(counts) == 9
    assert chi_squared < 26.1  # the 99.9 % quantile for 8 degrees of freedom


class FixedDigitsAndBlanks(FixedDigits):
    """Two sequences: one with 1 blank, one with 3."""

    def integers(self, low, high=None, size=None, *, dtype=np.int32, endpoint=False):
        if endpoint:
            assert (low, high, tuple(size)) == (1, 3, (2, 1))
            return np.array([[1], [3]])
        return super().integers(low, size, dtype)


def test_memory_sequences_with_their_own_number_of_blanks_by_hand():
    drawn = data.draw_memory(
        FixedDigitsAndBlanks([[3, 1], [1, 5]]), 2, 2, 3, min_blank_separation_len=1
    )
    assert [data.to_human_readable(*sequences) for sequences in zip(*drawn, strict=True)] == [
        "3 1 ␣ # ␣ ␣ ␣ ␣ → ␣ ␣ ␣ ␣ 3 1",
        "1 5 ␣ ␣ ␣ # ␣ ␣ → ␣ ␣ ␣ ␣ ␣ ␣ 1 5",
    ]
    assert drawn[1][0].tolist() == [9, 9, 9, 9, 3, 1, data.PADDING, data.PADDING]


@settings(max_examples=30)
@given(
    st.integers(1, 5),
    st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted),
    st.sampled_from(["blank", "truth"]),
)
def test_padded_sequences_are_shorter_ones_and_padding(length, blanks, recall_input):
    least, most = blanks
    rng = np.random.default_rng(least + 10 * most)
    drawn = data.draw_memory(rng, 40, length, most, 9, recall_input, least)
    seen = set()
    for inputs, targets in zip(*drawn, strict=True):
        nbr_blanks = int(np.argmax(inputs == D)) - length
        seen.add(nbr_blanks)
        end = data.get_memory_length(length, nbr_blanks, recall_input)
        expected = data.draw_memory(
            FixedDigits([inputs[:length]]), 1, length, nbr_blanks, 9, recall_input
        )
        assert (inputs[:end].tolist(), targets[:end].tolist()) == tuple(
            array[0].tolist() for array in expected
        )
        assert set(inputs[end:]) <= {_}
        assert set(targets[end:]) <= {data.PADDING}
    assert seen <= set(range(least, most + 1))
    assert len(seen) > (least < most)


def test_the_least_number_of_blanks_is_checked():
    with pytest.raises(ValueError, match=r"min_blank_separation_len \(3\) must not be larger"):
        data.generate_memory_data(4, 2, 3, 2, min_blank_separation_len=3)
    with pytest.raises(ValueError, match="min_blank_separation_len must be a whole number from 0"):
        data.generate_memory_data(4, 2, 3, 2, min_blank_separation_len=-1)


def test_memory_batches_are_one_hot(sess):
    dataset = data.generate_memory_data(5, 2, 3, 4)
    assert tf.data.get_output_types(dataset) == (tf.float32, tf.int32)
    shapes = tf.data.get_output_shapes(dataset)
    assert [shape.as_list() for shape in shapes] == [[None, 11, 11], [None, 11]]
    (((x, y), *rest),) = passes(sess, dataset, 1)
    assert [len(x)] + [len(x) for x, _ in rest] == [2, 2, 1]
    assert (x.sum(axis=2) == 1).all()
    np.testing.assert_array_equal(x.argmax(axis=2)[:, :3], y[:, -3:])


def test_a_memory_sequence_is_rendered_for_people():
    inputs, targets = data.draw_memory(FixedDigits([[3, 1, 4]]), 1, 3, 3)
    rendered = "3 1 4 ␣ ␣ ␣ # ␣ ␣ ␣ → ␣ ␣ ␣ ␣ ␣ ␣ ␣ 3 1 4"
    assert data.to_human_readable(inputs[0], targets[0]) == rendered
    assert data.to_human_readable(np.eye(11)[inputs[0]], targets[0]) == rendered
    assert rendered in data.__doc__.replace("  →  ", " → ")
    assert rendered in data.generate_memory_data.__doc__


def test_the_memoryless_loss_is_that_of_a_uniform_guess():
    """10 of 20 symbols are unknown digits of 8 kinds: .5 ln 8. The rest costs nothing."""
    assert data.get_memoryless_loss(20, 10, 8) == pytest.approx(0.5 * math.log(8))
    # Arjovsky et al. 2016, section 5.1: 10 ln 8 / (T + 20), printed as .1733 for T = 100.
    assert data.get_memoryless_loss(120, 10, 8) == pytest.approx(0.1733, abs=5e-5)


# --- the sine task ------------------------------------------------------------------------------


def test_sine_truth_is_the_next_sample(sess):
    dataset = data.generate_sin_data(7, 3, 20)
    assert tf.data.get_output_types(dataset) == (tf.float32, tf.float32)
    shapes = tf.data.get_output_shapes(dataset)
    assert [shape.as_list() for shape in shapes] == [[None, 20, 1], [None, 20]]
    (batches,) = passes(sess, dataset, 1)
    assert [len(x) for x, _ in batches] == [3, 3, 1]
    x, y = whole(batches)
    np.testing.assert_array_equal(x[:, 1:, 0], y[:, :-1])


def test_sines_are_sines_of_the_sheets_frequencies():
    """x_{t-1} + x_{t+1} = 2 cos(omega dt) x_t holds for a sine, and tells its frequency."""
    curves = data.draw_sin(np.random.default_rng(0), 2000, 100).astype(np.float64)
    neighbours = curves[:, :-2] + curves[:, 2:]
    middle = curves[:, 1:-1]
    slope = (neighbours * middle).sum(axis=1) / np.square(middle).sum(axis=1)
    np.testing.assert_allclose(neighbours, slope[:, np.newaxis] * middle, atol=1e-6)
    omega = np.arccos(slope / 2) / 0.15
    assert 0.5 - 1e-3 < omega.min() < 0.51
    assert 0.99 < omega.max() < 1.0 + 1e-3
    assert abs(omega.mean() - 0.75) < 5 * 0.5 / np.sqrt(12 * 2000)  # five standard errors
    assert abs(curves[:, 0].mean()) < 5 * np.sqrt(0.5 / 2000)  # phases go all the way round


def test_noise_is_on_the_training_inputs_alone(sess):
    def the_pass(**keywords):
        return whole(passes(sess, data.generate_sin_data(400, 100, 50, **keywords), 1)[0])

    x, y = the_pass(input_noise=0.1)
    clean = y[:, :-1]  # the truth of one step is the clean input of the next
    noise = x[:, 1:, 0] - clean
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert abs(noise.mean()) < 0.005
    neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.05
    for quiet in (the_pass(), the_pass(input_noise=0.1, training=False)):
        np.testing.assert_array_equal(quiet[0][:, 1:, 0], quiet[1][:, :-1])


def test_a_sine_curve_by_hand():
    class Fixed:
        def uniform(self, low, high, size):
            return np.full(size, {0.5: 0.6, 0.0: np.pi / 2}[low])

    (curve,) = data.draw_sin(Fixed(), 1, 4)
    np.testing.assert_allclose(curve, np.cos([0.0, 0.09, 0.18, 0.27]), atol=1e-7)


# --- passes -------------------------------------------------------------------------------------

SETS = {
    "sin": lambda **keys: data.generate_sin_data(6, 4, 5, **keys),
    "memory": lambda **keys: data.generate_memory_data(6, 4, 10, 2, **keys),
}


@pytest.mark.parametrize("task", SETS)
def test_each_pass_over_a_training_set_is_fresh(sess, task):
    first, second = map(whole, passes(sess, SETS[task](), 2))
    assert not np.array_equal(first[1], second[1])


@pytest.mark.parametrize("task", SETS)
def test_a_training_set_can_be_entered_at_any_epoch(sess, task):
    *_before, third, fourth = map(whole, passes(sess, SETS[task](), 4))
    resumed = list(map(whole, passes(sess, SETS[task](first_epoch=2), 2)))
    for expected, found in zip((third, fourth), resumed, strict=True):
        np.testing.assert_array_equal(expected[0], found[0])
        np.testing.assert_array_equal(expected[1], found[1])


@pytest.mark.parametrize("task", SETS)
def test_the_same_seed_gives_the_same_sequences_and_another_gives_others(sess, task):
    (a,), (b,), (c,) = (passes(sess, SETS[task](seed=seed), 1) for seed in (5, 5, 6))
    np.testing.assert_array_equal(whole(a)[1], whole(b)[1])
    assert not np.array_equal(whole(a)[1], whole(c)[1])


@pytest.mark.parametrize("task", SETS)
def test_a_test_set_is_the_same_in_every_pass_and_never_a_training_epoch(sess, task):
    first, second = map(whole, passes(sess, SETS[task](training=False), 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    for epoch in map(whole, passes(sess, SETS[task](), 5)):
        assert not {row.tobytes() for row in first[1]} & {row.tobytes() for row in epoch[1]}


@pytest.mark.parametrize("task", SETS)
def test_one_iterator_serves_training_and_test(sess, task):
    training_set, test_set = SETS[task](), SETS[task](training=False)
    iterator = tf.data.Iterator.from_structure(
        tf.data.get_output_types(training_set), tf.data.get_output_shapes(training_set)
    )
    batch = iterator.get_next()
    train_init, test_init = map(iterator.make_initializer, (training_set, test_set))
    a, b, c = (whole(data.one_pass(sess, it, batch)) for it in (test_init, train_init, test_init))
    np.testing.assert_array_equal(a[1], c[1])
    assert not np.array_equal(a[1], b[1])


def test_sets_work_in_eager_mode_too():
    assert tf.executing_eagerly()
    (x, y), _rest = data.generate_sin_data(6, 4, 5)
    assert (x.shape, y.shape) == ((4, 5, 1), (4, 5))


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, -3, 1.5])
@pytest.mark.parametrize("name", ["sz_dataset", "sz_batch", "num_samples"])
def test_sizes_of_sine_sets_are_checked(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1, got {bad}"):
        data.generate_sin_data(**{"sz_dataset": 4, "sz_batch": 2, "num_samples": 5, name: bad})


@pytest.mark.parametrize(
    ("name", "bad", "minimum"),
    [
        ("sz_dataset", 0, 1),
        ("sz_batch", -1, 1),
        ("to_remember_len", 0, 1),
        ("blank_separation_len", -1, 0),
        ("num_digits", 0, 1),
    ],
)
def test_sizes_of_memory_sets_are_checked(name, bad, minimum):
    good = {"sz_dataset": 4, "sz_batch": 2, "to_remember_len": 3, "blank_separation_len": 2}
    with pytest.raises(
        ValueError, match=f"{name} must be a whole number from {minimum}, got {bad}"
    ):
        data.generate_memory_data(**{**good, name: bad})


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_the_noise_is_checked(bad):
    with pytest.raises(ValueError, match="input_noise must be a number from 0"):
        data.generate_sin_data(4, 2, input_noise=bad)


@pytest.mark.parametrize("name", ["seed", "first_epoch"])
def test_the_keys_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 0, got -1"):
        data.generate_sin_data(4, 2, **{name: -1})


def test_the_recall_input_is_checked():
    with pytest.raises(ValueError, match='"blank" or "truth", got \'digits\''):
        data.generate_memory_data(4, 2, 3, 2, recall_input="digits")

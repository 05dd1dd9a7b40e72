"""The sequences of the two tasks, as `tf.data` sets of batches.

    sin     x_t = sin(omega * t + phi)       y_t = x_{t+1}      predict the next sample
    memory  3 1 4 ␣ ␣ ␣ # ␣ ␣ ␣  →  ␣ ␣ ␣ ␣ ␣ ␣ ␣ 3 1 4         recall digits after a lag

Training sets draw fresh sequences in each pass. Their generator is keyed by (seed, epoch), so that
a run resumed at epoch k sees the same sequences. Test sets are the same in every pass, and their
key is never a training set's. NumPy draws all sequences: `draw_sin` and `draw_memory` do not need
TensorFlow's graph.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

SIN_STEP = 0.15
"""Distance of two samples of a sine curve, in units of t."""
SIN_OMEGA = (0.5, 1.0)
"""Range of the angular frequency, in radians per unit of t."""

BATCHES_A_DRAW = 8
"""Number of batches drawn at a time: a call from the graph to Python takes longer than a draw."""

TRAINING, TEST, CONTINUATION, VALIDATION = range(4)
"""A generator's purpose, the first part of its key: different purposes never share a key."""

BLANK, DELIMITER = "␣", "#"

PADDING = -1
"""The target after the end of a sequence: nothing is asked there."""


def generate_sin_data(
    sz_dataset: int,
    sz_batch: int,
    num_samples: int = 100,
    *,
    input_noise: float = 0.0,
    seed: int = 0,
    training: bool = True,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Sine curves of random frequency and phase; the truth is the next sample.

    Args:
        sz_dataset: Number of curves in one pass.
        sz_batch: B; the last batch of a pass may be smaller.
        num_samples: T, the number of samples of a curve.
        input_noise: Standard deviation of normal noise on the inputs of a training set; the truth
            has none. A network that will run on its own predictions should not learn to rely on
            perfect inputs (Bengio et al. 2015 on the mismatch; noise as a remedy: Jaeger 2002).
        seed: Seeds the generator, a whole number from 0.
        training: Whether each pass draws fresh curves; otherwise all passes are the same.
        first_epoch: The epoch of a training set's first pass.

    Returns:
        A set of batches (x [B, T, 1] float32, y [B, T] float32) with y[:, t] = x[:, t + 1, 0],
        without the noise.

    Raises:
        ValueError: If a size is not a whole number from 1, or the noise is negative.
    """
    _check_sizes(sz_dataset=sz_dataset, sz_batch=sz_batch, num_samples=num_samples)
    if not 0.0 <= input_noise < math.inf:
        raise ValueError(f"input_noise must be a number from 0, got {input_noise!r}")
    signature = (
        tf.TensorSpec([None, num_samples, 1], tf.float32),
        tf.TensorSpec([None, num_samples], tf.float32),
    )

    def draw(rng: np.random.Generator, nbr_curves: int) -> tuple[np.ndarray, np.ndarray]:
        curves = draw_sin(rng, nbr_curves, num_samples + 1)
        x, y = curves[:, :-1, np.newaxis], curves[:, 1:]
        if training and input_noise:
            x = x + rng.normal(0.0, input_noise, x.shape).astype(np.float32)
        return x, y

    return _dataset(draw, signature, sz_dataset, sz_batch, seed, training, first_epoch)


def generate_memory_data(
    sz_dataset: int,
    sz_batch: int,
    to_remember_len: int,
    blank_separation_len: int,
    num_digits: int = 9,
    recall_input: str = "blank",
    *,
    min_blank_separation_len: int | None = None,
    seed: int = 0,
    training: bool = True,
    first_epoch: int = 0,
    purpose: int = TEST,
) -> tf.data.Dataset:
    """Sequences of the memory task: random digits, blanks, a delimiter, the digits again.

    The copy task of Hochreiter & Schmidhuber 1997 and Arjovsky et al. 2016. Digits are the symbols
    0 … `num_digits` - 1, blank is `num_digits`, the delimiter `num_digits` + 1. With 3 digits and
    3 blanks, input → target:

        recall_input="blank"   3 1 4 ␣ ␣ ␣ # ␣ ␣ ␣ → ␣ ␣ ␣ ␣ ␣ ␣ ␣ 3 1 4
        recall_input="truth"   3 1 4 ␣ ␣ ␣ # 3 1 → ␣ ␣ ␣ ␣ ␣ ␣ 3 1 4

    With "blank", the cell gets no help. "truth" is teacher forcing: while the cell recalls, it sees
    the digit before the one that it must predict.

    Args:
        sz_dataset: Number of sequences in one pass.
        sz_batch: B; the last batch of a pass may be smaller.
        to_remember_len: L, the number of digits.
        blank_separation_len: The number of blanks between the digits and the delimiter.
        num_digits: The number of kinds of digits (the sheet's 9: from 0 to 8).
        recall_input: "blank" or "truth".
        min_blank_separation_len: If given, each sequence has its own number of blanks, uniform from
            this to `blank_separation_len`. Its end is padded to the longest length: with blanks in
            x, with `PADDING` in y.
        seed: Seeds the generator, a whole number from 0.
        training: Whether each pass draws fresh sequences; otherwise all passes are the same.
        first_epoch: The epoch of a training set's first pass.
        purpose: Of a set whose passes are the same: `TEST` or `VALIDATION`.

    Returns:
        A set of batches (x [B, T, C] float32 one-hot, y [B, T] int32), with C = `num_digits` + 2
        symbols; the last L entries of y before the padding are the digits.

    Raises:
        ValueError: If a size is not a positive whole number, `recall_input` is another word, or the
            least number of blanks is larger than the largest.
    """
    _check_sizes(sz_dataset=sz_dataset, sz_batch=sz_batch, num_digits=num_digits)
    if min_blank_separation_len is not None:
        _check_sizes(minimum=0, min_blank_separation_len=min_blank_separation_len)
        if min_blank_separation_len > blank_separation_len:
            raise ValueError(
                f"min_blank_separation_len ({min_blank_separation_len}) must not be larger than"
                f" blank_separation_len ({blank_separation_len})"
            )
    len_inp = get_memory_length(to_remember_len, blank_separation_len, recall_input)
    nbr_symbols = num_digits + 2
    signature = (
        tf.TensorSpec([None, len_inp, nbr_symbols], tf.float32),
        tf.TensorSpec([None, len_inp], tf.int32),
    )

    def draw(rng: np.random.Generator, nbr_sequences: int) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = draw_memory(
            rng,
            nbr_sequences,
            to_remember_len,
            blank_separation_len,
            num_digits,
            recall_input,
            min_blank_separation_len,
        )
        return np.eye(nbr_symbols, dtype=np.float32)[inputs], targets

    return _dataset(draw, signature, sz_dataset, sz_batch, seed, training, first_epoch, purpose)


def get_rng(seed: int, *key: int) -> np.random.Generator:
    """The generator of a key: a purpose, and for training the epoch."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_sin(rng: np.random.Generator, nbr_curves: int, num_samples: int) -> np.ndarray:
    """Samples of sin(omega t + phi), t = 0, 0.15, 0.30, …, one curve a row.

    Returns:
        An array [`nbr_curves`, `num_samples`] of float32; omega is uniform in [0.5, 1.0) rad per
        unit of t, phi uniform in [0, 2 pi).
    """
    omega = rng.uniform(*SIN_OMEGA, size=[nbr_curves, 1])
    phi = rng.uniform(0.0, 2.0 * np.pi, size=[nbr_curves, 1])
    t = SIN_STEP * np.arange(num_samples)
    return np.sin(omega * t + phi).astype(np.float32)


def draw_memory(
    rng: np.random.Generator,
    nbr_sequences: int,
    to_remember_len: int,
    blank_separation_len: int,
    num_digits: int = 9,
    recall_input: str = "blank",
    min_blank_separation_len: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols of the memory task, as described at `generate_memory_data`.

    Returns:
        Inputs and targets, arrays [`nbr_sequences`, T] of int32.
    """
    len_inp = get_memory_length(to_remember_len, blank_separation_len, recall_input)
    blank, delimiter = num_digits, num_digits + 1
    digits = rng.integers(num_digits, size=[nbr_sequences, to_remember_len], dtype=np.int32)
    nbr_blanks = np.full([nbr_sequences, 1], blank_separation_len)
    if min_blank_separation_len is not None:
        nbr_blanks = rng.integers(
            min_blank_separation_len, blank_separation_len, nbr_blanks.shape, endpoint=True
        )
    at_delimiter = to_remember_len + nbr_blanks
    recall_start = at_delimiter + (recall_input == "blank")

    inputs = np.full([nbr_sequences, len_inp], blank, np.int32)
    inputs[:, :to_remember_len] = digits
    np.put_along_axis(inputs, at_delimiter, delimiter, axis=1)
    if recall_input == "truth":
        hints = at_delimiter + np.arange(1, to_remember_len)
        np.put_along_axis(inputs, hints, digits[:, :-1], axis=1)

    targets = np.full([nbr_sequences, len_inp], blank, np.int32)
    targets[np.arange(len_inp) >= recall_start + to_remember_len] = PADDING
    np.put_along_axis(targets, recall_start + np.arange(to_remember_len), digits, axis=1)
    return inputs, targets


def get_memory_length(
    to_remember_len: int, blank_separation_len: int, recall_input: str = "blank"
) -> int:
    """T, the number of time steps of a sequence of the memory task.

    Raises:
        ValueError: If `to_remember_len` is not positive, `blank_separation_len` is negative, or
            `recall_input` is neither "blank" nor "truth".
    """
    _check_sizes(to_remember_len=to_remember_len)
    _check_sizes(minimum=0, blank_separation_len=blank_separation_len)
    if recall_input not in ("blank", "truth"):
        raise ValueError(f'recall_input must be "blank" or "truth", got {recall_input!r}')
    len_printed = 2 * to_remember_len + blank_separation_len + 1
    return len_printed if recall_input == "blank" else len_printed - 1


def get_memoryless_loss(len_inp: int, to_remember_len: int, num_digits: int = 9) -> float:
    """The cross-entropy, in nats, of the best guess without a memory: L ln(K) / T.

    Such a guess prints the blanks for certain, and the digits uniformly at random (Arjovsky et al.
    2016).
    """
    return to_remember_len * math.log(num_digits) / len_inp


def to_human_readable(*sequences: np.ndarray, num_digits: int = 9) -> str:
    """Renders sequences of the memory task: `3 1 4 ␣ # ␣ ␣ ␣ → ␣ ␣ ␣ ␣ ␣ 3 1 4`.

    Args:
        *sequences: Each [T] integer symbols, or [T, C] one-hot or logits (their largest counts).
        num_digits: The number of kinds of digits; blank and delimiter follow them.
    """
    names = [*map(str, range(num_digits)), BLANK, DELIMITER, ""]  # the last for PADDING
    symbols = [np.argmax(s, axis=1) if np.ndim(s) == 2 else s for s in sequences]
    return " → ".join(" ".join(names[symbol] for symbol in s).rstrip() for s in symbols)


def one_pass(sess: tf.Session, it_init: tf.Operation, fetches: Any) -> Iterator[Any]:
    """Runs an iterator's initialiser, then yields the values of `fetches` batch by batch."""
    sess.run(it_init)
    get_values = sess.make_callable(fetches)
    while True:
        try:
            values = get_values()
        except tf.errors.OutOfRangeError:
            return
        yield values


def _dataset(
    draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]],
    signature: tuple[tf.TensorSpec, tf.TensorSpec],
    sz_dataset: int,
    sz_batch: int,
    seed: int,
    training: bool,
    first_epoch: int,
    purpose: int = TEST,
) -> tf.data.Dataset:
    """A set of batches that calls `draw(rng, number of sequences)` for some batches at a time."""
    _check_sizes(minimum=0, seed=seed, first_epoch=first_epoch)
    epochs = itertools.count(first_epoch)

    def one_epoch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = get_rng(seed, TRAINING, next(epochs)) if training else get_rng(seed, purpose)
        size = sz_batch * BATCHES_A_DRAW
        for start in range(0, sz_dataset, size):
            yield draw(rng, min(size, sz_dataset - start))

    @tf.autograph.experimental.do_not_convert  # it would leave files in /tmp if it is killed
    def cut(*arrays: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(arrays).batch(sz_batch)

    draws = tf.data.Dataset.from_generator(one_epoch, output_signature=signature)
    batches = draws.flat_map(cut).prefetch(1)
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread has nothing to tune, and delays a session's end
    return batches.with_options(options)


def _check_sizes(minimum: int = 1, **sizes: int) -> None:
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < minimum:
            raise ValueError(f"{name} must be a whole number from {minimum}, got {size!r}")

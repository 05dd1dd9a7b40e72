"""Evaluation: continuing sine curves, and recalling digits (the sheet's part h), with plots.

A sine curve's first 30 samples set the cell's state. The output of the last of them is the first
prediction; from there on the cell runs freely, on its own state and its own predictions:

    x_t = truth_t for t < 30, else prediction_{t-1}
    (prediction_t, state_t) = cell(state_{t-1}, x_t)
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from data import CONTINUATION, PADDING, SIN_STEP, draw_sin, get_rng, one_pass
from rnn_cells import RNNCell, RNNOutputWrapper
from support.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WARM_UP = 30
"""Number of samples of the truth that set the cell's state before it runs freely."""

NBR_PLOTTED = 5
"""Number of sine curves in the figure."""
HALF_HEIGHT = 1.6
"""The largest value that the figure shows."""


class MemoryTestResult(NamedTuple):
    """What `run_memory_test` returns."""

    loss: float
    """Mean of the loss over the test set's sequences."""
    accuracy: float
    """Share of the digits recalled, from 0 to 1."""


def run_test_sin(
    sess: tf.Session,
    cell: RNNCell,
    output_wrapper: RNNOutputWrapper,
    nbr_samples: int,
    rnn_type: str,
    *,
    out_dir: str | os.PathLike = ".",
    nbr_curves: int = 1000,
    seed: int = 0,
) -> float:
    """Continues sine curves that were never trained on, and plots the first five.

    Args:
        sess: A session with the trained variables.
        cell: The trained cell, with one input.
        output_wrapper: Its readout, with one output.
        nbr_samples: The number of samples to generate after the warm-up of 30.
        rnn_type: The cell's name, for the figure's title.
        out_dir: An existing directory; `continuation.png` is written there.
        nbr_curves: The number of curves.
        seed: Seeds the curves.

    Returns:
        The mean squared error over all curves and all generated samples.
    """
    curves = draw_sin(get_rng(seed, CONTINUATION), nbr_curves, WARM_UP + nbr_samples)
    generated = continue_sin(sess, cell, output_wrapper, curves[:, :WARM_UP], nbr_samples)
    squared_error = np.square(generated - curves[:, WARM_UP:], dtype=np.float64)
    figure = _plot_continuation(curves, generated, squared_error, rnn_type)
    save_figure(figure, os.path.join(out_dir, "continuation.png"))
    return float(squared_error.mean())


def continue_sin(
    sess: tf.Session,
    cell: RNNCell,
    output_wrapper: RNNOutputWrapper,
    beginnings: np.ndarray,
    nbr_samples: int,
) -> np.ndarray:
    """Runs a cell on the beginnings of sequences, then on its own predictions.

    Args:
        sess: A session with the trained variables.
        cell: A cell with one input.
        output_wrapper: Its readout, with one output.
        beginnings: The samples that set the state, [B, at least 1].
        nbr_samples: The number of samples to generate.

    Returns:
        The generated samples, [B, `nbr_samples`].
    """
    with sess.graph.as_default():
        pl_x = cell.get_input_placeholder(1, "continuation_x")
        pl_state = cell.get_state_placeholder("continuation_state")
        outputs, next_state = cell(pl_state, pl_x)
        next_sample = output_wrapper(outputs)[0]
        state = sess.run(cell.get_zero_state_for_inp(pl_x), {pl_x: beginnings[:, :1, np.newaxis]})

        generated = []
        for step in range(beginnings.shape[1] + nbr_samples - 1):
            warming_up = step < beginnings.shape[1]
            x = beginnings[:, step : step + 1] if warming_up else generated[-1]
            feed_dict = {pl_x: x[:, np.newaxis], **cell.create_state_feed_dict(pl_state, state)}
            prediction, state = sess.run([next_sample, next_state], feed_dict)
            generated.append(prediction)
    return np.concatenate(generated[-nbr_samples:], axis=1)


def run_memory_test(
    sess: tf.Session,
    loss: tf.Tensor,
    outputs: list[tf.Tensor],
    labels: tf.Tensor,
    it_test_init: tf.Operation,
    to_remember_len: int,
) -> MemoryTestResult:
    """Evaluates loss and recall accuracy on the whole test set.

    Args:
        sess: A session with the trained variables.
        loss: A scalar, the mean over the sequences of a batch.
        outputs: List of T logits [B, C].
        labels: The true symbols [B, T], int32.
        it_test_init: The initialiser of the iterator over the test set.
        to_remember_len: L; the accuracy is that of the last L outputs.

    Returns:
        The loss and the accuracy; each sequence counts the same, in batches of any size.
    """
    # Part (h): run the initialiser, then batch after batch until the test set ends. Average so that
    # each sequence counts the same, also in a smaller last batch.
    ### BEGIN SOLUTION
    loss_sum, correct = 0.0, []
    fetches = [loss, outputs[-to_remember_len:], labels]
    for batch_loss, logits, truth in one_pass(sess, it_test_init, fetches):
        recalled = np.argmax(logits, axis=2).T
        correct.append(recalled == truth[:, -to_remember_len:])
        loss_sum += batch_loss * len(truth)
    correct = np.concatenate(correct)
    return MemoryTestResult(float(loss_sum / len(correct)), float(correct.mean()))
    ### END SOLUTION


def select_recalled(
    outputs: list[tf.Tensor], labels: tf.Tensor, to_remember_len: int
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """The outputs where the digits are asked for, in sequences padded at their ends.

    Args:
        outputs: List of T logits [B, C].
        labels: The true symbols [B, T], padded by `data.PADDING`.
        to_remember_len: L; the last L outputs before a sequence's padding are selected.

    Returns:
        List of L logits [B, C], and their labels [B, L].
    """
    lengths = tf.reduce_sum(tf.cast(tf.not_equal(labels, PADDING), tf.int32), 1, keepdims=True)
    places = lengths + tf.range(-to_remember_len, 0)
    recalled = tf.gather(tf.stack(outputs, axis=1), places, batch_dims=1)
    return tf.unstack(recalled, to_remember_len, axis=1), tf.gather(labels, places, batch_dims=1)


def get_mean_loss(
    sess: tf.Session,
    loss: tf.Tensor,
    labels: tf.Tensor,
    it_test_init: tf.Operation,
    nbr_batches: int | None = None,
) -> float:
    """Mean of a loss over the test set's sequences, each of the same weight.

    Args:
        sess: A session with the trained variables.
        loss: A scalar, the mean over the sequences of a batch.
        labels: The batch's labels [B, …].
        it_test_init: The initialiser of the iterator over the test set.
        nbr_batches: If given, only the set's first batches count.
    """
    batches = one_pass(sess, it_test_init, [loss, labels])
    losses, truths = zip(*itertools.islice(batches, nbr_batches), strict=True)
    return float(np.average(losses, weights=[len(truth) for truth in truths]))


def plot_recall(
    sess: tf.Session,
    outputs: list[tf.Tensor],
    labels: tf.Tensor,
    it_test_init: tf.Operation,
    to_remember_len: int,
    rnn_type: str,
    *,
    num_digits: int = 9,
    out_dir: str | os.PathLike = ".",
) -> np.ndarray:
    """Plots the recall accuracy on the test set, position by position, to `recall.png`.

    Args:
        sess: A session with the trained variables.
        outputs: List of T logits [B, C].
        labels: The true symbols [B, T].
        it_test_init: The initialiser of the iterator over the test set.
        to_remember_len: L, the number of digits.
        rnn_type: The cell's name, for the figure's title.
        num_digits: The number of kinds of digits, for the level of chance.
        out_dir: An existing directory.

    Returns:
        The accuracy at each position [L].
    """
    with sess.graph.as_default():
        places = range(-to_remember_len, 0)
        hits = [
            tf.math.in_top_k(predictions=outputs[place], targets=labels[:, place], k=1)
            for place in places
        ]
        is_recalled = tf.stack(hits, axis=1)
    correct = np.concatenate(list(one_pass(sess, it_test_init, is_recalled)))
    positions = np.arange(1, to_remember_len + 1)
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    axes.bar(positions, correct.mean(axis=0), color="0.7", edgecolor="0.2", label="recalled")
    axes.axhline(
        1 / num_digits, color="black", linestyle="--", label=f"chance (1 of {num_digits} digits)"
    )
    axes.set(
        title=f"Memory task, {rnn_type} cell: {correct.mean():.2%} of the digits recalled\n"
        f"in {len(correct):,} test sequences",
        xlabel="position of the digit",
        ylabel="accuracy",
        ylim=(0, 1.02),
        xticks=positions if to_remember_len <= 20 else positions[:: to_remember_len // 10],
    )
    figure.legend(loc="outside lower center", ncols=2)
    save_figure(figure, os.path.join(out_dir, "recall.png"))
    return correct.mean(axis=0)


def _plot_continuation(
    curves: np.ndarray, generated: np.ndarray, squared_error: np.ndarray, rnn_type: str
) -> Figure:
    """The first curves above one another, the error over the horizon below them."""
    t = SIN_STEP * np.arange(curves.shape[1])
    figure = new_figure(9, 10)
    figure.suptitle(
        f"Continuation of sine curves, {rnn_type} cell\n"
        f"mean squared error {squared_error.mean():.3g} over {len(curves):,} curves and "
        f"{generated.shape[1]} generated samples"
    )
    *panels, error_panel = figure.subplots(
        NBR_PLOTTED + 1, sharex=True, gridspec_kw={"height_ratios": [1] * NBR_PLOTTED + [1.6]}
    )
    for axes, curve, prediction in zip(panels, curves, generated, strict=False):
        axes.axvspan(t[0], t[WARM_UP], color="0.93")
        axes.plot(t, curve, color="0.65", linewidth=4, label="truth")
        axes.plot(t[:WARM_UP], curve[:WARM_UP], "k.", markersize=4, label="warm-up samples")
        axes.plot(t[WARM_UP:], prediction, "k--", linewidth=1.4, label="prediction")
        axes.set(ylabel="x(t)", ylim=(-HALF_HEIGHT, HALF_HEIGHT))
        farthest = prediction[np.argmax(np.abs(prediction))]
        if not abs(farthest) <= HALF_HEIGHT:
            note = f"the prediction leaves the axes: it comes to {farthest:.3g}"
            box = {"facecolor": "white", "edgecolor": "0.7", "pad": 3}
            axes.text(0.99, 0.9, note, ha="right", va="top", transform=axes.transAxes, bbox=box)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    horizon = t[WARM_UP:]
    error_panel.semilogy(horizon, squared_error.mean(axis=0), "k-", label="mean")
    error_panel.semilogy(horizon, np.median(squared_error, axis=0), "k--", label="median")
    of_zero = np.full_like(horizon, 0.5)
    error_panel.semilogy(horizon, of_zero, color="0.5", linestyle=":", label="always predicting 0")
    error_panel.axvspan(t[0], t[WARM_UP], color="0.93")
    error_panel.set(
        xlabel=f"t ({SIN_STEP} a sample; grey: {WARM_UP} samples of the truth, then free running)",
        ylabel="squared error",
        xlim=(t[0], t[-1]),
    )
    error_panel.legend(loc="upper left")
    return figure

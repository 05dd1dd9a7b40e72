"""How recall falls with the number of blanks: one walk along the blanks, with questions on the way.

    digits -> state -> 1 blank -> 1 blank -> … -> 2,000 blanks
                          |          |                 |
                       # ␣ ␣ ␣    # ␣ ␣ ␣           # ␣ ␣ ␣       which digits come back?

The digits are read once, and the blanks are walked along once, whatever the number of lags that are
asked about. All it needs is the interface of `RNNCell`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

import data
from experiment.model import Network
from experiment.settings import TEST_SIZE, Settings
from support.figures import new_figure, save_figure

SEQUENCES_AT_A_TIME = 250
"""Few enough for their states to stay in the processor's cache."""


def choose_lags(longest: int) -> list[int]:
    """Lags to ask about, from 0 to twice the longest of the task: 1, 2, 5, 10, 20, … below it."""
    series = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    shorter = itertools.takewhile(lambda lag: lag < longest, series)
    return sorted({0, *shorter, longest, round(1.5 * longest), 2 * longest})


def measure_recall(
    sess: tf.Session, network: Network, settings: Settings, lags: Sequence[int]
) -> list[float]:
    """The recall accuracy at each of some lags, over the same 1,000 fresh sequences of digits.

    Args:
        sess: A session with the trained variables.
        network: The trained network.
        settings: Its settings.
        lags: Numbers of blanks, in increasing order.

    Returns:
        The accuracies, from 0 to 1.
    """
    inputs, targets = data.draw_memory(
        data.get_rng(settings.seed, data.TEST),
        TEST_SIZE,
        settings.to_remember_len,
        0,
        settings.num_digits,
        settings.recall_input,
    )
    truth = targets[:, -settings.to_remember_len :]
    walk = _build_walk(sess, network, settings)
    starts = range(0, TEST_SIZE, SEQUENCES_AT_A_TIME)

    with tqdm(total=len(lags) * len(starts), desc="testing", unit=" lags", disable=None) as bar:

        def count_correct(start: int) -> list[int]:
            part = slice(start, start + SEQUENCES_AT_A_TIME)
            counts = []
            for recalled in walk.ask(sess, inputs[part], lags):
                counts.append(int(np.sum(recalled == truth[part])))
                bar.update()
            return counts

        with ThreadPoolExecutor(settings.towers) as executor:
            counts = np.sum(list(executor.map(count_correct, starts)), axis=0)
    return (counts / truth.size).tolist()


class _Walk(NamedTuple):
    """A graph that reads digits, goes along blanks, and answers."""

    network: Network
    to_remember_len: int
    nbr_symbols: int
    state: NamedTuple
    """Placeholders [B, H] for the state before the digits, the blanks or the delimiter."""
    digits: tf.Tensor
    """A placeholder [B, L, C] for the digits."""
    after_digits: NamedTuple
    nbr_blanks: tf.Tensor
    """A placeholder for the number of blanks to go along."""
    after_blanks: NamedTuple
    question: tf.Tensor
    """A placeholder [B, Q, C] for the delimiter and all that follows."""
    recalled: tf.Tensor
    """The most likely symbols at the last L steps of the question, [B, L]."""

    def ask(self, sess: tf.Session, inputs: np.ndarray, lags: Sequence[int]) -> Iterator:
        """Yields the digits recalled [B, L] at one lag after the other.

        Args:
            sess: A session with the trained variables.
            inputs: Symbols [B, T] of sequences without blanks.
            lags: Numbers of blanks, in increasing order.
        """
        cell = self.network.cell
        one_hot = np.eye(self.nbr_symbols, dtype=np.float32)[inputs]
        digits, question = np.split(one_hot, [self.to_remember_len], axis=1)
        zeros = np.zeros([len(inputs), cell.get_output_size()], np.float32)
        state = cell.state_type(*[zeros] * len(cell.state_type._fields))

        def run(fetches, state, **feeds):
            feed_dict = cell.create_state_feed_dict(self.state, state)
            return sess.run(fetches, {**feed_dict, **{getattr(self, k): feeds[k] for k in feeds}})

        state = run(self.after_digits, state, digits=digits)
        for before, lag in itertools.pairwise([0, *lags]):
            state = run(self.after_blanks, state, nbr_blanks=lag - before)
            yield run(self.recalled, state, question=question)


def _build_walk(sess: tf.Session, network: Network, settings: Settings) -> _Walk:
    cell, nbr_symbols = network.cell, settings.num_digits + 2
    length = settings.to_remember_len
    len_question = data.get_memory_length(length, 0, settings.recall_input) - length
    with sess.graph.as_default():
        state = cell.get_state_placeholder("walk_state")
        digits = cell.get_input_placeholder(length, "walk_digits")
        question = cell.get_input_placeholder(len_question, "walk_question")
        nbr_blanks = tf.placeholder(tf.int32, [], "walk_nbr_blanks")
        _, after_digits = cell(state, digits)
        blank = tf.one_hot([[settings.num_digits]], nbr_symbols)

        def go_along_one(step: tf.Tensor, state: NamedTuple) -> tuple[tf.Tensor, NamedTuple]:
            blanks = tf.tile(blank, [tf.shape(state[0])[0], 1, 1])
            return step + 1, cell(state, blanks)[1]

        _, after_blanks = tf.while_loop(
            lambda step, _: step < nbr_blanks, go_along_one, (tf.constant(0), state)
        )
        answers, _ = cell(state, question)
        logits = tf.stack(network.output_wrapper(answers[-length:]), axis=1)
        recalled = tf.argmax(logits, axis=2)
    return _Walk(
        network,
        length,
        nbr_symbols,
        state,
        digits,
        after_digits,
        nbr_blanks,
        after_blanks,
        question,
        recalled,
    )


def plot_recall_by_lag(
    recall_by_lag: Sequence[tuple[int, float]],
    trained: tuple[int, int],
    settings: Settings,
    out_dir: Path,
) -> None:
    """Plots recall against the number of blanks to `recall.png`.

    Args:
        recall_by_lag: Pairs of a number of blanks and a recall accuracy.
        trained: The least and the largest number of blanks in the training.
        settings: The experiment's settings.
        out_dir: An existing directory.
    """
    lags, recalls = zip(*recall_by_lag, strict=True)
    least, most = trained
    figure = new_figure(8, 4.5)
    axes = figure.add_subplot()
    axes.axvspan(least, most, color="0.9", label=f"trained: {least:,} to {most:,} blanks")
    axes.plot(lags, recalls, "ko-", label=f"recalled, {TEST_SIZE:,} test sequences")
    chance = 1 / settings.num_digits
    axes.axhline(
        chance, color="black", linestyle="--", label=f"chance (1 of {settings.num_digits} digits)"
    )
    longest = settings.blank_separation_len
    for lag in (longest, 2 * longest):
        recall = recalls[lags.index(lag)]
        axes.annotate(
            f"{recall:.1%}",
            (lag, recall),
            xytext=(0, -18 if recall > 0.5 else 10),
            textcoords="offset points",
            horizontalalignment="center",
        )
    axes.set_xscale("function", functions=(np.log1p, np.expm1))  # as a logarithm, but it shows 0
    axes.set(
        title=f"Memory task, {settings.name_cell()} cell: recall against the lag",
        xlabel="blanks between the digits and the delimiter",
        ylabel="recall accuracy",
        ylim=(0, 1.04),
        xlim=(0, max(lags) * 1.4),
    )
    shown = [lag for lag in lags if lag <= longest / 1.5 or lag in (longest, 2 * longest)]
    axes.set_xticks(shown, [f"{lag:,}" for lag in shown])
    figure.legend(loc="outside lower center", ncols=3)
    save_figure(figure, out_dir / "recall.png")

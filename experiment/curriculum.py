"""A curriculum over lags: few blanks first, more of them as soon as the network recalls the digits.

    stage             1     2     3     4     5
    up to … blanks    5    19    71   266  1000        --blank-separation-len 1000 --curriculum 4

Each sequence has its own number of blanks, at most the stage's. After each epoch the recall on a
fixed validation set tells whether the stage is passed. A stage that is not passed within
`Settings.epochs` epochs ends the training.

Each stage has a graph of its own, for the length of its sequences. It takes over the network's
variables, but not the optimizer's: these are averages over the gradients of shorter sequences, and
with them a stage takes two to three times as many updates.

Which stage comes next follows from the rows of `metrics.csv` alone, and a stage begins as a stopped
run continues: from the checkpoint. So a training that was stopped anywhere ends as if it had not
been.

Short sequences first: Bengio et al. 2009, "Curriculum Learning"; Zaremba & Sutskever 2014,
"Learning to Execute".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow.compat.v1 as tf
from tqdm import tqdm

import test
from experiment.checkpoints import Checkpoints
from experiment.evaluation import get_recalled
from experiment.model import Model
from experiment.settings import PASSED, Settings
from rnn_cells.answers import read_memory_result
from train import run_epoch

FIRST_STAGE = 5
"""The largest number of blanks in the first stage."""
RATE_POWER = 0.4
"""The learning rate falls as the number of blanks grows, to the power of this."""


class StageMetrics(NamedTuple):
    """A row of `metrics.csv` in a curriculum: `EpochMetrics`, and what is special here."""

    epoch: int
    train_loss: float
    gradient_norm: float
    learning_rate: float
    validation_loss: float
    """On the stage's validation set, after the epoch."""
    blanks: int
    """The largest number of blanks of the stage."""
    recall: float
    """The recall accuracy on the stage's validation set after the epoch."""


def list_stages(settings: Settings) -> list[int]:
    """The largest number of blanks of each stage: they grow by equal factors."""
    last = settings.blank_separation_len
    first = min(FIRST_STAGE, last)
    nbr_jumps = math.ceil(round(math.log(last / first, settings.curriculum), 9))
    growth = (last / first) ** (1 / max(nbr_jumps, 1))
    return list(dict.fromkeys(round(first * growth**jump) for jump in range(nbr_jumps + 1)))


def find_stage(settings: Settings, history: Sequence[StageMetrics]) -> int | None:
    """The largest number of blanks in the next epoch; None if the training has ended."""
    stages = list_stages(settings)
    if not history:
        return stages[0]
    blanks, recall = history[-1].blanks, history[-1].recall
    if recall >= PASSED:
        return next((stage for stage in stages if stage > blanks), None)
    nbr_epochs = sum(row.blanks == blanks for row in history)
    return blanks if nbr_epochs < settings.epochs else None


def get_stage_settings(settings: Settings, blanks: int) -> Settings:
    """The settings of a stage, given by its largest number of blanks."""
    rate = settings.learning_rate
    if settings.decay == "lag":
        rate *= (list_stages(settings)[0] / blanks) ** RATE_POWER
    return dataclasses.replace(
        settings,
        blank_separation_len=blanks,
        min_blank_separation_len=min(settings.min_blank_separation_len, blanks),
        learning_rate=rate,
        decay="constant",
    )


def run_stage(
    sess: tf.Session, model: Model, settings: Settings, checkpoints: Checkpoints, bar: tqdm
) -> list[StageMetrics]:
    """Continues from the checkpoint, if there is one, as long as the training is in this stage.

    Args:
        sess: A session of the stage's graph.
        model: The stage's graph, or that of the whole task after a training that has ended.
        settings: The settings of the whole training.
        checkpoints: Keep `StageMetrics`.
        bar: The progress bar of the whole training.

    Returns:
        The metrics of all epochs so far.
    """
    in_network = {variable.op.name for variable in model.network.variables}
    with sess.graph.as_default():
        variables = tf.global_variables()
        sess.run(tf.variables_initializer(variables))
        start_optimizer = tf.variables_initializer(
            [variable for variable in variables if variable.op.name not in in_network]
        )
        outputs, labels = get_recalled(model, settings)
    history = checkpoints.restore()
    stages = list_stages(settings)
    blanks = find_stage(settings, history)
    if history and history[-1].blanks != blanks:
        sess.run(start_optimizer)
    while blanks is not None and blanks == find_stage(settings, history):
        recalled = f", {history[-1].recall:.1%} recalled" if history else ""
        bar.set_description_str(
            f"stage {stages.index(blanks) + 1}/{len(stages)}, up to {blanks:,} blanks{recalled}"
        )
        metrics = run_epoch(
            sess, len(history) + 1, model.train_op, model.loss, model.it_train_init, bar
        )
        loss, recall = read_memory_result(
            test.run_memory_test(
                sess,
                model.loss,
                outputs,
                labels,
                model.it_validation_init,
                settings.to_remember_len,
            )
        )
        metrics = metrics._replace(validation_loss=loss)
        history.append(StageMetrics(*metrics, blanks, recall))
        checkpoints.keep(history)
    checkpoints.close()
    return history

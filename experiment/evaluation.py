"""What a trained network can do: its figures, and the pictures of a run."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow.compat.v1 as tf

import data
import test
from experiment import lags
from experiment.inside_figure import draw_inside
from experiment.model import Model
from experiment.settings import MONITORED_SIZE, NBR_GENERATED, PASSED, TEST_SIZE, Settings
from rnn_cells.answers import read_memory_result
from support.errors import ExplainedError
from support.figures import new_figure, save_figure
from train import EpochMetrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from experiment.curriculum import StageMetrics


ROOM_FOR_STAGES = 10
"""By how much the axis of the loss goes on above it, for the names of a curriculum's stages."""


class UnboundedOutputError(ExplainedError):
    """A network's output grows without bound in the test."""


def evaluate(
    sess: tf.Session, model: Model, settings: Settings, history: list[EpochMetrics], out_dir: Path
) -> dict[str, Any]:
    """Tests a trained network and draws the pictures of its run.

    Args:
        sess: A session with the trained variables.
        model: Its graph.
        settings: The experiment's settings.
        history: The metrics of its training.
        out_dir: An existing directory, where the pictures are written.

    Returns:
        The figures of `result.json` that the test gives.

    Raises:
        UnboundedOutputError: If one of them is not finite.
    """
    evaluate_task = {"sin": evaluate_sin, "memory": evaluate_memory}[settings.task]
    measured = evaluate_task(sess, model, settings, out_dir)
    if settings.curriculum:
        measured |= evaluate_lags(sess, model, settings, history, out_dir)
    if not math.isfinite(measured["test_loss"] + measured.get("continuation_mse", 0.0)):
        raise UnboundedOutputError(
            "the trained network's output grows without bound in the test: start again with a"
            " lower --learning-rate, or more --epochs"
        )
    memoryless_loss = None if settings.curriculum else measured.get("memoryless_loss")
    plot_training(history, settings, out_dir, memoryless_loss)
    if why_not := draw_inside(sess, model, settings, out_dir):
        measured["not_drawn"] = f"inside.png: {why_not}"
    return measured


def get_validation_loss(sess: tf.Session, model: Model, settings: Settings) -> float:
    """Mean loss of the test set's first sequences."""
    nbr_batches = math.ceil(MONITORED_SIZE / settings.batch_size)
    return test.get_mean_loss(sess, model.loss, model.labels, model.it_test_init, nbr_batches)


def evaluate_sin(
    sess: tf.Session, model: Model, settings: Settings, out_dir: Path
) -> dict[str, Any]:
    """Test loss (one step ahead) and continuation error; writes `continuation.png`."""
    return {
        "test_loss": test.get_mean_loss(sess, model.loss, model.labels, model.it_test_init),
        "continuation_mse": test.run_test_sin(
            sess,
            model.network.cell,
            model.network.output_wrapper,
            NBR_GENERATED,
            settings.name_cell(),
            out_dir=out_dir,
            nbr_curves=TEST_SIZE,
            seed=settings.seed,
        ),
    }


def evaluate_memory(
    sess: tf.Session, model: Model, settings: Settings, out_dir: Path
) -> dict[str, Any]:
    """Test loss, recall accuracy and an example; writes `recall.png`."""
    outputs, labels = get_recalled(model, settings)
    loss, accuracy = read_memory_result(
        test.run_memory_test(
            sess, model.loss, outputs, labels, model.it_test_init, settings.to_remember_len
        )
    )
    by_position = {}
    if not settings.curriculum:
        recalled = test.plot_recall(
            sess,
            outputs,
            labels,
            model.it_test_init,
            settings.to_remember_len,
            settings.name_cell(),
            num_digits=settings.num_digits,
            out_dir=out_dir,
        )
        by_position = {"recall_by_position": recalled.tolist()}
    return {
        "test_loss": loss,
        "recall_accuracy": accuracy,
        **by_position,
        "memoryless_loss": get_memoryless_loss(settings),
        "example": render_example(sess, model, settings.num_digits),
    }


def evaluate_lags(
    sess: tf.Session, model: Model, settings: Settings, history: list[EpochMetrics], out_dir: Path
) -> dict[str, Any]:
    """Recall at lags up to twice the longest; draws them to `recall.png`."""
    chosen = lags.choose_lags(settings.blank_separation_len)
    recalls = lags.measure_recall(sess, model.network, settings, chosen)
    recall_by_lag = list(zip(chosen, recalls, strict=True))
    reached, recall = history[-1].blanks, history[-1].recall
    lags.plot_recall_by_lag(
        recall_by_lag,
        (min(settings.min_blank_separation_len, reached), reached),
        settings,
        out_dir,
    )
    last_stage = {"blanks": reached, "recall": recall, "passed": recall >= PASSED}
    return {"recall_by_lag": recall_by_lag, "last_stage": last_stage}


def get_recalled(model: Model, settings: Settings) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Outputs and labels; the last L are the digits to recall."""
    if settings.min_blank_separation_len is None:
        return model.outputs, model.labels
    return test.select_recalled(model.outputs, model.labels, settings.to_remember_len)


def get_memoryless_loss(settings: Settings) -> float:
    """The loss of the best guess without a memory, over all numbers of blanks."""
    most = settings.blank_separation_len
    least = most if settings.min_blank_separation_len is None else settings.min_blank_separation_len
    losses = [
        data.get_memoryless_loss(
            data.get_memory_length(settings.to_remember_len, nbr_blanks, settings.recall_input),
            settings.to_remember_len,
            settings.num_digits,
        )
        for nbr_blanks in range(least, most + 1)
    ]
    return sum(losses) / len(losses)


def render_example(sess: tf.Session, model: Model, num_digits: int) -> dict[str, str]:
    """The first test sequence, and what the network makes of it."""
    first_of_batch = [model.x[0], model.labels[0], [logits[0] for logits in model.outputs]]
    x, labels, logits = next(data.one_pass(sess, model.it_test_init, first_of_batch))
    answers = logits[: np.sum(labels != data.PADDING)]
    return {
        "sequence": data.to_human_readable(x, labels, num_digits=num_digits),
        "output": data.to_human_readable(answers, num_digits=num_digits),
    }


def plot_training(
    history: list[EpochMetrics],
    settings: Settings,
    out_dir: Path,
    memoryless_loss: float | None = None,
) -> None:
    """Plots loss and gradient norm over the epochs to `training.png` in an existing directory.

    Args:
        history: What `train.run_training` returned.
        settings: The experiment's settings.
        out_dir: An existing directory.
        memoryless_loss: The loss of the best guess without a memory; drawn if given.
    """
    epochs = [row.epoch for row in history]
    figure = new_figure(7, 6)
    figure.suptitle(f"Training on the {settings.task} task, {settings.name_cell()} cell")
    loss_panel, norm_panel = figure.subplots(2, sharex=True)
    loss_panel.semilogy(
        epochs, [row.train_loss for row in history], "k.-", label="training, mean of an epoch"
    )
    validation_losses = [row.validation_loss for row in history]
    loss_panel.semilogy(epochs, validation_losses, "kx--", label="validation, after the epoch")
    if memoryless_loss is not None:
        loss_panel.axhline(memoryless_loss, color="0.5", linestyle="--", label="memoryless guess")
    loss_names = {"sin": "mean squared error", "memory": "cross-entropy (nats)"}
    loss_panel.set(ylabel=loss_names[settings.task])
    norm_panel.semilogy(
        epochs, [row.gradient_norm for row in history], "k.-", label="before clipping"
    )
    if all(math.isnan(row.gradient_norm) for row in history):
        norm_panel.text(
            0.5, 0.5, "not recorded: no global norm", ha="center", transform=norm_panel.transAxes
        )
    clip_norm = settings.clip_norm
    norm_panel.axhline(
        clip_norm, color="0.5", linestyle="--", label=f"clipping norm {clip_norm:g}, as asked for"
    )
    norm_panel.set(xlabel="epoch", ylabel="gradient norm")
    norm_panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if settings.curriculum:
        _mark_stages(loss_panel, norm_panel, history)
    for axes in (loss_panel, norm_panel):
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, fontsize=9)
    save_figure(figure, out_dir / "training.png")


def _mark_stages(loss_panel: Axes, norm_panel: Axes, history: list[StageMetrics]) -> None:
    """A line where each stage of a curriculum begins, with its largest number of blanks."""
    label = "a stage begins: up to so many blanks"
    loss_panel.set_ylim(top=ROOM_FOR_STAGES * loss_panel.get_ylim()[1])
    stages = itertools.groupby(history, key=lambda row: row.blanks)
    for number, (blanks, rows) in enumerate(stages):
        start = next(rows).epoch - 0.5
        for axes in (loss_panel, norm_panel):
            axes.axvline(
                start, color="0.6", linewidth=0.8, label=label if axes is loss_panel else None
            )
        loss_panel.annotate(
            f"{blanks:,}",
            (start, 1),
            xycoords=loss_panel.get_xaxis_transform(),
            xytext=(3, -4 - 30 * (number % 2)),  # stages may be short
            textcoords="offset points",
            rotation=90,
            verticalalignment="top",
        )
        label = None  # once is enough for the legend

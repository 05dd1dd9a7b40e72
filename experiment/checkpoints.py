"""What a training leaves in its folder at the end of each epoch, and continuing from there."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from support.files import replacing
from support.terminal import trim_message
from train import EpochMetrics, TrainingError


class CheckpointError(TrainingError):
    """A checkpoint cannot be written or read."""


class Checkpoints:
    """Keeps a training: checkpoints, `metrics.csv` and, if asked for, summaries for TensorBoard.

    Each epoch ends with a checkpoint, `model.ckpt-<epoch>` (only the last is kept), and with a row
    of `metrics.csv`.

    Args:
        sess: A session of a graph that has all its variables.
        folder: An existing directory.
        row_type: The type of the history's rows, a namedtuple of numbers that begins as
            `EpochMetrics` does.
        resume: Whether to continue from the last checkpoint. Then the training set's `first_epoch`
            must be `get_finished_epochs(folder)`.
        tensorboard: Whether to write summaries of the metrics.
    """

    def __init__(
        self,
        sess: tf.Session,
        folder: str | os.PathLike,
        *,
        row_type: type[NamedTuple] = EpochMetrics,
        resume: bool = False,
        tensorboard: bool = False,
    ):
        self._sess, self._folder, self._resume = sess, Path(folder), resume
        self._row_type = row_type
        with sess.graph.as_default():
            self._saver = tf.train.Saver(max_to_keep=1, save_relative_paths=True)
        # The name has the second alone; a short stage and the next one must not share a file.
        suffix = f".{get_finished_epochs(folder) if resume else 0}"
        self._writer = (
            tf.summary.FileWriter(os.fspath(folder), sess.graph, filename_suffix=suffix)
            if tensorboard
            else None
        )

    def restore(self) -> list[EpochMetrics]:
        """Restores the variables; returns the metrics so far, none in a new training.

        Raises:
            CheckpointError: If there is no checkpoint to continue from, or it is damaged.
        """
        if not self._resume:
            return []
        history = read_history(self._folder, self._row_type)
        path = _find_latest(self._folder)
        try:
            saved = {name for name, _ in tf.train.list_variables(path)}
            with self._sess.graph.as_default():
                present = {variable.op.name for variable in tf.global_variables()}
            for name in sorted(saved ^ present):
                raise CheckpointError(
                    f"the checkpoint {path} is of another network, as the variable {name} is only"
                    f" {'there' if name in saved else 'in this one'}: start again without --resume"
                )
            self._saver.restore(self._sess, path)
        except (tf.errors.OpError, ValueError) as error:
            raise CheckpointError(
                f"the checkpoint {path} is damaged or of another network "
                f"({trim_message(error)}): start again without --resume"
            ) from error
        self._saver.recover_last_checkpoints([path])  # so that the next checkpoint replaces it
        return history

    def keep(self, history: list[EpochMetrics]) -> None:
        """Saves the last epoch of the history.

        Raises:
            CheckpointError: If the checkpoint cannot be written.
        """
        _write_metrics(history, self._folder)
        self._save(history[-1].epoch)
        if self._writer:
            self._summarise(history[-1])

    def close(self) -> None:
        if self._writer:
            self._writer.close()

    def _save(self, epoch: int) -> None:
        try:
            self._saver.save(
                self._sess,
                os.path.join(self._folder, "model.ckpt"),
                global_step=epoch,
                write_meta_graph=False,
            )
        except tf.errors.OpError as error:
            advice = "continue with --resume" if epoch > 1 else "start again"
            raise CheckpointError(
                f"cannot write the checkpoint of epoch {epoch} to {self._folder}"
                f" ({trim_message(error)}): fix that, then {advice}"
            ) from error

    def _summarise(self, metrics: EpochMetrics) -> None:
        values = [
            tf.Summary.Value(tag=name, simple_value=value)
            for name, value in metrics._asdict().items()
            if name != "epoch"
        ]
        self._writer.add_summary(tf.Summary(value=values), global_step=metrics.epoch)
        self._writer.flush()


def get_finished_epochs(folder: str | os.PathLike) -> int:
    """The number of epochs after which the last checkpoint in a folder was written.

    Raises:
        CheckpointError: If there is no checkpoint.
    """
    return int(_find_latest(folder).rpartition("-")[2])


def _find_latest(folder: str | os.PathLike) -> str:
    try:
        path = tf.train.latest_checkpoint(os.fspath(folder))
    except UnicodeDecodeError:
        path = None
    if path is None:
        raise CheckpointError(
            f"there is no complete checkpoint in {folder}: start again without --resume"
        )
    return path


def _write_metrics(history: list[EpochMetrics], folder: Path) -> None:
    with replacing(folder / "metrics.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history[0]._fields)
        writer.writerows(history)


def read_history(
    folder: str | os.PathLike, row_type: type[NamedTuple] = EpochMetrics
) -> list[EpochMetrics]:
    """The rows of metrics.csv up to the last checkpoint: a run may stop between the two.

    Raises:
        CheckpointError: If there is no checkpoint, or metrics.csv does not fit it.
    """
    nbr_epochs = get_finished_epochs(folder)
    path = Path(folder, "metrics.csv")
    try:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1 : nbr_epochs + 1]
        history = [row_type(*map(_read_number, row)) for row in rows]
    except (OSError, TypeError, ValueError):
        history = []
    if [row.epoch for row in history] != list(range(1, nbr_epochs + 1)):
        raise CheckpointError(
            f"{path} does not fit the checkpoint of epoch {nbr_epochs}: "
            "start again without --resume"
        )
    return history


def _read_number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)

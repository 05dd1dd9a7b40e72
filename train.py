"""Training: the losses of both tasks, the training operation, the training loop.

The losses of the sine task and of the memory task are the sheet's parts e and g, the training
operation is its part f.
"""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from tqdm import tqdm

from data import PADDING, one_pass, replacing

OPTIMIZERS = {
    "gradient_descent": tf.train.GradientDescentOptimizer,
    "momentum": lambda lr: tf.train.MomentumOptimizer(lr, momentum=0.9),
    "rmsprop": tf.train.RMSPropOptimizer,
    "adam": tf.train.AdamOptimizer,
}
"""The optimizers of `get_train_op` by name: functions of the learning rate."""

GRADIENT_NORM = "gradient_norm"
"""The graph collection of the global gradient norms before clipping, one a training operation."""

LEARNING_RATE = "learning_rate"
"""The graph collection of the learning rates, one a training operation."""


def get_session_config(nbr_threads: int) -> tf.ConfigProto:
    """For a session with one thread for each tower.

    A tower's operations are too small to be shared among threads. And TensorFlow's rewriting of
    graphs ("Grappler") is left out: it takes long for a large unrolled graph, which gains nothing.

    Args:
        nbr_threads: The number of operations that are computed at a time, by a thread each.
    """
    config = tf.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=nbr_threads
    )
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


class TrainingError(Exception):
    """A failure of a training that its message explains in one line."""


class DivergenceError(TrainingError):
    """A loss or a gradient is infinite or not a number."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be written or read."""


class EpochMetrics(NamedTuple):
    """A row of `metrics.csv`: means over an epoch's steps, and the last step's learning rate."""

    epoch: int
    train_loss: float
    gradient_norm: float
    learning_rate: float


def get_loss_sin(outputs: list[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
    """Mean squared error over the whole sequences.

    Args:
        outputs: List of T predictions [B, 1]; the one at step i is for column i of y.
        y: The ground truth [B, T], of any floating-point type.

    Returns:
        A scalar.

    Raises:
        ValueError: If the predictions are not of the shape of y (they might be broadcast to it).
    """
    # Part (e): the mean squared error over all time steps and the batch.
    ### BEGIN SOLUTION
    predictions = tf.concat(outputs, axis=1)
    truth = tf.cast(y, predictions.dtype)
    predictions.shape.assert_is_compatible_with(truth.shape)
    return tf.reduce_mean(tf.square(predictions - truth))
    ### END SOLUTION


def get_loss_memory(outputs: list[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
    """Mean softmax cross-entropy, in nats, of all outputs, each of the same weight.

    Args:
        outputs: List of T logits [B, C].
        y: The true symbols [B, T], integers below C, int32 or int64.

    Returns:
        A scalar.
    """
    # Part (g): one loss value for the outputs of a batch, all outputs equally important.
    ### BEGIN SOLUTION
    logits = tf.stack(outputs, axis=1)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    ### END SOLUTION


def get_loss_memory_padded(outputs: list[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
    """`get_loss_memory` for sequences of different lengths, padded at their ends.

    Args:
        outputs: List of T logits [B, C].
        y: The true symbols [B, T], or `data.PADDING` where nothing is asked.

    Returns:
        A scalar, the mean over the sequences of the mean over the steps of each.
    """
    asked = tf.cast(tf.not_equal(y, PADDING), tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.maximum(y, 0), logits=tf.stack(outputs, axis=1)
    )
    return tf.reduce_mean(tf.reduce_sum(asked * losses, 1) / tf.reduce_sum(asked, 1))


def get_learning_rate(
    learning_rate: float, decay: str = "constant", nbr_steps: int | None = None
) -> float | tf.Tensor:
    """The learning rate over the course of a training.

    Args:
        learning_rate: The initial learning rate.
        decay: "constant", or "cosine": down to 0 along half a cosine over `nbr_steps` steps of the
            global step, which is created where the graph has none (Loshchilov & Hutter 2017).
        nbr_steps: The number of training steps, for "cosine".

    Raises:
        ValueError: If `decay` is another word.
    """
    if decay == "constant":
        return learning_rate
    if decay == "cosine":
        return tf.train.cosine_decay(learning_rate, tf.train.get_or_create_global_step(), nbr_steps)
    raise ValueError(f'decay must be "constant" or "cosine", got {decay!r}')


def get_train_op(
    loss: tf.Tensor,
    lr: float | tf.Tensor,
    *,
    optimizer: str = "gradient_descent",
    clip_norm: float = 5.0,
) -> tf.Operation:
    """A training operation on gradients clipped by their global norm.

    Longer gradients are scaled to the norm `clip_norm` and keep their direction (Pascanu et al.
    2013); shorter ones stay as they are. The norm before clipping is added to the graph collection
    `GRADIENT_NORM`, the learning rate to `LEARNING_RATE`. Increments the global step where one
    exists.

    Args:
        loss: A scalar.
        lr: The learning rate, a number or a scalar tensor.
        optimizer: A key of `OPTIMIZERS`.
        clip_norm: The largest global norm of the gradients.

    Raises:
        ValueError: If `lr` is a number that is not positive, `clip_norm` is not positive, or
            `optimizer` is unknown.
    """
    if not tf.is_tensor(lr) and not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"the learning rate must be a positive number, got {lr}")
    if not (math.isfinite(clip_norm) and clip_norm > 0):
        raise ValueError(f"clip_norm must be a positive number, got {clip_norm}")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
    tf.add_to_collection(LEARNING_RATE, tf.convert_to_tensor(lr, tf.float32))

    # Part (f): a step of a gradient-descent based optimizer with learning rate lr, on gradients
    # clipped at the global norm clip_norm. (Plain gradient descent earns full points; `OPTIMIZERS`
    # has more.)
    ### BEGIN SOLUTION
    variables = tf.trainable_variables()
    gradients, norm = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm)
    tf.add_to_collection(GRADIENT_NORM, norm)
    return OPTIMIZERS[optimizer](lr).apply_gradients(
        zip(gradients, variables, strict=True), global_step=tf.train.get_global_step()
    )
    ### END SOLUTION


def get_finished_epochs(out_dir: str | os.PathLike) -> int:
    """The number of epochs after which the last checkpoint in `out_dir` was written.

    Raises:
        CheckpointError: If there is no checkpoint.
    """
    return int(_latest_checkpoint(out_dir).rpartition("-")[2])


def run_training(
    sess: tf.Session,
    nbr_epochs: int,
    train_op: tf.Operation,
    total_loss: tf.Tensor,
    it_train_init: tf.Operation,
    *,
    out_dir: str | os.PathLike | None = None,
    resume: bool = False,
    tensorboard: bool = False,
) -> list[EpochMetrics]:
    """Initialises the variables and trains, with a progress bar on a terminal.

    With `out_dir`, each epoch ends with a checkpoint there (`model.ckpt-<epoch>`, only the last is
    kept) and with a row of `metrics.csv`.

    Args:
        sess: A session of the graph.
        nbr_epochs: The number of passes over the training set, all told.
        train_op: What `get_train_op` returned.
        total_loss: A scalar, fetched in each step.
        it_train_init: The initialiser of the iterator over the training set, run for each epoch.
        out_dir: An existing directory, or None.
        resume: Whether to go on from the last checkpoint in `out_dir` instead of initialising;
            the training set's `first_epoch` must be `get_finished_epochs(out_dir)` then.
        tensorboard: Whether to write summaries of the metrics to `out_dir`.

    Returns:
        The metrics of all epochs, those before a resumption included.

    Raises:
        DivergenceError: At the first loss or gradient norm that is not finite. The last checkpoint
            stays.
        CheckpointError: If there is no checkpoint to resume from, or it is damaged, or one cannot
            be written.
        ValueError: If `resume` or `tensorboard` is asked for without `out_dir`.
    """
    if out_dir is None and (resume or tensorboard):
        raise ValueError("resume and tensorboard need an out_dir")
    with sess.graph.as_default():
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        saver = tf.train.Saver(max_to_keep=1, save_relative_paths=True) if out_dir else None
    history: list[EpochMetrics] = []
    if resume:
        history = _read_metrics(out_dir, get_finished_epochs(out_dir))
        _restore(saver, sess, out_dir)
    writer = tf.summary.FileWriter(os.fspath(out_dir), sess.graph) if tensorboard else None

    with tqdm(unit=" steps", disable=None) as bar:
        for epoch in range(len(history) + 1, nbr_epochs + 1):
            bar.set_description_str(f"epoch {epoch}/{nbr_epochs}", refresh=False)
            history.append(_run_epoch(sess, epoch, train_op, total_loss, it_train_init, bar))
            if saver:
                _write_metrics(history, out_dir)
                _save(saver, sess, out_dir, epoch)
            if writer:
                _write_summary(writer, history[-1])
            if bar.total is None:  # an epoch tells how many steps there are
                bar.total = bar.n * (nbr_epochs - epoch + 1)
    if writer:
        writer.close()
    return history


def plot_training(
    history: list[EpochMetrics],
    *,
    title: str,
    loss_label: str,
    clip_norm: float,
    out_dir: str | os.PathLike = ".",
    memoryless_loss: float | None = None,
) -> None:
    """Plots loss and gradient norm over the epochs to `training.png` in an existing directory.

    Args:
        history: What `run_training` returned.
        title: The figure's title.
        loss_label: The loss's name and unit.
        clip_norm: The clipping norm, drawn in.
        out_dir: An existing directory.
        memoryless_loss: The loss of the best guess without a memory, drawn in where given.
    """
    epochs = [row.epoch for row in history]
    figure = Figure(figsize=(7, 6), layout="constrained")
    figure.suptitle(title)
    loss_panel, norm_panel = figure.subplots(2, sharex=True)
    loss_panel.semilogy(
        epochs, [row.train_loss for row in history], "k.-", label="training, mean of an epoch"
    )
    if memoryless_loss is not None:
        loss_panel.axhline(memoryless_loss, color="0.5", linestyle="--", label="memoryless guess")
    loss_panel.set(ylabel=loss_label)
    norm_panel.semilogy(
        epochs, [row.gradient_norm for row in history], "k.-", label="before clipping"
    )
    norm_panel.axhline(clip_norm, color="0.5", linestyle="--", label=f"clipping norm {clip_norm:g}")
    norm_panel.set(xlabel="epoch", ylabel="gradient norm")
    norm_panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (loss_panel, norm_panel):
        axes.legend()
    with replacing(Path(out_dir) / "training.png") as path:
        figure.savefig(path, dpi=150)


def _run_epoch(
    sess: tf.Session,
    epoch: int,
    train_op: tf.Operation,
    total_loss: tf.Tensor,
    it_train_init: tf.Operation,
    bar: tqdm,
) -> EpochMetrics:
    """One pass over the training set."""
    # A training operation that is not from get_train_op reports neither norm nor learning rate.
    reported = {
        name: sess.graph.get_collection(name)[-1]
        for name in (GRADIENT_NORM, LEARNING_RATE)
        if sess.graph.get_collection(name)
    }
    steps = []
    fetches = {"loss": total_loss, "train_op": train_op, **reported}
    for values in one_pass(sess, it_train_init, fetches):
        loss, norm = values["loss"], values.get(GRADIENT_NORM, 0.0)
        steps.append((loss, values.get(GRADIENT_NORM, math.nan)))
        rate = values.get(LEARNING_RATE, math.nan)
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise DivergenceError(
                f"training diverged: the loss is {loss:.4g} and the gradient norm {norm:.4g} in"
                f" step {len(steps)} of epoch {epoch}: start anew with a lower learning rate"
                f" (--learning-rate, now {rate:.4g}) or clipping norm (--clip-norm)"
            )
        bar.set_postfix(loss=loss, gradient_norm=norm, refresh=False)
        bar.update()
    train_loss, gradient_norm = np.mean(steps, axis=0, dtype=np.float64)
    return EpochMetrics(epoch, float(train_loss), float(gradient_norm), float(rate))


def _latest_checkpoint(out_dir: str | os.PathLike) -> str:
    try:
        path = tf.train.latest_checkpoint(os.fspath(out_dir))
    except UnicodeDecodeError:
        path = None
    if path is None:
        raise CheckpointError(
            f"there is no whole checkpoint in {out_dir}: start anew without --resume"
        )
    return path


def _save(saver: tf.train.Saver, sess: tf.Session, out_dir: str | os.PathLike, epoch: int) -> None:
    try:
        saver.save(
            sess, os.path.join(out_dir, "model.ckpt"), global_step=epoch, write_meta_graph=False
        )
    except tf.errors.OpError as error:
        advice = "go on with --resume" if epoch > 1 else "start again"
        raise CheckpointError(
            f"cannot write the checkpoint of epoch {epoch} to {out_dir} ({_reason(error)}):"
            f" mend that, then {advice}"
        ) from error


def _restore(saver: tf.train.Saver, sess: tf.Session, out_dir: str | os.PathLike) -> None:
    path = _latest_checkpoint(out_dir)
    try:
        saver.restore(sess, path)
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint {path} is damaged or of another network "
            f"({_reason(error)}): start anew without --resume"
        ) from error
    saver.recover_last_checkpoints([path])  # so that the next checkpoint replaces it


def _reason(error: Exception) -> str:
    """The line of TensorFlow's message that tells what happened, not where in the graph."""
    message = getattr(error, "message", str(error))
    lines = message.partition("[[")[0].strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _write_metrics(history: list[EpochMetrics], out_dir: str | os.PathLike) -> None:
    with replacing(Path(out_dir) / "metrics.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(EpochMetrics._fields)
        writer.writerows(history)


def _read_metrics(out_dir: str | os.PathLike, nbr_epochs: int) -> list[EpochMetrics]:
    """The first `nbr_epochs` rows of metrics.csv, which may be a row ahead of the checkpoint."""
    path = Path(out_dir) / "metrics.csv"
    try:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1 : nbr_epochs + 1]
        history = [EpochMetrics(int(epoch), *map(float, metrics)) for epoch, *metrics in rows]
    except (OSError, TypeError, ValueError):
        history = []
    if [row.epoch for row in history] != list(range(1, nbr_epochs + 1)):
        raise CheckpointError(
            f"{path} does not go with the checkpoint of epoch {nbr_epochs}: "
            "start anew without --resume"
        )
    return history


def _write_summary(writer: tf.summary.FileWriter, metrics: EpochMetrics) -> None:
    values = [
        tf.Summary.Value(tag=name, simple_value=value)
        for name, value in metrics._asdict().items()
        if name != "epoch"
    ]
    writer.add_summary(tf.Summary(value=values), global_step=metrics.epoch)
    writer.flush()

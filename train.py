"""Training: the losses of both tasks, the training operation, the training loop.

The losses of the sine task and of the memory task are the sheet's parts e and g, the training
operation is its part f.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from data import PADDING, one_pass
from support.errors import ExplainedError

OPTIMIZERS = {
    "gradient_descent": tf.train.GradientDescentOptimizer,
    "momentum": lambda lr: tf.train.MomentumOptimizer(lr, momentum=0.9),
    "rmsprop": tf.train.RMSPropOptimizer,
    "adam": tf.train.AdamOptimizer,
}
"""The optimizers of `get_train_op` by name: functions of the learning rate."""

GRADIENT_NORM = "gradient_norm"
"""The graph collection of the global gradient norms before clipping, one per training operation."""

SAY_EVERY = 10.0
"""Seconds after which a training without a terminal says how far it is, if an epoch ends."""

LEARNING_RATE = "learning_rate"
"""The graph collection of the learning rates, one per training operation."""


class TrainingError(ExplainedError):
    """A training cannot start, or cannot continue."""


class DivergenceError(TrainingError):
    """A loss or a gradient is infinite or not a number."""


class EpochMetrics(NamedTuple):
    """A row of `metrics.csv`: means over an epoch's steps, and the last step's learning rate."""

    epoch: int
    train_loss: float
    gradient_norm: float
    learning_rate: float
    validation_loss: float = math.nan
    """At the end of the epoch, on sequences that are not trained on; NaN if nobody asked for it."""


def get_loss_sin(outputs: list[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
    """Mean squared error over the whole sequences.

    Args:
        outputs: List of T predictions [B, 1]; the one at step i is for column i of y.
        y: The ground truth [B, T], float32 or float64.

    Returns:
        A scalar.
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
        A scalar: the mean over each sequence's steps, then over the sequences.
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
            global step, which is created if the graph has none (Loshchilov & Hutter 2017).
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
    `GRADIENT_NORM`, the learning rate to `LEARNING_RATE`. Increments the global step if one
    exists. (`main.py` counts the steps and records the norm itself where this is left out.)

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
    # clipped at the global norm clip_norm. (Plain gradient descent earns full points. main.py asks
    # for Adam to train the LSTM, which learns little otherwise: see `OPTIMIZERS`.)
    ### BEGIN SOLUTION
    variables = tf.trainable_variables()
    gradients, norm = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm)
    tf.add_to_collection(GRADIENT_NORM, norm)
    return OPTIMIZERS[optimizer](lr).apply_gradients(
        zip(gradients, variables, strict=True), global_step=tf.train.get_global_step()
    )
    ### END SOLUTION


class Keeper(Protocol):
    """Keeps a training, so that it can be continued: see `experiment.checkpoints`."""

    def restore(self) -> list[EpochMetrics]:
        """Restores the variables; returns the metrics of the epochs so far."""

    def keep(self, history: list[EpochMetrics]) -> None:
        """Saves the last epoch of the history."""

    def close(self) -> None:
        """Ends the work, after the last epoch."""


def run_training(
    sess: tf.Session,
    nbr_epochs: int,
    train_op: tf.Operation,
    total_loss: tf.Tensor,
    it_train_init: tf.Operation,
    *,
    checkpoints: Keeper | None = None,
    validate: Callable[[], float] | None = None,
) -> list[EpochMetrics]:
    """Initialises the variables and trains, with a progress bar on a terminal.

    Args:
        sess: A session of the graph.
        nbr_epochs: The number of passes over the training set, in total.
        train_op: What `get_train_op` returned.
        total_loss: A scalar, fetched in each step.
        it_train_init: The initialiser of the iterator over the training set, run for each epoch.
        checkpoints: Keeps the training, epoch by epoch, and may continue an earlier one.
        validate: Called after each epoch, for the loss on sequences that are not trained on.

    Returns:
        The metrics of all epochs, also of those before a resumption.

    Raises:
        DivergenceError: At the first loss or gradient norm that is not finite. The last checkpoint
            stays.
        TrainingError: If a checkpoint cannot be read or written.
    """
    with sess.graph.as_default():
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    history = checkpoints.restore() if checkpoints else []
    said = time.monotonic()
    with tqdm(unit=" steps", disable=None, dynamic_ncols=True) as bar:
        for epoch in range(len(history) + 1, nbr_epochs + 1):
            bar.set_description_str(f"epoch {epoch}/{nbr_epochs}", refresh=False)
            metrics = run_epoch(sess, epoch, train_op, total_loss, it_train_init, bar)
            if validate:
                metrics = metrics._replace(validation_loss=validate())
            history.append(metrics)
            if checkpoints:
                checkpoints.keep(history)
            # Without a terminal there is no bar. (Nobody waits for what is not kept, and who has
            # a bar of their own sets TQDM_DISABLE.)
            is_mute = not checkpoints or "TQDM_DISABLE" in os.environ
            if bar.disable and not is_mute and time.monotonic() > said + SAY_EVERY:
                said = time.monotonic()
                loss = history[-1].train_loss
                print(f"epoch {epoch}/{nbr_epochs}: loss {loss:.4g}", file=sys.stderr, flush=True)
            if bar.total is None:  # an epoch tells how many steps there are
                bar.total = bar.n * (nbr_epochs - epoch + 1)
    if checkpoints:
        checkpoints.close()
    return history


def run_epoch(
    sess: tf.Session,
    epoch: int,
    train_op: tf.Operation,
    total_loss: tf.Tensor,
    it_train_init: tf.Operation,
    bar: tqdm,
) -> EpochMetrics:
    """One pass over the training set.

    Args:
        sess: A session with the variables.
        epoch: The number of the pass, from 1.
        train_op: What `get_train_op` returned.
        total_loss: A scalar, fetched in each step.
        it_train_init: The initialiser of the iterator over the training set.
        bar: The progress bar that counts the steps.

    Raises:
        DivergenceError: At the first loss or gradient norm that is not finite.
    """
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
                f" step {len(steps)} of epoch {epoch}: start again with a lower learning rate"
                f" (--learning-rate, now {rate:.4g}) or clipping norm (--clip-norm)"
            )
        bar.set_postfix({"loss": loss, "gradient_norm": norm}, refresh=False)
        bar.update()
    train_loss, gradient_norm = np.mean(steps, axis=0, dtype=np.float64)
    return EpochMetrics(epoch, float(train_loss), float(gradient_norm), float(rate))

"""A whole experiment, from its settings to `result.json`."""

from __future__ import annotations

import contextlib
import functools
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow.compat.v1 as tf

import test
from experiment.checkpoints import Checkpoints, get_finished_epochs
from experiment.evaluation import evaluate, get_validation_loss
from experiment.folder import FolderError, RunFolder
from experiment.model import Model, build_model, get_session_config
from experiment.remarks import check_solved, find_remarks
from experiment.settings import Settings
from train import run_training


@contextlib.contextmanager
def open_experiment(settings: Settings, first_epoch: int = 0) -> Iterator[tuple[tf.Session, Model]]:
    """Builds the graph of an experiment, and opens a session of it.

    Args:
        settings: The experiment's settings.
        first_epoch: The number of epochs that are done already.
    """
    tf.logging.set_verbosity(tf.logging.FATAL)
    config = get_session_config(settings.towers)
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        tf.set_random_seed(settings.seed)
        yield sess, build_model(settings, first_epoch)


def run(
    settings: Settings,
    folder: RunFolder,
    *,
    started: float,
    announce: Callable[[Model, list[str]], None] = lambda model, remarks: None,
    resume: bool = False,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Trains and tests one network, and writes all that is known of it to a folder.

    Args:
        settings: The experiment's settings.
        folder: Where to write; it has been prepared.
        started: When the experiment began, by `time.perf_counter`.
        announce: Called with the model, and with what differs from what was asked for, before the
            training.
        resume: Whether to continue the run in the folder.
        tensorboard: Whether to write summaries, too.

    Returns:
        What `result.json` holds.

    Raises:
        ExplainedError: If there is nothing to continue, a checkpoint cannot be written or read, the
            training diverges, or the trained network's output grows without bound.
    """
    tf.logging.set_verbosity(tf.logging.FATAL)  # one line tells of a lost checkpoint
    first_epoch = _get_first_epoch(settings, folder) if resume else 0
    with open_experiment(settings, first_epoch) as (sess, model):
        if settings.task == "memory":
            check_solved(getattr(test, name, None) for name in ("run_memory_test", "_is_recalled"))
        remarks = find_remarks(settings, sess.graph)
        folder.begin(settings, keep_progress=resume, keep_results=first_epoch == settings.epochs)
        announce(model, remarks)
        history = run_training(
            sess,
            settings.epochs,
            model.train_op,
            model.loss,
            model.it_train_init,
            checkpoints=Checkpoints(sess, folder.path, resume=resume, tensorboard=tensorboard),
            validate=functools.partial(get_validation_loss, sess, model, settings),
        )
        measured = evaluate(sess, model, settings, history, folder.path)
    result = {
        "task": settings.task,
        "cell": settings.cell,
        "activation": settings.activation,
        "seed": settings.seed,
        "hidden_size": model.hidden_size,
        "parameters": model.network.parameters._asdict(),
        "epochs": len(history),
        "seconds": round(time.perf_counter() - started, 2),
        "train_loss": history[-1].train_loss,
        **measured,
        "remarks": remarks,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__},
    }
    folder.write_result(result)
    return result


def _get_first_epoch(settings: Settings, folder: RunFolder) -> int:
    """The number of epochs that the run in the folder has finished."""
    first_epoch = get_finished_epochs(folder.path)
    if first_epoch > settings.epochs:
        raise FolderError(
            f"{folder.path} holds a run of {first_epoch} epochs already: raise --epochs or leave"
            " out --resume"
        )
    return first_epoch

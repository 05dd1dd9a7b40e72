"""A whole experiment, from its settings to `result.json`."""

from __future__ import annotations

import contextlib
import functools
import platform
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

import test
from experiment.checkpoints import Checkpoints, get_finished_epochs, read_history
from experiment.curriculum import StageMetrics, find_stage, get_stage_settings, run_stage
from experiment.evaluation import evaluate, get_validation_loss
from experiment.folder import FolderError, RunFolder
from experiment.model import Model, build_model, get_session_config
from experiment.remarks import check_solved, find_remarks, judge_result
from experiment.settings import Settings
from support.memory import keep_freed_memory
from support.terminal import showing
from train import EpochMetrics, run_training

Announce = Callable[[Model, list[str]], None]
"""Takes the model, and what differs from what was asked for, before the training."""


@contextlib.contextmanager
def open_experiment(settings: Settings, first_epoch: int = 0) -> Iterator[tuple[tf.Session, Model]]:
    """Builds the graph of an experiment, and opens a session of it.

    Args:
        settings: The experiment's settings.
        first_epoch: The number of epochs that are done already.
    """
    tf.logging.set_verbosity(tf.logging.FATAL)
    keep_freed_memory()
    config = get_session_config(settings.towers)
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        tf.set_random_seed(settings.seed)
        random.seed(settings.seed)  # a cell may draw its weights by any of the three
        np.random.seed(settings.seed % 2**32)
        yield sess, build_model(settings, first_epoch)


def run(
    settings: Settings,
    folder: RunFolder,
    *,
    started: float,
    announce: Announce = lambda model, remarks: None,
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
    with open_trained(
        settings, folder, announce=announce, resume=resume, tensorboard=tensorboard
    ) as (sess, model, history):
        remarks = find_remarks(settings, sess.graph)
        with showing("testing the network and drawing it"):
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
        "remarks": [*judge_result(measured, settings), *remarks],
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__},
    }
    folder.write_result(result)
    return result


@contextlib.contextmanager
def open_trained(
    settings: Settings,
    folder: RunFolder,
    *,
    announce: Announce = lambda model, remarks: None,
    resume: bool = False,
    tensorboard: bool = False,
) -> Iterator[tuple[tf.Session, Model, list[EpochMetrics]]]:
    """Trains a network, and opens a session with its variables.

    Args:
        As `run` has them.

    Yields:
        The session, its graph for the whole task, and the metrics of all epochs.
    """
    open_it = _open_trained_by_curriculum if settings.curriculum else _open_trained_at_once
    with open_it(settings, folder, announce, resume, tensorboard) as trained:
        yield trained


@contextlib.contextmanager
def _open_trained_at_once(settings, folder, announce, resume, tensorboard):
    first_epoch = _get_first_epoch(settings, folder) if resume else 0
    with open_experiment(settings, first_epoch) as (sess, model):
        _check_solved(settings)
        is_over = first_epoch == settings.epochs
        folder.begin(settings, keep_progress=resume, keep_results=is_over)
        _note_progress(folder, first_epoch, is_over)
        announce(model, find_remarks(settings, sess.graph))
        history = run_training(
            sess,
            settings.epochs,
            model.train_op,
            model.loss,
            model.it_train_init,
            checkpoints=Checkpoints(sess, folder.path, resume=resume, tensorboard=tensorboard),
            validate=functools.partial(get_validation_loss, sess, model, settings),
        )
        yield sess, model, history


@contextlib.contextmanager
def _open_trained_by_curriculum(settings, folder, announce, resume, tensorboard):
    history = read_history(folder.path, StageMetrics) if resume else []
    begun = False
    with tqdm(unit=" steps", disable=None, dynamic_ncols=True) as bar:
        while True:
            stage = find_stage(settings, history)
            is_over = stage is None
            of_stage = get_stage_settings(settings, stage or settings.blank_separation_len)
            with open_experiment(of_stage, len(history)) as (sess, model):
                if not begun:
                    _check_solved(settings)
                    folder.begin(settings, keep_progress=resume, keep_results=is_over)
                    _note_progress(folder, len(history), is_over)
                    announce(model, find_remarks(settings, sess.graph))
                    begun = True
                checkpoints = Checkpoints(
                    sess,
                    folder.path,
                    row_type=StageMetrics,
                    resume=bool(history),
                    tensorboard=tensorboard,
                )
                history = run_stage(sess, model, settings, checkpoints, bar)
                is_whole = of_stage.blank_separation_len == settings.blank_separation_len
                if find_stage(settings, history) is None and is_whole:
                    bar.close()
                    yield sess, model, history
                    return


def _note_progress(folder: RunFolder, nbr_epochs: int, is_over: bool) -> None:
    if is_over:
        folder.remarks.append("the training was finished before: only the tests are run again")
    elif nbr_epochs:
        folder.remarks.append(f"the training continues after epoch {nbr_epochs}")


def _check_solved(settings: Settings) -> None:
    if settings.task == "memory":
        check_solved([test.run_memory_test])


def _get_first_epoch(settings: Settings, folder: RunFolder) -> int:
    """The number of epochs that the run in the folder has finished."""
    first_epoch = get_finished_epochs(folder.path)
    if first_epoch > settings.epochs:
        raise FolderError(
            f"{folder.path} holds a run of {first_epoch} epochs already: raise --epochs or leave"
            " out --resume"
        )
    return first_epoch

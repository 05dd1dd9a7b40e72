"""The graph of an experiment: the sequences, the network, its loss and its training operation."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

import data
import train
from experiment.settings import (
    CELL_DEFAULTS,
    TASK_DEFAULTS,
    TEST_SIZE,
    VALIDATION_SIZE,
    Settings,
    SettingsError,
)
from experiment.towers import Tower, build_towers
from experiment.unrolling import run_cell
from rnn_cells import BasicRNNCell, MyLSTMCell, RNNCell, RNNOutputWrapper
from rnn_cells.answers import check_loss, check_train_op

ACTIVATIONS = {"linear": None, "relu": tf.nn.relu, "tanh": tf.tanh}
"""What `BasicRNNCell` takes, by the setting's name."""


class ParameterCount(NamedTuple):
    """The number of parameters of a network, by where they are."""

    cell: int
    readout: int
    trainable: int
    total: int


class Network(NamedTuple):
    """The variables of a network."""

    cell: RNNCell
    output_wrapper: RNNOutputWrapper
    variables: list[tf.Variable]
    parameters: ParameterCount


class Model(NamedTuple):
    """The graph of an experiment."""

    hidden_size: int
    network: Network
    x: tf.Tensor
    """The input of a batch, [B, T, I]."""
    outputs: list[tf.Tensor]
    """T tensors [B, C]."""
    labels: tf.Tensor
    """The truth of a batch, [B, T]."""
    loss: tf.Tensor
    train_op: tf.Operation
    it_train_init: tf.Operation
    it_test_init: tf.Operation
    it_validation_init: tf.Operation | None
    """Only in a curriculum."""


def get_session_config(nbr_threads: int) -> tf.ConfigProto:
    """The configuration of a session with one thread per tower.

    A tower's operations are too small to be shared among threads. TensorFlow's rewriting of graphs
    ("Grappler") is off: it takes long for a large unrolled graph, and gains nothing.

    Args:
        nbr_threads: The number of operations that run at a time, each in its own thread.
    """
    config = tf.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=nbr_threads
    )
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def build_model(settings: Settings, first_epoch: int = 0) -> Model:
    """Builds the whole graph in the default graph.

    Args:
        settings: The experiment's settings.
        first_epoch: The number of epochs that are done already, for the training set's sequences.

    Raises:
        SettingsError: If `match_params` is asked for and not even one unit fits.
    """
    hidden_size = settings.hidden_size
    if settings.match_params:
        hidden_size = match_hidden_size(settings)
    x, labels, *initialisers = _build_input(settings, first_epoch)
    network = build_network(settings, hidden_size)
    get_loss = choose_loss(settings)

    def build_tower(x: tf.Tensor, labels: tf.Tensor) -> Tower:
        start = network.cell.get_zero_state_for_inp(x)
        states, _ = run_cell(network.cell, start, x, settings.unroll)
        outputs = network.output_wrapper(states)
        loss = get_loss(outputs, labels)
        check_loss(loss)
        return Tower(outputs, loss)

    outputs, loss = build_towers(build_tower, x, labels, settings.towers)
    train_op = _build_training(settings, loss)
    return Model(hidden_size, network, x, outputs, labels, loss, train_op, *initialisers)


class _Input(NamedTuple):
    x: tf.Tensor
    labels: tf.Tensor
    it_train_init: tf.Operation
    it_test_init: tf.Operation
    it_validation_init: tf.Operation | None = None


def _build_input(settings: Settings, first_epoch: int) -> _Input:
    """One iterator over the batches of the training, the test or the validation set."""
    generate = {"sin": data.generate_sin_data, "memory": data.generate_memory_data}[settings.task]
    batch_size = settings.batch_size
    of_task: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (*TASK_DEFAULTS[settings.task], "seed")
        if name != "curriculum"
    }
    training_set = generate(settings.train_size, batch_size, first_epoch=first_epoch, **of_task)
    test_set = generate(TEST_SIZE, batch_size, training=False, **of_task)
    sets, sizes = [training_set, test_set], [settings.train_size, TEST_SIZE]
    if settings.curriculum:
        # The hardest sequences: those with the most blanks.
        of_task |= {
            "purpose": data.VALIDATION,
            "min_blank_separation_len": settings.blank_separation_len,
        }
        sets.append(generate(VALIDATION_SIZE, batch_size, training=False, **of_task))
        sizes.append(VALIDATION_SIZE)
    iterator = tf.data.Iterator.from_structure(
        tf.data.get_output_types(training_set), tf.data.get_output_shapes(training_set)
    )
    x, labels = iterator.get_next()
    if all(size % batch_size == 0 for size in sizes):
        # All batches have the same size. A graph that knows this is smaller and faster: its
        # gradients need not look for broadcasts.
        x.set_shape([batch_size, *x.shape[1:]])
        labels.set_shape([batch_size, *labels.shape[1:]])
    return _Input(x, labels, *map(iterator.make_initializer, sets))


def choose_loss(settings: Settings) -> Callable[[list[tf.Tensor], tf.Tensor], tf.Tensor]:
    """The loss of the task, a function of outputs and labels."""
    if settings.task == "sin":
        return train.get_loss_sin
    if settings.min_blank_separation_len is None:
        return train.get_loss_memory
    return train.get_loss_memory_padded


def _build_training(settings: Settings, loss: tf.Tensor) -> tf.Operation:
    """The training operation; it counts the steps, even if `train.get_train_op` does not."""
    global_step = tf.train.create_global_step()
    nbr_steps = settings.epochs * math.ceil(settings.train_size / settings.batch_size)
    learning_rate = train.get_learning_rate(settings.learning_rate, settings.decay, nbr_steps)
    train_op = check_train_op(
        train.get_train_op(
            loss, learning_rate, optimizer=settings.optimizer, clip_norm=settings.clip_norm
        )
    )
    users = global_step.op.outputs[0].consumers()
    if {op for op in users if op.type.startswith("Assign")} - {global_step.initializer}:
        return train_op
    with tf.control_dependencies([train_op]):
        return tf.assign_add(global_step, 1).op


def build_network(settings: Settings, hidden_size: int) -> Network:
    """Creates cell and readout, and counts their parameters."""
    n_inp = n_out = 1 if settings.task == "sin" else settings.num_digits + 2
    if settings.cell == "basic":
        cell = BasicRNNCell(n_inp, hidden_size, activation=ACTIVATIONS[settings.activation])
    elif settings.chrono:
        lag = get_sequence_length(settings) if settings.chrono is True else settings.chrono
        cell = MyLSTMCell(n_inp, hidden_size, chrono=max(2, lag))
    else:
        cell = MyLSTMCell(n_inp, hidden_size, forget_bias=settings.forget_bias)
    in_cell = _count(tf.global_variables())
    output_wrapper = RNNOutputWrapper(hidden_size, n_out)
    variables = tf.global_variables()
    total = _count(variables)
    trainable = _count(tf.trainable_variables())
    parameters = ParameterCount(in_cell, total - in_cell, trainable, total)
    return Network(cell, output_wrapper, variables, parameters)


def _count(variables: list[tf.Variable]) -> int:
    return sum(variable.shape.num_elements() for variable in variables)


def get_sequence_length(settings: Settings) -> int:
    """T, the number of time steps of the task's sequences."""
    if settings.task == "sin":
        return settings.num_samples
    return data.get_memory_length(
        settings.to_remember_len, settings.blank_separation_len, settings.recall_input
    )


def match_hidden_size(settings: Settings) -> int:
    """The size of the largest LSTM whose network has no more parameters than the basic one.

    The sheet asks how to compare an LSTM with the basic RNN more fairly. Here the basic network
    with `settings.hidden_size` units, cell and readout, is the budget.

    Raises:
        SettingsError: If not even one unit fits.
    """

    def count(cell: str, hidden_size: int) -> int:
        candidate = dataclasses.replace(settings, cell=cell, **CELL_DEFAULTS["basic"])
        with tf.Graph().as_default():
            return build_network(candidate, hidden_size).parameters.total

    budget = count("basic", settings.hidden_size)
    sizes = range(1, settings.hidden_size + 1)
    matched = bisect.bisect_right(sizes, budget, key=lambda size: count("lstm", size))
    if matched == 0:
        raise SettingsError(
            f"--match-params: even an LSTM of one unit has more parameters than a basic cell of"
            f" {settings.hidden_size} ({budget}): raise --hidden-size"
        )
    return matched

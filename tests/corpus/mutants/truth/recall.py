"""What the test of the memory task is (part h), on data sets of many sizes."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from tests.corpus.mutants.truth.finding import (
    Doubts,
    Finding,
    WrongError,
    failing_is_wrong,
    open_session,
)


class Sizes(NamedTuple):
    """Sizes of a test set."""

    sz_dataset: int
    sz_batch: int
    len_inp: int
    to_remember_len: int
    nbr_symbols: int


SIZES = (
    Sizes(13, 5, 7, 3, 4),
    Sizes(12, 4, 5, 2, 11),
    Sizes(3, 8, 6, 4, 5),
    Sizes(4, 1, 3, 1, 3),
    Sizes(7, 3, 4, 4, 4),
    Sizes(9, 5, 5, 5, 5),
)
"""Last batches that are whole and smaller, one batch, batches of one, T = L, all sizes alike."""


def judge_memory_test(module: types.ModuleType, part: str, rng: np.random.Generator) -> Finding:
    """Compares loss and accuracy of two calls, and looks at what they leave behind.

    Raises:
        WrongError: If they differ, or something is not left as it was.
    """
    doubts = Doubts()
    with failing_is_wrong("finding it"):
        function = module.run_memory_test
    for sizes in SIZES:
        _judge_set(function, sizes, rng, doubts)
    # Where the plots are drawn with the student's help, that must be right, too.
    if _mentions(module.plot_recall.__code__, "_is_recalled"):
        with failing_is_wrong("finding _is_recalled"):
            is_recalled = module._is_recalled
        for sizes in SIZES:
            _judge_is_recalled(is_recalled, sizes, rng)
    return doubts.get_finding()


def _judge_set(function: Callable, sizes: Sizes, rng: np.random.Generator, doubts: Doubts) -> None:
    logits, labels = _draw(sizes, rng)
    other_logits, other_labels = _draw(sizes._replace(sz_dataset=2 * sizes.sz_batch), rng)
    expected = _expect(logits, labels, sizes)
    with tf.Graph().as_default() as graph, open_session() as sess:
        train, test = (
            tf.data.Dataset.from_tensor_slices(arrays).batch(sizes.sz_batch)
            for arrays in ((other_logits, other_labels), (logits, labels))
        )
        iterator = tf.data.Iterator.from_structure(
            tf.data.get_output_types(test), tf.data.get_output_shapes(test)
        )
        x, y = iterator.get_next()
        it_train_init, it_test_init = map(iterator.make_initializer, (train, test))
        scale = tf.get_variable("scale", initializer=0.25)
        outputs = tf.unstack(scale * x, axis=1)
        # The loss is not that of the outputs, so that one cannot stand for the other.
        loss = scale * tf.reduce_mean(tf.square(tf.reduce_max(x, axis=[1, 2])))
        nbr_variables = len(tf.global_variables())
        sess.run([scale.initializer, it_train_init])
        scale.load(1.0, sess)
        sess.run(loss)
        kept = list(outputs)
        for call in ("first", "second"):
            arguments = sess, loss, outputs, y, it_test_init, sizes.to_remember_len
            with failing_is_wrong(f"{call} call, {sizes}"):
                result = _read(function(*arguments))
            for came, right, what in zip(result, expected, ("loss", "accuracy"), strict=True):
                doubts.compare(came, right, f"{what}, {call} call, {sizes}")
            if len(outputs) != len(kept) or any(
                a is not b for a, b in zip(outputs, kept, strict=True)
            ):
                raise WrongError("it changes the list of outputs")
            sess.run(it_train_init)  # a training that goes on
            sess.run(loss)
        if sess.run(scale) != 1.0 or len(tf.global_variables()) != nbr_variables:
            raise WrongError("it changes the variables")
        if graph.finalized or tf.get_default_graph() is not graph:
            raise WrongError("it changes the default graph")


def _draw(sizes: Sizes, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, T, C] and symbols [N, T], of which the likeliest are about half."""
    shape = [sizes.sz_dataset, sizes.len_inp, sizes.nbr_symbols]
    logits = rng.normal(size=shape).astype(np.float32)
    likeliest = np.argsort(logits, axis=2)[:, :, -1]
    symbols = rng.integers(sizes.nbr_symbols, size=shape[:2])
    return logits, np.where(rng.random(shape[:2]) < 0.5, likeliest, symbols).astype(np.int32)


def _expect(logits: np.ndarray, labels: np.ndarray, sizes: Sizes) -> tuple[float, float]:
    """Loss and accuracy, sequence by sequence."""
    losses, hits = [], 0
    for rows, symbols in zip(logits.astype(np.float64), labels, strict=True):
        losses.append(rows.max() ** 2)
        for step in range(sizes.len_inp - sizes.to_remember_len, sizes.len_inp):
            hits += all(rows[step, symbols[step]] >= other for other in rows[step])
    return sum(losses) / len(losses), hits / (len(labels) * sizes.to_remember_len)


def _read(result: Any) -> tuple[float, float]:
    """Loss and accuracy; a pair without names has them in this order."""
    if hasattr(result, "loss") and hasattr(result, "accuracy"):
        result = (result.loss, result.accuracy)
    loss, accuracy = result
    for value in (loss, accuracy):
        if np.shape(value) != ():
            raise WrongError(f"it returns an array of shape {np.shape(value)}")
    return float(loss), float(accuracy)


def _mentions(code: types.CodeType, name: str) -> bool:
    """Whether a function, or one within it, uses a name."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return name in code.co_names or any(_mentions(some, name) for some in inner)


def _judge_is_recalled(function: Callable, sizes: Sizes, rng: np.random.Generator) -> None:
    """The help for `run_memory_test` and for `plot_recall`."""
    logits, labels = _draw(sizes, rng)
    last = [logits[:, step] for step in range(sizes.len_inp - sizes.to_remember_len, sizes.len_inp)]
    with failing_is_wrong(f"_is_recalled, {sizes}"):
        came = np.asarray(function(list(last), labels.copy()))
    expected = logits.argmax(axis=2)[:, -len(last) :] == labels[:, -len(last) :]
    if came.shape != expected.shape or not np.array_equal(came, expected):
        raise WrongError(f"_is_recalled differs, {sizes}")

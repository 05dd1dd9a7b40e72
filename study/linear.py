"""What linear maps can do on the sine task, found by least squares in place of a training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from experiment.settings import NBR_GENERATED
from study.cases import SEARCH_SEED, SEEDS
from support.imports import importing_tensorflow
from support.terminal import quiet_stderr

with quiet_stderr(), importing_tensorflow():
    import tensorflow.compat.v1 as tf

    import data
    import test
    from rnn_cells import BasicRNNCell, RNNOutputWrapper

NBR_CURVES = 20000
"""Curves that a map is fitted to."""
RIDGE = 1e-12
"""Added to the mean squares of the samples: without it, rounding makes the curves grow forever."""


class Fit(NamedTuple):
    """A linear map, and how well it continues curves that it was not fitted to."""

    weights: np.ndarray
    """float64."""
    errors: np.ndarray
    """The mean squared error of each of the 100 samples, [100]."""


def fit_predictor(nbr_curves: int = NBR_CURVES) -> Fit:
    """The best linear prediction of all 100 samples of a curve from 30, in float64.

    Returns:
        Weights [30, 100].
    """
    x, y = np.split(_draw(SEARCH_SEED, nbr_curves), [test.WARM_UP], axis=1)
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    x, y = np.split(_draw(SEEDS[0]), [test.WARM_UP], axis=1)
    return Fit(weights, np.mean(np.square(x @ weights - y), axis=0))


def fit_delay_line(nbr_curves: int = NBR_CURVES) -> Fit:
    """The basic cell, which is linear, with weights that nobody has trained; it runs in float32.

    Each of its 30 units holds what its neighbour held one step before, the first one the input. So
    the state is a window of the last 30 samples. The readout is the best linear prediction of the
    next one. The cell continues a curve by its own predictions, as every cell does here.

    Returns:
        The weights of the readout [30, 1].
    """
    units = test.WARM_UP
    curves = _draw(SEARCH_SEED, nbr_curves)[:, : units + 1]
    window, after = curves[:, units - 1 :: -1], curves[:, [units]]
    squares = window.T @ window / nbr_curves + RIDGE * np.eye(units)
    weights = np.linalg.solve(squares, window.T @ after / nbr_curves)
    curves = _draw(SEEDS[0])
    with tf.Graph().as_default(), tf.Session() as sess:
        cell, readout = BasicRNNCell(1, units), RNNOutputWrapper(units, 1)
        shift = np.eye(units + 1, units)  # row 0 is the input's, row k that of unit k - 1
        values = [shift, np.zeros(units), weights, np.zeros(1)]
        pairs = zip(tf.global_variables(), values, strict=True)
        sess.run([variable.assign(value.astype(np.float32)) for variable, value in pairs])
        generated = test.continue_sin(sess, cell, readout, curves[:, :units], NBR_GENERATED)
    return Fit(weights, np.mean(np.square(generated - curves[:, units:]), axis=0))


def _draw(seed: int, nbr_curves: int = NBR_CURVES) -> np.ndarray:
    """Curves of 130 samples in float64."""
    rng = data.get_rng(seed, data.CONTINUATION)
    return data.draw_sin(rng, nbr_curves, test.WARM_UP + NBR_GENERATED).astype(np.float64)

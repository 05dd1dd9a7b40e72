"""The basic recurrent cell (the sheet's parts a and b).

    h_t = activation((x_t h_{t-1}) W + b)

The brackets denote concatenation. On the sheet there is no activation: the cell is linear.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from rnn_cells.RNNCell import RNNCell


class MyBasicRNNState(NamedTuple):
    """The state of a `BasicRNNCell`."""

    hidden: tf.Tensor
    """h_t, [B, H]: also the cell's output."""


class BasicRNNCell(RNNCell):
    """A basic recurrent cell.

    Args:
        n_inp: I, the number of inputs at each time step.
        n_out: H, the hidden size.
        activation: A function of tensors such as `tf.tanh`; None leaves the cell linear.

    Raises:
        ValueError: If a size is not a whole number from 1.
    """

    state_type = MyBasicRNNState

    def __init__(
        self,
        n_inp: int,
        n_out: int,
        *,
        activation: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ):
        super().__init__(n_inp, n_out)
        self._activation = activation or tf.identity
        # Part (a): create the trainable variables of a basic cell for n_inp inputs and n_out hidden
        # units. Draw the weights at random, of a size that fits the number of units: a state must
        # neither explode over 100 time steps nor vanish at once.
        ### BEGIN SOLUTION
        # Rows of W [I + H, H]: the input's first, then the hidden state's. The recurrent block is
        # orthogonal: it turns the state without stretching it (Saxe et al. 2014; Henaff et al. 2016
        # on why that solves tasks with a fixed lag).
        with tf.variable_scope(None, default_name="BasicRNNCell"):
            input_block = tf.glorot_uniform_initializer()([n_inp, n_out])
            recurrent_block = tf.orthogonal_initializer()([n_out, n_out])
            self._w = tf.get_variable("W", initializer=tf.concat([input_block, recurrent_block], 0))
            self._b = tf.get_variable("b", [n_out], initializer=tf.zeros_initializer())
        ### END SOLUTION

    def __call__(
        self, state: MyBasicRNNState, x: tf.Tensor
    ) -> tuple[list[tf.Tensor], MyBasicRNNState]:
        # Part (b): unroll the cell over the time steps of x, from the given state on. Return the
        # list of outputs, one a step, and the state after the last step. (`self._activation` goes
        # around each step's sum; `_to_time_major` checks x and puts the time steps first.)
        ### BEGIN SOLUTION
        w_input, w_hidden = tf.split(self._w, [self._n_inp, self._n_out])
        hidden = state.hidden
        outputs = []
        # (x_t h) W = x_t W_input + h W_hidden, and the first summand does not wait for h: one
        # product serves all time steps.
        products = tf.tensordot(self._to_time_major(x), w_input, 1)
        projected_inputs = tf.nn.bias_add(products, self._b)
        for projected in tf.unstack(projected_inputs):
            hidden = self._activation(projected + tf.matmul(hidden, w_hidden))
            outputs.append(hidden)
        return outputs, MyBasicRNNState(hidden)
        ### END SOLUTION

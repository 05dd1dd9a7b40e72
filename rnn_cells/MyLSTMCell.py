"""The long short-term memory cell (the sheet's parts c and d).

Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; without peepholes, as in
TensorFlow 1.x's BasicLSTMCell. Gates are sigmoid; the candidate and the memory's output are tanh.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from rnn_cells.RNNCell import RNNCell


class MyLSTMState(NamedTuple):
    """The state of a `MyLSTMCell`."""

    hidden: tf.Tensor
    """h_t, [B, H]: also the cell's output."""
    cell: tf.Tensor
    """c_t, [B, H]: the memory."""


class MyLSTMCell(RNNCell):
    """An LSTM cell.

    Args:
        n_inp: I, the number of inputs at each time step.
        n_out: H, the hidden size.
        forget_bias: Initial value of the forget gate's bias; 1 lets the memory persist from the
            start (Jozefowicz et al. 2015).
        chrono: The longest lag in time steps that the memory should bridge. It gives the chrono
            initialisation in place of `forget_bias`: the forget biases are log U[1, chrono - 1],
            the input gate's biases are their negatives (Tallec & Ollivier 2018).

    Raises:
        ValueError: If a size is not a whole number from 1, or `chrono` is less than 2.
    """

    state_type = MyLSTMState

    def __init__(
        self, n_inp: int, n_out: int, *, forget_bias: float = 1.0, chrono: float | None = None
    ):
        super().__init__(n_inp, n_out)
        # Initial biases [H] of the input gate and of the forget gate.
        b_input, b_forget = _initial_biases(n_out, forget_bias, chrono)
        # Part (c): create the trainable variables of an LSTM for n_inp inputs and n_out hidden
        # units: input gate, forget gate, output gate and candidate, each with weights for the input
        # and for the hidden state, and a bias. Using the initial biases above is up to you.
        ### BEGIN SOLUTION
        # Rows of W [I + H, 4 H]: the input's first, then the hidden state's. Columns of W and b:
        # the gates i, j, f, o.
        with tf.variable_scope(None, default_name="MyLSTMCell"):
            self._w = tf.get_variable(
                "W", [n_inp + n_out, 4 * n_out], initializer=tf.glorot_uniform_initializer()
            )
            zeros = tf.zeros([n_out])
            self._b = tf.get_variable(
                "b", initializer=tf.concat([b_input, zeros, b_forget, zeros], 0)
            )
        ### END SOLUTION

    def __call__(self, state: MyLSTMState, x: tf.Tensor) -> tuple[list[tf.Tensor], MyLSTMState]:
        # Part (d): unroll the LSTM over the time steps of x, from the given state on. Return the
        # list of outputs, one a step, and the state after the last step. (`_to_time_major` checks x
        # and puts the time steps first.)
        ### BEGIN SOLUTION
        w_input, w_hidden = tf.split(self._w, [self._n_inp, self._n_out])
        hidden, cell = state.hidden, state.cell
        outputs = []
        # (x_t h) W = x_t W_input + h W_hidden, and the first summand does not wait for h: one
        # product serves all time steps.
        products = tf.tensordot(self._to_time_major(x), w_input, 1)
        projected_inputs = tf.nn.bias_add(products, self._b)
        for projected in tf.unstack(projected_inputs):
            # i = input gate, j = candidate, f = forget gate, o = output gate
            #   i, j, f, o = (x_t h_{t-1}) W + b
            #   c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(j)
            #   h_t = sigmoid(o) * tanh(c_t)
            i, j, f, o = tf.split(projected + tf.matmul(hidden, w_hidden), 4, axis=1)
            cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j)
            hidden = tf.sigmoid(o) * tf.tanh(cell)
            outputs.append(hidden)
        return outputs, MyLSTMState(hidden=hidden, cell=cell)
        ### END SOLUTION


def _initial_biases(
    n_out: int, forget_bias: float, chrono: float | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Initial biases [H] of the input gate and of the forget gate, as `MyLSTMCell` describes."""
    if chrono is None:
        return tf.zeros([n_out]), tf.fill([n_out], float(forget_bias))
    if not chrono >= 2:
        raise ValueError(f"chrono must be a lag of at least 2 time steps, got {chrono!r}")
    b_forget = tf.log(tf.random_uniform([n_out], 1.0, chrono - 1.0))
    return -b_forget, b_forget

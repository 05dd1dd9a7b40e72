"""The linear readout on top of a cell, shared among all time steps: y_t = h_t W + b."""

from __future__ import annotations

import tensorflow.compat.v1 as tf


class RNNOutputWrapper:
    """A linear layer with the variables `RNNOutputWrapper/W` [H, C] and `RNNOutputWrapper/b` [C].

    Args:
        n_rnn: H, the size of the cell's outputs.
        n_out: C, the wanted dimension.
    """

    def __init__(self, n_rnn: int, n_out: int):
        with tf.variable_scope(None, default_name="RNNOutputWrapper"):
            self._w = tf.get_variable(
                "W", [n_rnn, n_out], initializer=tf.glorot_uniform_initializer()
            )
            self._b = tf.get_variable("b", [n_out], initializer=tf.zeros_initializer())

    def __call__(self, outputs: list[tf.Tensor] | tf.Tensor) -> list[tf.Tensor] | tf.Tensor:
        """Maps a cell's outputs to the wanted dimension.

        Args:
            outputs: A list of T tensors [B, H], or one tensor [B, H].

        Returns:
            The same with C in place of H. A list is mapped by one matrix product.
        """
        if not isinstance(outputs, (list, tuple)):
            return tf.matmul(outputs, self._w) + self._b
        return tf.split(self(tf.concat(outputs, axis=0)), len(outputs))

"""The interface of every recurrent cell.

A cell owns variables and maps a state and an input sequence to outputs and a final state:

    outputs, final_state = cell(state, x)

Calling it adds the cell to TensorFlow's graph, unrolled: one copy of the equations per time step,
all of them sharing the cell's variables. To write a cell of your own, derive from `RNNCell`, name
a namedtuple as `state_type`, create the variables in `__init__` and write `__call__`; placeholders,
zero states and feed dictionaries follow from the state type alone.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf


class RNNCell(abc.ABC):
    """Abstract base class of the recurrent cells (the sheet's code framework).

    B = batch, T = time steps, I = `n_inp`, H = `n_out`; all floats are float32.

    Args:
        n_inp: I, the number of inputs at each time step.
        n_out: H, the hidden size: the number of outputs and the width of each state tensor.

    Raises:
        ValueError: If a size is not a whole number from 1.
    """

    state_type: type[NamedTuple]
    """The namedtuple of the cell's state; each field is a tensor [B, H]."""

    def __init__(self, n_inp: int, n_out: int):
        for name, size in (("n_inp", n_inp), ("n_out", n_out)):
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"{name} must be a whole number from 1, got {size!r}")
        self._n_inp = int(n_inp)
        self._n_out = int(n_out)

    @abc.abstractmethod
    def __call__(self, state: NamedTuple, x: tf.Tensor) -> tuple[list[tf.Tensor], NamedTuple]:
        """Unrolls the cell over the time steps of an input.

        Args:
            state: The state before the first step, a `state_type` of tensors [B, H].
            x: The input [B, T, I]; integers (one-hots) are cast to float32. B may be unknown when
                the graph is built, T must be known.

        Returns:
            The list of the T output tensors [B, H], in the order of time, and the state after the
            last step.

        Raises:
            ValueError: If x is not [B, T, I], or T is unknown.
        """

    def get_output_size(self) -> int:
        """H, the hidden size."""
        return self._n_out

    def get_n_inp(self) -> int:
        """I, the number of inputs at each time step."""
        return self._n_inp

    def get_input_placeholder(self, len_inp: int, name: str) -> tf.Tensor:
        """A placeholder [B, `len_inp`, I] for an input of `len_inp` time steps."""
        return tf.placeholder(tf.float32, [None, len_inp, self._n_inp], name=name)

    def get_state_placeholder(self, name: str) -> NamedTuple:
        """A `state_type` of placeholders [B, H], named `<name>_<field>`."""
        return self.state_type(
            **{
                field: tf.placeholder(tf.float32, [None, self._n_out], name=f"{name}_{field}")
                for field in self.state_type._fields
            }
        )

    def get_zero_state_for_inp(self, x: tf.Tensor) -> NamedTuple:
        """A `state_type` of zeros [B, H], where B is the batch size of the input x [B, T, I]."""
        batch_size = tf.shape(x)[0]
        return self.state_type(
            **{field: tf.zeros([batch_size, self._n_out]) for field in self.state_type._fields}
        )

    def create_state_feed_dict(
        self, pl_state: NamedTuple, np_state: NamedTuple
    ) -> dict[tf.Tensor, Any]:
        """Feeds the arrays of `np_state` to the placeholders of `pl_state`, field by field.

        Args:
            pl_state: What `get_state_placeholder` returned.
            np_state: A `state_type` of arrays [B, H], such as a fetched state.

        Returns:
            A dictionary for `feed_dict` of `tf.Session.run`.
        """
        return {
            getattr(pl_state, field): getattr(np_state, field) for field in self.state_type._fields
        }

    def _to_time_major(self, x: tf.Tensor) -> tf.Tensor:
        """The input with the time steps first, [T, B, I] float32.

        Args:
            x: The input [B, T, I].

        Raises:
            ValueError: If x is not [B, T, I], or T is unknown.
        """
        x = tf.cast(x, tf.float32)
        if x.shape.rank != 3 or not x.shape[2:].is_compatible_with([self._n_inp]):
            raise ValueError(
                f"the input must be of shape [batch, time, {self._n_inp}], got {x.shape}"
            )
        if tf.dimension_value(x.shape[1]) is None:
            raise ValueError(
                f"the number of time steps must be known to unroll the cell, got an input of shape "
                f"{x.shape}: give its placeholder a fixed second dimension"
            )
        return tf.transpose(x, [1, 0, 2])

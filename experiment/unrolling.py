"""Running a cell over sequences of any length.

A cell unrolls itself: its graph has one copy of its equations per time step. No graph runs faster,
but building it takes time and keeping it takes memory. For long sequences `run_cell` unrolls the
cell over a few steps only, and a loop in the graph (`tf.while_loop`) goes over the sequence. The
loop calls the cell as anyone would, so it serves every cell.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from rnn_cells.answers import AnswerError, find_fault, find_state_fault
from rnn_cells.RNNCell import RNNCell

LONGEST_STATIC = 500
"""The number of time steps up to which "auto" unrolls the whole sequence.

The steps of an unrolled graph are always faster, but building a longer one takes seconds: compare
both with `python -m benchmarks.length`.
"""

STEPS_PER_ITERATION = 5
"""The number of time steps over which the loop's body is unrolled."""


def run_cell(
    cell: RNNCell, state: NamedTuple, x: tf.Tensor, unroll: str = "auto"
) -> tuple[list[tf.Tensor], NamedTuple]:
    """Runs a cell over an input: what `cell(state, x)` returns, but perhaps by a loop.

    Args:
        cell: The cell.
        state: The state before the first step, a `state_type` of tensors [B, H].
        x: The input [B, T, I] of float32; T must be known.
        unroll: "static" for the cell's own graph, "dynamic" for a loop, "auto" for a loop if T is
            more than `LONGEST_STATIC`.

    Returns:
        The list of the T output tensors [B, H], and the state after the last step.

    Raises:
        ValueError: If `unroll` is another word, or T is unknown.
        AnswerError: If the cell returns something else.
    """
    len_inp = tf.dimension_value(x.shape[1])
    if unroll == "auto" and len_inp is not None:
        unroll = "static" if len_inp <= LONGEST_STATIC else "dynamic"
    if unroll not in ("auto", "static", "dynamic"):
        raise ValueError(f'unroll must be "auto", "static" or "dynamic", got {unroll!r}')
    if unroll == "static" or len_inp is None:  # the cell refuses an unknown T
        return _call(cell, state, x)

    nbr_iterations, nbr_before = divmod(len_inp, STEPS_PER_ITERATION)
    outputs_before, state = _call(cell, state, x[:, :nbr_before]) if nbr_before else ([], state)
    if not nbr_iterations:
        return outputs_before, state
    outputs, state = _loop(cell, state, x[:, nbr_before:], nbr_iterations)
    return [*outputs_before, *outputs], state


def _call(cell: RNNCell, state: NamedTuple, x: tf.Tensor) -> tuple[list[tf.Tensor], NamedTuple]:
    answer = cell(state, x)
    fault = find_fault(answer, cell.state_type)
    if not fault:
        state_fault = find_state_fault(answer[1], cell.state_type)
        fault = state_fault and f"the final state is {state_fault}"
    if fault:
        raise AnswerError(f"{type(cell).__name__}: {fault}")
    return answer


def _loop(
    cell: RNNCell, state: NamedTuple, x: tf.Tensor, nbr_iterations: int
) -> tuple[list[tf.Tensor], NamedTuple]:
    """Runs a cell over `nbr_iterations` times `STEPS_PER_ITERATION` time steps."""
    n_inp = x.shape[2]
    by_iteration = tf.reshape(x, [-1, nbr_iterations, STEPS_PER_ITERATION, n_inp])
    inputs = tf.TensorArray(tf.float32, nbr_iterations).unstack(
        tf.transpose(by_iteration, [1, 0, 2, 3])
    )

    def run_some_steps(iteration, state, all_outputs):
        steps = tf.ensure_shape(inputs.read(iteration), [x.shape[0], STEPS_PER_ITERATION, n_inp])
        outputs, state = _call(cell, state, steps)
        return iteration + 1, state, all_outputs.write(iteration, tf.stack(outputs))

    _, state, all_outputs = tf.while_loop(
        lambda iteration, *_: iteration < nbr_iterations,
        run_some_steps,
        (
            tf.constant(0),
            state,
            tf.TensorArray(
                tf.float32,
                nbr_iterations,
                element_shape=[STEPS_PER_ITERATION, x.shape[0], cell.get_output_size()],
            ),
        ),
        maximum_iterations=nbr_iterations,
    )
    len_inp = nbr_iterations * STEPS_PER_ITERATION
    outputs = tf.reshape(all_outputs.stack(), [len_inp, -1, cell.get_output_size()])
    return tf.unstack(outputs), state

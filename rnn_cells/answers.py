"""What the exercise's functions must return: told in the same words by main.py and the grader."""

from __future__ import annotations

from typing import Any

import tensorflow.compat.v1 as tf

from support.errors import ExplainedError, describe


class AnswerError(ExplainedError):
    """A function returned something else than the exercise asks for; the message says what."""


def find_fault(answer: Any, state_type: type) -> str | None:
    """What is wrong with the form of a cell's answer, in a sentence.

    Args:
        answer: What a cell returned.
        state_type: The cell's; whether the state is one says `find_state_fault`.
    """
    if not isinstance(answer, tuple) or len(answer) != 2:
        return (
            "__call__ must return two things, the list of outputs and the state after the last"
            f" step; it returned {describe(answer)}"
        )
    outputs, _ = answer
    if isinstance(outputs, state_type):
        return "__call__ returned the state first: return the list of outputs, then the state"
    if not isinstance(outputs, (list, tuple)):
        return (
            "the outputs must be a list of tensors [batch, n_out], one a time step; they are"
            f" {describe(outputs)}"
        )
    if not all(tf.is_tensor(tensor) for tensor in outputs):
        return "the list of outputs must hold tensors and nothing else"
    return None


def find_state_fault(state: Any, state_type: type) -> str | None:
    """What is wrong with the state that a cell returned, in words: "the final state is …"."""
    if not isinstance(state, state_type):
        return f"{describe(state)} instead of a {state_type.__name__}"
    for field, tensor in state._asdict().items():
        if not tf.is_tensor(tensor):
            return f"a state whose field {field} is {describe(tensor)}, not a tensor"
    return None


def check_loss(loss: Any) -> None:
    """Makes sure that parts (e) and (g) return a tensor that can be one number.

    Raises:
        AnswerError: If not.
    """
    if not tf.is_tensor(loss):
        raise AnswerError(f"the loss must be a tensor; it is {describe(loss)}")
    if loss.shape.rank:
        raise AnswerError(
            f"the loss should be one number, a scalar; it is of shape {loss.shape.as_list()}"
        )


def check_train_op(train_op: Any) -> tf.Operation | tf.Tensor:
    """The operation that part (f) returns; a list of operations becomes one.

    Raises:
        AnswerError: If it is something else.
    """
    if isinstance(train_op, (list, tuple)) and train_op and all(map(_can_be_run, train_op)):
        return tf.group(*train_op)  # a session runs lists, too
    if not _can_be_run(train_op):
        raise AnswerError(
            "get_train_op must return the training operation, such as apply_gradients gives; it"
            f" returned {describe(train_op)}"
        )
    return train_op


def _can_be_run(value: Any) -> bool:
    return isinstance(value, tf.Operation) or tf.is_tensor(value)


def read_memory_result(result: Any) -> tuple[float, float]:
    """Loss and accuracy, from what part (h) returns.

    Raises:
        AnswerError: If they are not there.
    """
    fields = getattr(result, "_fields", ())
    if "loss" in fields and "accuracy" in fields:
        result = (result.loss, result.accuracy)
    try:
        loss, accuracy = map(float, result)
    except (TypeError, ValueError):
        raise AnswerError(
            "run_memory_test must return MemoryTestResult(loss, accuracy), two numbers; it returned"
            f" {describe(result)}"
        ) from None
    return loss, accuracy

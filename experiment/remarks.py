"""What a person should know of a training: what it really trains with, and what is not solved yet.

A graph is data. So it tells whether the operation of the optimizer that was asked for is in it, and
whether the gradients are clipped, whoever wrote `train.get_train_op`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow.compat.v1 as tf

from experiment.settings import Settings
from train import GRADIENT_NORM

APPLIED_BY = {
    "gradient_descent": ("GradientDescent",),
    "momentum": ("Momentum", "KerasMomentum"),
    "rmsprop": ("RMSProp", "CenteredRMSProp"),
    "adam": ("Adam",),
}
"""The end of the names of an optimizer's operations, `ApplyAdam` and `ResourceApplyAdam`."""
HOPELESS = 1.2
"""A network has learned nothing whose error is so many times that of predicting 0, or whose
accuracy is less than so many times that of a guess."""
TIES = 1e-4
"""By how much two counts may differ: where two logits are equal, either counts."""
ACTIVATIONS = {"tanh": "TanhGrad", "relu": "ReluGrad"}
"""Activations of the basic cell, by the operations of their gradients."""
CLIPPING = "clip_by_global_norm"
"""In the names of the operations of `tf.clip_by_global_norm`."""
NORM = "global_norm/global_norm"
"""The operation of `tf.global_norm`, by the end of its name."""


def find_remarks(settings: Settings, graph: tf.Graph) -> list[str]:
    """What differs from what was asked for, a sentence each.

    If gradients are clipped and their norm is not recorded, it is from now on.

    Args:
        settings: What was asked for.
        graph: The graph of the whole experiment.
    """
    remarks = []
    if settings.batch_size > settings.train_size:
        remarks.append(
            f"a batch of {settings.batch_size} is more than the training set of"
            f" {settings.train_size}: each epoch is a single step"
        )
    types = {
        op.type.removeprefix("Resource").removeprefix("Apply") for op in graph.get_operations()
    }
    if types.isdisjoint(APPLIED_BY[settings.optimizer]):
        others = [name for name, ends in APPLIED_BY.items() if not types.isdisjoint(ends)]
        found = _name(others[0]) if others else "an operation of its own"
        remarks.append(
            f"get_train_op trains with {found}, not with {_name(settings.optimizer)} as it was"
            " asked to: the network may learn little. Use its argument `optimizer`, or give it more"
            " --epochs and a larger --learning-rate"
        )
    applied = [name for name, gradient in ACTIVATIONS.items() if gradient in types]
    if settings.cell == "basic" and applied and settings.activation not in applied:
        remarks.append(
            f"the basic cell applies {applied[0]}, though its argument `activation` is"
            f" {settings.activation}: titles and defaults are not made for that; leave it to the"
            f" argument, and run with --activation {applied[0]}"
        )
    clipped = find_clip_norms(graph)
    if clipped and not any(math.isclose(c, settings.clip_norm, rel_tol=1e-5) for c in clipped):
        remarks.append(
            f"get_train_op clips the gradients at norm {clipped[0]:g}, not at"
            f" {settings.clip_norm:g} as it was asked to: use its argument `clip_norm`"
        )
    if not graph.get_collection(GRADIENT_NORM):
        norms = [op for op in graph.get_operations() if op.name.endswith(NORM)]
        if norms:
            graph.add_to_collection(GRADIENT_NORM, norms[-1].outputs[0])
        else:
            remarks.append(
                "get_train_op does not clip the gradients by their global norm: the training may"
                " diverge"
            )
    return remarks


def find_clip_norms(graph: tf.Graph) -> list[float]:
    """The numbers that `tf.clip_by_global_norm` was given, as far as they are constants."""
    constants = [
        tf.make_ndarray(op.get_attr("value"))
        for op in graph.get_operations()
        if op.type == "Const" and CLIPPING in op.name
    ]
    numbers = [float(constant) for constant in constants if constant.size == 1]
    return [number for number in numbers if number not in (0.0, 1.0) and math.isfinite(number)]


def _name(optimizer: str) -> str:
    plain = {"gradient_descent": "plain gradient descent", "adam": "Adam", "rmsprop": "RMSProp"}
    return plain.get(optimizer, optimizer)


def check_solved(functions: Iterable[Callable | None]) -> None:
    """Makes sure that functions that are needed only after the training are written.

    Raises:
        NotImplementedError: If one still has the handout's gap.
    """
    for code in (getattr(function, "__code__", None) for function in functions):
        if code is not None and "NotImplementedError" in code.co_names:
            gaps = (text for text in code.co_consts if str(text).startswith("part ("))
            raise NotImplementedError(next(gaps, f"{code.co_name} is not written yet"))


def judge_result(result: Mapping[str, Any], settings: Settings) -> list[str]:
    """Says so if a network has learned nothing, or `test.run_memory_test` counts otherwise."""
    if settings.task == "sin":
        if result["continuation_mse"] > HOPELESS * 0.5:
            return ["this network has learned nothing: always predicting 0 would be better"]
        return []
    remarks, accuracy = [], result["recall_accuracy"]
    if accuracy < HOPELESS / settings.num_digits:
        remarks.append("this network has learned to recall nothing: it is no better than a guess")
    counted = result.get("recall_by_position", [accuracy])
    if abs(sum(counted) / len(counted) - accuracy) > TIES:
        remarks.append(
            f"run_memory_test says that {accuracy:.2%} were recalled; counted position by position"
            f" it is {sum(counted) / len(counted):.2%} of the same digits: look at part (h)"
        )
    return remarks

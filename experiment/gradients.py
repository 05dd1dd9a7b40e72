"""Gradients of recurrent networks, with less work than `tf.gradients` alone makes of them.

A matrix W that is multiplied at every time step, z_t = a_t W, has the gradient

    dL/dW = sum over t of a_t^T dL/dz_t  =  [a_1; a_2; …]^T [dL/dz_1; dL/dz_2; …].

This is one large product instead of T small ones and their sum. And for dL/da_t = dL/dz_t W^T the
matrix is transposed once, not T times. This holds for any cell that multiplies by the same tensor.

This file relies on TensorFlow's inside only for the two gradients that it registers,
`LeanProduct` and `GivenGradients`. They replace those of MatMul and of IdentityN where
`gradient_override_map` says so.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import tensorflow.compat.v1 as tf


def lean_products() -> AbstractContextManager:
    """Within this, products are added to the default graph that `get_gradients` knows of."""
    return tf.get_default_graph().gradient_override_map({"MatMul": "LeanProduct"})


def get_gradients(loss: tf.Tensor, variables: list[tf.Variable]) -> list[tf.Tensor | None]:
    """What `tf.gradients` returns; a parameter's gradient is one product over all time steps.

    A parameter depends on variables and constants alone, as a block of a variable's rows does. Its
    products must have been made within `lean_products`.
    """
    products = _Products(loss.graph)
    token = _products.set(products)
    try:
        direct = tf.gradients(loss, variables)
    finally:
        _products.reset(token)
    parameters = [w.deref() for w in products.factors]
    of_parameters = [
        tf.matmul(*map(_join_rows, zip(*factors, strict=True)), transpose_a=True)
        for factors in products.factors.values()
    ]
    through = tf.gradients(parameters, variables, of_parameters)
    return [
        tf.add_n(parts) if (parts := [part for part in pair if part is not None]) else None
        for pair in zip(direct, through, strict=True)
    ]


def with_gradients(
    loss: tf.Tensor, variables: list[tf.Variable], gradients: list[tf.Tensor | None]
) -> tf.Tensor:
    """The loss as a tensor for which `tf.gradients` takes the given gradients."""
    graph = loss.graph
    with graph.gradient_override_map({"IdentityN": "GivenGradients"}):
        loss, *_ = tf.identity_n([loss, *(variable.read_value() for variable in variables)])
    graph.add_to_collection(_GIVEN, (loss, gradients))
    return loss


_GIVEN = "given_gradients"
"""The graph collection of the losses of `with_gradients`, each with its gradients."""


@tf.RegisterGradient("GivenGradients")
def _get_given_gradients(
    operation: tf.Operation, gradient: tf.Tensor, *_: tf.Tensor
) -> list[tf.Tensor | None]:
    (gradients,) = (
        gradients
        for loss, gradients in operation.graph.get_collection(_GIVEN)
        if loss.op is operation
    )
    return [None, *(None if known is None else gradient * known for known in gradients)]


class _Products:
    """Collects the products z = a W of parameters W while gradients are computed."""

    def __init__(self, graph: tf.Graph):
        self.graph = graph
        self.factors: dict[Any, list[tuple[tf.Tensor, tf.Tensor]]] = defaultdict(list)
        """Pairs (a, dL/dz) of each W, the last step's first."""
        self._transposed: dict[Any, tf.Tensor] = {}
        self._is_parameter: dict[tf.Operation, bool] = {}

    def transpose(self, w: tf.Tensor) -> tf.Tensor:
        if w.ref() not in self._transposed:
            self._transposed[w.ref()] = tf.transpose(w)
        return self._transposed[w.ref()]

    def is_parameter(self, tensor: tf.Tensor) -> bool:
        operation = tensor.op
        if operation not in self._is_parameter:
            # A product is no parameter: its right factor is looked at on its own.
            self._is_parameter[operation] = operation.type != "MatMul" and (
                all(map(self.is_parameter, operation.inputs))
                if len(operation.inputs)
                else operation.type in ("Const", "VarHandleOp")
            )
        return self._is_parameter[operation]


_products: ContextVar[_Products | None] = ContextVar("products", default=None)
"""Where `get_gradients` collects products; None elsewhere."""


@tf.RegisterGradient("LeanProduct")
def _get_product_gradients(operation: tf.Operation, gradient: tf.Tensor) -> list[tf.Tensor | None]:
    """The gradients of a product's factors; `_Products` collects those of parameters."""
    a, b = operation.inputs
    flipped = [operation.get_attr("transpose_a"), operation.get_attr("transpose_b")]
    products = _products.get()
    is_plain = products and products.graph is operation.graph and not any(flipped)
    if is_plain and products.is_parameter(b):
        products.factors[b.ref()].append((a, gradient))
        return [tf.matmul(gradient, products.transpose(b)), None]
    left, right = (tf.transpose(t) if flip else t for t, flip in zip((a, b), flipped, strict=True))
    gradients = (
        tf.matmul(gradient, right, transpose_b=True),
        tf.matmul(left, gradient, transpose_a=True),
    )
    return [tf.transpose(g) if flip else g for g, flip in zip(gradients, flipped, strict=True)]


def _join_rows(matrices: list[tf.Tensor]) -> tf.Tensor:
    """The matrices one below the other."""
    if len(matrices) == 1:
        return matrices[0]
    shape = matrices[0].shape
    if shape.is_fully_defined() and all(matrix.shape == shape for matrix in matrices):
        # A stack can be shared with the one that the gradient of tf.unstack makes.
        return tf.reshape(tf.stack(matrices[::-1]), [-1, shape[1]])
    return tf.concat(matrices[::-1], 0)

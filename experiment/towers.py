"""The same network on every core: towers over the batch.

A recurrent network is a long chain of small operations: step t waits for step t - 1, and one step
is too small to be shared among cores. But the sequences of a batch do not depend on one
another. So the batch is split into as many parts as there are cores, and each part goes through a
copy of the network, a *tower*. All towers share the variables; loss and gradients are those of the
whole batch.

A tower also computes its gradients with less work than `tf.gradients` does. A matrix W that is
multiplied at every time step, z_t = a_t W, has the gradient

    dL/dW = sum over t of a_t^T dL/dz_t  =  [a_1; a_2; …]^T [dL/dz_1; dL/dz_2; …].

This is one large product instead of T small ones and their sum. And for dL/da_t = dL/dz_t W^T the
matrix is transposed once, not T times. This holds for any cell that multiplies by the same tensor.

This file relies on TensorFlow's inside only for the two gradients that it registers,
`ProductInTower` and `LossOfTowers`. They replace those of MatMul and of IdentityN where
`gradient_override_map` says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf


class Tower(NamedTuple):
    """A network on a batch, or on a part of one."""

    outputs: list[tf.Tensor]
    """T tensors [B, C]."""
    loss: tf.Tensor
    """A scalar, the mean over the sequences."""


def build_towers(
    build: Callable[[tf.Tensor, tf.Tensor], Tower],
    x: tf.Tensor,
    labels: tf.Tensor,
    nbr_towers: int,
) -> Tower:
    """Builds a network as several towers, each on a part of the batch.

    Args:
        build: Adds the network for an input [B, T, …] and labels [B, …] to the graph. It is called
            once for parts of the same size, and shares its variables among all calls.
        x: The input of the whole batch [B, T, …]; B may be unknown when the graph is built.
        labels: The labels of the whole batch [B, …].
        nbr_towers: The number of towers. If there are fewer sequences, some towers are idle.

    Returns:
        Outputs and loss of the whole batch: those of `build(x, labels)`, except for rounding. The
        loss has gradients like any other: `tf.gradients` works as usual.

    Raises:
        ValueError: If `nbr_towers` is not a whole number from 1, or a second call of `build`
            creates more variables.
    """
    if not isinstance(nbr_towers, int) or nbr_towers < 1:
        raise ValueError(f"nbr_towers must be a whole number from 1, got {nbr_towers!r}")
    towers, templates = [], {}
    for part in _split(x, labels, nbr_towers):
        size = tf.dimension_value(part.x.shape[0])
        if size in templates:
            towers.append(_copy(templates[size], part))
        else:
            templates[size] = _build(build, part)
            towers.append(templates[size].built)
    variables = tf.trainable_variables()
    if len(variables) > len(towers[0].gradients):
        raise ValueError(
            "the network creates new variables each time it is called, so that its towers share"
            " none: create them once, in __init__"
        )

    # All steps at once: three operations where there would be two a step.
    outputs = tf.concat([tf.stack(tower.outputs) for tower in towers], axis=1)
    if not x.shape[:1].is_fully_defined():
        outputs = outputs[:, : tf.shape(x)[0]]  # idle towers repeat a sequence
    gradients = [
        None if parts[0] is None else tf.add_n(parts)
        for parts in zip(*(t.gradients for t in towers), strict=True)
    ]
    loss = _with_gradients(tf.add_n([t.loss for t in towers]), variables, gradients)
    return Tower(tf.unstack(outputs), loss)


# --- the parts of a batch -----------------------------------------------------------------------


class _Part(NamedTuple):
    x: tf.Tensor
    labels: tf.Tensor
    share: tf.Tensor
    """The part's share of the batch's sequences, a scalar."""


def _split(x: tf.Tensor, labels: tf.Tensor, nbr_towers: int) -> Iterator[_Part]:
    """Parts of equal size. The last ones may be smaller, or empty.

    If the batch size is unknown, an empty part gets one sequence, which counts for nothing: the
    mean over no sequences would not be a number.
    """
    batch_size = tf.dimension_value(x.shape[0])
    if batch_size is not None:
        size = -(-batch_size // nbr_towers)
        for start in range(0, batch_size, size):
            end = min(start + size, batch_size)
            yield _Part(x[start:end], labels[start:end], tf.constant((end - start) / batch_size))
        return
    batch_size = tf.shape(x)[0]
    size = -(-batch_size // nbr_towers)
    for index in range(nbr_towers):
        start = tf.minimum(index * size, batch_size)
        end = tf.minimum(start + size, batch_size)
        share = tf.cast((end - start) / batch_size, tf.float32)
        start = tf.minimum(start, batch_size - 1)
        end = tf.maximum(end, start + 1)
        yield _Part(x[start:end], labels[start:end], share)


# --- a tower, and copies of it ------------------------------------------------------------------


class _Built(NamedTuple):
    outputs: list[tf.Tensor]
    loss: tf.Tensor
    """The part's share of the whole batch's loss."""
    gradients: list[tf.Tensor | None]
    """The gradients of that share, one for each variable."""


class _Template(NamedTuple):
    part: _Part
    built: _Built
    nodes: tf.GraphDef


def _build(build: Callable, part: _Part) -> _Template:
    graph = tf.get_default_graph()
    operations_before = len(graph.get_operations())
    with tf.name_scope("tower"):
        with graph.gradient_override_map({"MatMul": "ProductInTower"}):
            outputs, loss = build(part.x, part.labels)
        loss *= part.share
        built = _Built(outputs, loss, _get_gradients(loss, tf.trainable_variables()))
    names = {operation.name for operation in graph.get_operations()[operations_before:]}
    nodes = graph.as_graph_def()
    kept = [node for node in nodes.node if node.name in names]
    del nodes.node[:]
    nodes.node.extend(kept)
    return _Template(part, built, nodes)


def _copy(template: _Template, part: _Part) -> _Built:
    """A tower like another one, on another part of the batch.

    Copying a graph is many times faster than building it again.
    """
    graph = tf.get_default_graph()
    names = {node.name for node in template.nodes.node}
    inputs = {name for node in template.nodes.node for name in node.input}
    input_map = {
        name: graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
        for name in inputs
        if name.lstrip("^").partition(":")[0] not in names
    }
    for old, new in zip(template.part, part, strict=True):
        if old.op.name in input_map:  # a network may not use the labels
            input_map[old.op.name] = new
    outputs, loss, gradients = template.built
    known = [gradient for gradient in gradients if gradient is not None]
    copies = iter(
        tf.import_graph_def(
            template.nodes,
            input_map,
            [tensor.name for tensor in (*outputs, loss, *known)],
            name="tower",
        )
    )
    return _Built(
        [next(copies) for _ in outputs],
        next(copies),
        [None if gradient is None else next(copies) for gradient in gradients],
    )


# --- gradients ----------------------------------------------------------------------------------


class _Products:
    """Collects the products z = a W of parameters W while a loss's gradients are computed.

    A parameter depends on variables and constants alone, as a block of a variable's rows does.
    """

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
"""Where `_get_gradients` collects products; None elsewhere."""


def _get_gradients(loss: tf.Tensor, variables: list[tf.Variable]) -> list[tf.Tensor | None]:
    """The gradients of a tower; a parameter's is one product over all time steps."""
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


@tf.RegisterGradient("ProductInTower")
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
    shape = matrices[0].shape
    if shape.is_fully_defined() and all(matrix.shape == shape for matrix in matrices):
        # A stack can be shared with the one that the gradient of tf.unstack makes.
        return tf.reshape(tf.stack(matrices[::-1]), [-1, shape[1]])
    return tf.concat(matrices[::-1], 0)


_GRADIENTS = "gradients_of_towers"
"""The graph collection of the losses of `_with_gradients`, each with its gradients."""


def _with_gradients(
    loss: tf.Tensor, variables: list[tf.Variable], gradients: list[tf.Tensor | None]
) -> tf.Tensor:
    """The loss as a tensor for which `tf.gradients` takes the given gradients."""
    graph = loss.graph
    with graph.gradient_override_map({"IdentityN": "LossOfTowers"}):
        loss, *_ = tf.identity_n([loss, *(variable.read_value() for variable in variables)])
    graph.add_to_collection(_GRADIENTS, (loss, gradients))
    return loss


@tf.RegisterGradient("LossOfTowers")
def _get_known_gradients(
    operation: tf.Operation, gradient: tf.Tensor, *_: tf.Tensor
) -> list[tf.Tensor | None]:
    (gradients,) = (
        gradients
        for loss, gradients in operation.graph.get_collection(_GRADIENTS)
        if loss.op is operation
    )
    return [None, *(None if known is None else gradient * known for known in gradients)]

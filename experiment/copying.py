"""Copies of a part of a graph: adding one is several times faster than building the part again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

import tensorflow.compat.v1 as tf

INPUT = "input_of_template_"
"""How the nodes of a template name its inputs, with a number."""


class Template:
    """The operations that some tensors need, of those that were added to a graph last.

    Copies share constants and variables, and what depends on nothing else.

    Args:
        start: The number of operations that the graph had before.
        inputs: What differs from copy to copy: tensors that `tf.identity` has made since.
        wanted: The tensors that need the operations.
    """

    def __init__(self, start: int, inputs: Sequence[tf.Tensor], wanted: Iterable[tf.Tensor]):
        graph = inputs[0].graph
        added = graph.get_operations()[start:]
        numbers = {tensor.op.name: number for number, tensor in enumerate(inputs)}
        needed = _find_needed({*added}, [*inputs, *wanted])
        is_shared = _Shared(numbers.keys())
        nodes = [
            operation.node_def
            for operation in added
            if operation in needed and not is_shared(operation)
        ]
        for node in nodes:
            node.attr.pop("_class", None)  # beside which others it must be: there is one device
            if node.name in numbers:
                node.input[0] = f"{INPUT}{numbers[node.name]}"
        self._nodes = tf.GraphDef(node=nodes, versions=graph.graph_def_versions)
        self._names = {node.name for node in nodes}
        self._taken_in = {
            name: _find_input(graph, name)
            for node in nodes
            for name in node.input
            if name.lstrip("^").partition(":")[0] not in self._names and not name.startswith(INPUT)
        }
        """Tensors from elsewhere, by the nodes' names for them."""

    def copy(self, name: str, inputs: Sequence[tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
        """Adds a copy to the graph.

        Args:
            name: The name scope of the copy.
            inputs: What the copy has in place of what the template's inputs repeat.

        Returns:
            What finds the copy of a tensor; a shared one is its own.
        """
        given = {f"{INPUT}{number}": tensor for number, tensor in enumerate(inputs)}
        with tf.name_scope(name) as scope:
            tf.import_graph_def(self._nodes, {**self._taken_in, **given}, name=scope)

        def find(tensor: tf.Tensor) -> tf.Tensor:
            if tensor.op.name not in self._names:
                return tensor
            return tensor.graph.get_tensor_by_name(scope + tensor.name)

        return find


def has_circle(start: int) -> bool:
    """Whether a loop of TensorFlow 1.x was added to the default graph, after `start` operations.

    Such a loop is more than its operations, so a copy does not run. Later versions make loops of
    functions; `tf.disable_v2_behavior` brings the old ones back.
    """
    added = tf.get_default_graph().get_operations()[start:]
    return any(operation.type == "NextIteration" for operation in added)


def _find_needed(added: Set[tf.Operation], wanted: Iterable[tf.Tensor]) -> Set[tf.Operation]:
    """Those of the operations that some tensors need."""
    needed = set()
    left = [tensor.op for tensor in wanted]
    while left:
        operation = left.pop()
        if operation in added and operation not in needed:
            needed.add(operation)
            left += [tensor.op for tensor in operation.inputs]
            left += operation.control_inputs
    return needed


def _find_input(graph: tf.Graph, name: str) -> tf.Tensor:
    """What a node takes in by a name; "^" and an operation's name mean that it waits for it."""
    if name.startswith("^"):
        with tf.control_dependencies([graph.get_operation_by_name(name[1:])]):
            return tf.constant(0)
    return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")


class _Shared:
    """Whether all copies share an operation."""

    def __init__(self, varying: Set[str]):
        self._varying = varying
        self._known: dict[tf.Operation, bool] = {}

    def __call__(self, operation: tf.Operation) -> bool:
        if operation not in self._known:
            self._known[operation] = self._find(operation)
        return self._known[operation]

    def _find(self, operation: tf.Operation) -> bool:
        if operation.name in self._varying or operation.control_inputs:
            return False
        if not len(operation.inputs):
            return operation.type in ("Const", "VarHandleOp")
        if operation.op_def.is_stateful and operation.type != "ReadVariableOp":
            return False
        return all(self(tensor.op) for tensor in operation.inputs)

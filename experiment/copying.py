"""Copies of a part of a graph: adding one is several times faster than building the part again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import tensorflow.compat.v1 as tf

CONTROL_FLOW = frozenset(("Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"))
"""Of what TensorFlow 1.x made loops and conditions; later versions give functions to operations."""


class Template:
    """The operations that some tensors need, of those that were added last.

    Copies share constants and variables, and what depends on nothing else.

    Args:
        start: The number of operations that the graph had before.
        inputs: What differs from copy to copy: tensors that `tf.identity` has made.
        wanted: The tensors that need the operations.
        varying: The names of earlier operations that differ from copy to copy, too.
    """

    def __init__(
        self,
        start: int,
        inputs: Sequence[tf.Tensor],
        wanted: Iterable[tf.Tensor],
        varying: Collection[str] = (),
    ):
        graph = inputs[0].graph
        self.inputs = {tensor.op.name: number for number, tensor in enumerate(inputs)}
        """The names of the inputs' operations, and their places."""
        is_shared = _Shared(self.inputs.keys() | varying)
        needed = _find_needed({*graph.get_operations()[start:]}, wanted)
        self._operations = [
            operation
            for operation in graph.get_operations()[start:]
            if operation in needed
            and operation.name not in self.inputs
            and not is_shared(operation)
        ]
        nodes = [operation.node_def for operation in self._operations]
        self._nodes = tf.GraphDef(node=nodes, versions=graph.graph_def_versions)
        self.names = frozenset(node.name for node in nodes)
        """The names of the operations."""
        self.taken_in = {
            name: _find_input(graph, name)
            for node in nodes
            for name in node.input
            if name.lstrip("^").partition(":")[0] not in self.names
        }
        """What they take in from elsewhere, by the names that they have for it."""

    def is_faithful(self) -> bool:
        """Whether a copy does what building it again would do.

        What reads or changes a state does not, like random numbers. Nor does a loop or a condition:
        to find their gradients, TensorFlow changes them, or looks outside the graph.
        """
        return not any(
            operation.op_def.is_stateful
            or operation.type in CONTROL_FLOW
            or any("func" in attribute.type for attribute in operation.op_def.attr)
            for operation in self._operations
        )

    def copy(
        self,
        name: str,
        inputs: Sequence[tf.Tensor],
        taken_in: Mapping[str, tf.Tensor] | None = None,
    ) -> Copy:
        """Adds a copy to the graph.

        Args:
            name: The name scope of the copy.
            inputs: What the copy has in place of the template's inputs.
            taken_in: What it has in place of some of `taken_in`.
        """
        input_map = {**self.taken_in, **(taken_in or {})}
        for operation in self.inputs.keys() & input_map.keys():
            input_map[operation] = inputs[self.inputs[operation]]
        with tf.name_scope(name) as scope:
            tf.import_graph_def(self._nodes, input_map, name=scope)
        return Copy(self, inputs, scope)


class Copy(NamedTuple):
    """A copy of a template. The template's own operations are one, too, in the scope ""."""

    template: Template
    inputs: Sequence[tf.Tensor]
    scope: str
    """What stands before the names of the template's operations."""

    def find(self, tensor: tf.Tensor) -> tf.Tensor:
        """What a tensor of the template is in this copy."""
        name = tensor.op.name
        if name in self.template.inputs:
            return self.inputs[self.template.inputs[name]]
        if name in self.template.names:
            return tensor.graph.get_tensor_by_name(self.scope + tensor.name)
        return tensor


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

    def __init__(self, varying: Collection[str]):
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
        if operation.type in CONTROL_FLOW:  # in a circle
            return False
        return all(self(tensor.op) for tensor in operation.inputs)

"""JUDGE's eye: reads a graph that BUILD left, sets its weights, feeds it, fetches from it.

JUDGE keeps only what a graph's outputs and its variables' initial values depend on. It refuses the
graph if an operation is not on the list of plain ones: none of them reads or writes files, runs
Python, loops, or is a finished recurrent network. Runs are bounded in time and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from grading.engine.bounds import RUN_LIMIT, Clock, bounded_memory, call_within
from grading.engine.losing import lose
from grading.engine.operations import check_names, check_operations
from grading.engine.text import printable
from support.imports import importing_tensorflow
from support.terminal import quiet_stderr, trim_message

with quiet_stderr(), importing_tensorflow():
    import tensorflow.compat.v1 as tf

MAX_PARAMETERS = 1_000_000
"""Numbers in a variable."""
MAX_VALUES = 1 << 22
"""Numbers in an output."""

MOST_NAMED = 6
"""How many variables a message names."""


class Variable(NamedTuple):
    """A trainable variable of a graph."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def join_shapes(variables: Sequence[Variable]) -> str:
    """Variables by name and shape, for a message."""
    named = [f"{printable(v.name, 60)} {list(v.shape)}" for v in variables[:MOST_NAMED]]
    if len(variables) > MOST_NAMED:
        named.append(f"and {len(variables) - MOST_NAMED} more")
    return ", ".join(named) or "none"


class Gradients(NamedTuple):
    """Gradients of outputs; None stands where there is no path from one to the other."""

    by_weights: list[np.ndarray | None]
    """In the order of `LoadedGraph.variables`."""
    by_inputs: dict[str, np.ndarray | None]
    """By the names of what was fed."""


class LoadedGraph:
    """A probe's graph in a session.

    Args:
        serialised: A `MetaGraphDef` with a signature "probe".
        clock: Of the part.

    A graph that cannot be read or must not be run fails the test.
    """

    def __init__(self, serialised: bytes, clock: Clock):
        meta = tf.MetaGraphDef()
        try:
            meta.ParseFromString(serialised)
        except Exception:
            lose("what was built is not a graph")
        signature = meta.signature_def["probe"]
        self._inputs = {name: info.name for name, info in signature.inputs.items()}
        self._outputs = {name: info.name for name, info in signature.outputs.items()}
        trainable = {d.variable_name for d in _read_variables(meta, "trainable_variables")}
        definitions = _read_variables(meta, "variables", "trainable_variables", "local_variables")
        named = [name for d in definitions for name in (d.variable_name, d.initializer_name)]
        for tensors in (self._inputs, self._outputs):
            named += [*tensors.keys(), *tensors.values()]
        check_names(*named)
        ends = [*self._inputs.values(), *self._outputs.values()]
        run = _prune(meta.graph_def, [*ends, *(d.variable_name for d in definitions)])
        kept = _prune(
            meta.graph_def, [*_get_names(run), *(d.initializer_name for d in definitions)]
        )
        self.nbr_operations = len(kept.node)
        check_operations(kept, run=_get_names(run))
        graph = tf.Graph()
        with graph.as_default():
            try:
                tf.import_graph_def(kept, name="")
                self._variables = [
                    _VariableInGraph(graph, d, d.variable_name in trainable) for d in definitions
                ]
            except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
                lose(f"the graph cannot be loaded: {trim_message(error)}")
        self._session = tf.Session(graph=graph, config=_session_config())
        self._graph = graph
        self._gradients: dict[tuple, list] = {}
        self._clock = clock
        self.variables = [Variable(v.name, v.shape) for v in self._variables if v.trainable]
        self.untrainable = [Variable(v.name, v.shape) for v in self._variables if not v.trainable]
        self.initialise()

    def has_output(self, name: str) -> bool:
        return name in self._outputs

    @property
    def nbr_outputs(self) -> int:
        """The length of the list of outputs."""
        return sum(name.startswith("outputs/") for name in self._outputs)

    @property
    def nbr_parameters(self) -> int:
        """The number of trainable numbers."""
        return sum(variable.size for variable in self.variables)

    def initialise(self) -> None:
        """Gives all variables their initial values."""
        try:
            self._run([variable.initializer for variable in self._variables])
        except pytest.fail.Exception:  # one starts from another's value
            for variable in self._variables:
                self._run([variable.initializer])

    def get_weights(self) -> list[np.ndarray]:
        """The values of the trainable variables."""
        return self._run([v.value for v in self._variables if v.trainable])

    def get_untrainable(self) -> list[np.ndarray]:
        """The values of the other variables."""
        return self._run([v.value for v in self._variables if not v.trainable])

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Sets the trainable variables, in the order of `variables`."""
        trainable = [v for v in self._variables if v.trainable]
        if [v.shape for v in trainable] != [np.shape(weight) for weight in weights]:
            lose(
                "the variables are not the same in each graph of the cell: create them in __init__"
            )
        feeds = {v.new_value: w for v, w in zip(trainable, weights, strict=True)}
        self._run([v.assign for v in trainable], feeds)

    def set_parameters(self, parameters: np.ndarray) -> None:
        """Sets all trainable numbers from one vector, in the order of `variables`."""
        ends = np.cumsum([variable.size for variable in self.variables], dtype=int)
        pieces = np.split(np.asarray(parameters, np.float32), ends)[: len(ends)]
        self.set_weights(
            [piece.reshape(v.shape) for piece, v in zip(pieces, self.variables, strict=True)]
        )

    def fetch(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The values of outputs, for inputs by the names of the signature."""
        tensors = [self._element(self._outputs.get(name)) for name in names]
        for name, tensor in zip(names, tensors, strict=True):
            dtype = getattr(tensor, "dtype", tf.float32)  # an operation has none
            if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
                lose(f"{name} holds no numbers: it is of type {dtype.name}")
        values = self._run(tensors, self._feeds(inputs))
        if any(np.size(value) > MAX_VALUES for value in values):
            del values  # a failure's traceback would keep them
            lose(f"an output has more than {MAX_VALUES:,} numbers")
        return values

    def fetch_gradients(
        self, of: Mapping[str, np.ndarray | None] | Sequence[str], inputs: Mapping[str, np.ndarray]
    ) -> Gradients:
        """Gradients of a weighted sum of outputs.

        Args:
            of: The outputs' weights, by name and each in the shape of its output; None stands for
                zeros. From a sequence of names, all weights are 1. For the same names the gradients
                are built only once.
            inputs: What is fed, by name.
        """
        key = tuple(of), isinstance(of, Mapping), tuple(inputs)
        if key not in self._gradients:
            self._gradients[key] = self._build_gradients(*key)
        tensors, weights = self._gradients[key]
        feeds = self._feeds(inputs)
        feeds |= {weights[name]: of[name] for name in weights if of[name] is not None}
        values = iter(self._run([t for t in tensors if t is not None], feeds))
        gradients = [None if tensor is None else np.asarray(next(values)) for tensor in tensors]
        number = len(self.variables)
        return Gradients(gradients[:number], dict(zip(inputs, gradients[number:], strict=True)))

    def _build_gradients(
        self, of: Sequence[str], weighted: bool, by: Sequence[str]
    ) -> tuple[list[tf.Tensor | None], dict[str, tf.Tensor]]:
        """The gradients' tensors, and placeholders for the outputs' weights."""
        with self._graph.as_default():
            targets = [self._element(self._outputs.get(name)) for name in of]
            weights = {
                name: tf.placeholder_with_default(tf.zeros_like(target), None)
                for name, target in zip(of, targets, strict=True)
                if weighted
            }
            sources = [v.gradient_source for v in self._variables if v.trainable]
            sources += [self._element(self._inputs.get(name)) for name in by]
            try:
                with self._clock.running():
                    gradients = tf.gradients(targets, sources, list(weights.values()) or None)
                # That of a variable from which parts are gathered lists these parts.
                return [None if g is None else tf.convert_to_tensor(g) for g in gradients], weights
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                lose(f"the graph has no gradient: {trim_message(error)}")

    def _element(self, name: str) -> tf.Tensor | tf.Operation:
        try:
            return self._graph.as_graph_element(name)
        except (ValueError, KeyError, TypeError):
            lose("what was built has unreadable inputs or outputs")

    def _feeds(self, inputs: Mapping[str, np.ndarray]) -> dict[tf.Tensor, np.ndarray]:
        return {self._element(self._inputs.get(name)): value for name, value in inputs.items()}

    def _run(self, fetches: list, feeds: dict | None = None) -> list:
        if not fetches:
            return []
        try:
            with self._clock.running(), bounded_memory():
                return call_within(
                    RUN_LIMIT, lambda: self._session.run(fetches, feeds), self._session.close
                )
        except (TimeoutError, tf.errors.ResourceExhaustedError, MemoryError):
            self._clock.stop()
        except (tf.errors.OpError, ValueError, TypeError, RuntimeError) as error:
            lose(explain_run_error(error))

    def close(self) -> None:
        """Drops the graph and all that its variables hold; it is not used again."""
        self._session.close()
        self._session = self._graph = self._variables = None
        self._gradients.clear()


class _VariableInGraph:
    """A variable with the means to read and set it; of either of TensorFlow's two kinds."""

    def __init__(self, graph: tf.Graph, definition, trainable: bool):
        self.name = definition.variable_name.partition(":")[0]
        self.trainable = trainable
        op = graph.get_operation_by_name(self.name)
        if op.type not in ("VarHandleOp", "VariableV2", "Variable"):
            lose(f"{printable(self.name, 60)} is not a variable")
        shape = tf.TensorShape(op.get_attr("shape"))
        if shape.is_fully_defined() and not shape.num_elements():
            lose(f"the variable {printable(self.name, 60)} of shape {shape} holds no numbers")
        if not shape.is_fully_defined() or shape.num_elements() > MAX_PARAMETERS:
            lose(f"the variable {self.name} is of shape {shape}: too large, or not known")
        self.shape = tuple(shape.as_list())
        self.initializer = graph.get_operation_by_name(definition.initializer_name)
        handle, dtype = op.outputs[0], op.get_attr("dtype")
        if trainable and dtype != tf.float32:
            lose(f"the variable {self.name} is of type {dtype.name}: weights are float32")
        self.new_value = tf.placeholder(dtype, self.shape)
        self.gradient_source = handle
        if op.type == "VarHandleOp":
            self.value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
            self.assign = tf.raw_ops.AssignVariableOp(resource=handle, value=self.new_value)
        else:
            self.value = tf.identity(handle)
            self.assign = tf.raw_ops.Assign(ref=handle, value=self.new_value)


SHAPES = (
    "two shapes do not fit: x is [batch, time, inputs], y is [batch, time], and outputs are T"
    " tensors [batch, n]"
)
"""What is said of two tensors that cannot be added or joined."""
RUN_ERRORS = {
    "Received a label value": (
        "there are labels beyond the number of outputs: every symbol of the task needs a logit"
    ),
    "Condition x == y did not hold": (
        "an assertion of TensorFlow fails, because two shapes do not fit: compare the shapes of"
        " outputs [batch, …] and truth [batch, time], and the axis at which they are stacked"
    ),
    "logits and labels must": "the shapes of logits and labels do not fit",
    "Incompatible shapes": SHAPES,
    "in both shapes must be equal": SHAPES,
    "slice index": "a time step is taken that is not there: step t of x is x[:, t]",
    "Attempting to use uninitialized value": "a variable is used before it is initialised",
    "Could not find variable": "a variable is used that is in no collection of TensorFlow's",
}
"""What TensorFlow's messages mean, by what they have in them."""


def explain_run_error(error: BaseException) -> str:
    """One sentence on why a graph could not be run."""
    message = trim_message(error)
    meant = next((meant for text, meant in RUN_ERRORS.items() if text in str(error)), None)
    return f"the graph cannot be run: {meant or message}" + (f" ({message})" if meant else "")


def _read_variables(meta, *collections: str) -> list:
    """The variables of collections, each once."""
    from tensorflow.core.framework.variable_pb2 import VariableDef

    definitions = {}
    for collection in collections:
        for serialised in meta.collection_def[collection].bytes_list.value:
            definition = VariableDef()
            try:
                definition.ParseFromString(serialised)
            except Exception:
                lose("what was built has unreadable variables")
            definitions.setdefault(definition.variable_name, definition)
    return list(definitions.values())


def _get_names(graph_def) -> set[str]:
    return {node.name for node in graph_def.node}


def _prune(graph_def, names: Iterable[str]):
    """The part of a graph that the named operations and tensors depend on."""
    nodes = {node.name: node for node in graph_def.node}
    stack = [name.partition(":")[0] for name in names]
    needed: set[str] = set()
    while stack:
        name = stack.pop()
        if name in needed:
            continue
        if name not in nodes:
            lose(f"the graph has no operation {name[:80]!r}")
        needed.add(name)
        stack += [i.lstrip("^").partition(":")[0] for i in nodes[name].input]
    pruned = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    pruned.node.extend(node for node in graph_def.node if node.name in needed)
    return pruned


def _session_config() -> tf.ConfigProto:
    """Small graphs, run once or twice: no optimisation pays."""
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return config

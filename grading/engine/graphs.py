"""JUDGE's eye: reads a graph that BUILD left, sets its weights, feeds it, fetches from it.

JUDGE keeps only what a graph's outputs and its variables' initial values depend on. It refuses the
graph if an operation is not on the list of plain ones: none of them reads or writes files, runs
Python, loops, or is a finished recurrent network. Runs are bounded in time and memory.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pytest

from grading.engine.text import LONGEST_REASON, printable
from support.imports import without_keras
from support.terminal import trim_message

with without_keras():
    import tensorflow.compat.v1 as tf

RUN_LIMIT = 5
"""Processor seconds for one run of a graph."""
PART_LIMIT = 10
"""Processor seconds for loading and running all graphs of a part."""
WAITING = 3
"""How many seconds a run may take for each processor second that it may."""
ENDING_LIMIT = 5
"""Seconds for a run to end when it has been cancelled."""
MEMORY_LIMIT = 4 << 30
"""Bytes that a run may take beyond what the process has."""
SPARE = 1 << 30
"""Bytes that a part may leave behind."""
MAX_OPERATIONS = 20_000
"""Of a graph, its functions' included."""
MAX_PARAMETERS = 1_000_000
"""Numbers in a variable."""
MAX_VALUES = 1 << 22
"""Numbers in an output."""
MAX_NAME = 1000
"""Characters of a name."""

LIBRARY_CELLS = ("BlockLSTM", "LSTMBlock", "GRUBlock", "BlockGRU", "Cudnn", "_MklQuantized")
"""How the operations of finished cells begin."""
LOOPS = ("While", "StatelessWhile", "Enter", "NextIteration", "Exit", "LoopCond", "Scan")
"""How the operations of loops begin."""
CALLS = ("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf")
"""The operations that call functions."""

ALLOWED_OPERATIONS = frozenset(
    operation
    for line in (Path(__file__).parent / "allowed_operations.txt").read_text().splitlines()
    if not line.startswith("#")
    for operation in line.split()
)
"""The operations that are run."""


class Variable(NamedTuple):
    """A trainable variable of a graph."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def join_shapes(variables: Iterable[Variable]) -> str:
    """Variables by name and shape, for a message."""
    return ", ".join(f"{v.name} {list(v.shape)}" for v in variables) or "none"


def lose(reason: str) -> NoReturn:
    """Fails the test with one sentence for the student."""
    pytest.fail(printable(reason, LONGEST_REASON), pytrace=False)


TOO_LONG = (
    f"running the graph takes more than {RUN_LIMIT} seconds, {PART_LIMIT} with the part's others,"
    f" or {MEMORY_LIMIT >> 30} GiB"
)
"""The reason of a part whose graphs were stopped."""


class Clock:
    """Counts the processor time of a part's graphs: a busy machine costs nobody points."""

    def __init__(self):
        self.seconds = 0.0

    @property
    def has_stopped(self) -> bool:
        return self.seconds == math.inf

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts the time of the block; fails the test when the part has had its time."""
        if self.seconds > PART_LIMIT:
            self.stop()
        started = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - started

    def stop(self) -> NoReturn:
        """Fails the test; the graphs are not run again."""
        self.seconds = math.inf
        lose(TOO_LONG)


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
        definitions = _read_variables(meta, "variables")
        named = [name for d in definitions for name in (d.variable_name, d.initializer_name)]
        for tensors in (self._inputs, self._outputs):
            named += [*tensors.keys(), *tensors.values()]
        _check_names(*named)
        trainable = {d.variable_name for d in _read_variables(meta, "trainable_variables")}
        kept = _prune(
            meta.graph_def,
            [*self._inputs.values(), *self._outputs.values()]
            + [name for d in definitions for name in (d.variable_name, d.initializer_name)],
        )
        self.nbr_operations = len(kept.node)
        _check_operations(kept)
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

    def initialise(self) -> list[np.ndarray]:
        """Gives all variables their initial values; returns those of the trainable ones."""
        for variable in self._variables:
            self._run(variable.initializer)
        return self.get_weights()

    def get_weights(self) -> list[np.ndarray]:
        """The values of the trainable variables."""
        return self._run([v.value for v in self._variables if v.trainable])

    def get_untrainable(self) -> list[np.ndarray]:
        """The values of the other variables."""
        return self._run([v.value for v in self._variables if not v.trainable])

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Sets the trainable variables, in the order of `variables`."""
        trainable = [v for v in self._variables if v.trainable]
        feeds = {v.new_value: w for v, w in zip(trainable, weights, strict=True)}
        self._run([v.assign for v in trainable], feeds)

    def set_parameters(self, parameters: np.ndarray) -> None:
        """Sets all trainable numbers from one vector, in the order of `variables`."""
        ends = np.cumsum([variable.size for variable in self.variables])[:-1]
        pieces = np.split(np.asarray(parameters, np.float32), ends)
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
        self, of: Sequence[str], by: Sequence[str] | None, inputs: Mapping[str, np.ndarray]
    ) -> list[np.ndarray | None]:
        """Gradients of a sum of outputs by inputs, or by the trainable variables.

        None stands where there is no path from one to the other.
        """
        key = (tuple(of), by if by is None else tuple(by))
        if key not in self._gradients:
            with self._graph.as_default():
                targets = [self._element(self._outputs.get(name)) for name in of]
                sources = (
                    [v.gradient_source for v in self._variables if v.trainable]
                    if by is None
                    else [self._element(self._inputs.get(name)) for name in by]
                )
                try:
                    with self._clock.running():
                        self._gradients[key] = tf.gradients(targets, sources)
                except (LookupError, ValueError, TypeError) as error:
                    lose(f"the graph has no gradient: {trim_message(error)}")
        tensors = self._gradients[key]
        values = iter(self._run([t for t in tensors if t is not None], self._feeds(inputs)))
        return [None if tensor is None else np.asarray(next(values)) for tensor in tensors]

    def _element(self, name: str) -> tf.Tensor | tf.Operation:
        try:
            return self._graph.as_graph_element(name)
        except (ValueError, KeyError, TypeError):
            lose("what was built has unreadable inputs or outputs")

    def _feeds(self, inputs: Mapping[str, np.ndarray]) -> dict[tf.Tensor, np.ndarray]:
        return {self._element(self._inputs.get(name)): value for name, value in inputs.items()}

    def _run(self, fetches, feeds=None):
        try:
            with self._clock.running(), _bounded_memory():
                return _call_within(
                    RUN_LIMIT, lambda: self._session.run(fetches, feeds), self._session.close
                )
        except (TimeoutError, tf.errors.ResourceExhaustedError, MemoryError):
            self._clock.stop()
        except (tf.errors.OpError, ValueError, TypeError) as error:
            lose(f"the graph cannot be run: {trim_message(error)}")

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
        shape = tf.TensorShape(op.get_attr("shape"))
        if not shape.is_fully_defined() or shape.num_elements() > MAX_PARAMETERS:
            lose(f"the variable {self.name} is of shape {shape}: too large, or not known")
        self.shape = tuple(shape.as_list())
        self.initializer = graph.get_operation_by_name(definition.initializer_name)
        handle, dtype = op.outputs[0], op.get_attr("dtype")
        if trainable and not dtype.is_floating:
            lose(f"the variable {self.name} is of type {dtype.name}: weights are float32")
        self.new_value = tf.placeholder(dtype, self.shape)
        self.gradient_source = handle
        if op.type == "VarHandleOp":
            self.value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
            self.assign = tf.raw_ops.AssignVariableOp(resource=handle, value=self.new_value)
        elif op.type in ("VariableV2", "Variable"):
            self.value = tf.identity(handle)
            self.assign = tf.raw_ops.Assign(ref=handle, value=self.new_value)
        else:
            lose(f"{self.name} is not a variable")


def _read_variables(meta, collection: str) -> list:
    from tensorflow.core.framework.variable_pb2 import VariableDef

    definitions = {}
    for serialised in meta.collection_def[collection].bytes_list.value:
        definition = VariableDef()
        try:
            definition.ParseFromString(serialised)
        except Exception:
            lose("what was built has unreadable variables")
        definitions[definition.variable_name] = definition
    return list(definitions.values())


def _check_names(*names: str) -> None:
    """Long names would make long messages, and these take memory."""
    if any(len(name) > MAX_NAME for name in names):
        lose(f"a name in the graph has more than {MAX_NAME:,} characters")


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


def _check_operations(graph_def) -> None:
    signatures = [function.signature.name for function in graph_def.library.function]
    functions = [node for function in graph_def.library.function for node in function.node_def]
    if not ALLOWED_OPERATIONS.isdisjoint(signatures):
        lose("the graph has a function that is called like an operation of TensorFlow: rename it")
    if any(node.op in CALLS for node in functions):  # they could call themselves, or multiply
        lose("the graph has functions that call functions: do without tf.function and tf.cond")
    nodes = [*graph_def.node, *functions]
    if len(nodes) > MAX_OPERATIONS:
        lose(f"the graph has {len(nodes):,} operations; {MAX_OPERATIONS:,} are the most")
    _check_names(*signatures)
    for node in nodes:
        _check_names(node.name, node.op, *node.input)
        if node.op.startswith(LIBRARY_CELLS):
            lose(
                f"this is a finished cell of a library (operation {node.op}): write the equations"
                " yourself, with matmul, sigmoid and tanh"
            )
        if node.op.startswith(LOOPS):
            lose(
                f"the graph loops (operation {node.op}): go over the time steps with a Python for"
                " loop"
            )
        prints_elsewhere = node.op == "PrintV2" and (
            node.attr["output_stream"].s not in (b"stdout", b"stderr")
        )
        if node.op not in ALLOWED_OPERATIONS or prints_elsewhere:
            lose(f"the graph has an operation that is not run here, {node.op[:40]}: do without it")


def _call_within(seconds: float, function: Callable[[], Any], cancel: Callable[[], object]) -> Any:
    """Calls a function, and cancels it when it has had its processor time.

    What does not end even then, such as one huge operation, is left to itself (see `Footprint`).
    """
    outcome: list = []

    def call() -> None:
        try:
            outcome.extend((True, function()))
        except BaseException as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=call, daemon=True)
    until, latest = time.process_time() + seconds, time.monotonic() + WAITING * seconds
    thread.start()
    while thread.is_alive() and time.process_time() < until and time.monotonic() < latest:
        thread.join(0.05)
    if not outcome:
        cancel()
        thread.join(ENDING_LIMIT)
        raise TimeoutError
    succeeded, result = outcome
    if not succeeded:
        raise result
    return result


def _session_config() -> tf.ConfigProto:
    """Small graphs, run once or twice: no optimisation pays."""
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return config


class Footprint(NamedTuple):
    """What this process takes."""

    addresses: int
    """Bytes."""
    resident: int
    """Bytes."""
    threads: int
    """Those that Python started."""

    def has_room_as(self, before: Footprint) -> bool:
        """Whether a part finds as much room as it would have found before."""
        return (
            self.threads <= before.threads
            and self.addresses < before.addresses + SPARE
            and self.resident < before.resident + SPARE
        )


def measure_footprint() -> Footprint:
    """What this process takes now; nothing where the system does not tell."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            pages = [int(field) for field in file.read().split()[:2]]
    except (ImportError, OSError):
        return Footprint(0, 0, threading.active_count())
    addresses, resident = (number * resource.getpagesize() for number in pages)
    return Footprint(addresses, resident, threading.active_count())


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Lets allocations fail that would take the machine's memory, where the system can."""
    used = measure_footprint().addresses
    if not used:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = (
        used + MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(used + MEMORY_LIMIT, hard)
    )
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

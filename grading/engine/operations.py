"""Which operations a graph may have: plain ones, which compute and do nothing else.

None of them reads or writes files, runs Python, loops, or is a finished recurrent network.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from grading.engine.losing import lose

MAX_OPERATIONS = 20_000
"""Of a graph, its functions' included."""
MAX_NAME = 1000
"""Characters of a name."""

LIBRARY_CELLS = ("BlockLSTM", "LSTMBlock", "GRUBlock", "BlockGRU", "Cudnn", "_MklQuantized")
"""How the operations of finished cells begin."""
LOOPS = ("While", "StatelessWhile", "Enter", "NextIteration", "Exit", "LoopCond", "Scan")
"""How the operations of loops begin."""
CALLS = ("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf")
"""The operations that call functions."""


def _read_operations(text: str) -> frozenset[str]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(operation for line in lines for operation in line.split())


_LISTED, _, _LISTED_FOR_INITIAL_VALUES = (
    (Path(__file__).parent / "allowed_operations.txt").read_text().partition("[initial values]")
)
ALLOWED_OPERATIONS = _read_operations(_LISTED)
"""The operations that are run."""
ALLOWED_FOR_INITIAL_VALUES = ALLOWED_OPERATIONS | _read_operations(_LISTED_FOR_INITIAL_VALUES)
"""The operations that are run where nothing but initial values depends on them."""


def check_names(*names: str) -> None:
    """Long names would make long messages, and these take memory."""
    if any(len(name) > MAX_NAME for name in names):
        lose(f"a name in the graph has more than {MAX_NAME:,} characters")


def check_operations(graph_def, run: Collection[str]) -> None:
    """Refuses a graph.

    Args:
        graph_def: The graph.
        run: The names of the operations on which more than initial values depends.
    """
    signatures = [function.signature.name for function in graph_def.library.function]
    functions = [node for function in graph_def.library.function for node in function.node_def]
    if not ALLOWED_FOR_INITIAL_VALUES.isdisjoint(signatures):
        lose("the graph has a function that is called like an operation of TensorFlow: rename it")
    if any(node.op in CALLS for node in functions):  # they could call themselves, or multiply
        lose("the graph has functions that call functions: do without tf.function and tf.cond")
    nbr_operations = len(graph_def.node) + len(functions)
    if nbr_operations > MAX_OPERATIONS:
        lose(f"the graph has {nbr_operations:,} operations; {MAX_OPERATIONS:,} are the most")
    check_names(*signatures)
    for node in functions:
        _check_operation(node, ALLOWED_OPERATIONS)
    for node in graph_def.node:
        _check_operation(
            node, ALLOWED_OPERATIONS if node.name in run else ALLOWED_FOR_INITIAL_VALUES
        )


def _check_operation(node, allowed: Collection[str]) -> None:
    check_names(node.name, node.op, *node.input)
    prints_elsewhere = node.op == "PrintV2" and (
        node.attr["output_stream"].s not in (b"stdout", b"stderr")
    )
    if node.op in allowed and not prints_elsewhere:
        return
    if node.op.startswith(LIBRARY_CELLS):
        lose(
            f"this is a finished cell of a library (operation {node.op[:40]}): write the equations"
            " yourself, with matmul, sigmoid and tanh"
        )
    if node.op.startswith(LOOPS):
        lose(
            f"the graph loops (operation {node.op[:40]}): go over the time steps with a Python for"
            " loop"
        )
    lose(f"the graph has an operation that is not run here, {node.op[:40]}: do without it")

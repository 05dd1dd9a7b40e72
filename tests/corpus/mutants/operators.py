"""The ways to change a line of code: what its writer might get wrong, or write otherwise.

Each operator takes a node of the syntax tree and yields new texts for pieces of the source. All
else stays as it was written: a mutant is the original with a piece of a line changed.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator

from tests.corpus.mutants.source import Piece, Source
from tests.corpus.mutants.vocabulary import (
    FAMILIES,
    LINES,
    NEUTRAL_WRAPPERS,
    NO_TENSORS,
    PLAIN_NEUTRAL_WRAPPERS,
    PLAIN_WRAPPERS,
    REWRITTEN_CALLS,
    REWRITTEN_SUMS,
    TOKENS,
    WRAPPERS,
)

Operator = Callable[[Source, ast.AST], Iterator[Piece]]


def propose(source: Source) -> Iterator[Piece]:
    """Everything that an operator makes at a place; some of it is no Python."""
    for node in source.nodes:
        for operator in OPERATORS:
            yield from operator(source, node)


# --- operators ----------------------------------------------------------------------------------


def change_operator(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Another arithmetic operator or comparison; a sign dropped."""
    if isinstance(node, ast.BinOp):
        yield from _swap_token(source, node.left, node.op, node.right)
    elif isinstance(node, ast.Compare):
        yield from _swap_token(source, node.left, node.ops[0], node.comparators[0])
    elif isinstance(node, ast.AugAssign) and type(node.op) in TOKENS:
        token, others = TOKENS[type(node.op)]
        place = source.text.index(token + "=", source.end(node.target))
        for other in (*others, ""):
            yield Piece("operator", place, place + len(token), other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield source.replace("operator", node, source.get(node.operand))


def _swap_token(source: Source, left: ast.AST, op: ast.AST, right: ast.AST) -> Iterator[Piece]:
    if type(op) not in TOKENS:
        return
    token, others = TOKENS[type(op)]
    place = source.text.index(token, source.end(left), source.begin(right))
    for other in others:
        yield Piece("operator", place, place + len(token), other)


def change_operand(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Another variable of the function, of the same kind."""
    if not isinstance(node, (ast.Name, ast.Attribute)) or not isinstance(node.ctx, ast.Load):
        return
    kinds = source.get_kinds(node)
    name = source.get(node)
    if name in kinds:
        for other, kind in kinds.items():
            if other not in (name, "_") and kind == kinds[name]:
                yield source.replace("operand", node, other)


def change_constant(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Another number, truth value or text."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int):
        others = [value + 1, value - 1, 2 * value]
    elif isinstance(value, float):
        others = [0.0, 0.5 * value, 1.1 * value, -value, 10 * value, value + 1]
    elif isinstance(value, str) and isinstance(source.parents[node], ast.Expr):
        others = []  # a docstring
    elif isinstance(value, str):
        swaps = [k for k in range(len(value) - 1) if value[k : k + 2].isalpha()][:4]
        others = [value[:k] + value[k + 1] + value[k] + value[k + 2 :] for k in swaps]
    else:
        others = []
    operator = "axis" if _is_axis(source, node) else "constant"
    for other in others:
        if other != value:
            yield source.replace(operator, node, repr(other))


def _is_axis(source: Source, node: ast.AST) -> bool:
    parent = source.parents[node]
    if isinstance(parent, ast.UnaryOp):
        parent = source.parents[parent]
    return isinstance(parent, ast.keyword) and parent.arg in ("axis", "axes", "perm")


def change_axis(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Another axis, or none."""
    if isinstance(node, ast.keyword) and node.arg in ("axis", "axes"):
        for axis in ("0", "1", "2", "-1", "None"):
            yield source.replace("axis", node.value, axis)


def change_slice(source: Source, node: ast.AST) -> Iterator[Piece]:
    """A slice's end moved or left out; an index moved."""
    if isinstance(node, ast.Slice):
        for end in filter(None, (node.lower, node.upper)):
            text = source.get(end)
            yield source.replace("slice", end, "")
            for other in (f"{text} + 1", f"{text} - 1", text.lstrip("-")):
                yield source.replace("slice", end, other)
        if node.lower is None and node.upper is None:
            for other in ("1:", ":-1", "::-1"):
                yield source.replace("slice", node, other)
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for index in indices:
            if isinstance(index, ast.Name):
                for other in ("0", "-1", f"{index.id} - 1", f"-1 - {index.id}"):
                    yield source.replace("slice", index, other)
        yield source.replace("slice", node, source.get(node.value))


def change_order(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Two elements swapped; a sequence backwards."""
    if isinstance(node, (ast.Tuple, ast.List)):
        yield from _swap(source, node.elts)
    elif isinstance(node, ast.Call):
        yield from _swap(source, node.args)
        by_name = [k.value for k in node.keywords if k.arg]
        yield from _swap(source, by_name)
    elif isinstance(node, ast.BinOp):
        yield from _swap(source, [node.left, node.right])
    elif isinstance(node, (ast.For, ast.comprehension)):
        text = source.get(node.iter)
        yield source.replace("order", node.iter, f"reversed(list({text}))")
        yield source.replace("order", node.iter, f"list({text})[1:]")
        yield source.replace("order", node.iter, f"list({text})[:-1]")


def _swap(source: Source, nodes: list[ast.AST]) -> Iterator[Piece]:
    for number, first in enumerate(nodes):
        for second in nodes[number + 1 :]:
            begin, end = source.begin(first), source.end(second)
            between = source.text[source.end(first) : source.begin(second)]
            text = source.get(second) + between + source.get(first)
            yield Piece("order", begin, end, text)


def change_argument(source: Source, node: ast.AST) -> Iterator[Piece]:
    """An argument dropped or added; another function of the same family."""
    if isinstance(node, ast.Call):
        arguments = [*node.args, *(keyword for keyword in node.keywords if keyword.arg)]
        for before, argument in zip(arguments, arguments[1:], strict=False):
            yield Piece("argument", source.end(before), source.end(argument), "")
        if node.keywords and not node.args:
            end = source.begin(arguments[1]) if arguments[1:] else source.end(arguments[0])
            yield Piece("argument", source.begin(arguments[0]), end, "")
        called = source.get(node.func).rpartition(".")[2]
        if called in ("get_variable", "Variable"):
            place = source.end(node) - 1
            yield Piece("argument", place, place, ", trainable=False")
        if called == "matmul":
            place = source.end(node) - 1
            for more in ("transpose_a", "transpose_b"):
                yield Piece("argument", place, place, f", {more}=True")
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        for family in FAMILIES:
            if node.attr in family:
                for other in family:
                    if other != node.attr:
                        begin = source.end(node) - len(node.attr)
                        yield Piece("function", begin, source.end(node), other)


def drop(source: Source, node: ast.AST) -> Iterator[Piece]:
    """A statement, a term, a factor or a function left out."""
    if isinstance(node, ast.stmt):
        yield source.replace("drop", node, "pass")
    elif isinstance(node, ast.BinOp):
        for side in (node.left, node.right):
            yield source.replace("drop", node, source.get(side))
    elif isinstance(node, ast.Call):
        for argument in node.args[:2]:
            if not isinstance(argument, ast.Starred):
                yield source.replace("drop", node, source.get(argument))
    elif isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) > 1:
        for first, second in zip(node.elts, node.elts[1:], strict=False):
            yield Piece("drop", source.begin(first), source.begin(second), "")
        yield Piece("drop", source.end(node.elts[-2]), source.end(node.elts[-1]), "")


def insert(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Something put around a value."""
    if not isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.Attribute, ast.Subscript)):
        return
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    parent = source.parents[node]
    if isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is node):
        return
    text = source.get(node)
    is_variable = isinstance(node, (ast.Name, ast.Attribute))
    if is_variable and source.get_kinds(node).get(text) != "tensor":
        return
    calls_other = isinstance(node, ast.Call) and source.get(node.func).endswith(NO_TENSORS)
    if source.is_plain(node) or calls_other:
        return
    wrappers = {"insert": WRAPPERS, "wrap": NEUTRAL_WRAPPERS}
    if "np." in text or (source.is_numpy(node) and "tf." not in text):
        wrappers = {"insert": PLAIN_WRAPPERS, "wrap": PLAIN_NEUTRAL_WRAPPERS}
    for operator, some in wrappers.items():
        for wrapper in some:
            yield source.replace(operator, node, wrapper.format(text))


def insert_line(source: Source, node: ast.AST) -> Iterator[Piece]:
    """A line more."""
    if isinstance(node, ast.stmt):
        begin = source.begin(node)
        indent = begin - source.text.rindex("\n", 0, begin) - 1
        for line in LINES:
            yield Piece("insert line", begin, begin, f"{line}\n{' ' * indent}")


def rewrite(source: Source, node: ast.AST) -> Iterator[Piece]:
    """The same in other words."""
    if isinstance(node, ast.Call) and not node.keywords:
        called = source.get(node.func).rpartition(".")[2]
        arguments = [source.get(argument) for argument in node.args]
        for text in REWRITTEN_CALLS.get(called, ()):
            with contextlib.suppress(IndexError):  # it is called with fewer arguments
                yield source.replace("rewrite", node, text.format(*arguments))
    elif isinstance(node, ast.BinOp) and not source.is_plain(node):
        sides = source.get(node.left), source.get(node.right)
        for text in REWRITTEN_SUMS.get(type(node.op), ()):
            yield source.replace("rewrite", node, f"({text.format(*sides)})")


def swap_lines(source: Source, node: ast.AST) -> Iterator[Piece]:
    """Two statements that follow one another, swapped; one taken into the loop or out of it."""
    if not isinstance(node, ast.stmt):
        return
    parent = source.parents[node]
    for block in (getattr(parent, "body", []), getattr(parent, "orelse", [])):
        if not isinstance(block, list) or node not in block:
            continue
        follower = block[block.index(node) + 1 :][:1]
        if follower and follower[0] in source.nodes:
            begin, end = source.begin(node), source.end(follower[0])
            between = source.text[source.end(node) : source.begin(follower[0])]
            text = source.get(follower[0]) + between + source.get(node)
            yield Piece("swap lines", begin, end, text)
        if not follower and isinstance(parent, (ast.For, ast.While)):
            begin = source.begin(node)
            indent = begin - source.text.rindex("\n", 0, begin) - 1
            outer = " " * (indent - 4)
            yield Piece("swap lines", begin - indent, begin, outer)


OPERATORS: tuple[Operator, ...] = (
    change_operator,
    change_operand,
    change_constant,
    change_axis,
    change_slice,
    change_order,
    change_argument,
    drop,
    insert,
    insert_line,
    rewrite,
    swap_lines,
)
"""All of them."""

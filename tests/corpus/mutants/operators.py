"""The ways to change a line of code: what its writer might get wrong, or write otherwise.

Each operator takes a syntax tree's node and yields new texts for pieces of the source. All else
stays as it was written, so that a mutant is the original with a piece of a line changed.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

TOKENS: dict[type[ast.AST], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("+", "/")),
    ast.Div: ("/", ("*",)),
    ast.Pow: ("**", ("*",)),
    ast.Eq: ("==", ("!=", ">=")),
    ast.NotEq: ("!=", ("==",)),
    ast.Gt: (">", ("<", ">=")),
    ast.Lt: ("<", (">", "<=")),
    ast.GtE: (">=", ("<", ">")),
    ast.LtE: ("<=", (">", "<")),
}
"""What an operator is written as, and what may stand in its place."""

FAMILIES = (
    ("sigmoid", "tanh", "relu", "softplus", "softsign", "identity"),
    ("reduce_mean", "reduce_sum", "reduce_max"),
    ("concat", "stack"),
    ("square", "abs", "sqrt"),
    ("argmax", "argmin"),
    ("mean", "sum", "max"),
    ("minimum", "maximum"),
    ("zeros", "ones"),
    (
        "glorot_uniform_initializer",
        "orthogonal_initializer",
        "zeros_initializer",
        "ones_initializer",
        "random_normal_initializer",
    ),
    ("random_normal", "random_uniform", "truncated_normal", "zeros"),
    ("GradientDescentOptimizer", "AdamOptimizer", "AdagradOptimizer"),
    ("clip_by_global_norm", "clip_by_norm"),
    ("trainable_variables", "global_variables"),
    ("log_softmax", "softmax"),
    ("assign_sub", "assign_add", "assign"),
)
"""Functions that are easily taken for one another."""

CLIPS = (1.0, 3.0, 10.0)
"""Where a value may be clipped."""
WRAPPERS = (
    "tf.stop_gradient({})",
    *(f"tf.clip_by_value({{}}, -{clip}, {clip})" for clip in CLIPS),
    "tf.cast(tf.cast({}, tf.float16), tf.float32)",
    "tf.cast({}, tf.float64)",
    "tf.cast(tf.cast({}, tf.int32), tf.float32)",
    "tf.nn.dropout({}, rate=0.1)",
    "tf.reverse({}, [0])",
    "2.0 * ({})",
    "-({})",
)
"""What may be put around a tensor."""
NEUTRAL_WRAPPERS = (
    "tf.identity({})",
    "1.0 * ({})",
    "({}) + 0.0",
    "tf.cast({}, tf.float32)",
    "tf.stack([{}])[0]",
    "tf.debugging.check_numerics({}, 'a check')",
    "tf.transpose(tf.transpose({}))",
    "tf.minimum({0}, {0})",
)
"""What may be put around a tensor and changes nothing."""
PLAIN_WRAPPERS = ("np.round({})", "int({})", "np.sort({})", "2 * ({})", "-({})")
"""What may be put around a value of plain Python."""


class Piece(NamedTuple):
    """A new text for a piece of the source."""

    operator: str
    begin: int
    """The piece's first character."""
    end: int
    """The character after it."""
    text: str


class Source:
    """A file of Python with its syntax tree, of which some lines may be changed."""

    def __init__(self, text: str, lines: Collection[range]):
        self.text = text
        self.tree = ast.parse(text)
        self._lines = lines
        wanted = {number for some in lines for number in some}
        self._kinds: dict[ast.FunctionDef, dict[str, str]] = {}
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self.nodes = [
            node
            for node in ast.walk(self.tree)
            if hasattr(node, "lineno") and {node.lineno, node.end_lineno} <= wanted
        ]
        """Those within the lines that may be changed."""

    def begin(self, node: ast.AST) -> int:
        return self._place(node.lineno, node.col_offset)

    def end(self, node: ast.AST) -> int:
        return self._place(node.end_lineno, node.end_col_offset)

    def get(self, node: ast.AST) -> str:
        """What a node is written as."""
        return self.text[self.begin(node) : self.end(node)]

    def get_function(self, node: ast.AST) -> ast.FunctionDef:
        """The function around a node."""
        while not isinstance(node, ast.FunctionDef):
            node = self.parents[node]
        return node

    def replace(self, operator: str, node: ast.AST, text: str) -> Piece:
        return Piece(operator, self.begin(node), self.end(node), text)

    def apply(self, piece: Piece) -> str:
        """The file with a piece changed."""
        return self.text[: piece.begin] + piece.text + self.text[piece.end :]

    def get_meaning(self, piece: Piece | None = None) -> str:
        """The lines that may be changed, as Python sees them, with a piece changed.

        Raises:
            SyntaxError: If they are no Python.
        """
        meanings = []
        for lines in self._lines:
            begin, end = self._starts[lines.start - 1], self._starts[lines.stop - 1]
            text = self.text[begin:end]
            if piece and begin <= piece.begin < end:
                text = self.text[begin : piece.begin] + piece.text + self.text[piece.end : end]
            body = textwrap.indent(textwrap.dedent(text), " ")
            # To be parsed is not enough: a keyword may stand twice, or a break outside of a loop.
            tree = ast.parse(f"def part():\n{body}")
            compile(tree, "part", "exec")
            meanings.append(ast.dump(tree))
        return "\n".join(meanings)

    def get_kinds(self, node: ast.AST) -> dict[str, str]:
        """The variables and attributes of the function around a node, by their kind."""
        function = self.get_function(node)
        if function not in self._kinds:
            self._kinds[function] = _find_kinds(self, function)
        return self._kinds[function]

    def _place(self, line: int, column: int) -> int:
        start, end = self._starts[line - 1], self._starts[line]
        return start + len(self.text[start:end].encode()[:column].decode())


Operator = Callable[[Source, ast.AST], Iterator[Piece]]


def propose(source: Source) -> Iterator[Piece]:
    """Everything that one operator makes at one place; some of it may not be Python."""
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
            if other != name and kind == kinds[name]:
                yield source.replace("operand", node, other)


def _find_kinds(source: Source, function: ast.FunctionDef) -> dict[str, str]:
    """The function's variables and its object's attributes, by their kind."""
    kinds = {}
    for argument in (*function.args.args, *function.args.kwonlyargs):
        annotation = "" if argument.annotation is None else ast.unparse(argument.annotation)
        if argument.arg != "self" and "Session" not in annotation and "State" not in annotation:
            kinds[argument.arg] = _find_kind(annotation)
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target, value in _pair(node.targets[0], node.value):
                if isinstance(target, (ast.Name, ast.Attribute)):
                    kind = "list" if isinstance(value, ast.List) else "tensor"
                    kinds.setdefault(source.get(target), kind)
        elif isinstance(node, (ast.For, ast.comprehension)):
            counts = "range(" in source.get(node.iter)
            for target, _ in _pair(node.target, node.target):
                kinds.setdefault(source.get(target), "int" if counts else "tensor")
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("self._n_"):
            kinds.setdefault(source.get(node), "int")
        elif isinstance(node, ast.Attribute) and re.match(r"(self|state)\.\w+$", ast.unparse(node)):
            parent = source.parents[node]
            if not (isinstance(parent, ast.Call) and parent.func is node):
                kinds.setdefault(source.get(node), "tensor")
    return kinds


def _find_kind(annotation: str) -> str:
    for kind in ("list", "Operation", "str", "float", "int"):
        if kind in annotation:
            return kind
    return "tensor"


def _pair(target: ast.AST, value: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(target, ast.Tuple):
        values = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
        for one, other in zip(target.elts, values, strict=False):
            yield from _pair(one, other)
    else:
        yield target, value


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
        for argument in (*node.args[1:], *(k for k in node.keywords if k.arg)):
            begin, end = source.begin(argument), source.end(argument)
            comma = (
                source.text.rindex(",", 0, begin) if node.args or len(node.keywords) > 1 else begin
            )
            if comma > source.end(node.func):
                begin = comma
            yield Piece("argument", begin, end, "")
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
    if isinstance(node, (ast.Name, ast.Attribute)):
        kinds = source.get_kinds(node)
        if kinds.get(text) != "tensor":
            return
    if "np." in text:
        for wrapper in PLAIN_WRAPPERS:
            yield source.replace("insert", node, wrapper.format(text))
        return
    for operator, wrappers in (("insert", WRAPPERS), ("rewrite", NEUTRAL_WRAPPERS)):
        for wrapper in wrappers:
            yield source.replace(operator, node, wrapper.format(text))


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
    swap_lines,
)
"""All of them."""

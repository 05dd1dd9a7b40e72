"""What a student's code computes, as a bag of features that survives a disguise.

A function is followed as Python would run it, with symbols in place of values. Each operation
becomes a feature: its name, with the operations that its operands come from. So these do not
count: names, comments, layout, intermediate variables, helper functions, the order of independent
statements, the order of the operands of + and *, a comprehension in place of a loop, another name
of the same function of TensorFlow. A second kind of feature is made of four operations in the order
in which they are written.

Only functions in which the handout has a gap are followed, and what they call. The handout's own
features do not count.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

MAX_SOURCE = 100_000
"""Characters of a file that are read."""
MAX_STEPS = 50_000
"""Expressions of a function that are followed."""
MAX_DEPTH = 4
"""Calls within calls that are followed."""
ORDER = 4
"""Operations in a feature of the second kind."""

TRANSPARENT = ("identity", "cast", "to_float", "convert_to_tensor", "check_numerics", "Print")
"""Operations that leave their first operand as it is, for what is compared here."""
PLUMBING = ("int", "float", "list", "tuple", "len", "range", "enumerate", "zip", "print", "super")
"""Python's functions that say nothing about a solution."""
SYNONYMS = {
    **{
        "add": "+",
        "add_n": "+",
        "Add": "+",
        "bias_add": "+",
        "multiply": "*",
        "Mult": "*",
        "MatMult": "matmul",
    },
    **{"subtract": "-", "Sub": "-", "divide": "/", "truediv": "/", "Div": "/", "Pow": "pow"},
}
"""Other names of operations."""
PIECES = ("split", "unstack", "gather", "slice", "strided_slice", "item", "each", "Subscript")
"""Ways to take a piece out of a value; they count as one, and a piece of a piece is a piece."""
COMMUTATIVE = ("+", "*")
"""Operations whose operands have no order."""


class Value(NamedTuple):
    """A symbolic value: an operation, with two and with three levels of what it is made of."""

    op: str
    near: str
    far: str
    parts: tuple[Value, ...] = ()
    """The elements, if it is a tuple or a list that is written out."""


LEAF = Value("x", "x", "x")
"""An input, a number, a text, or anything else that is not followed."""


Features = Mapping[str, frozenset[tuple[str, int]]]
"""Where each feature of a submission comes from: files, and lines counted from 1."""


class Given(NamedTuple):
    """What the handout has in a file."""

    gaps: list[str]
    """The functions that students write."""
    features: frozenset[str]


def read_handout(files: Mapping[str, str]) -> dict[str, Given]:
    """What is given, from the handout's files."""
    return {
        name: Given(find_gaps(source), frozenset(f for f, _ in _follow_file(source, None)))
        for name, source in files.items()
    }


def list_features(files: Mapping[str, bytes], handout: Mapping[str, Given]) -> Features:
    """The features of a submission that the handout does not have.

    Args:
        files: What was handed in, by name.
        handout: What was handed out, by name.
    """
    lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for name, content in files.items():
        source = content[:MAX_SOURCE].decode("utf-8-sig", errors="replace")
        for feature, line in _follow_file(source, handout[name].gaps):
            if feature not in handout[name].features:
                lines[feature].add((name, line))
    return {feature: frozenset(where) for feature, where in lines.items()}


def find_gaps(source: str) -> list[str]:
    """The names of the functions that raise NotImplementedError; methods with their class's."""
    return [
        name
        for name, function in _list_functions(ast.parse(source)).items()
        if any(
            isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)
            for node in ast.walk(function)
        )
    ]


def _list_functions(tree: ast.AST, prefix: str = "") -> dict[str, ast.FunctionDef]:
    found = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            found |= _list_functions(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            found[prefix + node.name] = node
    return found


def _follow_file(source: str, wanted: Iterable[str] | None) -> Iterator[tuple[str, int]]:
    """The features of some functions of a file, or of all, with their lines."""
    try:
        functions = _list_functions(ast.parse(source.replace("\0", "")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from _order(_find_words(source))
        return
    attributes: dict[str, Value] = {}
    names = functions if wanted is None else [name for name in wanted if name in functions]
    if not names:  # the student has moved or renamed them
        names = functions
    for name in names:
        follower = _Follower(functions, attributes)
        with contextlib.suppress(RecursionError, _TooLongError):
            follower.run(functions[name], {})
        yield from follower.features
        yield from _order(follower.operations)


def _order(operations: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for start in range(len(operations) - ORDER + 1):
        part = operations[start : start + ORDER]
        feature = " ".join(op for op, _ in part)
        for _, line in part:
            yield feature, line


def _find_words(source: str) -> list[tuple[str, int]]:
    """What is called and computed in a source that is not Python."""
    return [
        (SYNONYMS.get(match[1] or match[0], match[1] or match[0]), number)
        for number, line in enumerate(source.splitlines(), start=1)
        for match in re.finditer(r"(\w+)\s*\(|[-+*/@]", line.partition("#")[0][:400])
    ]


class _TooLongError(Exception):
    """There is more to follow than anybody writes."""


class _Follower:
    """Follows a function with symbols in place of values."""

    def __init__(self, functions: Mapping[str, ast.FunctionDef], attributes: dict[str, Value]):
        self._functions = {name.rpartition(".")[2]: node for name, node in functions.items()}
        self._attributes = attributes
        self._stack: list[ast.AST] = []
        self._steps = 0
        self.features: list[tuple[str, int]] = []
        self.operations: list[tuple[str, int]] = []

    def run(self, function: ast.FunctionDef | ast.Lambda, arguments: dict[str, Value]) -> Value:
        """Follows a function that is called; returns what it returns last."""
        self._stack.append(function)
        names = dict(arguments)
        if isinstance(function, ast.Lambda):
            result = self._evaluate(function.body, names)
        else:
            self._follow(function.body, names)
            result = names.get("return", LEAF)
        self._stack.pop()
        return result

    def _follow(self, statements: list[ast.stmt], names: dict[str, Value]) -> None:
        for statement in statements:
            self._step(statement, names)

    def _step(self, statement: ast.stmt, names: dict[str, Value]) -> None:
        self._count()
        match statement:
            case ast.FunctionDef():
                self._functions[statement.name] = statement
            case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Raise() | ast.ClassDef():
                pass
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign():
                value = self._evaluate(statement.value, names)
                for target in statement.targets:
                    self._bind(target, value, names)
            case ast.AnnAssign(value=value) if value is not None:
                self._bind(statement.target, self._evaluate(value, names), names)
            case ast.AugAssign():
                old = self._evaluate(statement.target, names)
                new = self._evaluate(statement.value, names)
                if new.parts:  # a list grows
                    self._bind(statement.target, new, names)
                    return
                op = type(statement.op).__name__
                self._bind(statement.target, self._make(op, [old, new], statement), names)
            case ast.Return(value=value) if value is not None:
                names["return"] = self._evaluate(value, names)
            case ast.For():
                self._bind(statement.target, self._each(statement.iter, names), names)
                self._follow([*statement.body, *statement.orelse], names)
            case _:
                self._step_into(statement, names)

    def _step_into(self, statement: ast.stmt, names: dict[str, Value]) -> None:
        """Follows all that stands in a statement, in order."""
        for child in ast.iter_child_nodes(statement):
            match child:
                case ast.stmt():
                    self._step(child, names)
                case ast.expr():
                    self._evaluate(child, names)
                case ast.withitem():
                    value = self._evaluate(child.context_expr, names)
                    if child.optional_vars is not None:
                        self._bind(child.optional_vars, value, names)
                case ast.ExceptHandler():
                    self._follow(child.body, names)

    def _bind(self, target: ast.expr, value: Value, names: dict[str, Value]) -> None:
        match target:
            case ast.Name(id=name):
                names[name] = value
            case ast.Attribute(value=ast.Name(), attr=name):
                self._attributes[name] = value
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                known = value.parts if len(value.parts) == len(elements) else ()
                parts = known or [_combine("item", [value])] * len(elements)
                for element, part in zip(elements, parts, strict=True):
                    self._bind(element, part, names)
            case ast.Starred(value=inner):
                self._bind(inner, value, names)

    def _each(self, iterated: ast.expr, names: dict[str, Value]) -> Value:
        value = self._evaluate(iterated, names)
        return value if value is LEAF else _combine("each", [value])

    def _count(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise _TooLongError

    def _evaluate(self, node: ast.expr, names: dict[str, Value]) -> Value:
        self._count()
        match node:
            case ast.Name(id=name):
                return names.get(name, LEAF)
            case ast.Constant() | ast.JoinedStr():
                return LEAF
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in names:
                shape = _combine(name, [names[owner]]) if name in ("shape", "dtype") else LEAF
                return self._attributes.get(name, shape)
            case ast.Attribute(attr=name):
                return self._attributes.get(name, _combine(name, []))
            case ast.Call():
                return self._call(node, names)
            case ast.BinOp(left=left, op=op, right=right):
                operands = [self._evaluate(left, names), self._evaluate(right, names)]
                return self._make(type(op).__name__, operands, node)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                for generator in node.generators:
                    self._bind(generator.target, self._each(generator.iter, names), names)
                return _combine("list", [self._evaluate(node.elt, names)])
            case ast.Subscript(value=value):
                return self._make("Subscript", [self._evaluate(value, names)], node)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                values = [self._evaluate(element, names) for element in elements]
                return _combine("list", values)._replace(parts=tuple(values)) if values else LEAF
            case ast.Starred(value=inner) | ast.NamedExpr(value=inner):
                return self._evaluate(inner, names)
            case ast.Lambda():
                return self.run(node, names) if len(self._stack) < MAX_DEPTH else LEAF
            case _:
                children = [c for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr)]
                values = [self._evaluate(child, names) for child in children]
                return self._make(type(node).__name__, values, node)

    def _call(self, node: ast.Call, names: dict[str, Value]) -> Value:
        function = node.func
        name = getattr(function, "attr", getattr(function, "id", "call"))
        owner = getattr(function, "value", None)
        of_module = owner is not None and _is_module(owner, names)
        called = None if of_module else self._functions.get(name)
        values = [self._evaluate(argument, names) for argument in node.args]
        keywords = {k.arg: self._evaluate(k.value, names) for k in node.keywords}
        if called is not None and called not in self._stack and len(self._stack) < MAX_DEPTH:
            return self.run(called, {**_bind_parameters(called, values), **keywords})
        values += keywords.values()
        if owner is not None and not of_module:
            if name == "append" and isinstance(owner, ast.Name):
                names[owner.id] = _combine("list", values)
                return LEAF
            values.insert(0, self._evaluate(owner, names))
        elif name in names and names[name].near.endswith("()"):  # another name of a function
            name = names[name].op
        if name in TRANSPARENT and values:
            return values[0]
        if name in PLUMBING:
            return next((value for value in values if value is not LEAF), LEAF)
        return self._make(name, values, node)

    def _make(self, op: str, operands: list[Value], node: ast.AST) -> Value:
        """The value of an operation; its features are written down."""
        value = _combine(op, operands)
        if any(value is operand for operand in operands):  # a piece of a piece
            return value
        self.features += [(value.near, node.lineno), (value.far, node.lineno)]
        self.operations.append((value.op, node.lineno))
        return value


def _is_module(node: ast.expr, names: Mapping[str, Value]) -> bool:
    """Whether this is a module's name, like `tf.math`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id not in names and node.id != "self"


def _bind_parameters(
    function: ast.FunctionDef | ast.Lambda, values: list[Value]
) -> dict[str, Value]:
    parameters = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
    return dict(zip((name for name in parameters if name != "self"), values, strict=False))


def _combine(op: str, operands: list[Value]) -> Value:
    op = SYNONYMS.get(op, op)
    if op in PIECES:
        first = next((value for value in operands if value is not LEAF), LEAF)
        if first.op == "piece":
            return first
        op, operands = "piece", [first]
    if op in COMMUTATIVE:
        operands = sorted(operands, key=lambda value: value[:3])
    near = ",".join(value.op for value in operands)
    far = ",".join(value.near for value in operands)
    return Value(op, f"{op}({near})"[:200], f"{op}({far})"[:400])

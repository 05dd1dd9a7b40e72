"""What a student's code computes, as a bag of features that survives a disguise.

A function is followed as Python would run it, with symbols in place of values. Each operation
becomes some small features: its name, its name with each operation that an operand comes from, with
all of them, and which piece of a larger value it is done to (so the order of an LSTM's gates). So
these do not count: names, comments, layout, intermediate variables, helper functions, the order of
independent statements, the order of the operands of + and *, a comprehension in place of a loop, a
product with concatenated operands in place of a sum of products, another name of the same function
(see vocabulary.py). Features are small, so that a change in one place spoils few of them.

Only functions in which the handout has a gap are followed, and what they call. The features of the
handout and of the course's solution do not count: the way that the course thinks of is that of
many.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from grading.similar.values import LEAF, NOTHING, SIZE, Value, combine, make_list, take_piece
from grading.similar.vocabulary import (
    COMMON_NUMBERS,
    COMPOSED,
    DTYPES,
    PIECES,
    PLUMBING,
    SIZES,
    SYNONYMS,
    TRANSPARENT,
)

MAX_SOURCE = 100_000
"""Characters of a file that are read."""
MAX_STEPS = 50_000
"""Expressions of a function that are followed."""
MAX_STEPS_OF_FILE = 200_000
"""Expressions of a file that are followed."""
MAX_DEPTH = 4
"""Calls within calls that are followed."""
MAX_UNROLLED = 8
"""Elements of a list that is written out and gone through."""
LARGEST_NUMBER = 1e300
"""Larger ones are whole numbers that no float holds."""
RETURN = "return"
"""What a function returns, among its names."""


class Feature(NamedTuple):
    """Something that a program does."""

    part: str
    """The class or the function of the handout in which it does it."""
    what: str


Features = Mapping[Feature, frozenset[tuple[str, int]]]
"""Where each feature of a submission comes from: files, and lines counted from 1."""


class Given(NamedTuple):
    """What the course has in a file."""

    gaps: list[str]
    """The functions that students write."""
    features: frozenset[Feature]
    """Those of the handout and of the solution."""


def read_given(handout: Mapping[str, str], solution: Mapping[str, str]) -> dict[str, Given]:
    """What the course has, from the files that it hands out and from its solution."""
    given = {}
    for name, source in handout.items():
        gaps = find_gaps(source)
        found = [f for text in (source, solution[name]) for f, _ in _follow_file(text, gaps)]
        given[name] = Given(gaps, frozenset(found))
    return given


def list_features(files: Mapping[str, bytes], given: Mapping[str, Given]) -> Features:
    """The features of a submission that the course's files do not have.

    Args:
        files: What was handed in, by name.
        given: What the course has, by name.
    """
    lines: dict[Feature, set[tuple[str, int]]] = defaultdict(set)
    for name, content in files.items():
        source = content[:MAX_SOURCE].decode("utf-8-sig", errors="replace")
        for feature, line in _follow_file(source, given[name].gaps):
            if feature not in given[name].features:
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


def _follow_file(source: str, gaps: Iterable[str]) -> Iterator[tuple[Feature, int]]:
    """The features of some functions of a file, with their lines."""
    try:
        tree = ast.parse(source.replace("\0", ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        for what, line in _find_words(source):
            yield Feature("", what), line
        return
    functions = _list_functions(tree)
    attributes: dict[str, Value] = {}
    steps = 0
    # A student may have moved or renamed them.
    for name in [name for name in gaps if name in functions] or functions:
        left = min(MAX_STEPS, MAX_STEPS_OF_FILE - steps)
        follower = _Follower(functions, _list_tables(tree), _list_constants(tree), attributes, left)
        with contextlib.suppress(RecursionError, _TooLongError):
            follower.run(functions[name], {})
        steps += follower.steps
        for what, line in follower.features:
            yield Feature(name.partition(".")[0], what), line
        if steps >= MAX_STEPS_OF_FILE:
            return


def _list_tables(tree: ast.Module) -> dict[str, dict[str, ast.expr]]:
    """The dictionaries of a module, for what is called out of them."""
    return {
        target.id: {
            key.value: value
            for key, value in zip(node.value.keys, node.value.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _list_constants(tree: ast.Module) -> dict[str, ast.Constant]:
    """The numbers and texts that have a name in a module."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Constant)
        for target in getattr(node, "targets", None) or [node.target]
        if isinstance(target, ast.Name)
    }


def _find_words(source: str) -> Iterator[tuple[str, int]]:
    """What is called and computed in a source that is not Python."""
    for number, line in enumerate(source.splitlines(), start=1):
        for match in re.finditer(r"(\w+)\s*\(|[-+*/@]", line.partition("#")[0][:400]):
            yield SYNONYMS.get(match[1] or match[0], match[1] or match[0]), number


class _TooLongError(Exception):
    """There is more to follow than anybody writes."""


class _Follower:
    """Follows a function with symbols in place of values."""

    def __init__(
        self,
        functions: Mapping[str, ast.FunctionDef],
        tables: Mapping[str, Mapping[str, ast.expr]],
        constants: Mapping[str, ast.Constant],
        attributes: dict[str, Value],
        most_steps: int,
    ):
        self._functions = {name.rpartition(".")[2]: node for name, node in functions.items()}
        self._closures: dict[str, dict[str, Value]] = {}
        self._tables = tables
        self._attributes = attributes
        self._constants = constants
        self._stack: list[ast.AST] = []
        self.steps, self._most_steps = 0, most_steps
        self.features: list[tuple[str, int]] = []

    def run(self, function: ast.FunctionDef | ast.Lambda, arguments: dict[str, Value]) -> Value:
        """Follows a function that is called; returns what it returns last."""
        self._stack.append(function)
        names = {name: value for name, value in arguments.items() if name != RETURN}
        if isinstance(function, ast.Lambda):
            result = self._evaluate(function.body, names)
        else:
            self._follow(function.body, names)
            result = names.get(RETURN, LEAF)
        self._stack.pop()
        return result

    def _run(self, function: ast.FunctionDef | ast.Lambda, arguments: dict[str, Value]) -> Value:
        """Follows a function within a function, unless that leads too deep."""
        if function in self._stack or len(self._stack) >= MAX_DEPTH:
            return LEAF
        return self.run(function, arguments)

    def _follow(self, statements: list[ast.stmt], names: dict[str, Value]) -> None:
        for statement in statements:
            self._step(statement, names)

    def _step(self, statement: ast.stmt, names: dict[str, Value]) -> None:
        self._count()
        match statement:
            case ast.FunctionDef(name=name):
                self._functions[name], self._closures[name] = statement, names
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as function):
                self._functions[name], self._closures[name] = function, names
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
                if new.op == "list":  # it grows
                    self._bind(statement.target, new, names)
                    return
                op = type(statement.op).__name__
                self._bind(statement.target, self._make(op, [old, new], statement), names)
            case ast.Return(value=value) if value is not None:
                names[RETURN] = self._evaluate(value, names)
            case ast.For():
                for value in self._each(statement.iter, names):
                    self._bind(statement.target, value, names)
                    self._follow(statement.body, names)
                self._follow(statement.orelse, names)
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
                known = value.terms if value.op == "list" else ()
                if len(known) != len(elements):
                    known = [take_piece(value, number) for number in range(len(elements))]
                for element, part in zip(elements, known, strict=True):
                    self._bind(element, part, names)
            case ast.Starred(value=inner):
                self._bind(inner, value, names)

    def _each(self, iterated: ast.expr, names: dict[str, Value]) -> Sequence[Value]:
        """What a loop goes through: the elements if they are known, or one for all."""
        value = self._evaluate(iterated, names)
        if value.op == "list" and 0 < len(value.terms) <= MAX_UNROLLED:
            return value.terms
        return [take_piece(value, None)]

    def _count(self) -> None:
        self.steps += 1
        if self.steps > self._most_steps:
            raise _TooLongError

    def _evaluate(self, node: ast.expr, names: dict[str, Value]) -> Value:
        self._count()
        match node:
            case ast.Name(id=name) if name in self._closures and name not in names:
                return self._run(self._functions[name], self._closures[name])
            case ast.Name(id=name):
                if name not in names and name in self._constants:
                    return self._evaluate(self._constants[name], names)
                return names.get(name, LEAF)
            case ast.Constant(value=value):
                return self._read_number(value, node)
            case ast.JoinedStr():
                return NOTHING
            case ast.Attribute(value=value, attr="T"):
                return self._evaluate(value, names)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in names:
                return self._attributes.get(name, SIZE if name in SIZES else LEAF)
            case ast.Attribute(attr=name) if name in DTYPES:
                return NOTHING
            case ast.Attribute(attr=name):
                return self._attributes.get(name, Value(SYNONYMS.get(name, name)))
            case ast.Call():
                return self._call(node, names)
            case ast.BinOp(left=left, op=op, right=right):
                operands = [self._evaluate(left, names), self._evaluate(right, names)]
                return self._make(type(op).__name__, operands, node)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self._comprehend(node, names)
            case ast.Subscript(value=value, slice=place):
                whole = self._evaluate(value, names)
                return take_piece(whole, self._find_place(place, names))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return make_list([self._evaluate(element, names) for element in elements])
            case ast.Dict(values=elements):
                return make_list([self._evaluate(element, names) for element in elements])
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self._evaluate(inner, names)
            case ast.Starred(value=inner) | ast.NamedExpr(value=inner):
                return self._evaluate(inner, names)
            case ast.Lambda():
                return self._run(node, names)
            case _:
                children = [c for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr)]
                values = [self._evaluate(child, names) for child in children]
                return self._make(type(node).__name__, values, node)

    def _read_number(self, value: object, node: ast.expr) -> Value:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return NOTHING
        if abs(value) > LARGEST_NUMBER:
            return NOTHING
        if value not in COMMON_NUMBERS:
            self.features.append((f"{float(value):g}", node.lineno))
        return NOTHING._replace(number=value)

    def _comprehend(self, node: ast.expr, names: dict[str, Value]) -> Value:
        first, *others = node.generators
        values = []
        for value in self._each(first.iter, names):
            self._bind(first.target, value, names)
            for generator in others:
                self._bind(generator.target, self._each(generator.iter, names)[0], names)
            values.append(self._evaluate(node.elt, names))
        return make_list(values)

    def _find_place(self, place: ast.expr, names: dict[str, Value]) -> float | None:
        """Which piece is taken: the k of `z[k]` and of `z[:, k * n : (k + 1) * n]`."""
        if isinstance(place, ast.Tuple) and place.elts:
            place = place.elts[-1]
            if not isinstance(place, ast.Slice):
                return None
        match place:
            case ast.Slice(lower=None, upper=None):
                return None
            case ast.Slice(lower=None):
                return 0
            case ast.Slice(lower=ast.BinOp(left=left, op=ast.Mult(), right=right)):
                numbers = [self._evaluate(side, names).number for side in (left, right)]
                return next((number for number in numbers if number is not None), None)
            case ast.Slice():
                return 1
        return self._evaluate(place, names).number

    def _call(self, node: ast.Call, names: dict[str, Value]) -> Value:
        function = node.func
        match function:
            case ast.Subscript(value=ast.Name(id=table), slice=ast.Constant(value=key)):
                function = self._tables.get(table, {}).get(key, function)
        values = [self._evaluate(argument, names) for argument in node.args]
        keywords = {k.arg: self._evaluate(k.value, names) for k in node.keywords}
        self._note_flags(node)
        name = getattr(function, "attr", getattr(function, "id", "call"))
        owner = getattr(function, "value", None)
        of_module = owner is not None and _is_module(owner, names)
        called = None if of_module else self._functions.get(name)
        if isinstance(function, ast.Lambda):  # out of a table
            called = function
        if called is not None:
            outer = self._closures.get(name, {})
            return self._run(called, {**outer, **_bind_parameters(called, values), **keywords})
        values += keywords.values()
        if owner is not None and not of_module:
            if name == "append" and isinstance(owner, (ast.Name, ast.Attribute)):
                self._bind(owner, make_list(values), names)
                return LEAF
            values.insert(0, self._evaluate(owner, names))
        elif name in names and names[name].is_known:  # another name of a function
            name = names[name].op
        if name in SIZES:
            return SIZE
        if name in TRANSPARENT and values:
            return values[0]
        if name in PLUMBING:
            return next((value for value in values if value.is_known), LEAF)
        return self._make(name, values, node)

    def _note_flags(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool):
                flag = f"{keyword.arg}={keyword.value.value}"
                self.features.append((flag, node.lineno))

    def _make(self, op: str, operands: list[Value], node: ast.AST) -> Value:
        """The value of an operation; its features are written down."""
        op = SYNONYMS.get(op, op)
        if op in PIECES:
            whole = next((value for value in operands if value.is_known), LEAF)
            return take_piece(whole, None)
        if op in COMPOSED and len(operands) >= COMPOSED[op].nbr_operands:
            return COMPOSED[op].write(lambda name, values: self._make(name, values, node), operands)
        if op == "matmul" and operands and operands[0].op == "concat":
            rows = [self._make(op, [row, *operands[1:]], node) for row in operands[0].terms]
            if rows:
                return self._make("+", rows, node)
        if op == "/" and [operand.op for operand in operands] == ["sum", "size"]:
            op, operands = "mean", list(operands[0].terms)
        if op == "pow" and [operand.number for operand in operands[1:]] == [2]:
            op, operands = "square", operands[:1]
        if op == "-" and len(operands) == 2 and operands[1].number is not None:
            op = "+"
        if op == "sum" and operands and operands[0].op == "list":
            op, operands = "+", list(operands[0].terms) or operands
        value = combine(op, operands)
        found = [
            op,
            value.near,
            *(f"{op} < {operand.near}" for operand in operands if operand.operands),
        ]
        found += [f"{op} < {operand.op}" for operand in operands if operand.is_known]
        tags = sorted(operand.tag for operand in operands if operand.tag)
        if tags:
            found.append(f"{op} of {' and '.join(tags)}")
        self.features += [(what, node.lineno) for what in found]
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

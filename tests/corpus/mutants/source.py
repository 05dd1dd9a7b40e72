"""A file of Python whose lines may be changed, piece by piece."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterator
from typing import NamedTuple


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
        """The variables and attributes that a node sees, by their kind."""
        function = self.get_function(node)
        if function not in self._kinds:
            self._kinds[function] = _find_kinds(self, function)
        kinds = dict(self._kinds[function])
        while node is not function:
            node = self.parents[node]
            for generator in getattr(node, "generators", ()):
                kinds |= _find_targets(self, generator)
        return kinds

    def is_plain(self, node: ast.AST) -> bool:
        """Whether a value is made of Python's numbers and texts, not of tensors."""
        kinds, inner = self.get_kinds(node), list(ast.walk(node))
        names = [each for each in inner if isinstance(each, (ast.Name, ast.Attribute))]
        if names and {kinds.get(self.get(name)) for name in names} <= {"int", "str"}:
            return True
        texts = [each for each in inner if isinstance(getattr(each, "value", None), str)]
        return bool(texts) and not isinstance(node, ast.Call)

    def is_numpy(self, node: ast.AST) -> bool:
        """Whether a node stands in a function that computes with NumPy, as those of `test.py`."""
        arguments = self.get(self.get_function(node).args.args[0])
        return "Session" in arguments or "ndarray" in arguments

    def _place(self, line: int, column: int) -> int:
        start, end = self._starts[line - 1], self._starts[line]
        return start + len(self.text[start:end].encode()[:column].decode())


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
        elif isinstance(node, ast.For):
            kinds |= _find_targets(source, node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("self._n_"):
            kinds.setdefault(source.get(node), "int")
        elif isinstance(node, ast.Attribute) and re.match(r"(self|state)\.\w+$", ast.unparse(node)):
            parent = source.parents[node]
            if not (isinstance(parent, ast.Call) and parent.func is node):
                kinds.setdefault(source.get(node), "tensor")
    return kinds


def _find_targets(source: Source, loop: ast.For | ast.comprehension) -> dict[str, str]:
    """What goes through a loop, by its kind."""
    over = source.get(loop.iter)
    kind = "int" if "range(" in over else "str" if over.startswith('"') else "tensor"
    return {source.get(target): kind for target, _ in _pair(loop.target, loop.target)}


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

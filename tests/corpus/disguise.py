"""A test aid: makes copies of a submission that look different and compute the same.

It was written by somebody who knows what the detector looks at. So it shows that the detector works
as it is meant to, and nothing about disguises that somebody else thinks of.
"""

from __future__ import annotations

import ast
import builtins
import functools
import random
from collections.abc import Iterator, Mapping

from grading.handout.handout import make_students_version
from grading.similar.features import find_gaps
from tests.corpus.entries import read_reference

ALIASES = {
    "sigmoid": ("nn.sigmoid", "math.sigmoid", "sigmoid"),
    "tanh": ("nn.tanh", "math.tanh", "tanh"),
    "reduce_mean": ("math.reduce_mean", "reduce_mean"),
    "reduce_sum": ("math.reduce_sum", "reduce_sum"),
    "concat": ("concat",),
    "matmul": ("linalg.matmul", "matmul"),
}
"""Names of the same function in TensorFlow."""
WORDS = ("alpha", "beta", "gamma", "delta", "kappa", "omega", "zeta", "theta", "rho", "sigma")


def disguise(files: Mapping[str, bytes], seed: int) -> dict[str, bytes]:
    """A copy of a submission; each seed gives another."""
    return {name: _disguise_file(name, files[name], seed) for name in files}


def _disguise_file(name: str, content: bytes, seed: int) -> bytes:
    source = content.decode("utf-8-sig").replace("\r\n", "\n")
    tree = ast.parse(source)
    gaps = _list_gaps(name)
    rng = random.Random(f"{seed} {name}")
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in gaps]
    attributes: dict[str, str] = {}
    for function in functions:
        given = {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
        renamer = _Renamer(_find_locals(function) - given, attributes, rng)
        function.body = [renamer.visit(statement) for statement in _without_docstring(function)]
        function.body = [_Rewriter(rng).visit(statement) for statement in function.body]
        _reshape(function, rng)
    return (ast.unparse(ast.fix_missing_locations(tree)) + "\n").encode()


@functools.cache
def _list_gaps(name: str) -> frozenset[str]:
    """The names of the functions of a file that students write."""
    handout = make_students_version(name, read_reference()[name])
    return frozenset(gap.rpartition(".")[2] for gap in find_gaps(handout))


def _without_docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) else function.body


def _find_locals(function: ast.FunctionDef) -> set[str]:
    names = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return names - set(dir(builtins))


class _Renamer(ast.NodeTransformer):
    """Gives other names to variables and to the attributes that a file sets itself."""

    def __init__(self, names: set[str], attributes: dict[str, str], rng: random.Random):
        self._names = {name: _invent(rng) for name in sorted(names)}
        self._attributes, self._rng = attributes, rng

    def visit_Name(self, node: ast.Name) -> ast.Name:  # noqa: N802
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            if isinstance(node.ctx, ast.Store) and node.attr not in self._attributes:
                self._attributes[node.attr] = _invent(self._rng)
            node.attr = self._attributes.get(node.attr, node.attr)
        return node


def _invent(rng: random.Random) -> str:
    return f"{rng.choice(WORDS)}_{rng.choice(WORDS)}{rng.randrange(1000)}"


class _Rewriter(ast.NodeTransformer):
    """Writes the same operations in other words."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:  # noqa: N802
        self.generic_visit(node)
        spelled = {ast.Add: "add", ast.Mult: "multiply"}.get(type(node.op))
        if spelled is None or isinstance(node.left, (ast.List, ast.Constant)):
            return node
        if not _is_about_tensors(node):
            return node
        if self._rng.random() < 0.5:
            node.left, node.right = node.right, node.left
        if self._rng.random() < 0.4:
            return ast.Call(_dotted(f"tf.{spelled}"), [node.left, node.right], [])
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:  # noqa: N802
        self.generic_visit(node)
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        if name.startswith("tf.") and last in ALIASES:
            node.func = _dotted(f"tf.{self._rng.choice(ALIASES[last])}")
            if self._rng.random() < 0.3:
                return ast.Call(_dotted("tf.identity"), [node], [])
        return node


def _is_about_tensors(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Call) and ast.unparse(part.func).startswith("tf.")
        for part in ast.walk(node)
    )


def _dotted(name: str) -> ast.expr:
    return ast.parse(name, mode="eval").body


def _reshape(function: ast.FunctionDef, rng: random.Random) -> None:
    """Adds intermediate variables and idle lines, and moves parts into helper functions."""
    for block in list(_list_blocks(function)):
        block[:] = [new for statement in block for new in _split(statement, rng)]
        if rng.random() < 0.5 and not isinstance(block[-1], ast.Return):
            block.append(ast.parse(f"assert {rng.randrange(9)} >= 0, 'never'").body[0])


def _list_blocks(function: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and not isinstance(node, ast.Lambda):
                yield block


def _split(statement: ast.stmt, rng: random.Random) -> list[ast.stmt]:
    """A statement, with one of the operations in it done before, or by a helper function."""
    if not isinstance(statement, (ast.Assign, ast.Return)) or statement.value is None:
        return [statement]
    inner = [
        node
        for node in ast.walk(statement.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tf.")
    ]
    scoped = (ast.ListComp, ast.GeneratorExp, ast.Lambda)
    if not inner or any(isinstance(node, scoped) for node in ast.walk(statement.value)):
        return [statement]
    chosen, name = rng.choice(inner), _invent(rng)

    class Replacer(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:  # noqa: N802
            if node is chosen:
                return _dotted(name if rng_value < 0.7 else f"{name}()")
            return self.generic_visit(node)

    rng_value = rng.random()
    before = (
        ast.Assign([ast.Name(name, ast.Store())], chosen, lineno=0)
        if rng_value < 0.7
        else ast.parse(f"def {name}():\n    return {ast.unparse(chosen)}").body[0]
    )
    statement.value = Replacer().visit(statement.value)
    return [before, statement]

"""What a person should look at in a submission's sources: names that few solutions need.

A graph cannot tell whether a student wrote a cell or a library did, if the code in between forges
what BUILD remarks. So such code is shown to the teacher. It costs no points: there are honest uses,
and whoever wants to can hide a name from this list.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from grading.handout.regions import BEGIN, MARKS

MODULES = {
    **dict.fromkeys(("gc", "inspect", "ctypes", "mmap", "__main__"), "Python's insides"),
    **dict.fromkeys(("rnn_cell", "rnn_cell_impl"), "a library's cells"),
    **dict.fromkeys(("tensorflow.python", "keras.src"), "a library's private modules"),
}
"""Modules, and what they are."""
ATTRIBUTES = {
    **dict.fromkeys(("__code__", "co_filename", "f_code", "CodeType"), "code objects"),
    **dict.fromkeys(("_getframe", "f_globals", "f_locals", "f_back"), "Python's insides"),
    **dict.fromkeys(("sys.modules", "__loader__", "__builtins__"), "Python's insides"),
    **dict.fromkeys(("rnn_cell", "rnn_cell_impl"), "a library's cells"),
    **dict.fromkeys(("tensorflow.python", "tf.python"), "a library's private modules"),
}
"""Attributes, some together with what they are of, and what they are."""
CELLS = {
    **dict.fromkeys(
        ("LSTM", "LSTMCell", "GRU", "GRUCell", "RNN", "SimpleRNN"), "a library's cells"
    ),
    **dict.fromkeys(("BlockLSTM", "LSTMBlockCell", "SimpleRNNCell"), "a library's cells"),
    **dict.fromkeys(("static_rnn", "dynamic_rnn", "raw_rnn"), "a library's cells"),
    **dict.fromkeys(("import_graph_def", "import_meta_graph"), "a graph that is built elsewhere"),
}
"""Attributes and what is imported, of which nobody can tell who built it. A text may be so."""
CALLS = dict.fromkeys(("exec", "eval", "compile", "__import__"), "code that is made from text")
"""Functions, and what they run."""


def find_suspects(files: Mapping[str, bytes]) -> list[str]:
    """A flag for each kind of such names, with the place where the first one stands."""
    flags: dict[str, str] = {}
    marked = [f for f, source in files.items() if any(mark.encode() in source for mark in MARKS)]
    if marked:
        where = ", ".join(marked)
        flags["solution"] = f"has marks of the course's solution ({BEGIN}): {where}"
    for file, source in files.items():
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # Python cannot run it either
        for line, name, kind in sorted(_find_names(tree)):
            flags.setdefault(kind, f"uses {name} ({kind}): look at {file}, line {line}")
    return list(flags.values())


def _find_names(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Lines, names, and what the names are."""
    for node in ast.walk(tree):
        for name, table in _get_candidates(node):
            if name in table:
                yield node.lineno, name, table[name]


def _get_candidates(node: ast.AST) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The names that a piece of code reaches for, each with the table that may have it."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        paths = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{path}" for path in paths]
        for path in paths:
            yield from ((name, {**MODULES, **ATTRIBUTES, **CELLS}) for name in _cut(path))
    elif isinstance(node, ast.Attribute):
        yield node.attr, {**ATTRIBUTES, **CELLS}
        if isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", ATTRIBUTES
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield node.func.id, CALLS
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
        yield from ((name, {**MODULES, **ATTRIBUTES}) for name in _cut(node.value))


def _cut(path: str) -> Iterator[str]:
    """The parts of a path of modules, and each two that follow one another."""
    parts = path.split(".")
    yield from parts
    yield from map(".".join, zip(parts, parts[1:], strict=False))

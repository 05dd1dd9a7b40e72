"""Symbolic values: what is known of a value without running the program."""

from __future__ import annotations

from typing import NamedTuple

from grading.similar.vocabulary import ASSOCIATIVE, COMMUTATIVE

MAX_TERMS = 100
"""Operands of a sum or a product that are told apart."""


class Value(NamedTuple):
    """A symbolic value: an operation, and what it is made of."""

    op: str
    operands: tuple[str, ...] = ()
    """The operations that its operands come from."""
    terms: tuple[Value, ...] = ()
    """The operands of a sum or a product; the elements of a list that is written out; the rows
    of what is concatenated."""
    tag: str = ""
    """Which piece of a larger value it is, and what was done to it since."""
    number: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is known what it comes from."""
        return self.op not in (LEAF.op, NOTHING.op)

    @property
    def near(self) -> str:
        """The operation with its operands."""
        return f"{self.op}({','.join(self.operands)})"[:200]


LEAF = Value("x")
"""An input, or anything else that is not followed."""
NOTHING = Value("")
"""A literal, a text or a type: what is often left to a default."""
SIZE = Value("size")
"""The size of a value."""


def take_piece(value: Value, number: float | None) -> Value:
    """A piece of a value; a piece of a piece is a piece."""
    if value.op == "list" and value.terms:
        known = isinstance(number, int) and -len(value.terms) <= number < len(value.terms)
        return value.terms[number if known else 0]
    if value is LEAF:
        return Value("piece")
    if value.op == "piece" and number is None:
        return value
    tag = f"{number:g}" if number is not None and value.operands else ""
    operands = value.operands if value.op == "piece" else (value.op,)
    return Value("piece", operands, tag=tag)


def make_list(values: list[Value]) -> Value:
    """A list that is written out."""
    return Value("list", tuple(value.op for value in values)[:1], tuple(values)) if values else LEAF


def combine(op: str, operands: list[Value]) -> Value:
    """An operation of operands."""
    if op in ASSOCIATIVE:
        operands = [
            term for value in operands for term in (value.terms if value.op == op else [value])
        ][:MAX_TERMS]
    ops = [value.op for value in operands if value.op]
    if op in COMMUTATIVE:
        ops.sort()
    tags = [value.tag for value in operands if value.tag]
    tag = "" if len(tags) != 1 or op == "*" else tags[0] if op == "+" else f"{op} {tags[0]}"
    terms = operands if op in ASSOCIATIVE or op == "sum" else ()
    if op == "concat":
        terms = next((value.terms for value in operands if value.op == "list"), ())
    return Value(op, tuple(ops), tuple(terms), tag[:100])

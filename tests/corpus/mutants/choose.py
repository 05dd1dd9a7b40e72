"""Which mutants are looked at: all parts, solutions and operators take turns."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from typing import NamedTuple, TypeVar

from grading.engine.parts import PARTS
from tests.corpus.mutants.operators import propose
from tests.corpus.mutants.originals import Original, get_originals
from tests.corpus.mutants.source import Piece, Source

T = TypeVar("T")


class Mutant(NamedTuple):
    """A right solution with one thing changed."""

    original: Original
    operator: str
    text: str
    """The content of the original's file, changed."""

    def get_diff(self) -> str:
        """The lines that differ from the original's."""
        lines = difflib.unified_diff(
            self.original.text.splitlines(), self.text.splitlines(), lineterm="", n=1
        )
        return "\n".join(islice(lines, 2, None))


def choose(number: int, parts: str = "".join(PARTS), seed: int = 0) -> list[Mutant]:
    """Distinct mutants of some parts, always in the same order.

    Args:
        number: How many; fewer if there are not so many.
        parts: Those that are mutated.
        seed: Seeds the choice.
    """
    return list(islice(take_turns([_mutate(part, seed) for part in parts]), number))


def _mutate(part: str, seed: int) -> Iterator[Mutant]:
    """The mutants of a part, each once; solutions and operators take turns."""
    rng = random.Random(f"{seed} {part}")
    originals = get_originals(part)
    groups: dict[tuple[str, str], list[tuple[Original, Source, Piece]]] = {}
    seen = set()
    for original in originals:
        source = Source(original.text, original.lines)
        seen.add(source.get_meaning())
        for piece in propose(source):
            group = groups.setdefault((piece.operator, original.style), [])
            group.append((original, source, piece))
    queues = [rng.sample(group, len(group)) for _, group in sorted(groups.items())]
    rng.shuffle(queues)
    for original, source, piece in take_turns(map(iter, queues)):
        try:
            meaning = source.get_meaning(piece)
        except SyntaxError:
            continue
        if meaning not in seen:
            seen.add(meaning)
            yield Mutant(original, piece.operator, source.apply(piece))


def take_turns(queues: Iterable[Iterator[T]]) -> Iterator[T]:
    """The first of each, then the second of each, and so on, until all have ended."""
    ended = object()
    for row in zip_longest(*queues, fillvalue=ended):
        yield from (item for item in row if item is not ended)

"""Which two groups share what hardly anybody else has.

A feature counts fully if few groups have it, and not at all if many do: what everybody writes is no
evidence. Two groups are as alike as the part of their features that they share, of the group that
has fewer. Short works are never alike: there are few ways to write them.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from grading.similar.features import Features

FEW = (6, 0.1)
"""A feature of so many groups counts fully: a number, or a part of the class if that is more."""
MANY = (12, 0.4)
"""A feature of so many groups does not count."""
SHORT = 120
"""Features of a work that is too short to be compared by its share alone."""
ALIKE = 0.5
"""How alike two works are that are listed."""


class Pair(NamedTuple):
    """Two groups whose work is alike."""

    first: str
    second: str
    alike: float
    """From 0 to 1."""
    shared: frozenset[str]
    """The features that both have, and that count."""


def find_pairs(works: Mapping[str, Features], least: float = ALIKE) -> list[Pair]:
    """The pairs that are at least so alike, the most alike first.

    Args:
        works: The features of each group's work, by its name.
        least: From 0 to 1.
    """
    owners: dict[str, list[str]] = defaultdict(list)
    for name in sorted(works):
        for feature in works[name]:
            owners[feature].append(name)
    weights = {f: _weigh(len(names), len(works)) for f, names in owners.items()}
    sizes = {name: sum(weights[f] for f in work) for name, work in works.items()}
    common: Counter[tuple[str, str]] = Counter()
    for feature, names in owners.items():
        if weights[feature]:
            for pair in itertools.combinations(names, 2):
                common[pair] += weights[feature]
    pairs = []
    for (first, second), weight in common.items():
        alike = weight / max(SHORT, min(sizes[first], sizes[second]))
        if alike >= least:
            both = works[first].keys() & works[second].keys()
            pairs.append(Pair(first, second, alike, frozenset(f for f in both if weights[f] > 0)))
    return sorted(pairs, key=lambda pair: (-pair.alike, pair.first, pair.second))


def _weigh(nbr_owners: int, nbr_works: int) -> float:
    few, many = (max(number, part * nbr_works) for number, part in (FEW, MANY))
    return min(1.0, max(0.0, (many - nbr_owners) / (many - few)))

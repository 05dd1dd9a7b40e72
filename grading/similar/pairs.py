"""Which two groups share what hardly anybody else has.

A feature counts by its surprise: the logarithm of how rare it is in the class. What many have is no
evidence. Each part of the exercise is compared alone, by what both groups share of what they have.
Two groups are as alike as their parts on average: two who solve one part alike by chance seldom do
so in all. Parts that nearly everybody solves alike hardly count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from grading.similar.features import Feature, Features

MANY = 0.4
"""A feature that so many of the groups have does not count."""
SMALL_CLASS = 20
"""In a smaller class a feature is as rare as it would be among so many groups."""
TELLING = 20.0
"""Surprise, in nats, from which a part counts fully."""
LEAST_PARTS = 3
"""The average is taken over so many parts at least, so that one part alone is not enough."""
ALIKE = 0.23
"""How alike two works are that are listed."""
ALIKE_IN_SMALL_CLASS = 0.4
"""The same in a small class, which tells less of what is rare."""


class Pair(NamedTuple):
    """Two groups whose work is alike."""

    first: str
    second: str
    alike: float
    """From 0 to 1."""
    shared: frozenset[Feature]
    """The features that both have, and that count."""


def find_pairs(works: Mapping[str, Features], least: float | None = None) -> list[Pair]:
    """The pairs that are at least so alike, the most alike first.

    Args:
        works: The features of each group's work, by its name.
        least: From 0 to 1; None for `ALIKE`, or `ALIKE_IN_SMALL_CLASS`.
    """
    names = sorted(works)
    if least is None:
        least = ALIKE if len(names) >= SMALL_CLASS else ALIKE_IN_SMALL_CLASS
    features = weigh_features(works)
    parts: dict[str, list[Feature]] = defaultdict(list)
    for feature in features:
        parts[feature.part].append(feature)
    weighted = np.zeros((len(names), len(names)))
    counted = np.zeros_like(weighted)
    for part in parts.values():
        has = np.array([[feature in works[name] for feature in part] for name in names], float)
        shared = (has * [features[feature] for feature in part]) @ has.T
        own = np.diag(shared)
        mean = np.maximum((own[:, None] + own) / 2, np.finfo(float).tiny)
        counts = np.minimum(1, mean / TELLING)
        weighted += counts * shared / mean
        counted += counts
    alike = weighted / np.maximum(LEAST_PARTS, counted)
    pairs = []
    for row, column in np.argwhere(np.triu(alike >= least, k=1)):
        first, second = names[row], names[column]
        both = features.keys() & works[first].keys() & works[second].keys()
        pairs.append(Pair(first, second, float(alike[row, column]), frozenset(both)))
    return sorted(pairs, key=lambda pair: (-pair.alike, pair.first, pair.second))


def weigh_features(works: Mapping[str, Features]) -> dict[Feature, float]:
    """The weights of the features that count: their surprise, in nats."""
    owners = Counter(feature for work in works.values() for feature in work)
    solved = Counter(part for work in works.values() for part in {f.part for f in work})
    few = {part: MANY * max(SMALL_CLASS, number) for part, number in solved.items()}
    return {
        feature: float(np.log(few[feature.part] / number))
        for feature, number in owners.items()
        if number < few[feature.part]
    }

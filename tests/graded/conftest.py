"""What the tests of the cells look at."""

from __future__ import annotations

import pytest

from grading.engine.graphs import LoadedGraph


@pytest.fixture
def probe(scorer, part) -> str:
    """The probe to look at: one for any batch size, or if need be the one of a known batch size."""
    probes = scorer.get_build().probes[part]
    return "fixed" if probes["call"].error and not probes["fixed"].error else "call"


@pytest.fixture
def graph(scorer, part, probe) -> LoadedGraph:
    return scorer.get_graph(part, probe)

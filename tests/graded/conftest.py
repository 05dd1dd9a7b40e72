"""What the tests of the cells look at.

TensorFlow is not imported here: pytest reads this file before BUILD starts, which can import it at
the same time.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def probe(scorer, part) -> str:
    """The probe to look at: one for any batch size, or if need be the one of a known batch size."""
    probes = scorer.get_probes(part)
    return "fixed" if probes["call"].error and not probes["fixed"].error else "call"


@pytest.fixture
def graph(scorer, part, probe) -> Any:
    return scorer.get_graph(part, probe)

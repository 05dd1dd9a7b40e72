"""The corpus is graded in processes of its own; its tests wait for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.grade import grading


@pytest.fixture(scope="session")
def grades(request: pytest.FixtureRequest) -> Iterator[dict]:
    """The grades to come, by the entries' names."""
    parametrised = [item for item in request.session.items if hasattr(item, "callspec")]
    entries = [i.callspec.params["entry"] for i in parametrised if "grades" in i.fixturenames]
    with grading(entries) as grades:
        yield grades

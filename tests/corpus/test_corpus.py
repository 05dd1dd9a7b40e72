"""The grading, tried on submissions of all kinds."""

from __future__ import annotations

import pytest

from tests.corpus.entries import Entry
from tests.corpus.hostile import HOSTILE
from tests.corpus.right import RIGHT
from tests.corpus.wrong import WRONG


def each(entries: list[Entry]):
    """All except slow ones, which `python -m tests.corpus` grades."""
    quick = [entry for entry in entries if not entry.on_demand]
    return pytest.mark.parametrize("entry", quick, ids=lambda entry: entry.name)


def test_the_corpus_is_as_large_as_it_should_be():
    entries = [*RIGHT, *WRONG, *HOSTILE]
    assert len({entry.name for entry in entries}) == len(entries)
    assert len(RIGHT) >= 25
    assert len(WRONG) >= 60
    assert len(HOSTILE) >= 20


@each(RIGHT)
def test_right_solutions_in_any_style_earn_all_points(entry, grades):
    grade = grades[entry.name].result()
    assert grade.reasons == dict.fromkeys(grade.points, [])


@each(WRONG)
def test_mistakes_cost_their_own_part_and_are_named(entry, grades):
    grade = grades[entry.name].result()
    assert set(grade.get_lost()) == set(entry.lost)
    assert any(entry.reason in reason for part in entry.lost for reason in grade.reasons[part])


@each(HOSTILE)
def test_tricks_earn_nothing_and_cost_the_other_parts_nothing(entry, grades):
    grade = grades[entry.name].result()
    assert set(grade.get_lost()) == set(entry.lost)
    if entry.lost:
        assert any(entry.reason in reason for part in entry.lost for reason in grade.reasons[part])


def test_every_graded_test_has_told_a_mistake(request, grades):
    """Every test can fail, and not only if nothing was built."""
    entries = [*WRONG, *HOSTILE]
    if not all(entry.name in grades for entry in entries if not entry.on_demand):
        pytest.skip("only some of the corpus is graded in this run")
    graded = {
        item.originalname for item in request.session.items if item.get_closest_marker("part")
    }
    results = [grades[entry.name].result() for entry in entries if entry.name in grades]
    telling = {test for grade in results for tests in grade.failures.values() for test in tests}
    assert graded - telling == set()

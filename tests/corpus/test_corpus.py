"""The grading, tried on submissions of all kinds.

`python -m tests.corpus` grades all; that takes longer than all other tests together. Here are a
fifth of them, evenly spread over the kinds.
"""

from __future__ import annotations

import pytest

from grading.engine.parts import PARTS
from grading.engine.verdict import GRADER_FAILED
from tests.corpus.entries import Entry
from tests.corpus.hostile import HOSTILE
from tests.corpus.right import RIGHT
from tests.corpus.wrong import RETURN_D, WRONG, lstm


def some_of(entries: list[Entry]):
    """Parametrises a test by every fifth of the entries that are not slow."""
    quick = [entry for entry in entries if not entry.on_demand]
    return pytest.mark.parametrize("entry", quick[::5], ids=lambda entry: entry.name)


def test_the_corpus_is_as_large_as_it_should_be():
    entries = [*RIGHT, *WRONG, *HOSTILE]
    assert len({entry.name for entry in entries}) == len(entries)
    assert len(RIGHT) >= 50
    assert len(WRONG) >= 180
    assert len(HOSTILE) >= 30


@some_of(RIGHT)
def test_right_solutions_in_any_style_earn_all_points(entry, grades):
    grade = grades[entry.name].result()
    assert grade.reasons == dict.fromkeys(grade.points, [])


@some_of(WRONG)
def test_mistakes_cost_their_own_part_and_are_named(entry, grades):
    grade = grades[entry.name].result()
    assert set(grade.get_lost()) == set(entry.lost)
    reasons = [reason for part in entry.lost for reason in grade.reasons[part]]
    assert any(entry.reason in reason for reason in reasons)
    assert not any(GRADER_FAILED in reason for reason in reasons)


@pytest.mark.parametrize(
    "entry",
    [
        lstm("no output", "d", "there are 0", (RETURN_D, RETURN_D.replace("outputs", "[]"))),
        lstm("one output", "d", "there are 1", (RETURN_D, RETURN_D.replace("outputs", "[hidden]"))),
    ],
    ids=lambda entry: entry.name,
)
def test_without_outputs_the_grader_does_not_fail(entry, grades):
    test_mistakes_cost_their_own_part_and_are_named(entry, grades)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in WRONG if "the start state" in entry.name and "ignored" in entry.name],
    ids=lambda entry: entry.name,
)
def test_a_start_state_that_is_ignored_costs_its_criterion_and_no_other(entry, grades):
    points = grades[entry.name].result().points[entry.lost]
    assert points == PARTS[entry.lost].points - PARTS[entry.lost].criteria["state"]


@some_of(HOSTILE)
def test_tricks_earn_nothing_and_cost_the_other_parts_nothing(entry, grades):
    grade = grades[entry.name].result()
    assert set(grade.get_lost()) == set(entry.lost)
    if entry.lost:
        assert any(entry.reason in reason for part in entry.lost for reason in grade.reasons[part])

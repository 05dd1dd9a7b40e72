"""The grading, tried on submissions of all kinds: right, wrong, hostile (`tests/corpus`)."""

from __future__ import annotations

import pytest

from tests.corpus.entries import Entry
from tests.corpus.grade import Grade, grade_all
from tests.corpus.hostile import HOSTILE
from tests.corpus.right import RIGHT
from tests.corpus.wrong import WRONG


def each(entries: list[Entry]):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


@pytest.fixture(scope="module")
def grades(request):
    """The grades of the entries of this run, which come while the tests go on."""
    callspecs = [getattr(item, "callspec", None) for item in request.session.items]
    selected = [c.params["entry"] for c in callspecs if c and "entry" in c.params]
    graded = grade_all(selected)
    known: dict[str, Grade] = {}

    def get(entry: Entry) -> Grade:
        while entry.name not in known:
            other, grade = next(graded)
            known[other.name] = grade
        return known[entry.name]

    yield get
    graded.close()


def test_the_corpus_is_as_large_as_it_should_be():
    entries = [*RIGHT, *WRONG, *HOSTILE]
    assert len({entry.name for entry in entries}) == len(entries)
    assert len(RIGHT) >= 25
    assert len(WRONG) >= 60
    assert len(HOSTILE) >= 20


@each(RIGHT)
def test_right_solutions_in_any_style_earn_all_points(entry, grades):
    assert grades(entry).reasons == dict.fromkeys(grades(entry).points, [])


@each(WRONG)
def test_mistakes_cost_their_own_part_and_are_named(entry, grades):
    grade = grades(entry)
    assert set(grade.get_lost()) == set(entry.lost)
    assert any(entry.reason in reason for part in entry.lost for reason in grade.reasons[part])


@each(HOSTILE)
def test_tricks_earn_nothing_and_cost_the_other_parts_nothing(entry, grades):
    grade = grades(entry)
    assert set(grade.get_lost()) == set(entry.lost)
    if entry.lost:
        assert any(entry.reason in reason for part in entry.lost for reason in grade.reasons[part])

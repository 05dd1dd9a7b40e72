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
from tests.corpus.wrong import RETURN_D, UNSTACK, WRONG, basic, lstm, part


def some_of(entries: list[Entry], *more: Entry):
    """Parametrises a test by every fifth of the entries that are not slow, and by some more."""
    quick = [entry for entry in entries if not entry.on_demand]
    chosen = [*quick[::5], *more]
    return pytest.mark.parametrize("entry", chosen, ids=lambda entry: entry.name)


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


BATCH_FIRST = "in [tf.matmul(x[step], w_input) for step in range(x.shape[0])]"
SLICED = "in [tf.matmul(x[step], w_input) for step in range(x.shape[1])]"
MORE = [
    lstm("no output", "d", "there are 0", (RETURN_D, RETURN_D.replace("outputs", "[]"))),
    lstm("one output", "d", "there are 1", (RETURN_D, RETURN_D.replace("outputs", "[hidden]"))),
    basic("a loop over the batch", "b", "loop over the time steps", (UNSTACK, BATCH_FIRST)),
    basic("the batch is sliced", "b", "step t of x is x[:, t]", (UNSTACK, SLICED)),
    part("e", "no cast", "tf.cast", "return tf.reduce_mean(tf.square(tf.concat(outputs, 1) - y))"),
]
"""What the grader failed on once, or had no hint for."""


@some_of(WRONG, *MORE)
def test_mistakes_cost_their_own_part_and_are_named(entry, grades):
    grade = grades[entry.name].result()
    assert set(grade.get_lost()) == set(entry.lost)
    reasons = [reason for part in entry.lost for reason in grade.reasons[part]]
    assert any(entry.reason in reason for reason in reasons)
    assert not any(GRADER_FAILED in reason for reason in reasons)


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

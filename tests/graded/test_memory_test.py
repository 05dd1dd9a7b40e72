"""Part h: what `run_memory_test` returned, on test sets whose last batch is whole or smaller."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.losing import lose
from grading.engine.memory_truth import Truth
from grading.engine.text import tell_apart


class Answer(NamedTuple):
    """What a call returned."""

    loss: float
    accuracy: float


class Answers(NamedTuple):
    """What two calls returned, one after the other."""

    first: Answer
    second: Answer


@pytest.fixture(params=builder.MEMORY_TESTS)
def probe(request) -> str:
    return request.param


@pytest.fixture
def answers(scorer, probe) -> Answers:
    return read_answers(scorer, probe)


def read_answers(scorer, probe: str) -> Answers:
    try:
        array = np.array(scorer.get_facts("h", probe).get("answers"), dtype=float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.shape != (2, 2):
        lose("what run_memory_test returned is not readable")
    return Answers(*(Answer(*row) for row in array.tolist()))


@pytest.fixture
def truth(scorer, probe) -> Truth:
    return Truth(probe, scorer.build_seed)


@pytest.fixture
def trials(scorer) -> list[tuple[Answer, Truth]]:
    """The first answers of both probes, with what is right."""
    return [
        (read_answers(scorer, probe).first, Truth(probe, scorer.build_seed))
        for probe in builder.MEMORY_TESTS
    ]


def compare(trials: list[tuple[Answer, Truth]], figure: str) -> None:
    """Loses at the first wrong figure; names a mistake if it explains that of both probes."""
    rows = [
        (getattr(answer, figure), getattr(truth, figure), getattr(truth, f"{figure}_mistakes"))
        for answer, truth in trials
    ]
    likely = [
        name
        for name in rows[0][2]
        if all(_are_equal(came, mistakes[name]) for came, _, mistakes in rows)
    ]
    for (came, expected, _), (_, truth) in zip(rows, trials, strict=True):
        if not _are_equal(came, expected):
            right, wrong = tell_apart(expected, came)
            lose(
                f"the {figure} on {truth.probe.sz_dataset} sequences in batches of"
                f" {truth.probe.sz_batch} should be {right} and is {wrong}"
                + (f": {likely[0]}" if likely else "")
            )


def _are_equal(came: float, expected: float) -> bool:
    return bool(np.isclose(came, expected, rtol=1e-4, atol=1e-6))


@pytest.mark.part("h", "loss")
def test_the_loss_is_the_mean_over_the_sequences(trials):
    compare(trials, "loss")


@pytest.mark.part("h", "accuracy")
def test_the_accuracy_is_that_of_the_last_outputs(trials):
    compare(trials, "accuracy")


@pytest.fixture
def seen(answers, truth) -> Answers:
    """The answers, where one of the first two figures shows that the test set was evaluated."""
    loss, accuracy = answers.first
    if not np.isclose(loss, truth.loss, rtol=1e-4) and not np.isclose(accuracy, truth.accuracy):
        lose(
            "how the test set is read cannot be checked until loss or accuracy is right", vague=True
        )
    return answers


@pytest.mark.part("h", "test set")
def test_a_second_call_gives_the_same_again(seen):
    first, second = seen
    if not np.allclose(first, second, equal_nan=True):
        lose(
            f"a second call should return the same; first it was {first.loss:.4g} and"
            f" {first.accuracy:.4g}, then {second.loss:.4g} and {second.accuracy:.4g}: run"
            " it_test_init at the start"
        )


@pytest.mark.part("h", "test set")
def test_the_test_set_is_read_and_not_the_training_set(scorer, probe, answers, truth):
    training = truth.probe._replace(sz_dataset=truth.probe.sz_batch + 1)
    rest = builder.draw_memory_test(training, scorer.build_seed + 1)[2]
    if any(np.isclose(answers.first.loss, mean) for mean in (rest.mean(), rest[-1])):
        lose("the loss is that of the training set: run it_test_init before the first batch")


@pytest.mark.part("h", "test set")
def test_nothing_is_trained_or_initialised(scorer, probe, seen):
    scale = scorer.get_facts("h", probe).get("scale")
    if scale != 1.0:
        lose(
            "run_memory_test changes the trained variables; it should run nothing but it_test_init"
            " and what it evaluates"
        )

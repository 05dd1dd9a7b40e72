"""Part h: what `run_memory_test` returned, on test sets whose last batch is whole or smaller."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import lose
from grading.engine.memory_truth import Truth


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
    try:
        array = np.array(scorer.get_facts("h", probe).get("answers"), dtype=float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.shape != (2, 2):
        lose("what run_memory_test returned is not readable")
    return Answers(*(Answer(*row) for row in array.tolist()))


@pytest.fixture
def truth(scorer, probe) -> Truth:
    return Truth(probe, scorer.get_build().seed)


def compare(came: float, expected: float, mistakes: dict[str, float], what: str, truth) -> None:
    if np.isclose(came, expected, rtol=1e-4, atol=1e-6):
        return
    likely = [name for name, value in mistakes.items() if np.isclose(came, value, rtol=1e-4)]
    probe = truth.probe
    lose(
        f"the {what} on {probe.sz_dataset} sequences in batches of {probe.sz_batch} should be"
        f" {expected:.4g} and is {came:.4g}" + (f": {likely[0]}" if likely else "")
    )


@pytest.mark.part("h", "loss")
def test_the_loss_is_the_mean_over_the_sequences(answers, truth):
    compare(answers.first.loss, truth.loss, truth.loss_mistakes, "loss", truth)


@pytest.mark.part("h", "accuracy")
def test_the_accuracy_is_that_of_the_last_outputs(answers, truth):
    compare(answers.first.accuracy, truth.accuracy, truth.accuracy_mistakes, "accuracy", truth)


@pytest.fixture
def seen(answers, truth) -> Answers:
    """The answers, where one of the first two figures shows that the test set was evaluated."""
    loss, accuracy = answers.first
    if not np.isclose(loss, truth.loss, rtol=1e-4) and not np.isclose(accuracy, truth.accuracy):
        lose("how the test set is read cannot be checked until loss or accuracy is right")
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
    rest = builder.draw_memory_test(training, scorer.get_build().seed + 1)[2]
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

"""Part h: what `run_memory_test` returned, on test sets whose last batch is whole or smaller."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graded import builder
from tests.graded.graphs import lose


class Truth:
    """A test set, batch by batch, and what there is to say about it."""

    def __init__(self, probe: str, seed: int):
        self.probe = builder.MEMORY_TESTS[probe]
        logits, labels, penalties = builder.draw_memory_test(self.probe, seed)
        size, recalled = self.probe.sz_batch, self.probe.to_remember_len
        right = logits.argmax(axis=2) == labels
        self.loss = penalties.mean(dtype=np.float64)
        self.accuracy = right[:, -recalled:].mean()
        self.losses = [penalties[i : i + size].mean() for i in range(0, len(penalties), size)]
        batches = [right[i : i + size] for i in range(0, len(right), size)]
        last_batches = [batch[:, -recalled:] for batch in batches]
        over_batch = (
            logits[:size, -recalled:].argmax(axis=0) == labels[0, -recalled:, None]
        ).mean()
        self.accuracy_mistakes = {
            "it is over all outputs; only the last to_remember_len count": right.mean(),
            "it is over the first to_remember_len outputs; the digits are recalled in the last": (
                right[:, :recalled].mean()
            ),
            "it is a percentage; give the share, from 0 to 1": 100 * self.accuracy,
            "it is the share of errors": 1 - self.accuracy,
            "it is a number of digits; divide by how many there are": right[:, -recalled:].sum(),
            "only sequences with all digits right are counted": (
                right[:, -recalled:].all(axis=1).mean()
            ),
            "it is averaged over batches of different size; count each digit the same": (
                np.mean([batch.mean() for batch in last_batches])
            ),
            "it is that of the first batch alone": last_batches[0].mean(),
            "it is that of the last batch alone": last_batches[-1].mean(),
            "the smaller last batch is left out": (
                right[: len(right) // size * size, -recalled:].mean()
            ),
            "it is over the last output alone": right[:, -1].mean(),
            "argmax is taken over the batch, not over the symbols": over_batch,
        }
        self.loss_mistakes = {
            "it is averaged over batches of different size; weight each by its size": (
                np.mean(self.losses)
            ),
            "it is the sum over the batches": np.sum(self.losses),
            "it is that of the first batch alone; go on until the test set ends": self.losses[0],
            "it is that of the last batch alone": self.losses[-1],
            "the smaller last batch is left out": (
                penalties[: len(penalties) // size * size].mean()
            ),
            "the first batch is left out": penalties[size:].mean(),
            "it is every second batch's: fetch loss, outputs and labels in one session.run": (
                np.mean(self.losses[::2])
            ),
            "the variables are initialised anew, so that what was trained is lost": 7 * self.loss,
        }


@pytest.fixture(params=builder.MEMORY_TESTS)
def probe(request) -> str:
    return request.param


@pytest.fixture
def answers(scorer, probe) -> list[list[float]]:
    """Loss and accuracy of both calls."""
    answers = scorer.get_facts("h", probe).get("answers")
    try:
        array = np.array(answers, dtype=float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.shape != (2, 2):
        lose("what run_memory_test returned is not readable")
    return array.tolist()


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
    compare(answers[0][0], truth.loss, truth.loss_mistakes, "loss", truth)


@pytest.mark.part("h", "accuracy")
def test_the_accuracy_is_that_of_the_last_outputs(answers, truth):
    compare(answers[0][1], truth.accuracy, truth.accuracy_mistakes, "accuracy", truth)


@pytest.fixture
def seen(answers, truth) -> list[list[float]]:
    """The answers, where one of the first two figures shows that the test set was evaluated."""
    (loss, accuracy), _ = answers
    if not np.isclose(loss, truth.loss, rtol=1e-4) and not np.isclose(accuracy, truth.accuracy):
        lose("how the test set is read cannot be checked until loss or accuracy is right")
    return answers


@pytest.mark.part("h", "test set")
def test_a_second_call_gives_the_same_again(seen):
    first, second = seen
    if not np.allclose(first, second, equal_nan=True):
        lose(
            f"a second call should return the same; first it was {first[0]:.4g} and {first[1]:.4g},"
            f" then {second[0]:.4g} and {second[1]:.4g}: run it_test_init at the start"
        )


@pytest.mark.part("h", "test set")
def test_the_test_set_is_read_and_not_the_training_set(scorer, probe, answers, truth):
    training = truth.probe._replace(sz_dataset=truth.probe.sz_batch + 1)
    rest = builder.draw_memory_test(training, scorer.get_build().seed + 1)[2]
    if any(np.isclose(answers[0][0], mean) for mean in (rest.mean(), rest[-1])):
        lose("the loss is that of the training set: run it_test_init before the first batch")


@pytest.mark.part("h", "test set")
def test_nothing_is_trained_or_initialised(scorer, probe, seen):
    scale = scorer.get_facts("h", probe).get("scale")
    if scale != 1.0:
        lose(
            "run_memory_test changes the trained variables; it should run nothing but it_test_init"
            " and what it evaluates"
        )

"""What `run_memory_test` should return on the test sets of part h, and what mistakes return."""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from grading.engine import builder

SWAPPED = "loss and accuracy are swapped: return MemoryTestResult(loss, accuracy)"
"""What both figures say if they are swapped."""


class Truth:
    """A test set, its right results, and those of common mistakes."""

    def __init__(self, probe: str, seed: int):
        self.probe = builder.MEMORY_TESTS[probe]
        self._logits, self._labels, self._penalties = builder.draw_memory_test(self.probe, seed)
        size, recalled = self.probe.sz_batch, self.probe.to_remember_len
        self._right = self._logits.argmax(axis=2) == self._labels
        self.loss = self._penalties.mean(dtype=np.float64)
        self.accuracy = self._right[:, -recalled:].mean()
        starts = range(0, len(self._penalties), size)
        self.losses = [self._penalties[i : i + size].mean() for i in starts]
        self.accuracy_mistakes = self._list_accuracy_mistakes(size, recalled)
        self.loss_mistakes = self._list_loss_mistakes(size, seed)

    def _list_accuracy_mistakes(self, size: int, recalled: int) -> dict[str, float]:
        """What each mistake makes of the accuracy, the likeliest first."""
        right = self._right
        last_batches = [right[i : i + size, -recalled:] for i in range(0, len(right), size)]
        first_logits, first_label = self._logits[:size, -recalled:], self._labels[0, -recalled:]
        over_batch = (first_logits.argmax(axis=0) == first_label[:, None]).mean()
        return {
            SWAPPED: self.loss,
            "it is cut to a whole number: leave out int": np.floor(self.accuracy),
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
            "it is every second batch's: fetch loss, outputs and labels in one session.run": (
                np.concatenate(last_batches[1::2]).mean()
            ),
            "argmax is taken over the batch, not over the symbols": over_batch,
        }

    def _list_loss_mistakes(self, size: int, seed: int) -> dict[str, float]:
        """What each mistake makes of the loss, the likeliest first."""
        penalties = self._penalties
        training = self.probe._replace(sz_dataset=size + 1)  # of which a batch has been seen
        return {
            "it is averaged over batches of different size; weight each by its size": (
                np.mean(self.losses)
            ),
            "it is the sum over the batches": np.sum(self.losses),
            "it is that of the first batch alone; continue until the test set ends": self.losses[0],
            "it is that of the last batch alone": self.losses[-1],
            "the smaller last batch is left out": (
                penalties[: len(penalties) // size * size].mean()
            ),
            "the first batch is left out": penalties[size:].mean(),
            "it is every second batch's: fetch loss, outputs and labels in one session.run": (
                np.mean(self.losses[::2])
            ),
            "the variables are initialised again, so what was trained is lost": 7 * self.loss,
            "it is that of the training set: run it_test_init at the start": (
                builder.draw_memory_test(training, seed + 1)[2][-1]
            ),
            SWAPPED: self.accuracy,
        }

    def is_telling(self) -> bool:
        """Whether no mistake gives the right result by chance."""
        return not any(
            np.isclose(value, right, rtol=1e-3)
            for right, mistakes in (
                (self.loss, self.loss_mistakes),
                (self.accuracy, self.accuracy_mistakes),
            )
            for value in mistakes.values()
        )


@functools.cache
def choose_telling_seed(seed: int) -> int:
    """A seed of the test sets; it does not tell the judge's own seed."""
    number = 0
    while True:
        digest = hashlib.sha256(f"part h, {number}, {seed}".encode()).digest()
        chosen = int.from_bytes(digest[:4], "big")
        if all(Truth(probe, chosen).is_telling() for probe in builder.MEMORY_TESTS):
            return chosen
        number += 1

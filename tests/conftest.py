"""What the tests share."""

import os
from collections import Counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

pytest_plugins = ["grading.engine.points"]


@pytest.fixture
def sess():
    """A session of a fresh default graph."""
    import tensorflow.compat.v1 as tf  # wrong usage is answered without it

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        yield session


def pytest_terminal_summary(terminalreporter):
    """Says in one line which tests were skipped, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [report.longrepr[2] for report in skipped if "part" not in report.keywords]
    counts = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    if counts:
        terminalreporter.section("skipped")
        terminalreporter.write_line("; ".join(f"{n} tests: {why}" for why, n in counts.items()))

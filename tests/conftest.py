"""What the tests share."""

import gc
import importlib.util
import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # first runs of small graphs are quick

import pytest

for package in ("tensorflow", "tabulate"):
    if importlib.util.find_spec(package) is None:
        raise SystemExit(
            f"pytest: error: {package} is not installed for this Python: use that of .venv, as in"
            " .venv/bin/python -m pytest"
        )

pytest_plugins = ["grading.engine.points"]


def pytest_collectstart(collector):
    """How long an example takes is the machine's affair. The graded tests have no examples."""
    if isinstance(collector, pytest.Module) and collector.path.parent == Path(__file__).parent:
        import hypothesis

        hypothesis.settings.register_profile("no deadline", deadline=None)
        hypothesis.settings.load_profile("no deadline")


def pytest_collection_finish():
    gc.freeze()  # the search for garbage need not look through what has been imported


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

"""What the tests share."""

import contextlib
import gc
import os
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

pytest_plugins = ["grading.engine.points"]


RUNNING = pytest.StashKey[contextlib.ExitStack]()
PREPARED = pytest.StashKey[dict]()


def pytest_collectstart(collector):
    """How long an example takes is the machine's affair. The graded tests have no examples."""
    if isinstance(collector, pytest.Module) and collector.path.parent == Path(__file__).parent:
        import hypothesis

        hypothesis.settings.register_profile("no deadline", deadline=None)
        hypothesis.settings.load_profile("no deadline")


def pytest_collection_finish(session):
    """Starts what only waits for other processes, one after another, beside the tests.

    A test module lists it in `PREPARATIONS`: by the name of the fixture that needs it, a function
    of a folder.
    """
    gc.freeze()  # the search for garbage need not look through what has been imported
    if session.config.option.collectonly:
        return
    stack = session.config.stash[RUNNING] = contextlib.ExitStack()
    executor = ThreadPoolExecutor(1)
    stack.callback(executor.shutdown, cancel_futures=True)
    used = {name for item in session.items for name in item.fixturenames}
    prepared = session.config.stash[PREPARED] = {}
    for module in dict.fromkeys(item.module for item in session.items):
        for name, prepare in getattr(module, "PREPARATIONS", {}).items():
            if name in used:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                prepared[name] = executor.submit(prepare, folder)


def pytest_sessionfinish(session):
    session.config.stash.get(RUNNING, contextlib.ExitStack()).close()


@pytest.fixture(scope="session")
def prepared(pytestconfig):
    """Waits for what was started before the first test, given by the name of its fixture."""
    return lambda name: pytestconfig.stash[PREPARED][name].result()


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

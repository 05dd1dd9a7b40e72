"""What the tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

pytest_plugins = ["grading.engine.points"]


@pytest.fixture
def sess():
    """A session of a fresh default graph."""
    import tensorflow.compat.v1 as tf  # not for wrong usage, which is to be answered at once

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        yield session

"""Importing TensorFlow without a part that nobody here needs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

KERAS = "keras._tf_keras.keras"
"""TensorFlow imports this module for `tf.keras`, and also works without it."""


@contextlib.contextmanager
def without_keras() -> Iterator[None]:
    """Leaves Keras out while TensorFlow is imported, which saves a quarter of the time.

    An entry of None in `sys.modules` makes an import fail. After the block the entry is gone, and
    `tf.keras` imports Keras when somebody asks for it.
    """
    if KERAS in sys.modules:
        yield
        return
    sys.modules[KERAS] = None
    try:
        yield
    finally:
        del sys.modules[KERAS]

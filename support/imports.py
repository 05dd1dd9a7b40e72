"""Importing TensorFlow without what nobody here needs of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

KERAS = "keras._tf_keras.keras"
"""The module that TensorFlow imports for `tf.keras`, and does without if it is not there."""


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

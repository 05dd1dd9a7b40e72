"""Importing TensorFlow without what nobody here needs."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

from support.memory import no_search_for_garbage

KERAS = "keras._tf_keras.keras"
"""TensorFlow imports this module for `tf.keras`, and also works without it."""


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Imports in this block leave out Keras, and the search for garbage.

    An entry of None in `sys.modules` makes an import fail. After the block the entry is gone, and
    `tf.keras` imports Keras when somebody asks for it. What is imported stays: no later search for
    garbage looks through it.
    """
    leave_out = KERAS not in sys.modules
    if leave_out:
        sys.modules[KERAS] = None
    with no_search_for_garbage():
        try:
            yield
        finally:
            if leave_out:
                del sys.modules[KERAS]
            gc.freeze()

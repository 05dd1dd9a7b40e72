"""Measurements: where the figures of the docs come from. Peers and baselines, never tests."""

IMPORT_TENSORFLOW = (
    "from support.imports import importing_tensorflow\n"
    "with importing_tensorflow(): import tensorflow.compat.v1"
)
"""The import that BUILD makes, as a program."""

"""The right solutions that are mutated: the reference and others of the corpus, part by part."""

from __future__ import annotations

from typing import NamedTuple

from grading.engine.parts import PARTS
from grading.handout.regions import find_regions
from tests.corpus.entries import read_reference
from tests.corpus.right import RIGHT

_REFERENCE = "the reference"
_BASIC = (
    _REFERENCE,
    "basic: one matrix, Glorot, concatenation in each step",
    "basic: two matrices, identity, NumPy values",
    "basic: transposed matrices, bias by tf.nn.bias_add",
    "basic: tanh",
    "basic: an initialiser of Keras, tf.Print left in, a TensorArray of inputs",
)
_LSTM = (
    _REFERENCE,
    "lstm: twelve variables",
    "lstm: gates f, i, o, j, cut out of one product",
    "lstm: a constant forget bias, hidden state first",
    "lstm: the bias is the kernel's last row",
    "lstm: lists of variables, einsum",
)
STYLES = {
    "a": _BASIC,
    "b": _BASIC,
    "c": _LSTM,
    "d": _LSTM,
    "e": (_REFERENCE, "e: tf.losses", "e: step by step"),
    "f": (
        _REFERENCE,
        "f: clipped and assigned by hand",
        "f: tf.cond, and a list of one operation",
        "f: AdamOptimizer(lr)",
        "f: MomentumOptimizer(lr, 0.9)",
    ),
    "g": (
        _REFERENCE,
        "g: one-hot labels",
        "g: by hand, from log_softmax, time first",
        "g: tf.losses, step by step",
        "g: a loss of Keras",
    ),
    "h": (_REFERENCE, "h: counts, with try and except", "h: compared in the graph"),
}
"""The names of the corpus's entries, by part; each changes that part and what belongs to it."""


class Original(NamedTuple):
    """A right solution of a part."""

    part: str
    style: str
    file: str
    """The file that the part stands in."""
    text: str
    """Its content."""
    lines: tuple[range, ...]
    """The lines of the part, counted from 1."""


def get_originals(part: str) -> list[Original]:
    """The right solutions of a part."""
    entries = {entry.name: entry for entry in RIGHT}
    originals = []
    for style in STYLES[part]:
        files = read_reference()
        for edit in entries[style].edits:
            edit(files)
        file = PARTS[part].file
        regions = find_regions(files[file], file)
        lines = tuple(range(r.begin + 1, r.end + 1) for r in regions if r.part == part)
        originals.append(Original(part, style, file, files[file], lines))
    return originals

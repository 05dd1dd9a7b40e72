"""The right solutions that are mutated: the reference and others of the corpus, part by part."""

from __future__ import annotations

from typing import NamedTuple

from grading.engine.parts import PARTS
from grading.handout.regions import find_regions
from tests.corpus.entries import Entry, bodies, read_reference
from tests.corpus.right import RIGHT

MORE = (
    Entry(
        "e: the sum, divided by the size",
        bodies(
            e="""
            predictions = tf.squeeze(tf.stack(outputs, axis=1), axis=2)
            difference = predictions - tf.cast(y, tf.float32)
            return tf.reduce_sum(difference**2) / tf.cast(tf.size(y), tf.float32)
            """
        ),
    ),
    Entry(
        "e: the truth split into columns",
        bodies(
            e="""
            targets = tf.split(tf.cast(y, tf.float32), len(outputs), axis=1)
            errors = [tf.reduce_mean((a - b) * (a - b)) for a, b in zip(outputs, targets)]
            return sum(errors) / len(errors)
            """
        ),
    ),
    Entry(
        "h: digit by digit",
        bodies(
            h="""
            sess.run(it_test_init)
            loss_sum, right, sequences = 0.0, 0, 0
            while True:
                try:
                    batch_loss, logits, truth = sess.run([loss, outputs, labels])
                except tf.errors.OutOfRangeError:
                    break
                for step in range(-to_remember_len, 0):
                    right += int((logits[step].argmax(axis=1) == truth[:, step]).sum())
                loss_sum += float(batch_loss) * len(truth)
                sequences += len(truth)
            accuracy = right / (sequences * to_remember_len)
            return MemoryTestResult(loss_sum / sequences, accuracy)
            """
        ),
    ),
    Entry(
        "h: everything collected first",
        bodies(
            h="""
            batches = list(one_pass(sess, it_test_init, [loss, tf.stack(outputs, axis=1), labels]))
            sizes = np.array([len(truth) for _, _, truth in batches])
            losses = np.array([batch_loss for batch_loss, _, _ in batches])
            logits = np.concatenate([values for _, values, _ in batches])
            truth = np.concatenate([symbols for _, _, symbols in batches])
            hits = np.argmax(logits, axis=-1)[:, -to_remember_len:] == truth[:, -to_remember_len:]
            return MemoryTestResult(
                loss=np.sum(losses * sizes) / np.sum(sizes), accuracy=np.mean(hits)
            )
            """
        ),
    ),
)
"""Right solutions of parts of which the corpus has fewer than five."""

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
    "e": (_REFERENCE, "e: tf.losses", "e: step by step", MORE[0].name, MORE[1].name),
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
    "h": (
        _REFERENCE,
        "h: counts, with try and except",
        "h: compared in the graph",
        MORE[2].name,
        MORE[3].name,
    ),
}
"""The names of entries, by part; each changes that part and what belongs to it."""


class Original(NamedTuple):
    """A right solution of a part."""

    part: str
    style: str
    file: str
    """The file that the part stands in."""
    text: str
    """Its content."""
    lines: tuple[range, ...]
    """The lines of the part that the style wrote, counted from 1."""


def get_originals(part: str) -> list[Original]:
    """The right solutions of a part."""
    entries = {entry.name: entry for entry in (*RIGHT, *MORE)}
    file = PARTS[part].file
    reference = read_reference()[file]
    originals = []
    for style in STYLES[part]:
        files = read_reference()
        for edit in entries[style].edits:
            edit(files)
        lines = _find_lines(files[file], file, part)
        if style != _REFERENCE:
            known = _read(reference, _find_lines(reference, file, part))
            texts = _read(files[file], lines)
            lines = [some for some, text in zip(lines, texts, strict=True) if text not in known]
        originals.append(Original(part, style, file, files[file], tuple(lines)))
    return originals


def _find_lines(text: str, file: str, part: str) -> list[range]:
    regions = [region for region in find_regions(text, file) if region.part == part]
    return [range(region.begin + 1, region.end + 1) for region in regions]


def _read(text: str, lines: list[range]) -> list[list[str]]:
    numbered = text.splitlines()
    return [[numbered[number - 1] for number in some] for some in lines]

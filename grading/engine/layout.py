"""Finds out where a cell keeps the weights of each input, whatever variables hold them.

A cell's weighted sums are linear in its weights: the derivative of an output by a weight is its
derivative by the weighted sum, times the number that the weight multiplies. While all weights are
equal and the inputs add up to the same, the first factor stays the same. So if some inputs are set
to 0 and the others raised, the gradient answers a question about all weights at once: those of the
first inputs have none, those of the others have more, and the biases have what they had before.

This takes no equation of a cell, only that it adds up weighted inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grading.engine.graphs import LoadedGraph

TOLERANCE = 1e-3
"""Largest relative difference of two derivatives that count as equal."""
MEMORIES = (2.0, 0.7)
"""Values of the state that is not weighted: with both, no two gates have the same derivatives."""


def find_layout(
    graph: LoadedGraph, len_inp: int, n_inp: int, n_out: int, fields: Sequence[str]
) -> np.ndarray | None:
    """The place of each weight.

    Args:
        graph: A cell that is called; its first time step is looked at.
        len_inp: T, the number of time steps.
        n_inp: I, the number of inputs.
        n_out: H, the number of hidden units; I + H is at least 2.
        fields: The fields of the state; the first is weighted, like the input.

    Returns:
        Indices into the vector of all trainable numbers, [G, I + H + 1, H]: by weighted sum, by
        what the weight multiplies (the inputs, the hidden state, 1), by hidden unit. The G sums are
        in no certain order. None if the graph has no such layout.
    """
    if not graph.variables:
        return None
    nbr_terms = n_inp + n_out
    all_terms, all_units = np.ones(nbr_terms), np.ones(n_out)
    graph.set_parameters(np.full(graph.nbr_parameters, 1 / nbr_terms))

    def differentiate(terms=all_terms, units=all_units, memory=MEMORIES[0]) -> np.ndarray:
        """The derivative of the sum of some units' outputs by each weight."""
        x, h = np.split(terms, [n_inp])
        states = dict.fromkeys(fields, np.full([1, n_out], memory)) | {fields[0]: h[np.newaxis]}
        later = np.zeros([1, len_inp - 1, n_inp])
        inputs = {"x": np.concatenate([x.reshape(1, 1, -1), later], axis=1)}
        inputs |= {f"state/{f}": s for f, s in states.items()}
        gradients = graph.fetch_gradients({"outputs/0": units[np.newaxis]}, inputs).by_weights
        none = [g for g in gradients if g is None]
        return np.zeros(0) if none else np.concatenate([np.ravel(g) for g in gradients])

    bases = [differentiate(memory=memory) for memory in MEMORIES]
    base = bases[0]
    if not base.size or not np.isfinite(bases).all() or (base == 0).any():
        return None
    sums = _cluster(bases[0] + 0.6 * bases[1])
    terms = np.zeros(base.size, int)  # from 1; the biases are number 0
    for bit, members in _get_bits(np.arange(1, nbr_terms + 1)):
        raised = nbr_terms / members.sum()
        ratio = differentiate(terms=raised * members) / base
        terms += bit * np.isclose(ratio, raised, rtol=TOLERANCE)
        off = np.min([np.abs(ratio - right) for right in (0, 1, raised)], axis=0)
        if not (off < TOLERANCE * raised).all():
            return None
    units = np.zeros(base.size, int)
    for bit, members in _get_bits(np.arange(n_out)):
        units += bit * (differentiate(units=members.astype(float)) != 0)
    layout = np.full([sums.max() + 1, nbr_terms + 1, n_out], -1)
    if layout.size != base.size or terms.max() > nbr_terms or units.max() >= n_out:
        return None
    layout[sums, terms - 1, units] = np.arange(base.size)
    return layout if (layout >= 0).all() else None


def _cluster(values: np.ndarray) -> np.ndarray:
    """A number from 0 for each value; the same for values that are nearly equal."""
    order = np.argsort(values)
    jumps = np.diff(values[order], prepend=values[order[0]]) > TOLERANCE * np.abs(values).max()
    return np.cumsum(jumps)[np.argsort(order)]


def _get_bits(numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each power of two that occurs in the numbers, and which of them have it."""
    bit = 1
    while bit <= numbers.max():
        yield bit, (numbers & bit) > 0
        bit *= 2

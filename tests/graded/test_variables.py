"""Parts a and c: the variables of the two cells. What holds for both is asked of both.

A test fails by `lose`, with a sentence for the student; for each, the corpus of submissions has a
mistake that it tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import LoadedGraph, join_shapes
from grading.engine.layout import find_layout
from grading.engine.losing import lose
from tests.graded.cells import get_fields, of_cells, run

STEPS = 100
LARGEST_RADIUS = 1.2
"""Of the spectrum of a linear cell's recurrent block: a random one of radius 1 stays below."""
SPREADS = (0.01, 10.0)
"""Standard deviations that a unit's weighted sum may have, for inputs of standard deviation 1."""


@of_cells("a", "c", "variables")
def test_the_variables_are_those_of_the_cell(scorer, part, note):
    for probe, sizes in builder.VARIABLES.items():
        graph = scorer.get_graph(part, probe)
        gates = 1 if builder.CELLS[part] == "BasicRNNCell" else 4
        right = gates * (sizes.n_inp + sizes.n_out + 1) * sizes.n_out
        second_bias = gates * sizes.n_out
        if graph.nbr_parameters == right + second_bias and _uses_all(scorer, part):
            note("accepted with two biases, where one is enough")
        elif graph.nbr_parameters != right:
            likely = _explain_number(graph, *sizes, gates) if probe == "wide" else None
            lose(
                f"for n_inp={sizes.n_inp} and n_out={sizes.n_out} the cell should have {right:,}"
                f" trainable numbers and has {graph.nbr_parameters:,}"
                f" ({join_shapes(graph.variables)})" + (f": {likely}" if likely else "")
            )


def _uses_all(scorer, part: str) -> bool:
    """Whether the cell, another part, works and depends on all of its weights."""
    n_inp, n_out = builder.VARIABLES["deep"]
    try:
        graph = scorer.get_graph({"a": "b", "c": "d"}[part], "deep")
        graph.set_parameters(np.full(graph.nbr_parameters, 1 / n_out))
        ones = np.ones([1, n_out])
        inputs = {f"state/{field}": ones for field in get_fields(part)}
        inputs["x"] = np.ones([1, 1, n_inp])
        gradients = graph.fetch_gradients(["outputs/0"], inputs).by_weights
    except pytest.fail.Exception:
        return False
    return all(gradient is not None and gradient.all() for gradient in gradients)


def _explain_number(graph: LoadedGraph, n_inp: int, n_out: int, gates: int) -> str | None:
    """What is missing, if the number of parameters tells."""
    right = gates * (n_inp + n_out + 1) * n_out
    hidden = sum(v.size for v in graph.untrainable)
    if hidden and graph.nbr_parameters + hidden == right:
        return f"not trainable: {join_shapes(graph.untrainable)}; leave out trainable=False"
    reasons = {
        0: "no variable is created; create them in __init__, not in __call__",
        right - gates * n_out: "the biases are missing",
        right + gates * n_out: "one bias too many, or a second one that __call__ does not use",
        right - gates * n_inp * n_out: "the weights of the input are missing",
        right - gates * n_out * n_out: "the weights of the hidden state are missing",
    }
    if gates == 4:
        reasons |= {
            right * 3 // 4: "one of the four is missing: input, forget, output gate and candidate",
            right // 4: "there is one set of weights; three gates and the candidate need four",
            right - n_out: "one of the four biases is missing",
            right - 2 * n_out: "two of the four biases are missing",
            right - 3 * n_out: "three of the four biases are missing",
            right - n_inp * n_out: "the input's weights are missing for one of the four",
            right - n_out * n_out: "the hidden state's weights are missing for one of the four",
        }
    return reasons.get(graph.nbr_parameters)


class Initial(NamedTuple):
    """How the cell of the probe "deep" starts."""

    values: list[np.ndarray]
    """The variables."""
    weights: np.ndarray | None
    """All weights [G, I + H, H], if the cell tells where they are: by weighted sum, by what they
    multiply, by hidden unit."""
    spreads: np.ndarray
    """Standard deviations of a unit's weighted sums [G], for inputs of standard deviation 1."""


@pytest.fixture
def initial(scorer, part) -> Initial:
    return scorer.find_once((Initial, part), lambda: _look_at_start(scorer, part))


def _look_at_start(scorer, part: str) -> Initial:
    graph = scorer.get_graph(part, "deep")
    sizes = builder.VARIABLES["deep"]
    graph.initialise()
    values = graph.get_weights()
    flat = np.concatenate([np.zeros(0), *(np.ravel(v) for v in values)])
    layout = _find_layout(scorer, part, graph)
    if layout is None:  # biases are counted as weights, and all sums as one
        nbr_sums = max(1, round(flat.size / (sizes.n_inp + sizes.n_out + 1)))
        return Initial(values, None, np.sqrt([np.square(flat).sum() / nbr_sums]))
    weights = flat[layout][:, :-1]
    return Initial(values, weights, np.sqrt(np.square(weights).sum(axis=(1, 2)) / sizes.n_out))


def _find_layout(scorer, part: str, variables: LoadedGraph) -> np.ndarray | None:
    """Where the weights are; None while the cell itself, another part, does not work."""
    called, sizes = {"a": "b", "c": "d"}[part], builder.VARIABLES["deep"]
    try:
        graph = scorer.get_graph(called, "deep")
        if [v.shape for v in graph.variables] != [v.shape for v in variables.variables]:
            return None
        return find_layout(graph, 1, *sizes, get_fields(part))
    except pytest.fail.Exception:
        return None


@of_cells("a", "c", "variables")
def test_the_initial_weights_are_finite_and_drawn_at_random(scorer, part, initial):
    for variable, value in zip(
        scorer.get_graph(part, "deep").variables, initial.values, strict=True
    ):
        if not np.isfinite(value).all():
            lose(f"{variable.name} starts with values that are infinite or not a number")
    if initial.weights is None:
        if initial.values and all(np.ptp(value) == 0 for value in initial.values):
            lose(
                f"all weights start as {np.ravel(initial.values[0])[0]:g}: hidden units that start"
                " equal stay equal; draw the weights at random",
                vague=True,
            )
        return
    n_inp = builder.VARIABLES["deep"].n_inp
    inputs, hidden = np.split(initial.weights, [n_inp], axis=1)
    for name, blocks in (("input", inputs), ("hidden state", hidden)):
        for block in blocks:
            if np.ptp(block) == 0:
                lose(
                    f"all weights of the {name} start as {block.flat[0]:g}"
                    + (" in one of the four weighted sums" if len(blocks) > 1 else "")
                    + ": draw the weights at random"
                )
    columns = np.swapaxes(initial.weights, 0, 2).reshape(initial.weights.shape[2], -1)
    nbr_different = len(np.unique(columns, axis=0))
    if nbr_different < len(columns):
        lose(
            f"of {len(columns)} hidden units only {nbr_different} start with weights of their own:"
            " hidden units that start equal stay equal; draw all weights at random"
        )


@of_cells("a", "c", "variables")
def test_the_initial_weights_let_activations_neither_vanish_nor_explode(scorer, part, initial):
    n_out = builder.VARIABLES["deep"].n_out
    if not np.isfinite(initial.spreads).all():
        return  # told elsewhere
    smallest, largest = SPREADS
    if initial.spreads.min() < smallest:
        lose(
            f"the initial weights are so small that activations vanish: inputs of size 1 give"
            f" activations of size {initial.spreads.min():.2g}; draw the weights larger"
        )
    if part == "a" and initial.weights is not None and _is_linear(scorer):
        recurrent = initial.weights[0, -n_out:]
        radius = float(np.abs(np.linalg.eigvals(recurrent)).max())
        digits = STEPS * np.log10(radius)
        if radius > LARGEST_RADIUS:
            lose(
                f"the initial weights let activations explode: for n_out={n_out} the cell"
                f" multiplies its state by up to {radius:.3g} a step,"
                f" 1e{digits:.0f} in {STEPS} steps; the more hidden units, the smaller the"
                " weights must be"
            )
    if initial.spreads.max() > largest:
        lose(
            f"the initial weights are so large that activations explode or saturate: inputs of"
            f" size 1 give sums of size {initial.spreads.max():.3g}; draw the weights smaller"
        )


def _is_linear(scorer) -> bool:
    """Whether twice the input gives twice the output."""
    x = np.sin(np.arange(4 * 4 * 4)).reshape(4, 4, 4)
    try:
        graph = scorer.get_graph("b", "call")
        graph.set_parameters(np.linspace(-0.9, 0.8, graph.nbr_parameters))
        none, once, twice = (np.array(run(graph, "b", k * x)[0]) for k in range(3))
    except pytest.fail.Exception:  # part b's loss, not part a's
        return True
    return np.allclose(twice - none, 2 * (once - none), atol=1e-4)

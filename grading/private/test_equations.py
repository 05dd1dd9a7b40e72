"""The cells at random weights, against the equations: parts b and d.

The public tests have shown the cells at constant weights, which the order of the variables cannot
change. Here each parameter's role is found out, and then all are set at random.
"""

from __future__ import annotations

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import LoadedGraph, lose
from grading.engine.parts import PARTS
from grading.private.oracle import RIGHT, Equation
from grading.private.roles import find_roles

BATCH = 5
CELLS = [
    pytest.param("b", marks=pytest.mark.part("b", "equation"), id="basic"),
    pytest.param("d", marks=pytest.mark.part("d", "equation"), id="lstm"),
]
STATES = [
    pytest.param("b", marks=pytest.mark.part("b", "state"), id="basic"),
    pytest.param("d", marks=pytest.mark.part("d", "state"), id="lstm"),
]


class Fit:
    """A graph whose parameters' roles in an equation are known."""

    def __init__(self, part: str, probe: str, graph: LoadedGraph):
        self.call = builder.CALLS[probe]
        self.fields = builder.STATE_FIELDS[builder.CELLS[part]]
        self.graph = graph
        self.equation: Equation | None = None
        self.roles: np.ndarray | None = None

    def run(self, parameters: np.ndarray, x: np.ndarray, start, graph=None):
        """Outputs [T, B, H] and final state of the graph."""
        graph = graph or self.graph
        graph.set_parameters(parameters)
        inputs = {f"state/{f}": s for f, s in zip(self.fields, start, strict=True)}
        outputs = [f"outputs/{step}" for step in range(graph.nbr_outputs)]
        states = [f"state/{field}" for field in self.fields if graph.has_output(f"state/{field}")]
        values = graph.fetch([*outputs, *states], {"x": x, **inputs})
        try:
            return np.stack(values[: len(outputs)]), values[len(outputs) :]
        except ValueError:
            lose("the outputs are not all of one shape")

    def expect(self, parameters: np.ndarray, x: np.ndarray, start):
        shape = self.equation.get_shape(self.call.n_inp, self.call.n_out)
        by_role = np.empty(len(parameters))
        by_role[self.roles] = parameters
        outputs, state = self.equation.run(by_role.reshape(1, *shape), x, start)
        return outputs[0], [s[0] for s in state]

    def zero_state(self, batch: int):
        return [np.zeros([batch, self.call.n_out])] * len(self.fields)

    def search(self, part: str, rng: np.random.Generator) -> bool:
        """Looks for an equation of which the graph is a version."""
        x = rng.uniform(-1, 1, [BATCH, self.call.lengths[-1], self.call.n_inp])
        start = self.zero_state(BATCH)
        for equation in RIGHT[builder.CELLS[part]]:
            shape = equation.get_shape(self.call.n_inp, self.call.n_out)
            if self.graph.nbr_parameters == np.prod(shape):
                run = lambda parameters: self.run(parameters, x, start)[0]  # noqa: E731
                roles = find_roles(run, equation, shape, x, rng)
                if roles is not None:
                    self.equation, self.roles = equation, roles
                    return True
        return False


@pytest.fixture
def fit(scorer, rng, part) -> Fit:
    """The submission's cell, fitted; on the graph of fixed batch if the other cannot be built."""
    probes = scorer.get_build().probes[part]
    usable = [probe for probe in ("call", "fixed") if probes[probe].error is None]
    probe = usable[0] if usable else "call"
    fit = Fit(part, probe, scorer.get_graph(part, probe))
    fit.search(part, rng)
    return fit


@pytest.mark.parametrize("part", CELLS)
def test_random_weights_give_what_the_equation_gives(fit, part, scorer, rng):
    if fit.equation is None:
        equations = RIGHT[builder.CELLS[part]]
        needed = [np.prod(e.get_shape(fit.call.n_inp, fit.call.n_out)) for e in equations]
        if fit.graph.nbr_parameters not in needed:
            lose(
                f"the cell cannot be tried at random weights, as it has {fit.graph.nbr_parameters}"
                f" trainable numbers where {needed[0]} are needed: see part ({PARTS[part].needs})"
            )
        lose(
            f"{PARTS[part].where} is not the cell's equation at random weights: no way to read its"
            " variables as the weights and biases of the equation explains the outputs (is one"
            " of them used twice, or not at all?)"
        )
    long = scorer.get_build().probes[part]["long"]
    graphs = [(fit.graph, fit.call.lengths[-1])]
    if fit.call is builder.CALLS["call"] and long.error is None:
        graphs.append((scorer.get_graph(part, "long"), builder.CALLS["long"].lengths[-1]))
    for graph, length in graphs * 2:
        if graph.nbr_outputs != length:
            lose(f"for {length} time steps there are {graph.nbr_outputs} outputs")
        parameters = rng.normal(0, 0.5, len(fit.roles))
        x = rng.normal(size=[BATCH, length, fit.call.n_inp])
        start = fit.zero_state(BATCH)
        outputs, _ = fit.run(parameters, x, start, graph)
        expected, _ = fit.expect(parameters, x, start)
        for step, (output, right) in enumerate(zip(outputs, expected, strict=True), start=1):
            if not np.allclose(output, right, rtol=1e-3, atol=1e-4):
                lose(
                    f"at random weights, output {step} of {length} should begin with"
                    f" {right[0, 0]:.4f} and begins with {output[0, 0]:.4f}"
                )


@pytest.mark.parametrize("part", STATES)
def test_random_states_are_used_and_returned(fit, part, rng):
    if fit.equation is None:
        pytest.skip("the equation is judged elsewhere")
    parameters = rng.normal(0, 0.5, len(fit.roles))
    x = rng.normal(size=[BATCH, fit.call.lengths[-1], fit.call.n_inp])
    start = [rng.normal(size=[BATCH, fit.call.n_out]) for _ in fit.fields]
    outputs, state = fit.run(parameters, x, start)
    expected_outputs, expected_state = fit.expect(parameters, x, start)
    if not np.allclose(outputs[0], expected_outputs[0], rtol=1e-3, atol=1e-4):
        lose("the first output is not what follows from the start state")
    for field, value, expected in zip(fit.fields, state, expected_state, strict=False):
        if value.shape != expected.shape or not np.allclose(value, expected, rtol=1e-3, atol=1e-4):
            lose(f"the final state's field {field} is not the {field} state after the last step")

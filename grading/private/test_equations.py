"""The cells at random weights, against the equations: parts b and d.

The public tests have shown the cells at constant weights, which the order of the variables cannot
change. Here each parameter's role is found out, and then all are set at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import LoadedGraph, Variable
from grading.engine.layout import find_layout
from grading.engine.losing import lose
from grading.engine.parts import PARTS
from grading.engine.text import tell_apart
from grading.private.oracle import GATES, RIGHT, Equation, with_forget_bias
from grading.private.roles import NoRoleError, find_roles

BATCH = 5
SIZES = (1.0, 30.0, 1e4)
"""Sizes of inputs and states at which the equation must hold, the smallest first."""
TOLERANCE = 1e-4
"""Relative, for numbers of size 1: graphs compute in float32."""
ONES = {
    "one_input": "for n_inp=1",
    "one_unit": "for n_out=1",
    "one_step": "for a single time step",
    "ones": "for n_inp=1, n_out=1, one time step and a batch of one",
}
"""Probes in which a size is one."""


def of_cells(criterion: str):
    """Parametrises a test by both cells' parts."""
    return pytest.mark.parametrize(
        "part",
        [
            pytest.param(part, marks=pytest.mark.part(part, criterion), id=name)
            for part, name in (("b", "basic"), ("d", "lstm"))
        ],
    )


class Fit(NamedTuple):
    """A graph whose parameters' roles in an equation are known."""

    graph: LoadedGraph
    call: builder.Call
    fields: tuple[str, ...]
    equation: Equation
    roles: np.ndarray
    """Of each of the graph's parameters, the index of its role."""

    @property
    def batch(self) -> int:
        return self.call.batch or BATCH

    @property
    def length(self) -> int:
        return self.call.lengths[-1]

    def draw(self, rng: np.random.Generator, size: float = 1.0):
        """Parameters, and inputs and start states of a size."""
        state = [self.batch, self.call.n_out]
        return (
            rng.normal(0, 0.5, len(self.roles)),
            rng.normal(0, size, [self.batch, self.length, self.call.n_inp]),
            [rng.normal(0, size, state) for _ in self.fields],
        )

    def run(self, parameters: np.ndarray, x: np.ndarray, start):
        """Outputs [T, B, H] and final state of the graph."""
        return run(self.graph, self.fields, parameters, x, start)

    def expect(self, parameters: np.ndarray, x: np.ndarray, start):
        """What the equation gives, for parameters [P] or of several experiments [E, P]."""
        shape = self.equation.get_shape(self.call.n_inp, self.call.n_out)
        by_role = np.empty([len(np.atleast_2d(parameters)), len(self.roles)])
        by_role[:, self.roles] = parameters
        outputs, state = self.equation.run(by_role.reshape(-1, *shape), x, start)
        return (outputs, state) if parameters.ndim == 2 else (outputs[0], [s[0] for s in state])

    def describe(self, parameter: int) -> str:
        """The role of a parameter, in words."""
        gates, rows, _ = self.equation.get_shape(self.call.n_inp, self.call.n_out)
        gate, row, unit = np.unravel_index(self.roles[parameter], (gates, rows, self.call.n_out))
        if row < self.call.n_inp:
            weight = f"weight from input {row + 1}"
        elif row < self.call.n_inp + self.call.n_out:
            weight = f"weight from hidden unit {row - self.call.n_inp + 1}"
        else:
            weight = "bias"
        where = f" in the {GATES[gate].replace('_', ' ')}" if gates > 1 else ""
        return f"the {weight} to unit {unit + 1}{where}"


def run(graph: LoadedGraph, fields, parameters: np.ndarray, x: np.ndarray, start):
    """Outputs [T, B, H] and final state of a graph."""
    graph.set_parameters(parameters)
    inputs = {f"state/{f}": s for f, s in zip(fields, start, strict=True)}
    outputs = [f"outputs/{step}" for step in range(graph.nbr_outputs)]
    states = [f"state/{field}" for field in fields if graph.has_output(f"state/{field}")]
    values = graph.fetch([*outputs, *states], {"x": x, **inputs})
    shapes = {np.shape(value) for value in values[: len(outputs)]}
    if not shapes:
        lose("there are no outputs", vague=True)
    if len(shapes) != 1:
        lose("the outputs are not all of one shape")
    if shapes != {np.shape(start[0])}:
        right, came = list(np.shape(start[0])), list(shapes.pop())
        lose(f"the outputs should be of shape [batch, n_out], here {right}, and are of {came}")
    return np.stack(values[: len(outputs)]), values[len(outputs) :]


def find_fit(scorer, part: str, probe: str, equations: Sequence[Equation] = ()) -> Fit | str:
    """The equation of which a graph is a version; a sentence on why there is none.

    Args:
        scorer: The submission.
        part: b or d.
        probe: A call of the cell.
        equations: Those that it may be; all right ones, if none is given.
    """
    graph, call = scorer.get_graph(part, probe), builder.CALLS[probe]
    rng = np.random.default_rng([scorer.seed, *map(ord, part + probe)])
    state = 0.5 if call.lengths[-1] == 1 else 0.0  # a single step shows a state at the start only
    fields = builder.STATE_FIELDS[builder.CELLS[part]]
    batch = call.batch or BATCH
    x = rng.uniform(-1, 1, [batch, call.lengths[-1], call.n_inp])
    start = [np.full([batch, call.n_out], state)] * len(fields)

    def run_it(parameters: np.ndarray) -> np.ndarray:
        return run(graph, fields, parameters, x, start)[0]

    layout = _find_layout(graph, call, fields)
    why = ""
    for equation in equations or get_equations(part, graph, call):
        shape = equation.get_shape(call.n_inp, call.n_out)
        if graph.nbr_parameters == np.prod(shape):
            try:
                roles = find_roles(run_it, equation, shape, x, start, rng, layout)
            except NoRoleError as error:
                why = why or _explain(error, graph.variables)
            else:
                return Fit(graph, call, fields, equation, roles)
    return why


def _find_layout(
    graph: LoadedGraph, call: builder.Call, fields: tuple[str, ...]
) -> np.ndarray | None:
    if call.batch is not None:  # it runs a batch of one
        return None
    try:
        return find_layout(graph, call.lengths[-1], call.n_inp, call.n_out, fields)
    except pytest.fail.Exception:  # its gradients are judged elsewhere
        return None


def get_equations(part: str, graph: LoadedGraph, call: builder.Call) -> list[Equation]:
    """The right equations, with the constant that an LSTM adds to its forget gate.

    With all weights zero an output is tanh(f c) / 2, where f is the sigmoid of the constant.
    """
    equations = RIGHT[builder.CELLS[part]]
    if part == "b":
        return equations
    shape = [call.batch or BATCH, call.n_out]
    x = np.zeros([shape[0], call.lengths[-1], call.n_inp])
    outputs, _ = run(
        graph,
        ("hidden", "cell"),
        np.zeros(graph.nbr_parameters),
        x,
        [np.zeros(shape), np.ones(shape)],
    )
    kept = np.arctanh(np.clip(2 * outputs.flat[0].astype(float), -0.9999, 0.9999))
    if not 1e-6 < kept < 1 - 1e-6 or abs(kept - 0.5) < 1e-5:
        return equations
    return [with_forget_bias(equation, np.log(kept / (1 - kept))) for equation in equations]


def _explain(error: NoRoleError, variables: list[Variable]) -> str:
    """Which number changes the outputs as no weight of the equation does."""
    if error.parameter is None and np.isnan(error.expected):
        return "the outputs are of another shape"
    if error.parameter is None:
        right, came = tell_apart(error.expected, error.came)
        return f"with all weights equal an output should be {right} and is {came}"
    number, names = error.parameter, iter(variables)
    while number >= (variable := next(names)).size:
        number -= variable.size
    place = ", ".join(str(i) for i in np.unravel_index(number, variable.shape))
    return (
        f"a change of {variable.name}[{place}] changes the outputs as that of no weight in the"
        " equation does"
    )


def compare(
    came: np.ndarray, expected: np.ndarray, what: Callable[[int], str], size: float = 1.0
) -> None:
    """Loses at the first of several arrays that is not as expected, for numbers of a size."""
    tolerance = TOLERANCE * max(1, size / 200)  # sums of large numbers are less exact
    scale = np.abs(expected).max(initial=1.0)
    for number, (one, right) in enumerate(zip(came, expected, strict=True)):
        if np.shape(one) != np.shape(right):
            lose(f"{what(number)} should be of shape {list(right.shape)}, not {list(one.shape)}")
        bad = ~np.isclose(one, right, rtol=tolerance, atol=0.2 * tolerance * scale)
        if bad.any():
            should, is_ = tell_apart(right[bad][0], one[bad][0])
            lose(f"{what(number)} should be {should} and is {is_}")


@pytest.fixture
def fit(part, scorer) -> Fit | str:
    """That of the probe for any batch size, or if need be of the one of a known batch size."""
    probes = scorer.get_probes(part)
    usable = [*(name for name in ("call", "fixed") if probes[name].error is None), "call"]
    return scorer.find_once((find_fit, part), lambda: find_fit(scorer, part, usable[0]))


def at_length(scorer, part: str, fit: Fit, probe: str) -> Fit:
    """The same cell, called for another number of time steps."""
    graph = scorer.get_graph(part, probe)
    call = builder.CALLS[probe]
    if graph.nbr_outputs != call.lengths[-1]:
        lose(f"for {call.lengths[-1]} time steps there are {graph.nbr_outputs} outputs")
    return fit._replace(graph=graph, call=call)


@pytest.fixture
def starts_right(fit, part, scorer) -> bool:
    """Whether the first output follows from the start state: if not, "state" is lost, no more."""

    def find() -> bool:
        rng = np.random.default_rng([scorer.seed, ord(part)])
        parameters, x, start = fit.draw(rng)
        outputs, _ = fit.run(parameters, x, start)
        expected, _ = fit.expect(parameters, x, start)
        return np.allclose(outputs[:1], expected[:1], rtol=1e-2, atol=1e-2)

    return isinstance(fit, Fit) and scorer.find_once((find_fit, part, "start"), find)


@of_cells("equation")
def test_random_weights_give_what_the_equation_gives(fit, part, scorer, rng):
    if isinstance(fit, str):
        graph, call = scorer.get_graph(part, "call"), builder.CALLS["call"]
        needed = RIGHT[builder.CELLS[part]][0].get_shape(call.n_inp, call.n_out)
        if not fit:
            lose(
                f"the cell cannot be tried at random weights, as it has {graph.nbr_parameters}"
                f" trainable numbers where {np.prod(needed)} are needed: see part"
                f" ({PARTS[part].needs})",
                vague=True,
            )
        lose(f"{PARTS[part].where} is not the cell's equation: {fit}", vague=True)
    tried = [fit]
    if fit.call is builder.CALLS["call"] and scorer.get_probes(part)["long"].error is None:
        tried.append(at_length(scorer, part, fit, "long"))
    for each in tried * 2:
        parameters, x, start = each.draw(rng)
        start = [np.zeros_like(s) for s in start]
        outputs, _ = each.run(parameters, x, start)
        expected, _ = each.expect(parameters, x, start)
        length = each.length
        if len(outputs) != length:
            lose(f"for {length} time steps there are {len(outputs)} outputs")
        compare(outputs, expected, lambda t, n=length: f"at random weights, output {t + 1} of {n}")


@of_cells("equation")
@pytest.mark.parametrize("large", ["x", "hidden", "cell"])
def test_large_inputs_and_states_follow_the_equation(fit, part, rng, large):
    if isinstance(fit, str):
        pytest.skip("the equation is judged elsewhere")
    if large not in ("x", *fit.fields):
        pytest.skip("there is no such field")
    for size in SIZES:
        parameters, x, start = fit.draw(rng)
        start = [s * (size if f == large else 0) for f, s in zip(fit.fields, start, strict=True)]
        x = x * (size if large == "x" else 1)
        outputs, _ = fit.run(parameters, x, start)
        expected, _ = fit.expect(parameters, x, start)
        if size == SIZES[0] and not np.allclose(outputs, expected, rtol=1e-2, atol=1e-2):
            return  # it is told elsewhere
        name = "inputs" if large == "x" else f"numbers in the start state's field {large}"
        compare(
            outputs,
            expected,
            lambda t, n=f"{name} of size {size:g}": f"at random weights and {n}, output {t + 1}",
            size,
        )


@of_cells("state")
def test_random_states_are_used_and_returned(fit, part, rng):
    if isinstance(fit, str):
        pytest.skip("the equation is judged elsewhere")
    for size in SIZES:
        parameters, x, start = fit.draw(rng)
        start = [s * size for s in start]
        outputs, state = fit.run(parameters, x, start)
        expected, right = fit.expect(parameters, x, start)
        compare(
            outputs[:1], expected[:1], lambda _: "from a random start state, the first output", size
        )
        for field, value, follows in zip(fit.fields, state, right, strict=False):
            compare([value], [follows], lambda _, f=field: f"the final state's field {f}", size)


@of_cells("graph")
@pytest.mark.parametrize("probe", ONES)
def test_the_equation_holds_where_a_size_is_one(fit, part, scorer, rng, starts_right, probe):
    if isinstance(fit, str) or fit.call is not builder.CALLS["call"]:
        pytest.skip("the equation is judged elsewhere")
    if scorer.get_probes(part)[probe].error is not None:
        pytest.skip("the public tests tell that it does not work")
    if probe == "ones" and not starts_right:
        pytest.skip("the state is judged elsewhere")
    if probe == "one_step":  # of the sizes whose roles are known
        small = at_length(scorer, part, fit, probe)
    else:
        small = find_fit(scorer, part, probe, [fit.equation])
    if isinstance(small, str):
        lose(f"{PARTS[part].where} is not the cell's equation {ONES[probe]}: {small}")
    parameters, x, start = small.draw(rng)
    start = [s * starts_right for s in start]
    outputs, state = small.run(parameters, x, start)
    expected, right = small.expect(parameters, x, start)
    compare(outputs, expected, lambda t: f"{ONES[probe]}, output {t + 1} at random weights")
    compare(state, right[: len(state)], lambda i: f"{ONES[probe]}, the state's {small.fields[i]}")


DERIVATIVE_STEP = 1e-5
"""Of central differences in float64."""
LARGEST = 1e3
"""The largest output of which differences are taken: rounding grows with it, and steps do not."""


@of_cells("graph")
@pytest.mark.parametrize("probe", ["long", "longest"])
def test_the_gradients_are_those_of_the_equation(fit, part, scorer, rng, starts_right, probe):
    if isinstance(fit, str) or fit.call is not builder.CALLS["call"]:
        pytest.skip("the equation is judged elsewhere")
    each = at_length(scorer, part, fit, probe)
    parameters, x, start = each.draw(rng)
    start = [s * starts_right for s in start]
    while np.abs(each.expect(parameters, x, start)[0]).max() > LARGEST:
        parameters = parameters / 2
    each.graph.set_parameters(parameters)
    weights = rng.normal(size=[each.length, each.batch, each.call.n_out])
    of = {f"outputs/{step}": weight for step, weight in enumerate(weights)}
    names = [f"state/{field}" for field in each.fields]
    inputs = {"x": x, **dict(zip(names, start, strict=True))}
    _, ended = each.run(parameters, x, start)
    _, right = each.expect(parameters, x, start)
    of |= {name: None for name in names if each.graph.has_output(name)}
    state_weights = np.zeros([len(names), *np.shape(right[0])])
    if len(ended) == len(names) and np.allclose(ended, right, rtol=TOLERANCE, atol=TOLERANCE):
        state_weights = rng.normal(size=state_weights.shape)
        of |= dict(zip(names, state_weights, strict=True))

    def expect(parameters, x=x, start=start) -> np.ndarray:
        """The weighted sums of E experiments with N batches one after another, [E, N]."""
        outputs, state = each.expect(np.atleast_2d(parameters), x, start)
        outputs, states = (
            values.reshape(*values.shape[:2], -1, each.batch, each.call.n_out)
            for values in (outputs, np.array(state))
        )
        of_states = np.einsum("senbh,sbh->en", states, state_weights)
        return np.einsum("etnbh,tbh->en", outputs, weights) + of_states

    gradients = each.graph.fetch_gradients(of, inputs)
    came = gradients.by_weights
    if any(gradient is None for gradient in came):
        return  # told elsewhere
    moves = DERIVATIVE_STEP * np.eye(len(parameters))
    slopes = (expect(parameters + moves) - expect(parameters - moves)) / (2 * DERIVATIVE_STEP)
    _compare_derivatives(
        np.concatenate([g.ravel() for g in came]), slopes[:, 0], each.describe, len(weights)
    )

    for number, (name, gradient) in enumerate(gradients.by_inputs.items()):
        if gradient is None or not (name == "x" or starts_right):
            return  # told elsewhere
        steps = [f"the input of step {step + 1}" for step in range(each.length)]
        _compare_along_moves(
            number,
            [x, *start],
            gradient,
            steps if name == "x" else [f"the start {name}"],
            lambda fed: expect(parameters, fed[0], fed[1:])[0],
            len(weights),
            rng,
        )


def _compare_along_moves(
    number: int,
    fed: Sequence[np.ndarray],
    gradient: np.ndarray,
    what: Sequence[str],
    expect: Callable[[Sequence[np.ndarray]], np.ndarray],
    length: int,
    rng: np.random.Generator,
) -> None:
    """Loses where a sum does not change as its gradient by something that is fed says.

    Args:
        number: Of what is moved, among all that is fed.
        fed: The input [B, T, I], and the fields of the start state.
        gradient: By what is moved.
        what: Names of the moves; if there are several, of one time step each.
        expect: The sum for each of N batches that are fed one after another, [N].
        length: How many outputs are added.
        rng: Draws the moves.
    """
    moves = rng.normal(size=[len(what), *fed[number].shape])
    if len(what) > 1:
        moves *= np.eye(len(what))[:, np.newaxis, :, np.newaxis]
    ends = []
    for sign in (1, -1):
        moved = [np.concatenate([each] * len(moves)) for each in fed]
        moved[number] = np.concatenate(fed[number] + sign * DERIVATIVE_STEP * moves)
        ends.append(expect(moved))
    slopes = (ends[0] - ends[1]) / (2 * DERIVATIVE_STEP)
    for name, move, slope in zip(what, moves, slopes, strict=True):
        terms = gradient * move  # their sum may be small, and as inexact as they are
        _compare_derivatives(
            np.array([terms.sum()]),
            np.array([slope]),
            lambda _, name=name: name,
            length,
            float(np.linalg.norm(terms)),
        )


def _compare_derivatives(
    came: np.ndarray,
    expected: np.ndarray,
    what: Callable[[int], str],
    length: int,
    size: float = 1.0,
) -> None:
    """Loses at the first derivative that is not as expected, where numbers of a size are added."""
    scale = max(1.0, size, np.abs(expected).max())
    wrong = np.flatnonzero(~np.isclose(came, expected, rtol=1e-3, atol=1e-4 * scale))
    if len(wrong):
        should, is_ = tell_apart(expected[wrong[0]], came[wrong[0]])
        lose(
            f"the gradient by {what(wrong[0])} should be {should} and is {is_}, for a weighted sum"
            f" of {length} outputs and the final state: something cuts it off or changes it on the"
            " way back"
        )

"""Parts a to d: the two cells. What holds for both is asked of both.

A test fails by `lose`, with a sentence for the student; for each, the corpus of submissions has a
mistake that it tells. No test knows a cell's equation. `expected.json` has outputs for the case
that all weights are equal, right ones and those of common mistakes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import LoadedGraph, join_shapes, lose
from grading.engine.parts import PARTS

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())

STEPS = 100
DRAWS = 5
"""Of weights, where a ReLU can hide an influence in one."""
LARGEST_RADIUS = 1.2
"""Of the spectrum of a linear cell's recurrent block: a random one of radius 1 stays below."""
SPREADS = (0.01, 10.0)
"""Standard deviations that a unit's weighted sum may have, for inputs of standard deviation 1."""


def of_cells(basic: str, lstm: str, criterion: str):
    """Parametrises a test by both cells' parts."""
    return pytest.mark.parametrize(
        "part",
        [
            pytest.param(basic, marks=pytest.mark.part(basic, criterion), id="basic"),
            pytest.param(lstm, marks=pytest.mark.part(lstm, criterion), id="lstm"),
        ],
    )


# --- parts a and c: the variables ---------------------------------------------------------------


@of_cells("a", "c", "variables")
@pytest.mark.parametrize("probe", builder.VARIABLES)
def test_the_variables_are_those_of_the_cell(scorer, part, probe):
    graph = scorer.get_graph(part, probe)
    sizes = builder.VARIABLES[probe]
    n_inp, n_out = sizes.n_inp, sizes.n_out
    gates = 1 if builder.CELLS[part] == "BasicRNNCell" else 4
    right = gates * (n_inp + n_out + 1) * n_out
    if graph.nbr_parameters == right:
        for variable in graph.variables:
            if not set(variable.shape) <= _get_meaningful_sizes(n_inp, n_out):
                lose(
                    f"{variable.name} of shape {list(variable.shape)} is neither a bias nor weights"
                    f" of {n_inp} inputs or {n_out} hidden units: give each dimension a meaning"
                )
        return
    hidden = sum(v.size for v in graph.untrainable)
    if graph.nbr_parameters + hidden == right:
        lose(f"not trainable: {join_shapes(graph.untrainable)}; leave out trainable=False")
    reasons = {
        0: "no variable is created; create them in __init__, not in __call__",
        right - gates * n_out: "the biases are missing",
        right + gates * n_out: (
            "one bias too many; where two are added, one is enough, and what is never used must go"
        ),
        right - gates * n_inp * n_out: "the weights of the input are missing",
        right - gates * n_out * n_out: "the weights of the hidden state are missing",
        right * 3 // 4: "one of the four is missing: input, forget, output gate and candidate",
        right // 4: "there is one set of weights; three gates and the candidate need four",
    }
    likely = reasons.get(graph.nbr_parameters)
    lose(
        f"for n_inp={n_inp} and n_out={n_out} the cell should have {right:,} trainable numbers and"
        f" has {graph.nbr_parameters:,} ({join_shapes(graph.variables)})"
        + (f": {likely}" if likely else "")
    )


def _get_meaningful_sizes(n_inp: int, n_out: int) -> set[int]:
    """The dimensions that weights can have: of one gate or several, with the bias or without."""
    rows = (1, n_inp, n_out, n_inp + n_out, n_inp + n_out + 1)
    return {gates * size for gates in (1, 2, 3, 4) for size in rows}


@of_cells("a", "c", "variables")
def test_the_initial_weights_are_neither_zero_nor_constant_nor_infinite(scorer, part):
    graph = scorer.get_graph(part, "deep")
    for variable, value in zip(graph.variables, graph.initialise(), strict=True):
        if not np.isfinite(value).all():
            lose(f"{variable.name} starts with values that are infinite or not a number")
        if _is_kernel(value) and np.ptp(value) == 0:
            lose(
                f"all weights of {variable.name} start as {value.flat[0]:g}: hidden units that"
                " start equal stay equal; draw the weights at random"
            )
    if not any(map(_is_kernel, graph.get_weights())):
        lose(f"there is no matrix of weights among the variables: {join_shapes(graph.variables)}")


@of_cells("a", "c", "variables")
def test_the_initial_weights_let_activations_neither_vanish_nor_explode(scorer, part):
    graph = scorer.get_graph(part, "deep")
    sizes = builder.VARIABLES["deep"]
    n_inp, n_out = sizes.n_inp, sizes.n_out
    kernels = [weights for weights in graph.initialise() if _is_kernel(weights)]
    units = n_out if part == "a" else 4 * n_out
    spread = np.sqrt(sum(np.square(k, dtype=np.float64).sum() for k in kernels) / units)
    smallest, largest = SPREADS
    if spread < smallest:
        lose(
            f"the initial weights are so small that activations vanish: inputs of size 1 give"
            f" activations of size {spread:.2g}; draw the weights larger"
        )
    radius = _get_radius(kernels, n_inp, n_out) if part == "a" else None
    if radius is not None and radius > LARGEST_RADIUS and _is_linear(scorer):
        lose(
            f"the initial weights let activations explode: for n_out={n_out} the cell multiplies"
            f" its state by up to {radius:.3g} a step, {radius**STEPS:.1g} in {STEPS} steps; the"
            " more hidden units, the smaller the weights must be"
        )
    if spread > largest:
        lose(
            f"the initial weights are so large that activations explode or saturate: inputs of"
            f" size 1 give sums of size {spread:.3g}; draw the weights smaller"
        )


def _is_kernel(value: np.ndarray) -> bool:
    return value.ndim >= 2 and min(value.shape) > 1


def _get_radius(kernels: list[np.ndarray], n_inp: int, n_out: int) -> float | None:
    """The spectral radius of the recurrent block; of the smaller one, where it could be two."""
    blocks = []
    for kernel in kernels:
        for matrix in (kernel, kernel.T):
            rows = len(matrix) - n_out
            if matrix.shape[1:] == (n_out,) and rows in (0, n_inp, n_inp + 1):
                starts = {0, rows}
                if rows == n_inp + 1:  # with a row for the bias, somewhere
                    starts |= {1, n_inp}
                blocks += [matrix[start : start + n_out] for start in starts]
    return min((float(np.abs(np.linalg.eigvals(b)).max()) for b in blocks), default=None)


def _is_linear(scorer) -> bool:
    """Whether twice the input gives twice the output; so it is while part b is unsolved."""
    if scorer.get_build().probes["b"]["call"].error is not None:
        return True
    x = np.sin(np.arange(4 * 4 * 4)).reshape(4, 4, 4)
    try:
        graph = scorer.get_graph("b", "call")
        graph.set_parameters(np.linspace(-0.9, 0.8, graph.nbr_parameters))
        none, once, twice = (np.array(_run(graph, "b", k * x)[0]) for k in range(3))
    except pytest.fail.Exception:  # part b's loss, not part a's
        return True
    return np.allclose(twice - none, 2 * (once - none), atol=1e-4)


# --- parts b and d: the unrolled cell -----------------------------------------------------------


@pytest.fixture
def probe(scorer, part) -> str:
    """The probe to look at: one for any batch size, or if need be the one of a known batch size."""
    probes = scorer.get_build().probes[part]
    return "fixed" if probes["call"].error and not probes["fixed"].error else "call"


@pytest.fixture
def graph(scorer, part, probe) -> LoadedGraph:
    return scorer.get_graph(part, probe)


@of_cells("b", "d", "equation")
def test_there_is_an_output_for_each_time_step(graph, part, probe):
    call = builder.CALLS[probe]
    if graph.nbr_outputs != call.lengths[-1]:
        lose(
            f"for {call.lengths[-1]} time steps there should be {call.lengths[-1]} outputs; there"
            f" are {graph.nbr_outputs}"
        )
    batch = call.batch or 2
    graph.initialise()
    outputs, _ = _run(graph, part, np.ones([batch, call.lengths[-1], call.n_inp]))
    if outputs[0].shape != (batch, call.n_out):
        lose(
            f"each output should be of shape [batch, n_out], here {[batch, call.n_out]}; the first"
            f" is {list(outputs[0].shape)}"
        )


@of_cells("b", "d", "equation")
def test_equal_weights_give_the_outputs_of_the_equation(graph, part, probe, note):
    call = builder.CALLS[probe]
    sums = np.array(EXPECTED["x_sums"])
    batch = call.batch or sums.shape[1]
    x = np.swapaxes(np.resize(sums.T, [batch, len(sums)]).T, 0, 1)[:, :, np.newaxis]
    x = np.repeat(x, call.n_inp, axis=2) / call.n_inp
    came = []
    for weight in EXPECTED["weights"]:
        graph.set_parameters(np.full(graph.nbr_parameters, weight))
        outputs, _ = _run(graph, part, x)
        if any(output.shape != (batch, call.n_out) for output in outputs):
            lose("the outputs are not all of shape [batch, n_out]")
        came.append([output[: sums.shape[1]] for output in outputs])
    if not np.isfinite(came).all():
        lose("the outputs are not numbers (NaN or infinite), with all weights small")

    def is_as(row) -> bool:
        expected = np.array(row["outputs"])[..., np.newaxis]
        return expected.shape[:2] == np.shape(came)[:2] and np.allclose(came, expected, atol=2e-5)

    table = EXPECTED[builder.CELLS[part]]
    for row in table["right"]:
        if is_as(row):
            if row["name"] not in ("", "linear"):
                note(f"accepted with {row['name']}")
            return
    likely = next((row["name"] for row in table["mistakes"] if is_as(row)), None)
    right = np.array(table["right"][0]["outputs"])[0, :, 0]
    lose(
        f"{likely or 'the outputs are not those of the equation'} (with all weights"
        f" {EXPECTED['weights'][0]}, a zero state and inputs that add up to"
        f" {_join(sums[:, 0])} the outputs should be {_join(right)}; they are"
        f" {_join(np.array(came)[0, :, 0, 0])})"
    )


@of_cells("b", "d", "state")
def test_the_state_is_of_the_cells_own_type(scorer, part, probe):
    facts = scorer.get_facts(part, probe)
    if facts.get("wrong_state"):
        lose(f"the final state is {facts['wrong_state']}")


@of_cells("b", "d", "state")
def test_the_outputs_follow_from_the_start_state(graph, part, probe, rng):
    call = builder.CALLS[probe]
    batch = call.batch or 16
    start = {field: np.zeros([batch, call.n_out]) for field in _fields(part)}
    for field in start:
        for _ in range(DRAWS):
            _randomise(graph, rng)
            x = rng.normal(size=[batch, call.lengths[-1], call.n_inp])
            other = {**start, field: rng.normal(size=[batch, call.n_out])}
            first, second = (_run(graph, part, x, state)[0][0] for state in (start, other))
            if not np.allclose(first, second, atol=1e-6):
                break
        else:
            lose(
                f"the start state's field {field} is not used: the first output is the same for"
                " any; start from the state that is given"
            )


@of_cells("b", "d", "state")
def test_the_final_hidden_state_is_the_last_output(graph, part, probe, rng):
    call = builder.CALLS[probe]
    _randomise(graph, rng)
    batch = call.batch or 3
    outputs, state = _run(graph, part, rng.normal(size=[batch, call.lengths[-1], call.n_inp]))
    missing = [field for field in _fields(part) if field not in state]
    if missing:
        lose(f"the final state has no {' and no '.join(missing)} state")
    if _are_equal(state["hidden"], outputs[-1]):
        return
    if _are_equal(state["hidden"], outputs[0]):
        likely = (
            "it is the first of the list: return the state after the last step, and the outputs in"
            " the order of time"
        )
    elif "cell" in state and _are_equal(state["cell"], outputs[-1]):
        likely = "hidden and cell state are swapped in the returned state"
    else:
        likely = "it is something else"
    lose(f"the field hidden of the final state should be the last output; {likely}")


@of_cells("b", "d", "state")
def test_a_sequence_in_two_halves_gives_what_the_whole_gives(scorer, part, rng):
    half, whole = scorer.get_graph(part, "call"), scorer.get_graph(part, "long")
    call = builder.CALLS["call"]
    length = call.lengths[-1]
    weights = _randomise(half, rng)
    if [w.shape for w in weights] != [v.shape for v in whole.variables]:
        lose("the variables change with the number of time steps: create them in __init__")
    whole.set_weights(weights)
    x = rng.normal(size=[3, 2 * length, call.n_inp])
    start = {field: rng.normal(size=[3, call.n_out]) for field in _fields(part)}
    outputs, state = _run(whole, part, x, start)
    first, between = _run(half, part, x[:, :length], start)
    second, final = _run(half, part, x[:, length:], {**start, **between})
    if len(first) + len(second) != len(outputs) or not _are_equal(first + second, outputs):
        swapped = dict(zip(between, reversed(between.values()), strict=True))
        if len(between) == 2 and _are_equal(
            first + _run(half, part, x[:, length:], {**start, **swapped})[0], outputs
        ):
            lose("hidden and cell state are swapped: use the state's fields by their names")
        lose(
            "4 time steps, and from the state they return 4 more, should give the same outputs as"
            " all 8 at once; they do not: the state that is returned is not the one after the last"
            " step, or not the one that the next call starts from"
        )
    for field in state:
        if not _are_equal(state[field], final[field]):
            lose(f"the field {field} of the final state depends on where the sequence is cut")


@of_cells("b", "d", "graph")
def test_the_batch_can_be_of_any_size(scorer, part, rng):
    graph, call = scorer.get_graph(part, "call"), builder.CALLS["call"]
    _randomise(graph, rng)
    x = rng.normal(size=[7, call.lengths[-1], call.n_inp])
    outputs, _ = _run(graph, part, x)
    alone, _ = _run(graph, part, x[2:3])
    if not _are_equal([output[2:3] for output in outputs], alone):
        lose(
            "a sequence's outputs should not depend on which others are in the batch; sequence 3 of"
            " 7 gives something else when it is alone"
        )


@of_cells("b", "d", "graph")
def test_the_cell_works_for_a_known_batch_size_and_other_sizes(scorer, part):
    """With equal weights only the sums of the inputs count, not how many there are."""
    graph, call = scorer.get_graph(part, "fixed"), builder.CALLS["fixed"]
    other, other_call = scorer.get_graph(part, "call"), builder.CALLS["call"]
    sums = np.linspace(-1, 1, call.batch * call.lengths[-1]).reshape(call.batch, -1, 1)
    came = []
    for each, n_inp in ((graph, call.n_inp), (other, other_call.n_inp)):
        each.set_parameters(np.full(each.nbr_parameters, 0.3))
        came.append(_run(each, part, np.repeat(sums, n_inp, axis=2) / n_inp)[0])
    if not _are_equal(*came):
        lose("with a batch size that is known to the graph, the outputs are others")


@of_cells("b", "d", "graph")
def test_a_second_call_for_one_step_shares_the_variables(scorer, part, rng):
    first, again = scorer.get_graph(part, "call"), scorer.get_graph(part, "again")
    call = builder.CALLS["again"]
    if [v.shape for v in first.variables] != [v.shape for v in again.variables]:
        lose(
            "a second call of the cell creates variables of its own, so that training changes only"
            f" one of them: after one call there are {join_shapes(first.variables)}; after two"
            f" {join_shapes(again.variables)}"
        )
    again.set_weights(_randomise(first, rng))
    x = rng.normal(size=[3, call.lengths[0], call.n_inp])
    outputs, _ = _run(first, part, x)
    one_step, _ = _run(again, part, x[:, :1])
    if not _are_equal(one_step, outputs[:1]):
        lose("called for one time step, the cell should give the first of four outputs again")


@of_cells("b", "d", "graph")
def test_all_time_steps_share_the_variables_and_the_graph_grows_with_them(scorer, part):
    short, long = scorer.get_graph(part, "call"), scorer.get_graph(part, "long")
    if short.nbr_parameters != long.nbr_parameters:
        lose(
            f"the variables must be shared among the time steps; 4 steps have"
            f" {short.nbr_parameters} trainable numbers and 8 steps {long.nbr_parameters}"
        )
    if long.nbr_operations > 2.2 * short.nbr_operations:
        lose(
            f"twice the time steps should need about twice the operations; 4 steps have"
            f" {short.nbr_operations} and 8 steps {long.nbr_operations}: is an earlier step"
            " computed anew for each later one?"
        )


@of_cells("b", "d", "graph")
def test_gradients_reach_every_weight(graph, part, probe, rng):
    outputs = [f"outputs/{step}" for step in range(graph.nbr_outputs)]
    draws = []
    for _ in range(DRAWS):
        _randomise(graph, rng)
        draws.append(graph.fetch_gradients(outputs, None, _draw_inputs(part, probe, rng)))
    for variable, *gradients in zip(graph.variables, *draws, strict=True):
        if any(gradient is None for gradient in gradients):
            lose(f"{variable.name} has no influence on the outputs: {PARTS[part].where} ignores it")
        idle = int(np.sum(~np.any(gradients, axis=0)))
        if idle:
            lose(
                f"{idle} of the {variable.size} numbers in {variable.name} have no influence on the"
                " outputs: is a part of it never used?"
            )
    if not graph.variables:
        lose("the cell has no trainable variables")


@of_cells("b", "d", "graph")
def test_gradients_flow_back_through_all_time_steps(graph, part, probe, rng):
    last = f"outputs/{graph.nbr_outputs - 1}"
    if not graph.has_output(last):
        lose("there are no outputs")
    reached = np.zeros(builder.CALLS[probe].lengths[-1], dtype=bool)
    for _ in range(DRAWS):
        _randomise(graph, rng)
        (gradient,) = graph.fetch_gradients([last], ["x"], _draw_inputs(part, probe, rng))
        if gradient is not None:
            reached |= np.any(gradient, axis=(0, 2))
    if not reached.all():
        lose(
            "the last output's gradient does not reach the inputs of all time steps: something cuts"
            " it off on the way back (tf.stop_gradient?), a step does not use its input, or the"
            " outputs are not in the order of time"
        )


def _fields(part: str) -> tuple[str, ...]:
    return builder.STATE_FIELDS[builder.CELLS[part]]


def _draw_inputs(part: str, probe: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Input and start state, by the names of the graph."""
    call = builder.CALLS[probe]
    batch = call.batch or 16
    states = {f"state/{field}": rng.normal(size=[batch, call.n_out]) for field in _fields(part)}
    return {"x": rng.normal(size=[batch, call.lengths[-1], call.n_inp]), **states}


def _run(
    graph: LoadedGraph, part: str, x: np.ndarray, start: dict[str, np.ndarray] | None = None
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Outputs and final state by field, from a zero state if no other is given."""
    if start is None:
        n_out = builder.CALLS["call"].n_out
        start = {field: np.zeros([len(x), n_out]) for field in _fields(part)}
    outputs = [f"outputs/{step}" for step in range(graph.nbr_outputs)]
    fields = [field for field in _fields(part) if graph.has_output(f"state/{field}")]
    values = graph.fetch(
        [*outputs, *(f"state/{field}" for field in fields)],
        {"x": x, **{f"state/{field}": value for field, value in start.items()}},
    )
    return values[: len(outputs)], dict(zip(fields, values[len(outputs) :], strict=True))


def _randomise(graph: LoadedGraph, rng: np.random.Generator) -> list[np.ndarray]:
    weights = [rng.normal(0, 0.5, variable.shape) for variable in graph.variables]
    graph.set_weights(weights)
    return weights


def _are_equal(ones, others) -> bool:
    return np.shape(ones) == np.shape(others) and np.allclose(ones, others, rtol=1e-3, atol=1e-5)


def _join(numbers) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)

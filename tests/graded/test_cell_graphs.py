"""Parts b and d: the graphs of the two cells: any size, shared variables, gradients.

A test fails by `lose`, with a sentence for the student; for each, the corpus of submissions has a
mistake that it tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import LoadedGraph, join_shapes
from grading.engine.losing import lose
from grading.engine.parts import PARTS
from tests.graded.cells import (
    DRAWS,
    EXPECTED,
    are_equal,
    draw_inputs,
    find_fit,
    is_as,
    is_start_right,
    lose_outputs,
    of_cells,
    randomise,
    run,
    run_case,
    run_cases,
)


@of_cells("b", "d", "graph")
def test_the_batch_can_be_of_any_size(scorer, part, rng):
    graph, call = scorer.get_graph(part, "call"), builder.CALLS["call"]
    randomise(graph, rng)
    x = rng.normal(size=[7, call.lengths[-1], call.n_inp])
    outputs, _ = run(graph, part, x)
    alone, _ = run(graph, part, x[2:3])
    if not are_equal([output[2:3] for output in outputs], alone):
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
        came.append(run(each, part, np.repeat(sums, n_inp, axis=2) / n_inp)[0])
    if not are_equal(*came):
        lose("with a batch size that is known to the graph, the outputs are others")


@of_cells("b", "d", "graph")
@pytest.mark.parametrize("where", EXPECTED["sizes"])
def test_the_cell_is_the_same_where_a_size_is_one(scorer, graph, part, probe, where):
    case = EXPECTED["sizes"][where]
    error = scorer.get_probes(part)[case["probe"]].error
    if error is not None:
        lose(f"the cell does not work {where}: {error}")
    came = run_case(scorer.get_graph(part, case["probe"]), part, case["probe"], case)
    fit = scorer.find_once((find_fit, part), lambda: find_fit(part, run_cases(scorer, part, probe)))
    if fit is None:
        pytest.skip("the equation is judged elsewhere")
    if case["start"] and not is_start_right(graph, part, probe, fit):
        pytest.skip("the state is judged elsewhere")
    if not is_as(came, fit.expect(where)):
        lose_outputs(f"the cell is not the same {where}", case, came, fit.expect(where))


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
    again.set_weights(randomise(first, rng))
    x = rng.normal(size=[3, call.lengths[0], call.n_inp])
    outputs, _ = run(first, part, x)
    one_step, _ = run(again, part, x[:, :1])
    if not are_equal(one_step, outputs[:1]):
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
def test_gradients_reach_every_weight(scorer, part, probe, rng):
    name = "long" if probe == "call" else probe
    graph = scorer.get_graph(part, name)
    draws = []
    for _ in range(DRAWS):
        randomise(graph, rng)
        inputs = draw_inputs(part, name, rng)
        draws.append(graph.fetch_gradients(_weigh(graph, inputs, rng), inputs).by_weights)
    for variable, *gradients in zip(graph.variables, *draws, strict=True):
        if any(gradient is None for gradient in gradients) or not np.any(gradients):
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
def test_gradients_flow_back_through_all_time_steps(scorer, part, probe, rng):
    name = "longest" if probe == "call" else probe
    graph = scorer.get_graph(part, name)
    reached = np.zeros(builder.CALLS[name].lengths[-1], dtype=bool)
    for _ in range(DRAWS):
        randomise(graph, rng)
        inputs = draw_inputs(part, name, rng)
        of_last = _weigh(graph, inputs, rng, last_only=True)
        gradient = graph.fetch_gradients(of_last, inputs).by_inputs["x"]
        if gradient is not None:
            reached |= np.any(gradient, axis=(0, 2))
        if reached.all():
            return
    lost = ", ".join(str(step + 1) for step in np.flatnonzero(~reached)[:5])
    lose(
        f"of {len(reached)} time steps, the last output's gradient does not reach the input of step"
        f" {lost}{' and of more' if (~reached).sum() > 5 else ''}: something cuts it off on the way"
        " back (tf.stop_gradient?), a step does not use its input, or the outputs are not in the"
        " order of time"
    )


STEP = 2e-3
"""How far numbers are moved to see the outputs change."""
Move = dict[Any, np.ndarray]
"""A direction of length 1, by the number of a variable or the name of an input."""


@of_cells("b", "d", "graph")
def test_the_gradients_are_the_slopes_of_the_outputs(scorer, part, rng):
    """Where something is moved a little, the outputs change as their gradient says."""
    graph = scorer.get_graph(part, "long")
    length = builder.CALLS["long"].lengths[-1]
    if graph.nbr_outputs != length:
        lose(f"for {length} time steps there are {graph.nbr_outputs} outputs")
    wrong: Counter[str] = Counter()
    for _ in range(DRAWS):
        slopes = _compare_slopes(graph, part, "long", rng)
        scale = max(abs(slope) for _, _, slope in slopes)
        for what, gradient, slope in slopes:
            bound = 0.02 * max(abs(gradient), abs(slope)) + 3e-3 * scale
            wrong[what] += not abs(gradient - slope) <= bound
            if wrong[what] > DRAWS // 2:  # a kink, such as a ReLU's, can disturb one
                lose(
                    f"the gradient of the outputs by {what} is wrong for {length} time steps: it is"
                    f" {gradient:.3g} where the outputs change by {slope:.3g}; something cuts it"
                    " off or changes it on the way back (tf.stop_gradient? a detour over steps?)"
                )


def _compare_slopes(
    graph: LoadedGraph, part: str, name: str, rng: np.random.Generator
) -> list[tuple[str, float, float]]:
    """What is moved, the gradient of a weighted sum of outputs along the move, and its change."""
    weights, inputs = randomise(graph, rng), draw_inputs(part, name, rng, batch=1)
    # Often the last output alone: its way back is the longest.
    of = _weigh(graph, inputs, rng, last_only=rng.random() < 0.5)
    names = [name for name, factor in of.items() if factor is not None]
    factors = np.array([of[name] for name in names])
    gradients = graph.fetch_gradients(of, inputs)
    by_weights = dict(enumerate(gradients.by_weights))

    def add_up(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.sum(np.array(graph.fetch(names, inputs), float) * factors, axis=(0, 2))

    moves = list(_draw_input_moves(inputs, rng))
    ends = add_up(  # of all moves at once, there and back
        {
            key: np.concatenate([v + d * m.get(key, 0) for d in (STEP, -STEP) for _, m in moves])
            for key, v in inputs.items()
        }
    )
    rows = [
        (what, _along(gradients.by_inputs, move), (there - back) / (2 * STEP))
        for (what, move), there, back in zip(moves, *np.split(ends, 2), strict=True)
    ]
    for _ in range(2):
        move = _normalise({i: rng.normal(size=w.shape) for i, w in enumerate(weights)})
        ends = []
        for d in (STEP, -STEP):
            graph.set_weights([w + d * move[i] for i, w in enumerate(weights)])
            ends.append(add_up(inputs)[0])
        rows.append(("the weights", _along(by_weights, move), (ends[0] - ends[1]) / (2 * STEP)))
    return rows


def _weigh(
    graph: LoadedGraph,
    inputs: dict[str, np.ndarray],
    rng: np.random.Generator,
    last_only: bool = False,
) -> dict[str, np.ndarray | None]:
    """Factors of a weighted sum of all outputs, by the outputs' names; that of a state is 0."""
    if not graph.nbr_outputs:
        lose("there are no outputs")
    shape = np.shape(inputs["state/hidden"])
    factors = rng.normal(size=[graph.nbr_outputs, *shape])
    if last_only:
        factors[:-1] = 0
    of_outputs = {f"outputs/{step}": factor for step, factor in enumerate(factors)}
    return of_outputs | {name: None for name in inputs if graph.has_output(name)}


def _draw_input_moves(
    inputs: dict[str, np.ndarray], rng: np.random.Generator
) -> Iterator[tuple[str, Move]]:
    """Moves of each field of the start state, and of each step's input."""
    for name, value in inputs.items():
        move = rng.normal(size=value.shape)
        if name != "x":
            yield f"the start state's field {name.partition('/')[2]}", _normalise({name: move})
            continue
        for step in range(move.shape[1]):
            one_step = np.zeros_like(move)
            one_step[:, step] = move[:, step]
            yield f"the input of step {step + 1}", _normalise({name: one_step})


def _normalise(move: Move) -> Move:
    norm = np.sqrt(sum(np.square(direction).sum() for direction in move.values()))
    return {key: direction / norm for key, direction in move.items()}


def _along(gradients: dict[Any, np.ndarray | None], move: Move) -> float:
    """A gradient along a move; where there is none it is 0."""
    present = {key: gradients[key] for key in move if gradients[key] is not None}
    return float(sum(np.sum(gradient * move[key]) for key, gradient in present.items()))

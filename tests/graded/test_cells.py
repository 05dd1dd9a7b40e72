"""Parts b and d: the two cells as functions: their equation and their state.

A test fails by `lose`, with a sentence for the student; for each, the corpus of submissions has a
mistake that it tells.
"""

from __future__ import annotations

import numpy as np

from grading.engine import builder
from grading.engine.losing import lose
from tests.graded.cells import (
    DRAWS,
    EXPECTED,
    Fit,
    are_equal,
    find_fit,
    get_fields,
    is_as,
    is_start_used,
    lose_outputs,
    of_cells,
    randomise,
    run,
    run_cases,
)


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
    outputs, _ = run(graph, part, np.ones([batch, call.lengths[-1], call.n_inp]))
    if outputs[0].shape != (batch, call.n_out):
        lose(
            f"each output should be of shape [batch, n_out], here {[batch, call.n_out]}; the first"
            f" is {list(outputs[0].shape)}"
        )
    for output in outputs:
        if output.dtype != np.float32:
            lose(f"the outputs should be of type float32, not {output.dtype}")


@of_cells("b", "d", "equation")
def test_equal_weights_give_the_outputs_of_the_equation(scorer, graph, part, probe, note):
    came = run_cases(scorer, part, probe)
    if not came:
        lose("there are not as many outputs as time steps", vague=True)
    if not is_start_used(graph, part, probe):
        came = {where: c for where, c in came.items() if where != "for a large start state"}
    small = [where for where in came if where.startswith("with all weights")]
    if not small:
        return  # that outputs are missing is told elsewhere
    if not np.isfinite([came[where] for where in small]).all():
        lose("the outputs are not numbers (NaN or infinite), with all weights small")
    fit = find_fit(part, came)
    if fit is not None:
        if abs(fit.constant) > 1e-3:
            note(f"accepted with forget bias {2 * np.arctanh(fit.constant):.3g}")
        elif fit.row["name"] not in ("", "linear"):
            note(f"accepted with {fit.row['name']}")
        return
    table = EXPECTED[builder.CELLS[part]]
    likely = [
        row["name"]
        for row in table["mistakes"]
        if all(is_as(came[where], np.array(row["outputs"][where])) for where in came)
    ]
    fit = find_fit(part, {where: came[where] for where in small})
    if fit is not None and not likely:
        likely = ["small numbers are right and large ones are not: is something clipped, or cut?"]
    fit = fit or Fit(table["right"][0], constant=0.0)
    where = next(where for where in came if not is_as(came[where], fit.expect(where)))
    what = likely[0] if likely else "the outputs are not those of the equation"
    case = table["cases"][where]
    lose_outputs(f"{what}: {where}", case, came[where], fit.expect(where), vague=not likely)


@of_cells("b", "d", "equation")
def test_a_large_memory_is_kept_like_a_small_one(scorer, part):
    """With all weights zero, a step changes a memory by a factor. So it does for any size."""
    if "cell" not in get_fields(part):
        return  # its large states are compared with the equation
    graph, call = scorer.get_graph(part, "one_step"), builder.CALLS["one_step"]
    graph.set_parameters(np.zeros(graph.nbr_parameters))
    memories = np.array([0.5, 1.0, 1e4])
    start = {
        "hidden": np.zeros([3, call.n_out]),
        "cell": np.repeat(memories[:, np.newaxis], call.n_out, axis=1),
    }
    _, state = run(graph, part, np.zeros([3, 1, call.n_inp]), start)
    if np.shape(state.get("cell")) != (3, call.n_out):
        return  # told elsewhere
    kept = state["cell"][:, 0]
    if np.isclose(kept[1], 2 * kept[0], rtol=1e-4) and not np.isclose(kept[2], 1e4 * kept[1]):
        lose(
            f"a large memory is not kept like a small one: with all weights zero, a memory of 1"
            f" becomes {kept[1]:.4g}, and one of 10000 becomes {kept[2]:.4g}: is it clipped?"
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
    start = {field: np.zeros([batch, call.n_out]) for field in get_fields(part)}
    for field in start:
        for _ in range(DRAWS):
            randomise(graph, rng)
            x = rng.normal(size=[batch, call.lengths[-1], call.n_inp])
            other = {**start, field: rng.normal(size=[batch, call.n_out])}
            first, second = (run(graph, part, x, state)[0][0] for state in (start, other))
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
    randomise(graph, rng)
    batch = call.batch or 3
    outputs, state = run(graph, part, rng.normal(size=[batch, call.lengths[-1], call.n_inp]))
    missing = [field for field in get_fields(part) if field not in state]
    if missing:
        lose(f"the final state has no {' and no '.join(missing)} state")
    if are_equal(state["hidden"], outputs[-1]):
        return
    if are_equal(state["hidden"], outputs[0]):
        likely = (
            "it is the first of the list: return the state after the last step, and the outputs in"
            " the order of time"
        )
    elif "cell" in state and are_equal(state["cell"], outputs[-1]):
        likely = (
            "that is in the field cell: are the fields swapped, or are the cell states the outputs?"
        )
    else:
        likely = "it is something else"
    lose(f"the field hidden of the final state should be the last output; {likely}")


@of_cells("b", "d", "state")
def test_a_sequence_in_two_halves_gives_what_the_whole_gives(scorer, part, rng):
    half, whole = scorer.get_graph(part, "call"), scorer.get_graph(part, "long")
    call = builder.CALLS["call"]
    length = call.lengths[-1]
    weights = randomise(half, rng)
    if [w.shape for w in weights] != [v.shape for v in whole.variables]:
        lose("the variables change with the number of time steps: create them in __init__")
    whole.set_weights(weights)
    x = rng.normal(size=[3, 2 * length, call.n_inp])
    start = {field: rng.normal(size=[3, call.n_out]) for field in get_fields(part)}
    outputs, state = run(whole, part, x, start)
    first, between = run(half, part, x[:, :length], start)
    second, final = run(half, part, x[:, length:], {**start, **between})
    if len(first) + len(second) != len(outputs) or not are_equal(first + second, outputs):
        swapped = dict(zip(between, reversed(between.values()), strict=True))
        if len(between) == 2 and are_equal(
            first + run(half, part, x[:, length:], {**start, **swapped})[0], outputs
        ):
            lose(
                "hidden and cell state are swapped: the cell returns them in another order than it"
                " reads them; use the fields of the given state by their names, too"
            )
        lose(
            "4 time steps, and from the state they return 4 more, should give the same outputs as"
            " all 8 at once; they do not: the state that is returned is not the one after the last"
            " step, or not the one that the next call starts from"
        )
    for field in state:
        if not are_equal(state[field], final[field]):
            lose(f"the field {field} of the final state depends on where the sequence is cut")

"""What the tests of both cells share: running a cell, and comparing it with `expected.json`.

No equation of a cell stands here. `expected.json` has outputs for the case that all weights are
equal, right ones and those of common mistakes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval

from grading.engine import builder
from grading.engine.graphs import LoadedGraph
from grading.engine.losing import lose
from grading.engine.text import tell_apart

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())

DRAWS = 5
"""Of weights, where a ReLU can hide an influence in one."""


def of_cells(basic: str, lstm: str, criterion: str):
    """Parametrises a test by both cells' parts."""
    return pytest.mark.parametrize(
        "part",
        [
            pytest.param(basic, marks=pytest.mark.part(basic, criterion), id="basic"),
            pytest.param(lstm, marks=pytest.mark.part(lstm, criterion), id="lstm"),
        ],
    )


# --- running a cell ---------------------------------------------------------------------------


def get_fields(part: str) -> tuple[str, ...]:
    return builder.STATE_FIELDS[builder.CELLS[part]]


def draw_inputs(
    part: str, probe: str, rng: np.random.Generator, batch: int = 16
) -> dict[str, np.ndarray]:
    """Input and start state, by the names of the graph."""
    call = builder.CALLS[probe]
    batch = call.batch or batch
    states = {f"state/{field}": rng.normal(size=[batch, call.n_out]) for field in get_fields(part)}
    return {"x": rng.normal(size=[batch, call.lengths[-1], call.n_inp]), **states}


def run(
    graph: LoadedGraph, part: str, x: np.ndarray, start: dict[str, np.ndarray] | None = None
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Outputs and final state by field, from a zero state if no other is given."""
    if start is None:
        n_out = builder.CALLS["call"].n_out
        start = {field: np.zeros([len(x), n_out]) for field in get_fields(part)}
    if not graph.nbr_outputs:
        lose("there are no outputs", vague=True)
    outputs = [f"outputs/{step}" for step in range(graph.nbr_outputs)]
    fields = [field for field in get_fields(part) if graph.has_output(f"state/{field}")]
    values = graph.fetch(
        [*outputs, *(f"state/{field}" for field in fields)],
        {"x": x, **{f"state/{field}": value for field, value in start.items()}},
    )
    return values[: len(outputs)], dict(zip(fields, values[len(outputs) :], strict=True))


def randomise(graph: LoadedGraph, rng: np.random.Generator) -> list[np.ndarray]:
    weights = [rng.normal(0, 0.5, variable.shape) for variable in graph.variables]
    graph.set_weights(weights)
    return weights


def are_equal(ones, others) -> bool:
    """Whether arrays are equal, except for float32's rounding of the largest numbers in them."""
    if np.shape(ones) != np.shape(others):
        return False
    scale = np.abs(ones).max(initial=1.0)
    return np.allclose(ones, others, rtol=1e-3, atol=1e-5 * scale)


# --- comparing it with what is expected ----------------------------------------------------------


MOST = np.tanh(8 / 2)
"""The largest u of a constant of the forget gate: beyond 8 there is as good as no gate."""


class Fit(NamedTuple):
    """A right equation that explains what came."""

    row: dict[str, Any]
    """Of `expected.json`."""
    constant: float
    """u = tanh(b / 2), if b is the constant that the cell adds to its forget gate."""

    def expect(self, where: str) -> np.ndarray:
        """The outputs [T, B] in a case."""
        return expect(self.row, where, self.constant)


def expect(row: dict[str, Any], where: str, constant: float | np.ndarray) -> np.ndarray:
    """The outputs [T, B] in a case; [T, B, K] for constants [K]."""
    return chebval(constant, np.array(row["series"][where]))


def run_case(graph: LoadedGraph, part: str, probe: str, case: dict[str, Any]) -> np.ndarray:
    """The outputs [T, B, H] while all weights are equal."""
    call, sums = builder.CALLS[probe], np.array(case["x_sums"])
    batch = call.batch or sums.shape[1]
    x = np.resize(sums.T, [batch, len(sums)])[:, :, np.newaxis]
    start = dict.fromkeys(get_fields(part), np.full([batch, call.n_out], case["start"]))
    graph.set_parameters(np.full(graph.nbr_parameters, case["weight"]))
    outputs, _ = run(graph, part, np.repeat(x, call.n_inp, axis=2) / call.n_inp, start)
    if not outputs or any(output.shape != (batch, call.n_out) for output in outputs):
        lose("the outputs are not all of shape [batch, n_out]", vague=True)
    return np.array(outputs)[:, : sums.shape[1]]


def is_start_used(graph: LoadedGraph, part: str, probe: str) -> bool:
    """Whether the outputs depend on the start state at all."""
    case = {"x_sums": [[0.5]] * builder.CALLS[probe].lengths[-1], "weight": 0.3}
    ones = [run_case(graph, part, probe, {**case, "start": start}) for start in (0.0, 0.5)]
    return not np.allclose(*ones, atol=1e-6)


def is_start_right(graph: LoadedGraph, part: str, probe: str, fit: Fit) -> bool:
    """Whether the cell starts from the state that is given, as its equation does."""
    return all(
        is_as(run_case(graph, part, probe, case), fit.expect(where))
        for where, case in EXPECTED["starts"].items()
    )


def run_cases(scorer, part: str, probe: str) -> dict[str, np.ndarray]:
    """The outputs in all cases that tell the equation, and for which there are outputs."""
    probes, came = scorer.get_probes(part), {}
    for where, case in EXPECTED[builder.CELLS[part]]["cases"].items():
        name = probe if case["probe"] == "call" else case["probe"]
        if probes[name].error is not None:
            continue
        graph = scorer.get_graph(part, name)
        if graph.nbr_outputs == builder.CALLS[name].lengths[-1]:
            came[where] = run_case(graph, part, name, case)
    return came


def find_fit(part: str, came: dict[str, np.ndarray]) -> Fit | None:
    """The right equation that explains all that came, if something did and one does."""
    for row in EXPECTED[builder.CELLS[part]]["right"] if came else ():
        fit = fit_constant(row, came)
        if all(is_as(came[where], fit.expect(where)) for where in came):
            return fit
    return None


def fit_constant(row: dict[str, Any], came: dict[str, np.ndarray]) -> Fit:
    """The constant that explains best what came: a search in ever smaller steps."""
    best, width = 0.0, 1.0
    if len(next(iter(row["series"].values()))) == 1:  # there is none
        return Fit(row, best)

    def miss(constants: np.ndarray) -> np.ndarray:
        pairs = [(came[where], expect(row, where, constants)) for where in came]
        if any(len(outputs) != len(expected) for outputs, expected in pairs):
            return np.full(len(constants), np.inf)
        return sum(
            np.square(outputs[..., np.newaxis] - expected[:, :, np.newaxis]).sum(axis=(0, 1, 2))
            for outputs, expected in pairs
        )

    for _ in range(6):
        candidates = np.clip(best + width * np.linspace(-1, 1, 41), -MOST, MOST)
        best = candidates[miss(candidates).argmin()]
        width /= 15
    return Fit(row, best)


def is_as(came: np.ndarray, expected: np.ndarray) -> bool:
    return came.shape[:2] == expected.shape and np.allclose(
        came, expected[..., np.newaxis], rtol=1e-4, atol=2e-5
    )


def lose_outputs(
    what: str, case: dict[str, Any], came: np.ndarray, expected: np.ndarray, *, vague: bool = False
) -> None:
    """Loses with the sequence whose outputs differ most: what they should be, and what they are."""
    length, nbr_units = min(len(came), len(expected)), came.shape[-1]
    came, expected = came[:length, :, 0], expected[:length]
    differences = np.abs(came - expected) / np.maximum(1, np.abs(expected))
    sequence = int(differences.max(axis=0).argmax())
    right, wrong = tell_apart(expected[:, sequence], came[:, sequence])
    lose(
        f"{what}, {nbr_units} hidden units, a state of {case['start']:g} and inputs that add up to"
        f" {_join(np.array(case['x_sums'])[:, sequence])} the outputs should be {right}; they are"
        f" {wrong}",
        vague=vague,
    )


def _join(numbers) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)

"""Parts e and g: the two losses, as functions of outputs and truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.graphs import LoadedGraph
from grading.engine.losing import lose
from grading.engine.text import tell_apart

BATCHES = (6, 1)
SCALES = (1.0, 30.0)
"""Of outputs, and of a truth that is no symbols, for which gradients are looked at."""


def compute_loss(graph: LoadedGraph, outputs: np.ndarray, truth: np.ndarray) -> float:
    """The loss for outputs [T, B, C], which must be a scalar."""
    inputs = {f"outputs/{step}": output for step, output in enumerate(outputs)}
    (loss,) = graph.fetch(["loss"], {**inputs, "y": truth})
    if np.shape(loss) != ():
        lose(f"the loss should be one number, a scalar; it is of shape {list(np.shape(loss))}")
    return float(loss)


def compute_gradients(graph: LoadedGraph, outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    names = [f"outputs/{step}" for step in range(len(outputs))]
    inputs = {**dict(zip(names, outputs, strict=True)), "y": truth}
    by_inputs = graph.fetch_gradients(["loss"], inputs).by_inputs
    gradients = [by_inputs[name] for name in names]
    for step, gradient in enumerate(gradients, start=1):
        if gradient is None:
            lose(f"the loss does not depend on output {step} of {len(outputs)}: all should count")
    return np.array(gradients)


def sort_probes(scorer, part: str) -> tuple[list[str], list[str]]:
    """The probes that were built, and the others: a wrong number tells more than an error."""
    probes = scorer.get_probes(part)
    built = [name for name in builder.PROBES[part] if probes[name].error is None]
    return built, [name for name in builder.PROBES[part] if name not in built]


class Trial(NamedTuple):
    """A loss that was computed."""

    came: float
    expected: float
    mistakes: dict[str, float]
    """What mistakes would give."""
    where: str


def compare(trials: list[Trial]) -> None:
    """Loses at the first wrong loss; names a mistake if it explains all of them, right or wrong."""
    wrong = [trial for trial in trials if not _are_equal(trial.came, trial.expected)]
    if not wrong:
        return
    likely = [
        name
        for name in wrong[0].mistakes
        if all(_are_equal(t.came, t.mistakes.get(name, t.expected)) for t in trials)
    ]
    if np.isnan(wrong[0].came):
        likely = ["is anything left to take the mean of, with a single time step?"]
    right, came = tell_apart(wrong[0].expected, wrong[0].came)
    reason = f": {likely[0]}" if likely else ""
    lose(f"the loss {wrong[0].where} should be {right} and is {came}{reason}")


def _are_equal(came: float, expected: float) -> bool:
    return bool(np.isclose(came, expected, rtol=1e-4, atol=1e-6))


def check_that_no_variable_counts(graph: LoadedGraph, outputs: np.ndarray, truth: np.ndarray):
    """The graph has a variable that is no part of the outputs."""
    losses = []
    for value in (0.0, 3.0):
        graph.set_weights([np.full(v.shape, value) for v in graph.variables])
        losses.append(compute_loss(graph, outputs, truth))
    graph.initialise()
    if not _are_equal(*losses):
        right, came = tell_apart(*losses)
        lose(
            f"the loss depends on the weights themselves: it is {right} while a variable is 0, and"
            f" {came} while it is 3; leave out weight decay, only outputs and truth count"
        )


def name_truth(truth: np.ndarray) -> str:
    """In which trial a loss was wrong, with what to think of where there is a single time step."""
    hint = " (does tf.squeeze drop an axis of size 1?)" if truth.shape[1] == 1 else ""
    return f"for a truth of type {truth.dtype} and shape {list(truth.shape)}{hint}"


# --- part e: mean squared error -----------------------------------------------------------------


def draw_sin(
    rng: np.random.Generator, probe: str, batch: int, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs [T, B, 1] and truth [B, T] of the probe's type, both of a size."""
    loss = builder.SIN_LOSSES[probe]
    outputs = rng.normal(0, scale, [loss.len_inp, batch, 1])
    return outputs, rng.normal(0, scale, [batch, loss.len_inp]).astype(loss.truth_type)


@pytest.mark.part("e", "loss")
def test_the_sine_loss_is_the_mean_squared_error(scorer, rng):
    built, others = sort_probes(scorer, "e")
    trials = []
    for probe in built:
        for batch in BATCHES:
            outputs, truth = draw_sin(rng, probe, batch)
            came = compute_loss(scorer.get_graph("e", probe), outputs, truth)
            trials.append(try_sin(came, outputs, truth, name_truth(truth)))
    compare(trials)
    for probe in others:
        scorer.get_graph("e", probe)


def try_sin(came: float, outputs: np.ndarray, truth: np.ndarray, where: str) -> Trial:
    predictions = outputs[:, :, 0].T
    errors = np.square(predictions - truth)
    mistakes = {
        "it is the sum over all entries, where the mean is asked for": errors.sum(),
        "it is summed over the time steps; take the mean over them, too": (
            errors.sum(axis=1).mean()
        ),
        "it is summed over the batch; take the mean over it, too": errors.sum(axis=0).mean(),
        "it is half the mean squared error": errors.mean() / 2,
        "it is the square root of the mean squared error": np.sqrt(errors.mean()),
        "the absolute error is taken, not the squared one": np.abs(predictions - truth).mean(),
        "only the last time step counts; all should": errors[:, -1].mean(),
        "only the first time step counts; all should": errors[:, 0].mean(),
        "the predictions are squared and the truth is ignored": np.square(predictions).mean(),
        "the truth runs backwards in time": np.square(predictions - truth[:, ::-1]).mean(),
        "outputs [batch, 1] and truth [batch] are broadcast to [batch, batch]": (
            np.square(outputs - truth.T[:, np.newaxis]).mean()
        ),
        "outputs [time, batch, 1] and truth [batch, time] are broadcast to [time, batch, time]": (
            np.square(outputs - truth).mean() if len(outputs) != 1 else errors.mean()
        ),
        **_shifted_sin(predictions, truth),
    }
    return Trial(came, errors.mean(), mistakes, where)


@pytest.mark.part("e", "loss")
def test_the_sine_loss_of_good_predictions_is_exact(scorer, rng):
    outputs, truth = draw_sin(rng, "long", 6)
    outputs = truth.T[:, :, np.newaxis] + 1e-3 * outputs
    came = compute_loss(scorer.get_graph("e", "long"), outputs, truth)
    expected = np.square(outputs[:, :, 0].T - truth).mean()
    if not np.isclose(came, expected, rtol=0.02, atol=0):
        right, wrong = tell_apart(expected, came)
        lose(
            f"for predictions that are nearly right the loss should be {right} and is {wrong}: is a"
            " small difference of large numbers taken? Subtract first, then square",
            vague=True,  # if the loss is wrong for other predictions, too
        )


@pytest.mark.part("e", "loss")
def test_the_sine_loss_depends_on_outputs_and_truth_alone(scorer, rng):
    outputs, truth = draw_sin(rng, "float32", 6)
    check_that_no_variable_counts(scorer.get_graph("e", "float32"), outputs, truth)


def _shifted_sin(predictions: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    if truth.shape[1] == 1:
        return {}
    reason = "the truth is shifted by one step; column i of y is the truth for output i"
    forth = np.square(predictions[:, :-1] - truth[:, 1:])
    back = np.square(predictions[:, 1:] - truth[:, :-1])
    around = [np.square(predictions - np.roll(truth, k, axis=1)) for k in (-1, 1)]
    return {
        reason: forth.mean(),
        f"{reason} (the first output has none)": back.mean(),
        f"{reason}, and taken around the end": around[0].mean(),
        f"{reason}, and taken around the beginning": around[1].mean(),
    }


@pytest.mark.part("e", "loss")
@pytest.mark.parametrize("scale", SCALES)
def test_the_gradient_of_the_sine_loss_reaches_all_outputs_alike(scorer, rng, scale):
    outputs, truth = draw_sin(rng, "float32", 6, scale)
    came = compute_gradients(scorer.get_graph("e", "float32"), outputs, truth)
    expected = 2 * (outputs - truth.T[:, :, np.newaxis]) / truth.size
    if came.shape != expected.shape or not np.allclose(came, expected, rtol=1e-3, atol=1e-5):
        lose("the gradient of the loss is not that of the mean squared error")


# --- part g: cross-entropy ----------------------------------------------------------------------


def draw_memory(
    rng: np.random.Generator, probe: str, batch: int, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits [T, B, C] and symbols [B, T] of the probe's type: blanks, and digits in the end."""
    loss = builder.MEMORY_LOSSES[probe]
    logits = rng.normal(0, scale, size=[loss.len_inp, batch, builder.NBR_SYMBOLS])
    symbols = rng.integers(builder.NBR_DIGITS, size=[batch, loss.len_inp])
    symbols[:, : loss.len_inp // 2] = builder.BLANK
    return logits, symbols.astype(loss.truth_type)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def get_entropies(logits: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """The cross-entropy of each output [T, B], for logits [T, B, C] and symbols [B, T]."""
    likelihoods = np.take_along_axis(log_softmax(logits), symbols.T[:, :, np.newaxis], axis=2)
    return -likelihoods[:, :, 0]


@pytest.mark.part("g", "loss")
def test_the_memory_loss_is_the_mean_cross_entropy(scorer, rng):
    built, others = sort_probes(scorer, "g")
    trials = []
    for probe in built:
        for batch in BATCHES:
            logits, symbols = draw_memory(rng, probe, batch)
            came = compute_loss(scorer.get_graph("g", probe), logits, symbols)
            trials.append(try_memory(came, logits, symbols, name_truth(symbols)))
    logits, _ = draw_memory(rng, "int32", 11)
    symbols = (np.arange(11)[:, np.newaxis] + np.arange(len(logits))).astype("int32") % 11
    came = compute_loss(scorer.get_graph("g", "int32"), logits, symbols)
    trials.append(try_memory(came, logits, symbols, "for all symbols in all places"))
    compare(trials)
    for probe in others:
        scorer.get_graph("g", probe)


def try_memory(came: float, logits: np.ndarray, symbols: np.ndarray, where: str) -> Trial:
    entropies = get_entropies(logits, symbols)
    twice = log_softmax(np.exp(log_softmax(logits)))
    one_hot = np.eye(builder.NBR_SYMBOLS)[symbols.T]
    is_digit = symbols.T < builder.BLANK

    def mix_up(logits: np.ndarray, symbols: np.ndarray) -> float:
        rows = log_softmax(logits.reshape(-1, builder.NBR_SYMBOLS))
        return -np.take_along_axis(rows, symbols.reshape(-1, 1), axis=1).mean()

    mistakes = {
        "it is the sum over all outputs, where the mean is asked for": entropies.sum(),
        "it is summed over the time steps; take the mean over them, too": (
            entropies.sum(axis=0).mean()
        ),
        "it is summed over the batch; take the mean over it, too": entropies.sum(axis=1).mean(),
        "only the last output counts; all are equally important": entropies[-1].mean(),
        "the blanks are left out; all outputs are equally important": (
            entropies[is_digit].mean() if is_digit.any() else np.nan
        ),
        "the blanks count as 0; all outputs are equally important": (entropies * is_digit).mean(),
        "softmax is taken twice: the function for the loss wants the bare logits": (
            get_entropies(twice, symbols).mean()
        ),
        "a squared error is taken; the outputs are logits of classes": (
            np.square(logits - one_hot).mean()
        ),
        "it is divided by the number of symbols, too": entropies.mean() / builder.NBR_SYMBOLS,
        "it is in bits; take the natural logarithm": entropies.mean() / np.log(2),
        "its sign is wrong": -entropies.mean(),
        "outputs and truth are not in the same order: batch and time are mixed up": (
            mix_up(logits.transpose(1, 0, 2), symbols.T)
        ),
        "batch and time are mixed up between outputs and truth": mix_up(logits, symbols),
        **_shifted_memory(logits, symbols),
    }
    return Trial(came, entropies.mean(), mistakes, where)


def _shifted_memory(logits: np.ndarray, symbols: np.ndarray) -> dict[str, float]:
    if len(logits) == 1:
        return {}
    reason = "the truth is shifted by one step; column i of y is the truth for output i"
    return {
        reason: get_entropies(logits[:-1], symbols[:, 1:]).mean(),
        f"{reason} (the first output has none)": get_entropies(logits[1:], symbols[:, :-1]).mean(),
        f"{reason}, and taken around the end": (
            get_entropies(logits, np.roll(symbols, -1, axis=1)).mean()
        ),
    }


@pytest.mark.part("g", "loss")
def test_the_memory_loss_stays_a_number_at_large_logits(scorer, rng):
    logits, symbols = draw_memory(rng, "int32", 6, scale=3000.0)
    loss = compute_loss(scorer.get_graph("g", "int32"), logits, symbols)
    expected = get_entropies(logits, symbols).mean()
    if not np.isfinite(loss):
        lose(
            f"for large logits (thousands) the loss should be {expected:.4g} and is {loss}: the"
            " softmax underflows, and 0 has no logarithm; use a function that takes both in one"
        )
    compare([Trial(loss, expected, {}, "for large logits (thousands)")])


@pytest.mark.part("g", "loss")
def test_the_memory_loss_depends_on_outputs_and_truth_alone(scorer, rng):
    logits, symbols = draw_memory(rng, "int32", 6)
    check_that_no_variable_counts(scorer.get_graph("g", "int32"), logits, symbols)


@pytest.mark.part("g", "loss")
@pytest.mark.parametrize("scale", SCALES)
def test_the_gradient_of_the_memory_loss_reaches_all_outputs_alike(scorer, rng, scale):
    logits, symbols = draw_memory(rng, "int32", 6, scale)
    came = compute_gradients(scorer.get_graph("g", "int32"), logits, symbols)
    one_hot = np.eye(builder.NBR_SYMBOLS)[symbols.T]
    expected = (np.exp(log_softmax(logits)) - one_hot) / symbols.size
    if came.shape != expected.shape or not np.allclose(came, expected, rtol=1e-3, atol=1e-5):
        lose(
            "the gradient of the loss is not that of the mean cross-entropy of all outputs, for"
            f" logits of size {scale:g}"
        )

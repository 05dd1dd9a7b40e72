"""Part f: a gradient-descent based training operation on clipped gradients.

The gradients are fed, so that their norm is ours to choose. Which optimizer stands behind the
operation is not asked: clipping by the global norm at N means that a gradient of any larger norm
moves the weights exactly as the same gradient scaled to norm N, and that below N scales matter.
N is the course's to choose; all norms here are multiples of it.
Each comparison comes after a first step with a short gradient, as Adam would not see a scale in its
first step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest

from grading.engine import builder
from grading.engine.course import COURSE
from grading.engine.graphs import LoadedGraph
from grading.engine.losing import lose
from grading.engine.text import tell_apart

CLIP_NORM = COURSE.clip_norm
"""N."""
LONG = (1.1, 1.3, 2.4, 100.0, 400.0)
"""Norms of gradients that must be clipped, in multiples of N."""
SHORT = ((0.1, 0.2), (0.4, 0.8), (0.88, 0.98))
"""Pairs of norms of gradients that must not."""
SIZES = [int(np.prod(shape)) for shape in builder.WEIGHTS.values()]
"""Numbers of each trainable variable."""

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def split(vector: np.ndarray) -> dict[str, np.ndarray]:
    """A gradient of all weights, weight by weight."""
    pieces = np.split(vector, np.cumsum(SIZES)[:-1])
    shapes = builder.WEIGHTS.items()
    return {name: piece.reshape(shape) for (name, shape), piece in zip(shapes, pieces, strict=True)}


def train(
    graph: LoadedGraph, gradients: list[np.ndarray], start: float = 0.0, **inputs: float
) -> np.ndarray:
    """The weights, after starting all equal with a fresh optimizer, as one vector."""
    graph.initialise()
    initial = graph.get_weights()
    if len(initial) < len(SIZES):
        lose(
            f"of {len(SIZES)} trainable variables there are {len(initial)} left:"
            " get_train_op must not change TensorFlow's collections"
        )
    graph.set_weights([np.full(np.shape(w), start) for w in initial])
    for gradient in gradients:
        graph.fetch(["train_op"], {**split(gradient), **inputs})
    weights = np.concatenate([w.ravel() for w in graph.get_weights()[: len(SIZES)]])
    if not np.isfinite(weights).all():
        norms = ", ".join(f"{np.linalg.norm(gradient):.4g}" for gradient in gradients)
        lose(f"after steps on gradients of norm {norms} the weights are not numbers")
    return weights


def draw_gradient(rng: np.random.Generator, norm: float) -> np.ndarray:
    """A gradient of a global norm, in which no entry is near zero and no weight's is dominant.

    Args:
        rng: Draws it.
        norm: In multiples of the norm at which gradients are clipped.
    """
    gradient = rng.uniform(0.5, 1.0, sum(SIZES)) * rng.choice([-1, 1], sum(SIZES))
    return gradient * (norm * CLIP_NORM) / np.linalg.norm(gradient)


# --- descent ------------------------------------------------------------------------------------


@pytest.mark.part("f", "descent")
def test_a_step_goes_down_along_the_gradient(scorer, rng):
    graph = scorer.get_graph("f", "number")
    gradient = draw_gradient(rng, 0.4)
    step = train(graph, [gradient])
    if not step.any():
        lose("running the training operation changes no weight")
    for name, moved, slope in zip(
        builder.WEIGHTS, split(step).values(), split(gradient).values(), strict=True
    ):
        if not moved.any():
            lose(f"the training operation leaves one of two trainable variables as it is ({name})")
        if (moved * slope > 0).all():
            lose("the weights move up the gradient, so that the loss grows; subtract it")
        if not (moved * slope < 0).all():
            lose("the weights do not all move against their gradient")


@pytest.mark.part("f", "descent")
def test_twice_the_learning_rate_makes_twice_the_step(scorer, rng):
    gradient = draw_gradient(rng, 0.4)
    once = train(scorer.get_graph("f", "number"), [gradient])
    twice = train(scorer.get_graph("f", "double"), [gradient])
    if not np.allclose(twice, 2 * once, rtol=1e-2):
        ratio = np.linalg.norm(twice) / max(np.linalg.norm(once), 1e-30)
        lose(
            f"twice the learning rate should make twice the step; it makes {ratio:.3g} times the"
            " step: is lr used?"
        )


@pytest.mark.part("f", "descent")
def test_plain_gradient_descent_takes_the_learning_rate_as_it_is(scorer, rng):
    graph, gradient = scorer.get_graph("f", "number"), draw_gradient(rng, 0.02)
    one, two = train(graph, [gradient]), train(graph, [gradient, gradient])
    factors = -one / gradient
    if not np.allclose(factors, factors[0], rtol=1e-3) or not np.allclose(two, 2 * one, rtol=1e-3):
        return  # another optimizer
    if factors[0] <= 0:
        return  # told elsewhere
    rate = builder.RATES["number"]
    if not np.isclose(factors[0], rate, rtol=1e-3):
        right, came = tell_apart(rate, factors[0])
        lose(
            f"a step is {came} times the gradient where the learning rate is {right}: is lr"
            " changed, or the gradient scaled?"
        )


@pytest.mark.part("f", "descent")
def test_the_same_gradient_again_and_again_does_not_make_ever_longer_steps(scorer, rng):
    graph, gradient = scorer.get_graph("f", "number"), draw_gradient(rng, 0.02)
    weights = np.array([train(graph, [gradient] * number) for number in (10, 11, 12)])
    before, last = np.linalg.norm(np.diff(weights, axis=0), axis=1)
    if last > 1.5 * before:  # a momentum of 1, the largest that does not grow so: 12 / 11
        lose(
            f"with the same gradient in each step, step 12 is {last / before:.3g} times as long as"
            " step 11, so that the weights run away: is a momentum greater than 1?"
        )


@pytest.mark.part("f", "descent")
def test_the_learning_rate_may_be_a_tensor(scorer, rng):
    gradient = draw_gradient(rng, 0.4)
    expected = train(scorer.get_graph("f", "number"), [gradient])
    graph = scorer.get_graph("f", "tensor")
    for factor in (1.0, 0.5):
        came = train(graph, [gradient], lr=factor * builder.RATES["number"])
        if not np.allclose(came, factor * expected, rtol=1e-2):
            lose("a learning rate that is a tensor should make the step that the number makes")


@pytest.mark.part("f", "descent")
def test_a_step_depends_on_nothing_but_the_gradient(scorer, rng):
    graph, gradient = scorer.get_graph("f", "number"), draw_gradient(rng, 0.4)
    starts = (0.0, 0.6 * CLIP_NORM)
    from_zero, from_elsewhere = (train(graph, [gradient], start) - start for start in starts)
    if not np.allclose(from_zero, from_elsewhere, rtol=1e-3, atol=2e-6 * CLIP_NORM):
        lose("the step should depend on the gradient alone, not on the weights themselves")


@pytest.mark.part("f", "descent")
def test_variables_that_are_not_trainable_stay(scorer, rng):
    graph = scorer.get_graph("f", "number")
    graph.initialise()
    frozen = [i for i, v in enumerate(graph.untrainable) if v.name == "frozen"]
    if not frozen:
        lose("the training operation makes variables trainable that are not")
    before = graph.get_untrainable()[frozen[0]]
    graph.fetch(["train_op"], split(draw_gradient(rng, 0.4)))
    if not np.array_equal(before, graph.get_untrainable()[frozen[0]]):
        lose("the training operation changes a variable that is not trainable")


@pytest.mark.part("f", "descent")
def test_the_global_step_counts_the_steps(scorer, rng):
    graph = scorer.get_graph("f", "number")
    graph.initialise()
    counters = [i for i, v in enumerate(graph.untrainable) if v.name == "global_step"]
    before = [graph.get_untrainable()[i] for i in counters]
    for _ in range(3):
        graph.fetch(["train_op"], split(draw_gradient(rng, 0.4)))
    counted = [
        int(graph.get_untrainable()[i]) - int(b) for i, b in zip(counters, before, strict=True)
    ]
    if any(count not in (0, 3) for count in counted):  # who does not use it need not count
        lose(
            f"after three steps the global step has grown by {counted[0]}, so that a falling"
            " learning rate falls at another speed: count each step once"
        )


# --- clipping -----------------------------------------------------------------------------------


def are_alike(
    graph: LoadedGraph, first: np.ndarray, one: np.ndarray, other: np.ndarray, **inputs: float
) -> bool:
    """Whether two gradients move the weights alike, after the same first step."""
    start, a, b = (train(graph, [first, *more], **inputs) for more in ([], [one], [other]))
    return np.allclose(a - start, b - start, rtol=1e-3, atol=1e-4 * np.abs(a - start).max())


def clip_globally(gradient: np.ndarray, norm: float = CLIP_NORM) -> np.ndarray:
    return gradient * min(1.0, norm / np.linalg.norm(gradient))


def of_each_tensor(clip: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda g: np.concatenate([clip(tensor.ravel()) for tensor in split(g).values()])


def clip_entries(gradient: np.ndarray, largest: float = CLIP_NORM) -> np.ndarray:
    return np.clip(gradient, -largest, largest)


MISTAKES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "each tensor is clipped by its own norm": of_each_tensor(clip_globally),
    "each tensor is clipped by its average norm": (
        of_each_tensor(lambda g: clip_globally(g, CLIP_NORM * len(g)))
    ),
    f"each entry is clipped to [-{CLIP_NORM:g}, {CLIP_NORM:g}]": clip_entries,
    "each entry is clipped to [-1, 1]": lambda g: clip_entries(g, 1.0),
    "a gradient that is too long is dropped": (lambda g: g * (np.linalg.norm(g) <= CLIP_NORM)),
    f"the norm is divided by {CLIP_NORM:g}, and not clipped": lambda g: g / CLIP_NORM,
    f"every gradient is scaled to norm {CLIP_NORM:g}": (
        lambda g: g * CLIP_NORM / np.linalg.norm(g)
    ),
}
"""What is often done to a gradient instead."""


def measure(graph: LoadedGraph, gradient: np.ndarray) -> np.ndarray | None:
    """The gradient that moves the weights, if the operation is plain gradient descent."""
    rate = builder.RATES["number"]
    short = 0.1 * clip_globally(gradient)
    if not np.allclose(train(graph, [short]), -rate * short, rtol=1e-3):
        return None
    return train(graph, [gradient]) / -rate


NOT_CLIPPED = "it is not clipped, or is used as it was before it was clipped"


def explain_clipping(graph: LoadedGraph, first: np.ndarray, gradients: list[np.ndarray]) -> str:
    """What the operation does to gradients: what is measured, and the mistake that explains all."""
    mistakes = dict(MISTAKES)
    used = [measure(graph, gradient) for gradient in gradients]
    if used[0] is not None:
        norms = [float(np.linalg.norm(u)) for u in used]
        if np.isclose(norms[-1], norms[-2], rtol=1e-3) and norms[-1]:
            at_once = (sum(SIZES), 1 / builder.RATES["number"])  # factors that have a reason
            mistakes[
                f"the global norm is clipped at {norms[-1]:.4g}"
                + (
                    " (is its average over the entries clipped, or lr times the gradient?)"
                    if any(np.isclose(norms[-1], CLIP_NORM * f, rtol=1e-3) for f in at_once)
                    else ""
                )
            ] = lambda g: clip_globally(g, norms[-1])
        mistakes[NOT_CLIPPED] = lambda g: g

        def explains(clip: Callable[[np.ndarray], np.ndarray]) -> bool:
            return all(
                np.allclose(u, clip(g), rtol=1e-3, atol=1e-4 * np.abs(u).max())
                for u, g in zip(used, gradients, strict=True)
            )
    else:
        norms = []

        def explains(clip: Callable[[np.ndarray], np.ndarray]) -> bool:
            one, other = (gradients[2] * factor for factor in (2, 4))
            return (
                any(not np.allclose(clip(g), g) for g in gradients)
                and all(are_alike(graph, first, g, clip(g)) for g in gradients)
                and are_alike(graph, first, one, other) == np.allclose(clip(one), clip(other))
            )

    likely = None
    with contextlib.suppress(pytest.fail.Exception):  # a mistake's gradient may make no numbers
        likely = next((name for name, clip in mistakes.items() if explains(clip)), None)
    if likely is None and not norms and not are_alike(graph, first, *gradients[-2:]):
        likely = NOT_CLIPPED
    if likely == NOT_CLIPPED:  # it counts each as what it is
        return likely
    measured = ", ".join(
        f"one of norm {np.linalg.norm(g):.4g} as if it had {norm:.4g}"
        for g, norm in zip(gradients[2:], norms[2:], strict=False)
    )
    counts = f"measured: a gradient moves the weights {measured}" if measured else None
    return "; ".join(filter(None, [likely, counts]))


@pytest.mark.part("f", "clipping")
def test_longer_gradients_count_as_if_scaled_to_norm_5(scorer, rng):
    graph = scorer.get_graph("f", "number")
    first, gradients = draw_gradient(rng, 0.2), [draw_gradient(rng, factor) for factor in LONG[:-1]]
    gradients.append(gradients[-1] * LONG[-1] / LONG[-2])  # the same direction
    for gradient in gradients:
        if not are_alike(graph, first, gradient, clip_globally(gradient)):
            explained = explain_clipping(graph, first, gradients)
            lose(
                f"a gradient of global norm {np.linalg.norm(gradient):.4g} should move the weights"
                f" as the same gradient scaled to norm {CLIP_NORM:g}; it does not"
                + (f": {explained}" if explained else "")
            )


@pytest.mark.part("f", "clipping")
@pytest.mark.parametrize(("probe", "inputs"), [("double", {}), ("tensor", {"lr": 0.3})])
def test_the_clipping_is_the_same_at_any_learning_rate(scorer, rng, probe, inputs):
    graph = scorer.get_graph("f", probe)
    first, gradient = draw_gradient(rng, 0.2), draw_gradient(rng, 2.4)
    if not are_alike(graph, first, gradient, clip_globally(gradient), **inputs):
        lose(
            f"at another learning rate, gradients are not clipped at norm {CLIP_NORM:g}", vague=True
        )


@pytest.mark.part("f", "clipping")
def test_shorter_gradients_stay_as_they_are(scorer, rng):
    graph = scorer.get_graph("f", "number")
    first = draw_gradient(rng, 0.2)
    for factor, other in SHORT:
        direction = draw_gradient(rng, 1.0)
        if are_alike(graph, first, factor * direction, other * direction):
            lose(
                f"gradients shorter than norm {CLIP_NORM:g} should be left as they are; here those"
                f" of norm {factor * CLIP_NORM:g} and {other * CLIP_NORM:g} move the weights alike:"
                " they are clipped too early, or always scaled to one norm"
            )


@pytest.mark.part("f", "clipping")
def test_after_a_long_gradient_a_short_one_counts_in_full(scorer, rng):
    graph = scorer.get_graph("f", "number")
    long, short = draw_gradient(rng, 12.0), draw_gradient(rng, 0.6)
    if not are_alike(graph, draw_gradient(rng, 0.2), long, clip_globally(long)):
        lose("what comes after a long gradient cannot be checked until it is clipped", vague=True)
    once = train(graph, [clip_globally(long), short])
    if not np.allclose(train(graph, [long, short]), once, rtol=1e-3, atol=1e-6):
        lose(
            "a clipped step should leave the optimizer as a short step would; it does not: clip the"
            " gradients before they are applied"
        )

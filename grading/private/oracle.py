"""The cells once more, in NumPy and float64: right, and with the mistakes that are made.

An equation is a function of the parameters by their roles, whatever variables hold them:

    parameters [E, G, R, H]     E experiments at once
                                G gates: 1 for the basic cell; i, j, f, o for the LSTM
                                R rows: I of the input, H of the hidden state, 1 or 2 of the bias
                                H hidden units

Independent of the exercise's code, and checked against ONNX and TensorFlow's own LSTM in the tests.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from grading.engine.course import COURSE

tanh = np.tanh
State = tuple[np.ndarray, ...]
Step = Callable[..., tuple[np.ndarray, State]]
Unroll = Callable[..., tuple[np.ndarray, State]]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


def identity(z: np.ndarray) -> np.ndarray:
    return z


def one(z: np.ndarray) -> np.ndarray:
    return np.ones_like(z)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# --- one step -----------------------------------------------------------------------------------


def preactivate(
    parameters: np.ndarray, x: np.ndarray, h: np.ndarray, bias: float = 1.0
) -> np.ndarray:
    """(x h 1) W for each gate: [G, E, B, H], for x [B, I] and h [E, B, H]."""
    x = np.broadcast_to(x, h.shape[:1] + x.shape)
    nbr_biases = parameters.shape[2] - x.shape[2] - h.shape[2]
    ones = np.full([*h.shape[:2], nbr_biases], bias)
    return np.einsum("ebr,egrh->gebh", np.concatenate([x, h, ones], axis=2), parameters)


def step_basic(
    parameters: np.ndarray,
    x: np.ndarray,
    h: np.ndarray,
    *,
    activation: Callable = identity,
    bias: float = 1.0,
) -> tuple[np.ndarray, State]:
    """h_t = activation((x_t h_{t-1}) W + b)."""
    h = activation(preactivate(parameters, x, h, bias)[0])
    return h, (h,)


def step_lstm(
    parameters: np.ndarray,
    x: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    *,
    input_gate: Callable = sigmoid,
    candidate: Callable = tanh,
    forget_gate: Callable = sigmoid,
    output_gate: Callable = sigmoid,
    squash: Callable = tanh,
    bias: float = 1.0,
    stale: Callable = lambda z: z,
    remember: Callable = lambda f, c, i, j: f * c + i * j,
    read: Callable = lambda new, old: new,
    peep: bool = False,
    emit: Callable = lambda h, c: h,
) -> tuple[np.ndarray, State]:
    """c_t = f c_{t-1} + i j;  h_t = o tanh(c_t)."""
    i, j, f, o = stale(preactivate(parameters, x, h, bias))
    new = remember(forget_gate(f), c, input_gate(i), candidate(j))
    if peep:
        o = preactivate(parameters, x, new, bias)[3]
    h = output_gate(o) * squash(read(new, c))
    return emit(h, new), (h, new)


# --- all steps ----------------------------------------------------------------------------------


def unroll(
    step: Step, parameters: np.ndarray, x: np.ndarray, start: State
) -> tuple[np.ndarray, State]:
    """Outputs [E, T, B, H] and the last state, each [E, B, H], for x [B, T, I]."""
    state = tuple(np.broadcast_to(s, (len(parameters), *s.shape)) for s in start)
    outputs = []
    for x_t in np.swapaxes(x, 0, 1):
        output, state = step(parameters, x_t, *state)
        outputs.append(output)
    return np.stack(outputs, axis=1), state


def unroll_backwards(step: Step, parameters: np.ndarray, x: np.ndarray, start: State):
    return unroll(step, parameters, x[:, ::-1], start)


def unroll_reversed(step: Step, parameters: np.ndarray, x: np.ndarray, start: State):
    outputs, state = unroll(step, parameters, x, start)
    return outputs[:, ::-1], state


def unroll_last_only(step: Step, parameters: np.ndarray, x: np.ndarray, start: State):
    outputs, state = unroll(step, parameters, x, start)
    return np.repeat(outputs[:, -1:], outputs.shape[1], axis=1), state


def unroll_first_input(step: Step, parameters: np.ndarray, x: np.ndarray, start: State):
    return unroll(step, parameters, np.repeat(x[:, :1], x.shape[1], axis=1), start)


def unroll_shifted(
    step: Step, parameters: np.ndarray, x: np.ndarray, start: State, *, first: Callable
):
    """Each step reads the input of the step before; the first one reads `first(x)`, [B, I]."""
    return unroll(step, parameters, np.concatenate([first(x)[:, None], x[:, :-1]], axis=1), start)


def unroll_stale(
    step: Step, parameters: np.ndarray, x: np.ndarray, start: State, *, gates: list[int]
):
    """Some gates' weighted sums [G, E, B, H] are those of the first step in all steps."""
    first: list[np.ndarray] = []

    def keep_first(sums: np.ndarray) -> np.ndarray:
        first.append(sums)
        sums = sums.copy()
        sums[gates] = first[0][gates]
        return sums

    return unroll(functools.partial(step, stale=keep_first), parameters, x, start)


def unroll_forgetting(
    step: Step, parameters: np.ndarray, x: np.ndarray, start: State, *, kept: tuple[bool, ...]
):
    """Each step sees zeros in all fields that are not kept."""

    def forgetful(parameters, x_t, *state):
        seen = [s if keep else np.zeros_like(s) for s, keep in zip(state, kept, strict=True)]
        return step(parameters, x_t, *seen)

    return unroll(forgetful, parameters, x, start)


def unroll_restarting(step: Step, parameters: np.ndarray, x: np.ndarray, start: State):
    """Each step sees the start state again."""
    begin = tuple(np.broadcast_to(s, (len(parameters), *s.shape)) for s in start)
    return unroll(lambda p, x_t, *_: step(p, x_t, *begin), parameters, x, start)


# --- right and wrong ----------------------------------------------------------------------------


class Equation(NamedTuple):
    """A cell as it was written, rightly or wrongly."""

    name: str
    """What to call it; for a mistake, what was done wrong."""
    nbr_gates: int
    nbr_states: int
    step: Step
    unroll: Unroll = unroll
    nbr_biases: int = 1

    def run(self, parameters: np.ndarray, x: np.ndarray, start: State) -> tuple[np.ndarray, State]:
        return self.unroll(self.step, parameters, x, start)

    def get_shape(self, n_inp: int, n_out: int) -> tuple[int, int, int]:
        """The shape of the parameters of one experiment."""
        return self.nbr_gates, n_inp + n_out + self.nbr_biases, n_out


ACTIVATIONS = {"linear": identity, "tanh": tanh, "ReLU": relu, "sigmoid": sigmoid}


def _basic(name: str, nbr_biases: int = 1, unroll: Unroll = unroll, **changes) -> Equation:
    step = functools.partial(step_basic, **changes)
    return Equation(name, 1, 1, step, unroll, nbr_biases)


def _lstm(name: str, nbr_biases: int = 1, unroll: Unroll = unroll, **changes) -> Equation:
    step = functools.partial(step_lstm, **changes)
    return Equation(name, 4, 2, step, unroll, nbr_biases)


def _shifted(function: Callable, shift: float) -> Callable:
    return lambda z: function(z + shift)


RIGHT = {
    "BasicRNNCell": [
        _basic(name, nbr_biases, activation=activation)
        for nbr_biases in (1, 2)
        for name, activation in ACTIVATIONS.items()
        if name in COURSE.basic_activations
    ],
    "MyLSTMCell": [_lstm("", nbr_biases) for nbr_biases in (1, 2)],
}
"""The equations that earn the points. Two biases that are added to one another count as one."""


def with_forget_bias(equation: Equation, constant: float) -> Equation:
    """An LSTM's equation with a constant that is added to the forget gate's weighted sum."""
    step = functools.partial(equation.step, forget_gate=_shifted(sigmoid, constant))
    return equation._replace(step=step)


ORDER_MISTAKES = {
    "the outputs are in reverse order: the first of the list must be that of the first time step": (
        unroll_reversed
    ),
    "the steps run backwards in time: start with x[:, 0]": unroll_backwards,
    "all outputs are that of the last step: append each step's own": unroll_last_only,
    "every step reads the first input: read x[:, t] in step t": unroll_first_input,
    "step t reads x[:, t - 1], and the first step the last input: read x[:, t] in step t": (
        functools.partial(unroll_shifted, first=lambda x: x[:, -1])
    ),
    "step t reads the input of the step before, and the first step zeros: read x[:, t] in step t": (
        functools.partial(unroll_shifted, first=lambda x: np.zeros_like(x[:, 0]))
    ),
}
"""Ways to get the sequence wrong, whatever the cell."""

NOT_CARRIED_ON = "the state is not carried on: each step must start from the state before it"
"""The mistake of a cell whose steps know nothing of one another."""

GATES = ("input_gate", "candidate", "forget_gate", "output_gate")
"""The order of an LSTM's gates here."""


def _gate_mistakes() -> Iterator[Equation]:
    for gate in ("input_gate", "candidate", "forget_gate", "output_gate"):
        name = gate.replace("_", " ")
        number = GATES.index(gate)
        yield _lstm(
            f"the {name} is computed in the first step only: compute it anew in each step",
            unroll=functools.partial(unroll_stale, gates=[number]),
        )
        yield _lstm(
            f"a softmax stands on the {name}: it makes the hidden units compete",
            **{gate: softmax},
        )
        if gate == "candidate":
            continue
        for wrong, what in (
            (identity, f"the sigmoid is missing on the {name}"),
            (tanh, f"the {name} has a tanh in place of its sigmoid"),
            (one, f"the {name} is missing: nothing is multiplied by it"),
            (lambda z: sigmoid(z) + 1, f"1 is added to the {name} after its sigmoid, not before"),
        ):
            yield _lstm(what, **{gate: wrong})


MISTAKES = {
    "BasicRNNCell": [
        *[
            _basic(name, activation=activation, **change)
            for name, change in (
                ("the bias is missing", {"bias": 0.0}),
                ("the bias is subtracted", {"bias": -1.0}),
                *[
                    (NOT_CARRIED_ON, {"unroll": wrong})
                    for wrong in (
                        unroll_restarting,
                        functools.partial(unroll_forgetting, kept=(False,)),
                    )
                ],
                *[(name, {"unroll": wrong}) for name, wrong in ORDER_MISTAKES.items()],
            )
            for activation in ACTIVATIONS.values()
        ],
        _basic("there is a softplus around the equation", activation=lambda z: np.logaddexp(0, z)),
        _basic("the result is squared", activation=np.square),
    ],
    "MyLSTMCell": [
        _lstm("tanh is missing on the cell state: h = o * tanh(c)", squash=identity),
        _lstm("a sigmoid stands on the cell state in place of tanh", squash=sigmoid),
        _lstm("tanh is missing on the candidate", candidate=identity),
        _lstm("the candidate has a sigmoid in place of its tanh", candidate=sigmoid),
        *_gate_mistakes(),
        _lstm(
            "the gates are computed in the first step only: compute them anew in each step",
            unroll=functools.partial(unroll_stale, gates=[0, 1, 2, 3]),
        ),
        _lstm("the bias is missing", bias=0.0),
        _lstm(
            "all three gates have a tanh in place of their sigmoid",
            input_gate=tanh,
            forget_gate=tanh,
            output_gate=tanh,
        ),
        _lstm(
            "the forget gate also multiplies what is new: c = f * c + i * j",
            remember=lambda f, c, i, j: f * (c + i * j),
        ),
        _lstm(
            "1 - f stands where the input gate should",
            remember=lambda f, c, i, j: f * c + (1 - f) * j,
        ),
        _lstm("gates are added: they multiply", remember=lambda f, c, i, j: f + c + i * j),
        _lstm(
            "the new cell state is squashed before it is carried on: keep c, squash it for h only",
            remember=lambda f, c, i, j: tanh(f * c + i * j),
            squash=identity,
        ),
        _lstm("h is read from the old cell state: use the new one", read=lambda new, old: old),
        _lstm("the output gate sees the new cell state in place of h_{t-1}", peep=True),
        _lstm(
            "the outputs are the cell states: the output of an LSTM is its hidden state h",
            emit=lambda h, c: c,
        ),
        _lstm("the forget bias is inside the candidate's tanh", candidate=_shifted(tanh, 1.0)),
        _lstm(
            "the forget bias is added to the input gate: i and f are swapped in the cell update",
            input_gate=_shifted(sigmoid, 1.0),
        ),
        _lstm("the forget bias is added to the output gate", output_gate=_shifted(sigmoid, 1.0)),
        _lstm(
            "the cell state is not carried on from step to step",
            unroll=functools.partial(unroll_forgetting, kept=(True, False)),
        ),
        _lstm(
            "the hidden state is not carried on from step to step",
            unroll=functools.partial(unroll_forgetting, kept=(False, True)),
        ),
        _lstm(
            NOT_CARRIED_ON,
            unroll=functools.partial(unroll_forgetting, kept=(False, False)),
        ),
        *[_lstm(name, unroll=wrong) for name, wrong in ORDER_MISTAKES.items()],
    ],
}
"""What is often written instead; a name says what is wrong."""

MISTAKES["MyLSTMCell"] += [
    with_forget_bias(mistake, 1.0)
    for mistake in MISTAKES["MyLSTMCell"]
    if "forget_gate" not in mistake.step.keywords
]

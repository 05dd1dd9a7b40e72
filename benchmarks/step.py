"""One training step (forward, backward, clip, apply), and what a user would pick instead.

    python -m benchmarks.step
    python -m benchmarks.step --as-they-come     without what main.py tells glibc, for the peers

Measures both cells at four shapes. The peers are the layers of Keras and of PyTorch, TensorFlow's
own cells under `static_rnn`, and `BlockLSTM`. Each is used as its documentation says, with plain
gradient descent at a learning rate of 0.01 and gradients clipped at a global norm of 5. Each has a
process of its own, and they take turns, so a busy moment hits all of them. Prints a table of
medians and ratios, and writes it with all figures to benchmarks/results/step.{md,json} (or
step-as-they-come). PyTorch is left out if it is not installed. Twenty minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from tabulate import tabulate
from tqdm import tqdm

from support.executors import count_usable_cores
from support.files import replacing
from support.memory import keep_freed_memory
from support.terminal import quiet_stderr

RESULTS = Path(__file__).parent / "results"
LEARNING_RATE, CLIP_NORM = 0.01, 5.0
WARM_UP = 3
"""Number of steps that are not counted."""
PAUSE = 0.3
"""Seconds between two turns: PyTorch's threads keep spinning for some time."""


class Work(NamedTuple):
    """What is trained."""

    cell: str
    batch: int
    len_inp: int
    hidden: int
    n_inp: int

    def get_name(self) -> str:
        return f"{self.cell} {self.batch} × {self.len_inp} × {self.hidden}"

    def draw(self) -> tuple[Any, Any]:
        """A batch x [B, T, I] and y [B, T]: sines for one input, symbols for more."""
        import numpy as np

        rng = np.random.default_rng(0)
        if self.n_inp == 1:  # not from data.py: PyTorch would wait for TensorFlow's import
            frequencies, phases = rng.uniform((0.5, 0), (1, 2 * np.pi), [self.batch, 2]).T
            angles = np.outer(frequencies, 0.15 * np.arange(self.len_inp + 1)) + phases[:, None]
            curves = np.sin(angles).astype(np.float32)
            return curves[:, :-1, np.newaxis], curves[:, 1:]
        symbols = rng.integers(self.n_inp, size=[self.batch, self.len_inp], dtype=np.int32)
        return np.eye(self.n_inp, dtype=np.float32)[symbols], symbols


SHAPES = ((500, 100, 32, 1), (100, 100, 64, 1), (128, 22, 128, 11), (128, 117, 128, 11))
"""Batch, time steps, hidden units, inputs."""
WORK = [Work(cell, *shape) for cell in ("basic", "lstm") for shape in SHAPES]

Step = Callable[[], Any]


# --- the contenders: functions that build a network and return its training step ----------------


def build_ours(work: Work, nbr_towers: int | None = None) -> Step:
    import train
    from experiment.model import get_session_config
    from experiment.towers import Tower, build_towers
    from rnn_cells import BasicRNNCell, MyLSTMCell, RNNOutputWrapper

    cell = {"basic": BasicRNNCell, "lstm": MyLSTMCell}[work.cell](work.n_inp, work.hidden)
    readout = RNNOutputWrapper(work.hidden, work.n_inp)
    get_loss = train.get_loss_sin if work.n_inp == 1 else train.get_loss_memory

    def build_tower(x: Any, y: Any) -> Tower:
        states, _ = cell(cell.get_zero_state_for_inp(x), x)
        outputs = readout(states)
        return Tower(outputs, get_loss(outputs, y))

    nbr_towers = nbr_towers or count_usable_cores()
    loss = build_towers(build_tower, *_get_batch(work), nbr_towers).loss
    return _make_step(loss, get_session_config(nbr_towers))


def build_ours_on_one_tower(work: Work) -> Step:
    return build_ours(work, nbr_towers=1)


def build_static_rnn(work: Work) -> Step:
    """TensorFlow 1.x's own cells, which are private by now."""
    import tensorflow.compat.v1 as tf
    from tensorflow.python.ops import rnn_cell_impl

    if work.cell == "lstm":
        cell = rnn_cell_impl.BasicLSTMCell(work.hidden)
    else:
        cell = rnn_cell_impl.BasicRNNCell(work.hidden, activation=tf.identity)
    x, y = _get_batch(work)
    states, _ = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32)
    return _make_step(_get_loss(work, tf.stack(states, axis=1), y))


def build_block_lstm(work: Work) -> Step:
    """TensorFlow's LSTM in one operation."""
    import tensorflow.compat.v1 as tf

    x, y = _get_batch(work)
    zeros, no_peephole = tf.zeros([work.batch, work.hidden]), tf.zeros([work.hidden])
    lstm = tf.raw_ops.BlockLSTM(
        seq_len_max=work.len_inp,
        x=tf.transpose(x, [1, 0, 2]),
        cs_prev=zeros,
        h_prev=zeros,
        w=tf.get_variable("w", [work.n_inp + work.hidden, 4 * work.hidden]),
        wci=no_peephole,
        wcf=no_peephole,
        wco=no_peephole,
        b=tf.get_variable("b", [4 * work.hidden], initializer=tf.zeros_initializer()),
        forget_bias=1.0,
        cell_clip=-1.0,
        use_peephole=False,
    )
    return _make_step(_get_loss(work, tf.transpose(lstm.h, [1, 0, 2]), y))


def build_keras(work: Work, unroll: bool = False) -> Step:
    import keras

    keras.utils.clear_session()
    if work.cell == "lstm":
        layer = keras.layers.LSTM(work.hidden, return_sequences=True, unroll=unroll)
    else:
        layer = keras.layers.SimpleRNN(
            work.hidden, activation=None, return_sequences=True, unroll=unroll
        )
    shape = (work.len_inp, work.n_inp)
    model = keras.Sequential(
        [keras.Input(shape, batch_size=work.batch), layer, keras.layers.Dense(work.n_inp)]
    )
    if work.n_inp == 1:
        loss = "mean_squared_error"
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE, global_clipnorm=CLIP_NORM), loss)
    x, y = work.draw()
    y = y[..., None] if work.n_inp == 1 else y
    return lambda: model.train_on_batch(x, y)


def build_keras_unrolled(work: Work) -> Step:
    return build_keras(work, unroll=True)


def build_pytorch(work: Work) -> Step:
    """`nn.RNN` has no linear cell: it also computes a tanh."""
    import torch
    from torch import nn

    layer = (nn.LSTM if work.cell == "lstm" else nn.RNN)(work.n_inp, work.hidden, batch_first=True)
    readout = nn.Linear(work.hidden, work.n_inp)
    parameters = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.SGD(parameters, LEARNING_RATE)
    x, y = map(torch.from_numpy, work.draw())

    def step() -> float:
        optimizer.zero_grad()
        outputs = readout(layer(x)[0])
        if work.n_inp == 1:
            loss = nn.functional.mse_loss(outputs[..., 0], y)
        else:
            loss = nn.functional.cross_entropy(outputs.flatten(0, 1), y.flatten().long())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
        return loss.item()

    return step


def build_floor(work: Work) -> Step:
    """Only the products and activations of such a step, as few and as large as possible.

    No step waits for another, nothing is added, multiplied or copied.
    """
    import tensorflow.compat.v1 as tf

    from experiment.model import get_session_config

    nbr_gates = 4 if work.cell == "lstm" else 1
    rows, inner, gates = (
        work.batch * work.len_inp,
        work.n_inp + work.hidden,
        nbr_gates * work.hidden,
    )
    a, w, dz, z3, z2 = (
        tf.get_variable(name, shape).read_value()
        for name, shape in (
            ("a", [rows, inner]),
            ("w", [inner, gates]),
            ("dz", [rows, gates]),
            ("z3", [rows, 3 * work.hidden]),
            ("z2", [rows, 2 * work.hidden]),
        )
    )
    results = [
        tf.matmul(a, w),
        tf.matmul(dz, w[work.n_inp :], transpose_b=True),
        tf.matmul(a, dz, transpose_a=True),
    ]
    if work.cell == "lstm":
        results += [tf.sigmoid(z3), tf.tanh(z2)]
    config = get_session_config(1)  # the rewriting would drop what nobody asks for
    config.intra_op_parallelism_threads = 0
    return _start_session(config).make_callable(tf.group(*results))


CONTENDERS: dict[str, Callable[[Work], Step]] = {
    "ours": build_ours,
    "ours, one tower": build_ours_on_one_tower,
    "Keras, unrolled": build_keras_unrolled,
    "Keras": build_keras,
    "PyTorch": build_pytorch,
    "static_rnn": build_static_rnn,
    "BlockLSTM": build_block_lstm,
    "floor": build_floor,
}
PEERS = ("Keras, unrolled", "Keras", "PyTorch", "static_rnn", "BlockLSTM")


def _get_batch(work: Work) -> tuple[Any, Any]:
    """The batch, held in the graph's memory as it is in PyTorch's."""
    import tensorflow.compat.v1 as tf

    x, y = (
        tf.get_variable(name, initializer=values, trainable=False).read_value()
        for name, values in zip("xy", work.draw(), strict=True)
    )
    return x, y


def _get_loss(work: Work, states: Any, y: Any) -> Any:
    """The loss of a linear readout of states [B, T, H]."""
    import tensorflow.compat.v1 as tf

    w = tf.get_variable("readout_w", [work.hidden, work.n_inp])
    b = tf.get_variable("readout_b", [work.n_inp], initializer=tf.zeros_initializer())
    outputs = tf.tensordot(states, w, 1) + b
    if work.n_inp == 1:
        return tf.reduce_mean(tf.square(outputs[..., 0] - y))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=outputs))


def _make_step(loss: Any, config: Any = None) -> Step:
    import train

    train_op = train.get_train_op(loss, LEARNING_RATE, clip_norm=CLIP_NORM)
    return _start_session(config).make_callable([loss, train_op])


def _start_session(config: Any = None) -> Any:
    """A session; for peers, as TensorFlow configures it."""
    import tensorflow.compat.v1 as tf

    session = tf.Session(config=config)
    session.run(tf.global_variables_initializer())
    return session


# --- measuring, in the contender's process ------------------------------------------------------

_kept: dict[str, Any] = {}
"""The step that is being measured."""


def prepare(name: str, work: Work) -> float:
    """Builds a contender and runs its first step; returns the seconds of both."""
    import tensorflow.compat.v1 as tf

    _kept.clear()  # with the session of the contender's last work
    with contextlib.ExitStack() as stack:
        if not name.startswith("Keras"):
            stack.enter_context(tf.Graph().as_default())
        start = time.perf_counter()
        step = CONTENDERS[name](work)
        step()
        seconds = time.perf_counter() - start
    for _ in range(WARM_UP):
        step()
    _kept["step"] = step
    return seconds


def time_steps(nbr_steps: int) -> list[float]:
    """Seconds of single steps."""
    edges = [time.perf_counter()]
    for _ in range(nbr_steps):
        _kept["step"]()
        edges.append(time.perf_counter())
    return [end - start for start, end in itertools.pairwise(edges)]


def measure_memory() -> int:
    """Bytes that this process takes."""
    return psutil.Process().memory_info().rss


def import_packages(name: str, as_they_come: bool) -> bool:
    """Imports what a contender needs, before anything is timed.

    All of them keep the memory that they free, as main.py does; or only ours.
    """
    warnings.simplefilter("ignore")
    if not (as_they_come and name in PEERS):
        keep_freed_memory()
    with quiet_stderr():
        import tensorflow.compat.v1 as tf

        import train  # noqa: F401
    tf.logging.set_verbosity(tf.logging.FATAL)
    if name == "PyTorch":
        try:
            import torch  # noqa: F401
        except ModuleNotFoundError:
            return False
    return True


# --- the whole measurement ----------------------------------------------------------------------


@contextlib.contextmanager
def start_processes(as_they_come: bool) -> Iterator[dict[str, ProcessPoolExecutor]]:
    """A process for each contender that is installed."""
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
            for name in CONTENDERS
        }
        imports = {
            name: process.submit(import_packages, name, as_they_come)
            for name, process in processes.items()
        }
        yield {name: processes[name] for name, done in imports.items() if done.result()}


def measure(
    processes: dict[str, ProcessPoolExecutor], work: Work, nbr_turns: int, nbr_steps: int
) -> dict[str, dict[str, float]]:
    """For each contender, seconds until its first step is done, its median step, and its memory."""
    contenders = {
        name: process
        for name, process in processes.items()
        if work.cell == "lstm" or name != "BlockLSTM"
    }
    first = {}
    for name, process in contenders.items():
        first[name] = process.submit(prepare, name, work).result()
        time.sleep(PAUSE)
    steps: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(nbr_turns):
        for name, process in contenders.items():
            steps[name] += process.submit(time_steps, nbr_steps).result()
            time.sleep(PAUSE)
    return {
        name: {
            "build_and_first_step": first[name],
            "step": statistics.median(steps[name]),
            "bytes": process.submit(measure_memory).result(),
        }
        for name, process in contenders.items()
    }


def summarise(work: Work, runs: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians of the runs, in seconds, and the ratios that the goals are about."""
    medians = {
        name: {
            what: statistics.median(run[name][what] for run in runs)
            for what in ("step", "build_and_first_step", "bytes")
        }
        for name in runs[0]
    }
    fastest = min((peer for peer in PEERS if peer in medians), key=lambda p: medians[p]["step"])
    ours = medians["ours"]
    return {
        "work": work.get_name(),
        "medians": medians,
        "fastest_peer": fastest,
        "step_ratio": ours["step"] / medians[fastest]["step"],
        "start_ratio": ours["build_and_first_step"]
        / medians["Keras, unrolled"]["build_and_first_step"],
        "runs": runs,
    }


RATIOS = {"step": "step_ratio", "build_and_first_step": "start_ratio"}


def tabulate_results(results: list[dict[str, Any]]) -> str:
    def rows(what: str, unit: float, ratio: str | None = None) -> list[dict[str, Any]]:
        return [
            {
                "cell, batch × time × hidden": result["work"],
                **{
                    name: f"{result['medians'][name][what] * unit:.3g}"
                    if name in result["medians"]
                    else ""
                    for name in CONTENDERS
                    if what == "step" or name != "floor"
                },
                **({ratio: f"**{result[RATIOS[what]]:.2f}**"} if ratio else {}),
            }
            for result in results
        ]

    steps = rows("step", 1e3, "ours : fastest peer")
    starts = rows("build_and_first_step", 1.0, "ours : Keras, unrolled")
    titled = {
        "Milliseconds of a step": steps,
        "Seconds to build and run the first step": starts,
        "Megabytes of the process, in which the shapes follow one another": rows("bytes", 1e-6),
    }
    return "\n\n".join(
        f"{title}\n\n{tabulate(table, headers='keys', tablefmt='github')}"
        for title, table in titled.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="whole runs (3)")
    parser.add_argument("--turns", type=int, default=8, metavar="N", help="turns of each (8)")
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="steps a turn (6)")
    parser.add_argument("--as-they-come", action="store_true", help="peers keep no freed memory")
    args = parser.parse_args()
    runs: dict[Work, list[dict]] = {work: [] for work in WORK}
    with tqdm(total=args.runs * len(WORK), unit=" measurements", disable=None) as bar:
        for _ in range(args.runs):
            with start_processes(args.as_they_come) as processes:
                for work in WORK:
                    runs[work].append(measure(processes, work, args.turns, args.steps))
                    bar.update()
    results = [summarise(work, of_work) for work, of_work in runs.items()]
    text = tabulate_results(results)
    print(text)
    name = "step-as-they-come" if args.as_they_come else "step"
    for kind, content in (("md", text), ("json", json.dumps(results, indent=1))):
        with replacing(RESULTS / f"{name}.{kind}") as path:
            path.write_text(content + "\n")


if __name__ == "__main__":
    main()

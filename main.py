"""Trains and tests one recurrent network on one of the sheet's two tasks.

    python main.py --cell lstm --task sin        continues sine curves
    python main.py --cell basic --task memory    recalls digits after a lag

See `python main.py --help`. TensorFlow is imported only once the command line has proved right.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import dataclasses
import errno
import json
import math
import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    import tensorflow.compat.v1 as tf

    from rnn_cells import RNNCell, RNNOutputWrapper
    from train import EpochMetrics

# When the process started: its imports so far have kept the processor busy.
_STARTED = time.perf_counter() - time.process_time()

TEST_SIZE = 1000
"""Number of sequences of a test set."""
NBR_GENERATED = 100
"""Number of samples by which a sine curve is continued."""
LONGEST_EXAMPLE = 80
"""Number of characters up to which a network's output on the memory task is printed."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that decides an experiment's outcome; None where a setting does not apply."""

    task: str
    cell: str
    hidden_size: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    decay: str
    clip_norm: float
    towers: int
    unroll: str = "auto"
    train_size: int = 6400
    seed: int = 0
    activation: str | None = None
    forget_bias: float | None = None
    chrono: bool | None = None
    match_params: bool | None = None
    num_samples: int | None = None
    input_noise: float | None = None
    to_remember_len: int | None = None
    blank_separation_len: int | None = None
    min_blank_separation_len: int | None = None
    num_digits: int | None = None
    recall_input: str | None = None


# The settings that only one task or one cell has.
TASK_DEFAULTS: dict[str, dict[str, Any]] = {
    "sin": {"num_samples": 100, "input_noise": 0.02},
    "memory": {
        "to_remember_len": 8,
        "blank_separation_len": 5,
        "min_blank_separation_len": None,
        "num_digits": 9,
        "recall_input": "blank",
    },
}
CELL_DEFAULTS: dict[str, dict[str, Any]] = {
    "basic": {"activation": "linear"},
    "lstm": {"chrono": False, "match_params": False},
}


def _row(hidden_size, epochs, batch_size, optimizer, learning_rate, decay, clip_norm, forget_bias):
    """The settings of a row of `TRAINING_DEFAULTS`, by name."""
    return {**locals()}


# The configurations that work, chosen by measurement: `python -m benchmarks.defaults`. (tanh and
# ReLU have the best that was found on the memory task; it works at some seeds only.)
TRAINING_DEFAULTS: dict[tuple[str, str, str | None], dict[str, Any]] = {
    ("sin", "basic", "linear"): _row(64, 16, 50, "adam", 0.005, "cosine", 1.0, None),
    ("sin", "basic", "tanh"): _row(64, 64, 50, "adam", 0.005, "cosine", 1.0, None),
    ("sin", "basic", "relu"): _row(64, 64, 50, "adam", 0.003, "cosine", 1.0, None),
    ("sin", "lstm", None): _row(32, 16, 50, "adam", 0.02, "cosine", 0.1, 1.0),
    ("memory", "basic", "linear"): _row(
        128, 10, 100, "gradient_descent", 0.1, "constant", 5.0, None
    ),
    ("memory", "basic", "tanh"): _row(128, 30, 100, "adam", 0.001, "cosine", 1.0, None),
    ("memory", "basic", "relu"): _row(128, 30, 100, "adam", 0.001, "cosine", 1.0, None),
    ("memory", "lstm", None): _row(128, 24, 50, "adam", 0.01, "cosine", 1.0, 3.0),
}

# What a run leaves beside config.json: an unfinished one the first, a finished one both.
PROGRESS_FILES = ("metrics.csv", "checkpoint", "model.ckpt-*", "events.out.tfevents.*")
RESULT_FILES = ("result.json", "training.png", "continuation.png", "recall.png")


class RunError(Exception):
    """A failure that its message explains in one line."""


class Model(NamedTuple):
    """The graph of an experiment."""

    cell: RNNCell
    output_wrapper: RNNOutputWrapper
    x: tf.Tensor
    outputs: list[tf.Tensor]
    labels: tf.Tensor
    loss: tf.Tensor
    train_op: tf.Operation
    it_train_init: tf.Operation
    it_test_init: tf.Operation
    parameters: dict[str, int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a blank ␣ is not in every encoding
    parser = build_parser()
    args = parser.parse_args(argv)
    out_dir = args.out_dir or Path("runs", f"{args.task}-{args.cell}")
    settings = None
    try:
        settings = resolve_settings(args, parser, out_dir)
        result = run(settings, out_dir, resume=args.resume, tensorboard=args.tensorboard)
        print(report(result, settings, out_dir))
    except BrokenPipeError:  # whoever read the output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, Exception) as error:
        if _is_interrupt(error):
            print(f"main.py: {_explain_interrupt(argv, settings, out_dir)}", file=sys.stderr)
            return 130
        if args.debug:
            raise
        print(f"main.py: error: {_explain(error, out_dir)}", file=sys.stderr)
        return 1
    return 0


class Parser(argparse.ArgumentParser):
    """Answers wrong usage with one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line; options not given are None, and `resolve_settings` has the defaults."""
    parser = Parser(
        description="Trains and tests one recurrent network on one of the sheet's two tasks.\n"
        "Defaults stand in brackets, or in the table at the end.",
        epilog=_describe_defaults(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument_group("what to run").add_argument
    add("--cell", choices=("basic", "lstm"), required=True, help="the recurrent cell")
    add("--task", choices=("sin", "memory"), required=True, help="continue sines, or recall digits")
    add("--seed", type=_natural, metavar="N", help=f"of weights and data ({Settings.seed})")
    add("--out-dir", type=_directory, metavar="DIR", help="where to write (runs/<task>-<cell>)")
    add(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint in the directory, with its settings; a run at a"
        " constant learning rate can be given more --epochs",
    )
    add("--tensorboard", action="store_true", help="write summaries for TensorBoard, too")
    add("--debug", action="store_true", help="show the traceback of an error")
    _add_network_options(parser)
    _add_training_options(parser)
    _add_task_options(parser)
    return parser


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("network").add_argument
    add("--hidden-size", type=positive_int, metavar="N", help="units of the cell")
    activation = CELL_DEFAULTS["basic"]["activation"]
    add("--activation", choices=("linear", "relu", "tanh"), help=f"basic only ({activation})")
    add("--forget-bias", type=_finite, metavar="X", help="lstm only: its initial value")
    add(
        "--chrono",
        action="store_const",
        const=True,
        help="lstm only: chrono initialisation for the sequence's length, not --forget-bias",
    )
    add(
        "--match-params",
        action="store_const",
        const=True,
        help="lstm only: as many units as keep the network within the number of parameters of the"
        " basic one with --hidden-size units",
    )


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=positive_int, metavar="N", help="passes over the training set")
    size = Settings.train_size
    add("--train-size", type=positive_int, metavar="N", help=f"sequences an epoch ({size})")
    add("--batch-size", type=positive_int, metavar="N", help="sequences a training step")
    add(
        "--optimizer",
        choices=("gradient_descent", "momentum", "rmsprop", "adam"),
        help="how a step follows from the clipped gradient",
    )
    add("--learning-rate", type=_positive, metavar="X", help="learning rate of the first step")
    add("--decay", choices=("constant", "cosine"), help="how the learning rate goes on")
    add("--clip-norm", type=_positive, metavar="X", help="largest global norm of the gradient")
    add(
        "--towers",
        type=positive_int,
        metavar="N",
        help="parts of a batch that are trained on side by side, a core each (all cores)",
    )
    add(
        "--unroll",
        choices=("auto", "static", "dynamic"),
        help="whether all time steps stand in the graph, or a loop; auto: a loop for long sequences"
        f" ({Settings.unroll})",
    )


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    default = TASK_DEFAULTS["sin"]
    add = parser.add_argument_group("sin task").add_argument
    samples, noise = default["num_samples"], default["input_noise"]
    add("--num-samples", type=positive_int, metavar="N", help=f"of a training curve ({samples})")
    add(
        "--input-noise",
        type=_not_negative,
        metavar="X",
        help=f"standard deviation of noise on the training inputs ({noise})",
    )
    default = TASK_DEFAULTS["memory"]
    add = parser.add_argument_group("memory task").add_argument
    length, blanks = default["to_remember_len"], default["blank_separation_len"]
    add("--to-remember-len", type=positive_int, metavar="N", help=f"digits to recall ({length})")
    add("--blank-separation-len", type=_natural, metavar="N", help=f"blanks after them ({blanks})")
    add(
        "--min-blank-separation-len",
        type=_natural,
        metavar="N",
        help="draw the number of blanks of each sequence from this to --blank-separation-len",
    )
    add("--num-digits", type=positive_int, metavar="N", help=f"kinds ({default['num_digits']})")
    add(
        "--recall-input",
        choices=("blank", "truth"),
        help="what the cell sees while it recalls: blanks, or the digit before"
        f" ({default['recall_input']})",
    )


def resolve_settings(
    args: argparse.Namespace, parser: argparse.ArgumentParser, out_dir: Path
) -> Settings:
    """What was given, completed by the defaults or, to resume, by `config.json`.

    Wrong usage ends the program with exit status 2.
    """
    fields = dataclasses.fields(Settings)
    given = {f.name: vars(args)[f.name] for f in fields if vars(args)[f.name] is not None}
    activation = given.get("activation", "linear") if args.cell == "basic" else None
    defaults = {
        **TASK_DEFAULTS[args.task],
        **CELL_DEFAULTS[args.cell],
        **TRAINING_DEFAULTS[args.task, args.cell, activation],
        "towers": count_usable_cores(),
    }
    for field in fields:
        applies = field.name in TASK_DEFAULTS[args.task] or defaults.get(field.name) is not None
        if field.name in given and field.default is None and not applies:
            parser.error(
                f"{_flag(field.name)} does not apply to --task {args.task} --cell {args.cell}:"
                " leave it out"
            )
    if "chrono" in given:
        if "forget_bias" in given:
            parser.error("--chrono sets the forget bias, too: leave out one of the two")
        defaults["forget_bias"] = None
    if "match_params" in given:
        basic = TRAINING_DEFAULTS[args.task, "basic", "linear"]
        defaults["hidden_size"] = basic["hidden_size"]
    if args.resume:
        saved = _read_config(out_dir)
        for name, value in given.items():
            if name == "epochs" and saved.decay == "constant":
                continue  # the one thing that can be changed: the run is made longer
            if getattr(saved, name) != value:
                parser.error(
                    f"cannot resume with {_flag(name)} {value}: the run in {out_dir} was started"
                    f" with {getattr(saved, name)}; leave the option out, or start anew in another"
                    " --out-dir"
                )
        return dataclasses.replace(saved, **given)

    settings = Settings(**{**defaults, **given})
    least, most = settings.min_blank_separation_len, settings.blank_separation_len
    if least is not None and least > most:
        parser.error(
            f"--min-blank-separation-len ({least}) is more than --blank-separation-len ({most}):"
            " lower it"
        )
    return settings


def run(
    settings: Settings, out_dir: Path, *, resume: bool = False, tensorboard: bool = False
) -> dict[str, Any]:
    """Trains and tests one network, and leaves all that is known of it in `out_dir`.

    Returns:
        What `result.json` holds.

    Raises:
        RunError: If `out_dir` cannot be used, or there is nothing to resume.
        train.DivergenceError: If the training diverges.
        train.CheckpointError: If a checkpoint cannot be written or read.
    """
    with quiet_stderr():
        import tensorflow.compat.v1 as tf

        import train
    _check_out_dir(out_dir, resume)
    tf.logging.set_verbosity(tf.logging.FATAL)

    config = train.get_session_config(settings.towers)
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        tf.set_random_seed(settings.seed)
        first_epoch = _get_first_epoch(settings, out_dir) if resume else 0
        hidden_size = match_hidden_size(settings) if settings.match_params else settings.hidden_size
        model = build_model(settings, hidden_size, first_epoch)
        _write_json(out_dir / "config.json", dataclasses.asdict(settings))
        _clear_out_dir(out_dir, keep_progress=resume, keep_results=first_epoch == settings.epochs)
        print(_describe(settings, hidden_size, model.parameters), flush=True)
        history = train.run_training(
            sess,
            settings.epochs,
            model.train_op,
            model.loss,
            model.it_train_init,
            out_dir=out_dir,
            resume=resume,
            tensorboard=tensorboard,
        )
        measured = evaluate(sess, model, settings, history, out_dir)
    result = {
        "task": settings.task,
        "cell": settings.cell,
        "activation": settings.activation,
        "seed": settings.seed,
        "hidden_size": hidden_size,
        "parameters": model.parameters,
        "epochs": len(history),
        "seconds": round(time.perf_counter() - _STARTED, 2),
        "train_loss": history[-1].train_loss,
        **measured,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__},
    }
    _write_json(out_dir / "result.json", result)
    return result


def build_model(settings: Settings, hidden_size: int, first_epoch: int) -> Model:
    """Builds the graph: iterator, cell, readout, loss, training operation."""
    import tensorflow.compat.v1 as tf

    import data
    import train
    from rnn_cells import Tower, build_towers, run_cell

    generate, get_loss = {
        "sin": (data.generate_sin_data, train.get_loss_sin),
        "memory": (data.generate_memory_data, train.get_loss_memory),
    }[settings.task]
    if settings.min_blank_separation_len is not None:
        get_loss = train.get_loss_memory_padded
    batch_size = settings.batch_size
    of_task = {name: getattr(settings, name) for name in TASK_DEFAULTS[settings.task]}
    of_task["seed"] = settings.seed
    training_set = generate(settings.train_size, batch_size, first_epoch=first_epoch, **of_task)
    test_set = generate(TEST_SIZE, batch_size, training=False, **of_task)
    iterator = tf.data.Iterator.from_structure(
        tf.data.get_output_types(training_set), tf.data.get_output_shapes(training_set)
    )
    x, labels = iterator.get_next()
    if settings.train_size % batch_size == TEST_SIZE % batch_size == 0:
        # All batches are equal. A graph that knows it is smaller and faster: its gradients need
        # not find out whether anything was broadcast.
        x.set_shape([batch_size, *x.shape[1:]])
        labels.set_shape([batch_size, *labels.shape[1:]])

    cell, output_wrapper, parameters = build_network(settings, hidden_size)

    def build_tower(x: tf.Tensor, labels: tf.Tensor) -> Tower:
        states, _ = run_cell(cell, cell.get_zero_state_for_inp(x), x, settings.unroll)
        outputs = output_wrapper(states)
        return Tower(outputs, get_loss(outputs, labels))

    outputs, loss = build_towers(build_tower, x, labels, settings.towers)
    tf.train.create_global_step()
    nbr_steps = settings.epochs * math.ceil(settings.train_size / batch_size)
    learning_rate = train.get_learning_rate(settings.learning_rate, settings.decay, nbr_steps)
    return Model(
        cell,
        output_wrapper,
        x,
        outputs,
        labels,
        loss,
        train_op=train.get_train_op(
            loss, learning_rate, optimizer=settings.optimizer, clip_norm=settings.clip_norm
        ),
        it_train_init=iterator.make_initializer(training_set),
        it_test_init=iterator.make_initializer(test_set),
        parameters=parameters,
    )


def build_network(
    settings: Settings, hidden_size: int
) -> tuple[RNNCell, RNNOutputWrapper, dict[str, int]]:
    """Creates cell and readout, and counts their parameters."""
    import tensorflow.compat.v1 as tf

    from rnn_cells import BasicRNNCell, MyLSTMCell, RNNOutputWrapper

    def count(variables: list[tf.Variable]) -> int:
        return sum(variable.shape.num_elements() for variable in variables)

    n_inp = n_out = 1 if settings.task == "sin" else settings.num_digits + 2
    if settings.cell == "basic":
        activation = {"linear": None, "relu": tf.nn.relu, "tanh": tf.tanh}[settings.activation]
        cell = BasicRNNCell(n_inp, hidden_size, activation=activation)
    else:
        biases = (
            {"chrono": max(2, get_sequence_length(settings))}
            if settings.chrono
            else {"forget_bias": settings.forget_bias}
        )
        cell = MyLSTMCell(n_inp, hidden_size, **biases)
    in_cell = count(tf.global_variables())
    output_wrapper = RNNOutputWrapper(hidden_size, n_out)
    total = count(tf.global_variables())
    parameters = {
        "cell": in_cell,
        "readout": total - in_cell,
        "trainable": count(tf.trainable_variables()),
        "total": total,
    }
    return cell, output_wrapper, parameters


def get_sequence_length(settings: Settings) -> int:
    """T, the number of time steps of the task's sequences."""
    import data

    if settings.task == "sin":
        return settings.num_samples
    return data.get_memory_length(
        settings.to_remember_len, settings.blank_separation_len, settings.recall_input
    )


def match_hidden_size(settings: Settings) -> int:
    """The largest LSTM whose network has no more parameters than the basic cell's.

    The sheet's question how an LSTM can be compared with the basic RNN more fairly: cell and
    readout of the basic network with `settings.hidden_size` units are the budget.

    Raises:
        RunError: If not even one unit fits.
    """
    import tensorflow.compat.v1 as tf

    def count(cell: str, hidden_size: int) -> int:
        candidate = dataclasses.replace(settings, cell=cell, **CELL_DEFAULTS["basic"])
        with tf.Graph().as_default():
            return build_network(candidate, hidden_size)[2]["total"]

    budget = count("basic", settings.hidden_size)
    sizes = range(1, settings.hidden_size + 1)
    matched = bisect.bisect_right(sizes, budget, key=lambda size: count("lstm", size))
    if matched == 0:
        raise RunError(
            f"--match-params: even an LSTM of one unit has more parameters than a basic cell of"
            f" {settings.hidden_size} ({budget}): raise --hidden-size"
        )
    return matched


def evaluate(
    sess: tf.Session,
    model: Model,
    settings: Settings,
    history: list[EpochMetrics],
    out_dir: Path,
) -> dict[str, float]:
    """The figures of a trained network; writes all plots."""
    import train

    evaluate_task, loss_label = {
        "sin": (evaluate_sin, "mean squared error"),
        "memory": (evaluate_memory, "cross-entropy (nats)"),
    }[settings.task]
    measured = evaluate_task(sess, model, settings, out_dir)
    if not math.isfinite(measured["test_loss"] + measured.get("continuation_mse", 0.0)):
        raise RunError(
            "the trained network's output grows without bound in the test: start anew with a lower"
            " --learning-rate, or more --epochs"
        )
    train.plot_training(
        history,
        title=f"Training on the {settings.task} task, {_name_cell(settings)} cell",
        loss_label=loss_label,
        clip_norm=settings.clip_norm,
        memoryless_loss=measured.get("memoryless_loss"),
        out_dir=out_dir,
    )
    return measured


def evaluate_sin(
    sess: tf.Session, model: Model, settings: Settings, out_dir: Path
) -> dict[str, float]:
    """Test loss (one step ahead) and continuation error; writes `continuation.png`."""
    import test

    return {
        "test_loss": test.get_mean_loss(sess, model.loss, model.labels, model.it_test_init),
        "continuation_mse": test.run_test_sin(
            sess,
            model.cell,
            model.output_wrapper,
            NBR_GENERATED,
            _name_cell(settings),
            out_dir=out_dir,
            nbr_curves=TEST_SIZE,
            seed=settings.seed,
        ),
    }


def evaluate_memory(
    sess: tf.Session, model: Model, settings: Settings, out_dir: Path
) -> dict[str, float]:
    """Test loss, recall accuracy and an example; writes `recall.png`."""
    import test

    outputs, labels = get_recalled(model, settings)
    result = test.run_memory_test(
        sess, model.loss, outputs, labels, model.it_test_init, settings.to_remember_len
    )
    test.plot_recall(
        sess,
        outputs,
        labels,
        model.it_test_init,
        settings.to_remember_len,
        _name_cell(settings),
        num_digits=settings.num_digits,
        out_dir=out_dir,
    )
    return {
        "test_loss": result.loss,
        "recall_accuracy": result.accuracy,
        "memoryless_loss": get_memoryless_loss(settings),
        "example": _render_example(sess, model, settings.num_digits),
    }


def get_recalled(model: Model, settings: Settings) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Outputs and labels of which the last L are the digits to recall."""
    import test

    if settings.min_blank_separation_len is None:
        return model.outputs, model.labels
    return test.select_recalled(model.outputs, model.labels, settings.to_remember_len)


def get_memoryless_loss(settings: Settings) -> float:
    """The loss of the best guess without a memory, over all numbers of blanks."""
    import data

    most = settings.blank_separation_len
    least = most if settings.min_blank_separation_len is None else settings.min_blank_separation_len
    losses = [
        data.get_memoryless_loss(
            data.get_memory_length(settings.to_remember_len, nbr_blanks, settings.recall_input),
            settings.to_remember_len,
            settings.num_digits,
        )
        for nbr_blanks in range(least, most + 1)
    ]
    return sum(losses) / len(losses)


def _render_example(sess: tf.Session, model: Model, num_digits: int) -> dict[str, str]:
    """The first test sequence, and what the network makes of it."""
    import data

    first_of_batch = [model.x[0], model.labels[0], [logits[0] for logits in model.outputs]]
    x, labels, logits = next(data.one_pass(sess, model.it_test_init, first_of_batch))
    return {
        "sequence": data.to_human_readable(x, labels, num_digits=num_digits),
        "output": data.to_human_readable(logits, num_digits=num_digits),
    }


def report(result: dict[str, Any], settings: Settings, out_dir: Path) -> str:
    """The figures of a result and the paths of its plots, a line each."""
    lines = [f"finished {result['epochs']} epochs in {result['seconds']:.1f} s"]
    if settings.task == "sin":
        plot = "continuation.png"
        lines += [
            f"test loss            {result['test_loss']:.4g}  (mean squared error one step ahead)",
            f"continuation error   {result['continuation_mse']:.4g}  (mean squared, {TEST_SIZE:,}"
            f" curves, {NBR_GENERATED} samples each; always predicting 0 has 0.5)",
        ]
    else:
        plot = "recall.png"
        example = result["example"]
        if len(example["output"]) <= LONGEST_EXAMPLE:
            lines += [f"a test sequence      {example['sequence']}"]
            lines += [f"the network's output {example['output']}"]
        lines += [
            f"test loss            {result['test_loss']:.4g}  (nats; a guess without memory has"
            f" {result['memoryless_loss']:.4f})",
            f"recall accuracy      {result['recall_accuracy']:.2%}  (of the last"
            f" {settings.to_remember_len} outputs, {TEST_SIZE:,} sequences; chance is"
            f" {1 / settings.num_digits:.1%})",
        ]
    return "\n".join([*lines, f"plots                {out_dir / plot}, {out_dir / 'training.png'}"])


def count_usable_cores() -> int:
    """The number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _name_cell(settings: Settings) -> str:
    return f"basic ({settings.activation})" if settings.cell == "basic" else "LSTM"


def _describe(settings: Settings, hidden_size: int, parameters: dict[str, int]) -> str:
    lines = [
        f"{settings.task} task, {_name_cell(settings)} cell with {hidden_size} hidden units:"
        f" {parameters['total']:,} parameters ({parameters['cell']:,} in the cell,"
        f" {parameters['readout']:,} in the readout)"
    ]
    if settings.match_params:
        lines.append(
            f"the largest LSTM with no more parameters than a basic network of"
            f" {settings.hidden_size} hidden units has"
        )
    return "\n".join(lines)


def _describe_defaults() -> str:
    rows = [("task", "cell", *TRAINING_DEFAULTS["sin", "lstm", None])]
    for (task, cell, activation), training in TRAINING_DEFAULTS.items():
        entries = ("-" if value is None else str(value) for value in training.values())
        rows.append((task, f"{cell} {activation or ''}", *entries))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = (
        "  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "defaults:\n  " + "\n  ".join(table)


def _check_out_dir(out_dir: Path, resume: bool) -> None:
    """Makes the directory where there is none, or looks for what is to be resumed."""
    if resume:
        if not (out_dir / "checkpoint").exists():
            raise RunError(
                f"there is no checkpoint in {out_dir} to go on from: start anew without --resume"
            )
        return
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunError(f"{out_dir} is not a directory: give another --out-dir") from None
    except OSError as error:
        raise RunError(
            f"cannot make the directory {out_dir} ({error.strerror}): give another --out-dir"
        ) from None
    if not (out_dir / "config.json").exists():
        for path in _left_in(out_dir, PROGRESS_FILES + RESULT_FILES):
            raise RunError(f"{path} is not of a run of main.py: give another --out-dir")


def _clear_out_dir(out_dir: Path, *, keep_progress: bool, keep_results: bool) -> None:
    """Removes what an earlier run left and this one will not go on with."""
    for keep, patterns in ((keep_progress, PROGRESS_FILES), (keep_results, RESULT_FILES)):
        if not keep:
            for path in _left_in(out_dir, patterns):
                path.unlink()


def _left_in(out_dir: Path, patterns: Sequence[str]) -> list[Path]:
    return [path for pattern in patterns for path in out_dir.glob(pattern)]


def _get_first_epoch(settings: Settings, out_dir: Path) -> int:
    """The number of epochs that the run in `out_dir` has behind it."""
    import train

    first_epoch = train.get_finished_epochs(out_dir)
    if first_epoch > settings.epochs:
        raise RunError(
            f"{out_dir} holds a run of {first_epoch} epochs already: raise --epochs or leave out"
            " --resume"
        )
    return first_epoch


def _read_config(out_dir: Path) -> Settings:
    path = out_dir / "config.json"
    try:
        return Settings(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise RunError(
            f"there is no run in {out_dir} to go on from: start anew without --resume"
        ) from None
    except (TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}): start anew without --resume") from None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    from data import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps off the screen what C++ writes to standard error, unless the block fails.

    TensorFlow reports missing GPUs while it is imported, before its log level is heeded.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    screen = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            kept.seek(0)
            os.write(screen, kept.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def _explain(error: Exception, out_dir: Path) -> str:
    """One line that says what went wrong and how to mend it."""
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    train = sys.modules.get("train")
    if isinstance(error, (RunError, NotImplementedError)) or (
        train and isinstance(error, train.TrainingError)
    ):
        return first_line
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        resumable = (out_dir / "checkpoint").exists()
        advice = "go on with --resume" if resumable else "start again"
        return f"cannot write to {out_dir} ({error.strerror}): mend that, then {advice}"
    if isinstance(error, OSError) and error.filename:
        return f"cannot use {error.filename} ({error.strerror}): give another --out-dir"
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{error.name} is not installed for this Python: use the one that make sets up in .venv"
        )
    return f"{type(error).__name__}: {first_line} (--debug shows where)"


def _is_interrupt(error: BaseException) -> bool:
    """Whether it came of Ctrl-C.

    TensorFlow makes a RuntimeError of an interrupt that comes while it raises an error of its own,
    as it does at the end of each epoch. The interrupt is left in the message only.
    """
    return "KeyboardInterrupt" in "".join(traceback.format_exception(error, limit=0))


def _explain_interrupt(argv: Sequence[str], settings: Settings | None, out_dir: Path) -> str:
    resumable = False
    with contextlib.suppress(RunError):
        # Before the run has begun there may be a checkpoint of another one.
        resumable = (out_dir / "checkpoint").exists() and _read_config(out_dir) == settings
    if not resumable:
        return "interrupted before the first epoch ended: there is nothing to go on from"
    rerun = shlex.join(["python", "main.py", *(arg for arg in argv if arg != "--resume")])
    return f"interrupted; go on from the last finished epoch with: {rerun} --resume"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _number(kind: type, holds: Callable[[float], bool], description: str) -> Callable[[str], Any]:
    """A converter for argparse that accepts the numbers for which `holds` is true."""

    def convert(text: str) -> Any:
        with contextlib.suppress(ValueError):
            number = kind(text)
            if math.isfinite(number) and holds(number):
                return number
        raise argparse.ArgumentTypeError(f"must be {description}, got {text}")

    return convert


_natural = _number(int, lambda number: number >= 0, "a whole number from 0")
positive_int = _number(int, lambda number: number >= 1, "a whole number from 1")
_finite = _number(float, lambda number: True, "a finite number")
_not_negative = _number(float, lambda number: number >= 0, "a number from 0")
_positive = _number(float, lambda number: number > 0, "a positive number")


def _directory(text: str) -> Path:
    if not text or set(text) & set("*?[]"):  # TensorFlow would take them for patterns
        raise argparse.ArgumentTypeError(f"must be a path without * ? [ ], got '{text}'")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())

"""Trains and tests one recurrent network on one of the sheet's two tasks.

    python main.py --cell lstm --task sin        continues sine curves
    python main.py --cell basic --task memory    recalls digits after a lag
    python main.py --cell lstm --task memory --blank-separation-len 1000 --curriculum
                                                 recalls them after any lag up to 1,000

See `python main.py --help`. TensorFlow is imported only when the command line is right.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import os
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiment.folder import RunFolder
from experiment.memory import check_memory
from experiment.settings import (
    CELL_DEFAULTS,
    CURRICULUM_DEFAULTS,
    GROWTH,
    NBR_GENERATED,
    PASSED,
    TASK_DEFAULTS,
    TEST_SIZE,
    TRAINING_DEFAULTS,
    Settings,
    SettingsError,
    complete,
    lengthen,
)
from support.errors import ExplainedError
from support.files import ROOT
from support.imports import importing_tensorflow
from support.terminal import (
    Parser,
    above_one,
    at_least_two,
    finite,
    name_python,
    natural,
    not_negative,
    positive,
    positive_int,
    quiet_stderr,
    showing,
    trim_message,
)

if TYPE_CHECKING:
    from experiment.model import Model

# When the process started: its imports so far have kept the processor busy.
_STARTED = time.perf_counter() - time.process_time()

LONGEST_EXAMPLE = 80
"""Number of characters up to which a network's output on the memory task is printed."""
OWN_FILES = ("rnn_cells/BasicRNNCell.py", "rnn_cells/MyLSTMCell.py", "train.py", "test.py")
"""The files that students write."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a blank ␣ is not in every encoding
    parser = build_parser()
    args = parser.parse_args(argv)
    default = Path("runs", f"{args.task}-{args.cell}")
    folder = RunFolder(args.out_dir or default, keep_earlier=args.out_dir is None)
    settings = None
    try:
        settings = resolve_settings(args, parser, folder)
        result = run(settings, folder, resume=args.resume, tensorboard=args.tensorboard)
        with contextlib.suppress(BrokenPipeError):  # the reader has seen enough: all is done
            print(report(result, settings, folder.path), flush=True)
            return 0
        return _drop_output(0)
    except BrokenPipeError:  # the reader of the output has gone, as `| head` does
        return _drop_output(1)
    except (KeyboardInterrupt, Exception) as error:
        if _is_interrupt(error):
            print(f"main.py: {_explain_interrupt(argv, settings, folder)}", file=sys.stderr)
            return 130
        if args.debug:
            raise
        print(f"main.py: error: {_explain(error, folder)}", file=sys.stderr)
        return 1
    return 0


def _drop_output(status: int) -> int:
    """Lets nothing more be printed; returns the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def run(
    settings: Settings, folder: RunFolder, *, resume: bool = False, tensorboard: bool = False
) -> dict[str, Any]:
    """Imports TensorFlow, runs the experiment, returns what `result.json` holds."""
    check_memory(settings)
    folder.prepare(resume=resume)
    with folder.locked(), contextlib.ExitStack() as waiting:
        waiting.enter_context(showing("importing TensorFlow and building the network"))
        with quiet_stderr(), importing_tensorflow():
            import experiment.run

        def announce(model: Model, remarks: list[str]) -> None:
            waiting.close()
            print(describe(settings, model, [*remarks, *folder.remarks]), flush=True)

        return experiment.run.run(
            settings,
            folder,
            started=_STARTED,
            announce=announce,
            resume=resume,
            tensorboard=tensorboard,
        )


# --- the options --------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The command line; options not given are None, and `experiment.settings` has the defaults."""
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
    add("--seed", type=natural, metavar="N", help=f"seeds weights and data ({Settings.seed})")
    add("--out-dir", type=_directory, metavar="DIR", help="where to write (runs/<task>-<cell>)")
    add(
        "--resume",
        action="store_true",
        help="continue from the last checkpoint in the directory, with its settings; at a"
        " constant learning rate and in a curriculum, you can give more --epochs",
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
    add("--forget-bias", type=finite, metavar="X", help="lstm only: initial forget bias")
    add(
        "--chrono",
        nargs="?",
        const=True,
        type=at_least_two,
        metavar="LAG",
        help="lstm only: chrono initialisation for a lag of LAG time steps, or for the sequence's"
        " length (in a curriculum the default, for the first stage's); not with --forget-bias",
    )
    add(
        "--match-params",
        action="store_const",
        const=True,
        help="lstm only: as many units as give the parameters of a basic network of --hidden-size"
        " units, or just fewer",
    )


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="passes over the training set; in a curriculum, the most that a stage may take",
    )
    size = Settings.train_size
    add("--train-size", type=positive_int, metavar="N", help=f"sequences per epoch ({size})")
    add("--batch-size", type=positive_int, metavar="N", help="sequences per training step")
    add(
        "--optimizer",
        choices=("gradient_descent", "momentum", "rmsprop", "adam"),
        help="how a step follows from the clipped gradient",
    )
    add("--learning-rate", type=positive, metavar="X", help="learning rate of the first step")
    add(
        "--decay",
        choices=("constant", "cosine", "lag"),
        help="how the learning rate changes; lag: it falls from stage to stage of a curriculum",
    )
    add("--clip-norm", type=positive, metavar="X", help="largest global norm of the gradient")
    add(
        "--towers",
        type=positive_int,
        metavar="N",
        help="parts of a batch that are trained side by side, one per core (all cores)",
    )
    add(
        "--unroll",
        choices=("auto", "static", "dynamic"),
        help="static: all time steps in the graph; dynamic: a loop; auto: a loop for long sequences"
        f" ({Settings.unroll})",
    )


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    default = TASK_DEFAULTS["sin"]
    add = parser.add_argument_group("sin task").add_argument
    samples, noise = default["num_samples"], default["input_noise"]
    add("--num-samples", type=positive_int, metavar="N", help=f"per training curve ({samples})")
    add(
        "--input-noise",
        type=not_negative,
        metavar="X",
        help=f"standard deviation of noise on the training inputs ({noise})",
    )
    default = TASK_DEFAULTS["memory"]
    add = parser.add_argument_group("memory task").add_argument
    length, blanks = default["to_remember_len"], default["blank_separation_len"]
    add("--to-remember-len", type=positive_int, metavar="N", help=f"digits to recall ({length})")
    add("--blank-separation-len", type=natural, metavar="N", help=f"blanks after them ({blanks})")
    add(
        "--min-blank-separation-len",
        type=natural,
        metavar="N",
        help="draw the number of blanks of each sequence from this to --blank-separation-len",
    )
    add(
        "--curriculum",
        nargs="?",
        const=GROWTH,
        type=above_one,
        metavar="FACTOR",
        help="begin with few blanks, and go on to at most FACTOR times as many as soon as the"
        f" network recalls the digits ({GROWTH:g})",
    )
    add("--num-digits", type=positive_int, metavar="N", help=f"kinds ({default['num_digits']})")
    add(
        "--recall-input",
        choices=("blank", "truth"),
        help="what the cell sees while it recalls: blanks, or the digit before"
        f" ({default['recall_input']})",
    )


def _directory(text: str) -> Path:
    if not text or set(text) & set("*?[]"):  # TensorFlow would take them for patterns
        raise argparse.ArgumentTypeError(f"must be a path without * ? [ ], got '{text}'")
    return Path(text)


def _describe_defaults() -> str:
    columns = [field.name for field in dataclasses.fields(next(iter(TRAINING_DEFAULTS.values())))]
    rows = [("task", "cell", *columns)]
    for (task, cell, activation), training in TRAINING_DEFAULTS.items():
        values = dataclasses.asdict(training).values()
        entries = ("-" if value is None else str(value) for value in values)
        rows.append((task, f"{cell} {activation or ''}", *entries))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = (
        "  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    in_curriculum = ", ".join(f"{name} {value}" for name, value in CURRICULUM_DEFAULTS.items())
    return (
        "defaults:\n  "
        + "\n  ".join(table)
        + f"\nwith --curriculum:\n  {in_curriculum}, and --chrono unless there is a --forget-bias"
    )


def resolve_settings(
    args: argparse.Namespace, parser: argparse.ArgumentParser, folder: RunFolder
) -> Settings:
    """The given settings, completed by the defaults or, to resume, by `config.json`.

    Wrong usage ends the program with exit status 2.
    """
    given = {field.name: vars(args)[field.name] for field in dataclasses.fields(Settings)}
    try:
        settings = complete(given)
        return lengthen(folder.read_settings(), given) if args.resume else settings
    except SettingsError as error:
        parser.error(str(error))


# --- what is printed ----------------------------------------------------------------------------


def describe(settings: Settings, model: Model, remarks: Sequence[str] = ()) -> str:
    """The network that is trained, the number of its parameters, and what to know before."""
    parameters = model.network.parameters
    lines = [
        f"{settings.task} task, {settings.name_cell()} cell with {model.hidden_size} hidden units:"
        f" {parameters.total:,} parameters ({parameters.cell:,} in the cell,"
        f" {parameters.readout:,} in the readout)"
    ]
    if settings.match_params:
        lines.append(
            f"--match-params: the largest LSTM with no more parameters than a basic network of"
            f" {settings.hidden_size} hidden units"
        )
    return "\n".join([*lines, *map(_warn, remarks)])


def _warn(remark: str) -> str:
    return f"note: {remark}"


def report(result: dict[str, Any], settings: Settings, out_dir: Path) -> str:
    """The figures of a result and the paths of its plots, a line each."""
    epochs = f"{result['epochs']} epoch{'s' * (result['epochs'] != 1)}"
    lines = [f"finished {epochs}; {result['seconds']:.1f} s from the program's start to its end"]
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
            *_describe_lags(result, settings),
        ]
    lines += map(_warn, result["remarks"])
    plots = [plot, "training.png", "inside.png"]
    if "not_drawn" in result:
        lines.append(f"not drawn            {result['not_drawn']}")
        plots.pop()
    return "\n".join([*lines, "plots                " + ", ".join(str(out_dir / p) for p in plots)])


def _describe_lags(result: dict[str, Any], settings: Settings) -> list[str]:
    """How far a curriculum came, and the recall at the largest number of blanks and at twice it."""
    if not settings.curriculum:
        return []
    longest = settings.blank_separation_len
    recalls = dict(result["recall_by_lag"])
    last_stage = result["last_stage"]
    lines = [
        f"recall by lag        {recalls[longest]:.2%} at {longest:,} blanks,"
        f" {recalls[2 * longest]:.2%} at {2 * longest:,}"
    ]
    if not last_stage["passed"]:
        lines += [
            f"the curriculum ended at up to {last_stage['blanks']:,} blanks: after"
            f" {settings.epochs} epochs there, {last_stage['recall']:.1%} were recalled, and"
            f" {PASSED:.1%} pass (--resume with more --epochs continues)"
        ]
    return lines


def _explain(error: Exception, folder: RunFolder) -> str:
    """One line that says what went wrong and how to fix it."""
    first_line = trim_message(error)
    if isinstance(error, (ExplainedError, NotImplementedError)):
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        is_gap = isinstance(error, NotImplementedError)
        return f"{told}{_locate(error)}{_PYTEST.format(name_python())}" if is_gap else told
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "continue with --resume" if folder.has_checkpoint() else "start again"
        return f"cannot write to {folder.path} ({error.strerror}): fix that, then {advice}"
    if isinstance(error, OSError) and error.filename:
        return f"cannot use {error.filename} ({error.strerror}): give another --out-dir"
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{error.name} is not installed for this Python: use that of .venv, as in"
            " .venv/bin/python main.py …"
        )
    if type(error).__name__ == "OutOfRangeError":
        first_line = "the data set has ended, which must be caught here"
    return (
        f"{type(error).__name__}: {first_line}{_locate(error)}{_PYTEST.format(name_python())};"
        " --debug shows the traceback"
    )


_PYTEST = " (`{} -m pytest` shows what is not solved yet, part by part)"


def _locate(error: Exception) -> str:
    """Where the exercise's own code has failed, if it has."""
    own = {str(ROOT / file): file for file in OWN_FILES}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in own]
    return f", in {own[frames[-1].filename]}, line {frames[-1].lineno}" if frames else ""


def _is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C is behind an error.

    TensorFlow raises an error of its own at the end of each epoch. An interrupt that comes just
    then arrives as a RuntimeError, and only its message tells of the interrupt.
    """
    return "KeyboardInterrupt" in "".join(traceback.format_exception(error, limit=0))


def _explain_interrupt(argv: Sequence[str], settings: Settings | None, folder: RunFolder) -> str:
    if not folder.holds(settings):  # the checkpoint may be an earlier run's
        return "interrupted before the first epoch ended: there is nothing to continue from"
    rerun = shlex.join([name_python(), "main.py", *(arg for arg in argv if arg != "--resume")])
    return f"interrupted; continue from the last finished epoch with: {rerun} --resume"


if __name__ == "__main__":
    sys.exit(main())

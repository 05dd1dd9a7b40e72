"""The study's command line: `python -m study --help`."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import study
from study import figures, questions
from study.runner import Row, RunAll, Runner, write_table
from support.errors import ExplainedError
from support.executors import dask_executor, local_executor
from support.files import find_files
from support.terminal import Parser, add_executor_options

SOURCES = ("data.py", "experiment", "rnn_cells", "study", "support", "test.py", "train.py")
"""What an experiment runs, for a cluster."""


class Question(NamedTuple):
    """One of the study's questions."""

    answer: Callable[[RunAll], list[Row]]
    """Runs the experiments and returns the rows of the table."""
    plot: Callable[[list[Row], Path], None]
    """Draws the rows of the table."""
    side_by_side: bool = True
    """Whether experiments may run in parallel; if not, each has all cores to itself."""


QUESTIONS = {
    "span": Question(questions.answer_span, figures.plot_span),
    "reach": Question(questions.answer_reach, figures.plot_reach, side_by_side=False),
    "variable-lag": Question(questions.answer_variable_lag, figures.plot_variable_lag),
    "curriculum": Question(questions.answer_curriculum, figures.plot_curriculum),
    "sine": Question(questions.answer_sine, figures.plot_sine),
    "optimizers": Question(questions.answer_optimizers, figures.plot_optimizers),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    args = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no worker is left behind
    try:
        for path in answer(args.question, args.out_dir, args.jobs, args.scheduler):
            print(path)
    except KeyboardInterrupt:
        print(
            "study: interrupted; finished experiments are kept, the same command continues",
            file=sys.stderr,
        )
        return 130
    except (ExplainedError, OSError) as error:
        print(f"study: error: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m study",
        description=study.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument(
        "--out-dir",
        type=Path,
        default=Path("runs", "study"),
        metavar="DIR",
        help="where tables, figures and finished experiments are kept (runs/study)",
    )
    add_executor_options(parser, "experiments (but reach runs one)")
    return parser


def answer(question: str, out_dir: Path, nbr_jobs: int, scheduler: str | None) -> list[Path]:
    """Answers a question of `QUESTIONS`.

    Returns:
        The paths of the table and of the figure.

    Raises:
        ExplainedError: If the experiments cannot be run.
    """
    asked = QUESTIONS[question]
    if scheduler:
        make_executor = functools.partial(dask_executor, scheduler, find_files(*SOURCES))
    else:
        make_executor = functools.partial(local_executor, nbr_jobs if asked.side_by_side else 1)
    with Runner(make_executor, out_dir / "experiments", count(asked.answer)) as runner:
        rows = asked.answer(runner.run_all)
    table, figure = out_dir / f"{question}.csv", out_dir / f"{question}.png"
    write_table(rows, table)
    asked.plot(rows, figure)
    return [table, figure]


def count(ask: Callable[[RunAll], list[Row]]) -> int:
    """The number of experiments that a question needs."""
    nbr_experiments = 0

    def run_none(experiments: Sequence[dict[str, Any]]) -> list[Row]:
        nonlocal nbr_experiments
        nbr_experiments += len(experiments)
        return [{**settings, "diverged": True} for settings in experiments]

    ask(run_none)
    return nbr_experiments


if __name__ == "__main__":
    sys.exit(main())

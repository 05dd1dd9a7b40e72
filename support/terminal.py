"""The command line and the screen: options, wrong usage, and TensorFlow's messages."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from support.executors import count_usable_cores


class Parser(argparse.ArgumentParser):
    """Answers wrong usage with one line; unknown options are named, with what they are like."""

    def parse_known_args(self, args=None, namespace=None):
        given = sys.argv[1:] if args is None else list(args)
        options = [word.partition("=")[0] for word in given if word.startswith("--")]
        unknown = [option for option in options if option not in self._option_string_actions]
        if unknown and not self._subparsers and not self.allow_abbrev:
            self.error(f"unrecognized arguments: {', '.join(map(self._name_alike, unknown))}")
        return super().parse_known_args(args, namespace)

    def _name_alike(self, option: str) -> str:
        """An unknown option, with one of similar letters, or of these initials."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        initials = ["--" + "".join(w[0] for w in name[2:].split("-")) for name in known]
        alike = [name for name, short in zip(known, initials, strict=True) if short == option]
        alike += difflib.get_close_matches(option, known, n=1)
        return f"{option} (is {alike[0]} meant?)" if alike else option

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _number(kind: type, holds: Callable[[float], bool], description: str) -> Callable[[str], Any]:
    """A converter for argparse that accepts the numbers for which `holds` is true."""

    def convert(text: str) -> Any:
        with contextlib.suppress(ValueError):
            number = kind(text)
            if math.isfinite(number) and holds(number):
                return number
        raise argparse.ArgumentTypeError(f"must be {description}, got {text}")

    return convert


def add_executor_options(parser: argparse.ArgumentParser, things: str) -> None:
    """Adds --jobs and --scheduler: how many things at a time, or on which cluster."""
    parser.add_argument(
        "--jobs",
        type=positive_int,
        default=count_usable_cores(),
        metavar="N",
        help=f"{things} at a time on this machine (the number of usable cores)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="use the Dask cluster of this scheduler instead, tcp://HOST:PORT",
    )


natural = _number(int, lambda number: number >= 0, "a whole number from 0")
at_least_two = _number(int, lambda number: number >= 2, "a whole number from 2")
positive_int = _number(int, lambda number: number >= 1, "a whole number from 1")
finite = _number(float, lambda number: True, "a finite number")
not_negative = _number(float, lambda number: number >= 0, "a number from 0")
share = _number(float, lambda number: 0 <= number <= 1, "a number from 0 to 1")
above_one = _number(float, lambda number: number > 1, "a number above 1")
positive = _number(float, lambda number: number > 0, "a positive number")


def name_python() -> str:
    """How a person calls this Python: by its path from here, if it is in a folder beneath."""
    python = os.path.relpath(sys.executable)
    return "python" if python.startswith("..") else python


@contextlib.contextmanager
def showing(text: str) -> Iterator[None]:
    """Shows on a terminal what takes a while, as long as it does."""
    if not sys.stderr.isatty():
        yield
        return
    print(f"{text} …", end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(" " * len(f"{text} …"), end="\r", file=sys.stderr, flush=True)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hides what C++ writes to standard error, unless the block fails.

    TensorFlow reports missing GPUs while it is imported, before it reads its log level.
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


WHERE_IN_THE_GRAPH = ("[[", "for '{{node", "{{node")
"""Here TensorFlow's message begins to say where in the graph it happened."""
HEADINGS = ("Graph execution error", "Detected at", "Node:", "Original stack trace", "File ")
"""Lines of TensorFlow's message that begin so tell a reader nothing."""


def trim_message(error: BaseException, longest: int = 300) -> str:
    """The line of TensorFlow's message that tells what happened, not where in the graph.

    Returns:
        At most `longest` characters; the name of the error's type if there is no message.
    """
    message = str(getattr(error, "message", None) or error)
    for mark in WHERE_IN_THE_GRAPH:
        message = message.partition(mark)[0]
    lines = (line.strip() for line in message.splitlines())
    telling = [line for line in lines if line and not line.startswith(HEADINGS)]
    return telling[0][:longest] if telling else type(error).__name__

"""The course's command line: `python -m grading --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from main import Parser


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m grading", description="For a course that gives the exercise.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    handout = commands.add_parser(
        "handout",
        help="write what the students get",
        description="Writes the students' tree: the solution regions taken out, the public tests"
        " in. It is written only if the solution earns all points and the blank handout none"
        " (half a minute).",
    )
    handout.add_argument("target", type=Path, metavar="DIR", help="a new folder, or a .zip file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    args = build_parser().parse_args(argv)
    from grading.handout import HandoutError, write_handout

    try:
        write_handout(args.target)
    except HandoutError as error:
        print(f"grading: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"grading: error: cannot write {args.target}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("grading: interrupted; nothing was written", file=sys.stderr)
        return 130
    print(f"wrote {args.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

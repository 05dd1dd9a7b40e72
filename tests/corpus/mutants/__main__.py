"""The mutants' command line: `python -m tests.corpus.mutants --help`."""

from __future__ import annotations

import argparse
import functools
import json
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

from grading.engine.parts import PARTS
from support.errors import ExplainedError
from support.executors import dask_executor, local_executor
from support.files import ROOT, replacing
from support.terminal import Parser, add_executor_options, natural, positive_int
from tests.corpus import mutants
from tests.corpus.mutants.choose import choose
from tests.corpus.mutants.examination import examine_all
from tests.corpus.mutants.remote import list_sources
from tests.corpus.mutants.report import DISAGREEMENTS, describe, list_findings, make_table

TABLE = ROOT / "benchmarks" / "results" / "mutants.md"
"""Where the table is written to."""
NUMBER = 2400
"""How many mutants are made if nothing is said."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    args = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return report(args)
    except KeyboardInterrupt:
        print("mutants: interrupted; the same command continues", file=sys.stderr)
        return 130
    except BrokenExecutor as error:
        print(f"mutants: workers were lost ({error}): the same command continues", file=sys.stderr)
        return 1
    except (ExplainedError, OSError) as error:
        print(f"mutants: error: {error}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tests.corpus.mutants",
        description=mutants.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--limit", type=positive_int, default=NUMBER, metavar="N", help=f"mutants ({NUMBER})")
    add("--parts", type=_parts, default="".join(PARTS), metavar="ab…", help="only these (all)")
    add("--seed", type=natural, default=0, metavar="N", help="seeds the choice (0)")
    add(
        "--out-dir",
        type=Path,
        default=Path("runs", "mutants"),
        metavar="DIR",
        help="where truths and grades are kept (runs/mutants)",
    )
    add("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    add_executor_options(parser, "programs that examine mutants")
    return parser


def _parts(text: str) -> str:
    if not text or set(text) - set(PARTS):
        raise argparse.ArgumentTypeError(f"must be some of {''.join(PARTS)}, got {text}")
    return text


def report(args: argparse.Namespace) -> int:
    """Examines the mutants, and prints and writes what came out."""
    if args.scheduler:
        make_executor = functools.partial(dask_executor, args.scheduler, list_sources())
    else:
        make_executor = functools.partial(local_executor, args.jobs)
    chosen = choose(args.limit, args.parts, args.seed)
    examined = examine_all(chosen, make_executor, args.out_dir)
    findings = list_findings(examined)
    with replacing(args.out_dir / "findings.jsonl") as path:
        path.write_text("".join(json.dumps(finding) + "\n" for finding in findings))
    disagreements = [finding for finding in findings if finding["kind"] in DISAGREEMENTS]
    for finding in disagreements:
        print(describe(finding), end="\n\n")
    table = make_table(examined)
    print(table)
    print(f"all findings: {args.out_dir / 'findings.jsonl'}")
    for kind, number in Counter(finding["kind"] for finding in findings).items():
        print(f"  {number} {kind}")
    if args.write:
        with replacing(TABLE) as path:
            path.write_text(table + "\n")
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())

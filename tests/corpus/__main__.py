"""Grades the whole corpus, every part of every entry, and prints a table.

    python -m tests.corpus                nine minutes on 2 cores
    python -m tests.corpus --write        also writes the table to benchmarks/results/corpus.md

The exit status is 1 if an entry is not graded as it should be.
"""

from __future__ import annotations

import argparse
import sys

from tabulate import tabulate
from tqdm import tqdm

from grading.engine.parts import PARTS
from support.files import ROOT, replacing
from tests.corpus.entries import Entry
from tests.corpus.grade import Grade, grading
from tests.corpus.hostile import HOSTILE
from tests.corpus.right import RIGHT
from tests.corpus.wrong import WRONG

TABLE = ROOT / "benchmarks" / "results" / "corpus.md"
"""Where the table is written to."""
EVERY_FILE = "whole files: missing, renamed, broken, in the way"
"""The row of mistakes that concern whole files."""


def get_kinds() -> dict[str, list[Entry]]:
    """The rows of the table."""
    by_part: dict[str, list[Entry]] = {}
    for entry in WRONG:
        is_of_files = not entry.name.partition(": ")[2]
        row = EVERY_FILE if is_of_files else f"({entry.lost[0]}) {PARTS[entry.lost[0]].title}"
        by_part.setdefault(f"wrong: {row}", []).append(entry)
    return {
        "right, in another style": RIGHT,
        **dict(sorted(by_part.items())),
        "hostile": HOSTILE,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.corpus", description="Grades the whole corpus."
    )
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    args = parser.parse_args()
    kinds = get_kinds()
    entries = [entry for kind in kinds.values() for entry in kind]
    grades: dict[str, Grade] = {}
    with (
        grading(entries, full=True) as futures,
        tqdm(entries, unit="submissions", disable=None) as bar,
    ):
        for entry in bar:
            grades[entry.name] = grade = futures[entry.name].result()
            if set(grade.get_lost()) != set(entry.lost):
                bar.write(f"{entry.name}: lost {grade.get_lost() or 'nothing'}, not {entry.lost}")

    def count(kind: list[Entry], elsewhere: bool) -> int:
        """Entries that lose points in the expected parts, or in other parts."""
        lost = [(set(grades[e.name].get_lost()), set(e.lost)) for e in kind]
        return sum(bool(came - want) if elsewhere else came >= want for came, want in lost)

    rows = [
        [name, len(kind), count(kind, elsewhere=False), count(kind, elsewhere=True)]
        for name, kind in kinds.items()
    ]
    rows.append(["all", *(sum(row[i] for row in rows) for i in (1, 2, 3))])
    headers = ["submissions", "number", "graded as they should be", "points lost elsewhere"]
    table = tabulate(rows, headers, tablefmt="pipe")
    if args.write:
        with replacing(TABLE) as path:
            path.write_text(table + "\n")
    print(table)
    return 0 if rows[-1][1] == rows[-1][2] and rows[-1][3] == 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was written")

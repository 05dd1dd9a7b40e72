"""Grades the whole corpus, every part of every entry, and prints a table.

    python -m tests.corpus                nine minutes on 2 cores
    python -m tests.corpus --write        also writes the table to benchmarks/results/corpus.md

The exit status is 1 if an entry is not graded as it should be, if its mistake is not named, or if a
graded test has told no mistake of any.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator

from tabulate import tabulate
from tqdm import tqdm

from grading.engine.manifest import PRIVATE_TESTS, PUBLIC_TESTS
from grading.engine.parts import PARTS
from grading.engine.verdict import GRADER_FAILED
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
            for fault in find_faults(entry, grade):
                bar.write(f"{entry.name}: {fault}")

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
    silent = find_silent_tests(grades.values())
    if silent:
        print(f"these tests have told no mistake: {', '.join(sorted(silent))}")
    is_right = not any(list(find_faults(entry, grades[entry.name])) for entry in entries)
    return 0 if is_right and not silent else 1


def find_faults(entry: Entry, grade: Grade) -> Iterator[str]:
    """What is wrong with the grading of an entry."""
    if set(grade.get_lost()) != set(entry.lost):
        yield f"lost {grade.get_lost() or 'nothing'}, not {entry.lost or 'nothing'}"
    reasons = [reason for of_part in grade.reasons.values() for reason in of_part]
    if entry.lost and not any(entry.reason in reason for reason in reasons):
        yield f"no reason says {entry.reason!r}"
    if any(GRADER_FAILED in reason for reason in reasons):
        yield "the grader itself failed"


def find_silent_tests(grades: Iterable[Grade]) -> set[str]:
    """Graded tests that have failed for no submission of which something was built."""
    telling = {test for grade in grades for tests in grade.failures.values() for test in tests}
    files = [
        p for folder in (PUBLIC_TESTS, PRIVATE_TESTS) for p in (ROOT / folder).glob("test_*.py")
    ]
    tests = {
        node.name
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    return tests - telling


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was written")

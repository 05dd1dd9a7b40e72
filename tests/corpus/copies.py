"""How well copies are found: `python -m tests.corpus.copies [FOLDER ...]`.

A FOLDER holds disguised copies that somebody made: `NAME/original` and `NAME/copy`, each with the
four files that are handed in. Each pair is looked for in a class with the corpus's right solutions
in other styles, and with those that `--others FOLDER` holds, a folder each. `--originals FOLDER`
writes originals for somebody to disguise.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from grading.engine.submission import read_folder
from grading.handout.handout import make_students_version
from grading.handout.regions import find_regions
from grading.similar.features import Features, Given, list_features, read_given
from grading.similar.pairs import find_pairs
from tests.corpus.disguise import disguise
from tests.corpus.entries import Entry, read_reference
from tests.corpus.right import RIGHT

NBR_COPIES = 20
"""Originals that are written, and disguises that are made."""
NBR_SUBMISSIONS = 300
"""The class whose comparison is timed."""


def read_course() -> dict[str, Given]:
    """What the course has."""
    solution = read_reference()
    return read_given(
        {file: make_students_version(file, solution[file]) for file in solution}, solution
    )


def list_styles(given: Mapping[str, Given]) -> dict[str, Features]:
    """The features of the right solutions."""
    return {entry.name: list_features(entry.get_files(), given) for entry in RIGHT}


def sort_styles() -> dict[str, list[Entry]]:
    """The styles by the part that they are about."""
    about: dict[str, list[Entry]] = {letter: [] for letter in ("a", "c", "e", "f", "g", "h")}
    for entry in RIGHT:
        parts = entry.get_changed_parts()
        letter = entry.name[0] if entry.name[1:2] == ":" else parts[0]
        if len(parts) < 8 and entry.edits and letter in about and "import" not in entry.name[:30]:
            about[letter].append(entry)
    return about


def make_originals(rng: random.Random) -> list[dict[str, bytes]]:
    """Two right submissions, put together from the corpus, that have no style in common."""
    both = [read_reference(), read_reference()]
    for entries in sort_styles().values():
        for files, entry in zip(both, rng.sample(entries, 2), strict=True):
            for edit in entry.edits:
                edit(files)
    return [
        {name: remove_marks(name, source).encode() for name, source in files.items()}
        for files in both
    ]


def make_original(seed: int) -> dict[str, bytes]:
    """A right submission, put together from the corpus."""
    return make_originals(random.Random(seed))[0]


def remove_marks(name: str, source: str) -> str:
    """A source without the marks of its solution regions."""
    marks = {n for region in find_regions(source, name) for n in (region.begin, region.end)}
    lines = [line for n, line in enumerate(source.splitlines()) if n not in marks]
    return "\n".join(lines) + "\n"


def write_originals(folder: Path) -> None:
    """Writes originals for somebody to disguise."""
    for number in range(1, NBR_COPIES + 1):
        for name, content in make_original(number).items():
            path = folder / f"{number:02}" / "original" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def measure_alike(
    pair: tuple[Mapping, Mapping], others: Mapping[str, Features], given: Mapping[str, Given]
) -> float:
    """How alike two submissions are, in a class with the others; 0 if they are not listed."""
    works = {"": list_features(pair[0], given), " ": list_features(pair[1], given)}
    found = [p for p in find_pairs({**others, **works}) if {p.first, p.second} == {"", " "}]
    return found[0].alike if found else 0.0


def measure_seconds(given: Mapping[str, Given]) -> float:
    """How long the comparison of a class takes, from the files' contents."""
    codes = {}
    for number in range(NBR_SUBMISSIONS):
        codes[str(number)] = disguise(make_original(number), number)
    started = time.perf_counter()
    find_pairs({name: list_features(files, given) for name, files in codes.items()})
    return time.perf_counter() - started


def measure(folders: Sequence[Path], others: Path | None) -> list[list]:
    """The rows of the table: which pairs, how many, and how many are listed."""
    given = read_course()
    independent = list_styles(given)
    if others:
        for path in sorted(others.iterdir()):
            independent[path.name] = list_features(read_folder(path).files, given)
    numbers = range(1, NBR_COPIES + 1)
    pairs = {
        "copies, disguised by a program that knows the detector": [
            (make_original(n), disguise(make_original(n), n)) for n in numbers
        ]
    }
    for folder in folders:
        pairs[f"copies, disguised by somebody: {folder.name}"] = [
            tuple(read_folder(path / kind).files for kind in ("original", "copy"))
            for path in sorted(folder.iterdir())
            if (path / "copy").is_dir()
        ]
    pairs["pairs of originals without a style in common"] = [
        make_originals(random.Random(number)) for number in numbers
    ]
    rows = []
    for kind, compared in pairs.items():
        alike = [measure_alike(pair, independent, given) for pair in compared]
        rows.append([kind, len(alike), sum(a > 0 for a in alike)])
    nbr_pairs = math.comb(len(independent), 2)
    return [*rows, ["pairs of the others", nbr_pairs, len(find_pairs(independent))]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    parser.add_argument("--others", type=Path, metavar="FOLDER", help="more of the class")
    parser.add_argument("--originals", type=Path, metavar="FOLDER", help="write them, and stop")
    args = parser.parse_args()
    if args.originals:
        write_originals(args.originals)
        return 0
    rows = measure(args.folders, args.others)
    print(tabulate(rows, headers=["what", "number", "listed"], tablefmt="github"))
    seconds = measure_seconds(read_course())
    print(f"\n{NBR_SUBMISSIONS} submissions are compared in {seconds:.1f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

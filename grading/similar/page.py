"""Compares the groups of a gradebook, and shows both texts of a pair side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from grading.classroom.graded import CODE, GradebookError
from grading.engine.manifest import SUBMITTED_FILES
from grading.engine.submission import read_folder
from grading.gradebook.code import show_lines
from grading.gradebook.pages import render
from grading.handout.handout import make_students_version
from grading.handout.regions import MARKS
from grading.similar.features import Features, list_features, read_given
from grading.similar.pairs import Pair, find_pairs
from support.files import ROOT, replacing

PAGE = "similar.html"
"""The page, in the gradebook's folder."""
MOST_PAIRS = 50
"""How many pairs the page shows."""


SOLUTION = "the course's solution"
"""Who handed it out, among the owners of a file."""


class SameFile(NamedTuple):
    """A file that several have, but for blanks and ends of lines."""

    name: str
    groups: list[str]
    """The groups, or `SOLUTION`."""


def compare_class(
    folder: Path, least: float | None = None
) -> tuple[list[Pair], list[SameFile], Path]:
    """Finds the pairs of a class and the files that are the same, and writes the page.

    Args:
        folder: The gradebook's.
        least: As `find_pairs` has it.

    Returns:
        The pairs, the most alike first, the files that are the same, and the page's path.

    Raises:
        GradebookError: If the gradebook keeps no code.
    """
    groups = sorted(path for path in (folder / CODE).glob("*") if path.is_dir())
    if not groups:
        raise GradebookError(f"there is no code in {folder / CODE}: grade the class again")
    solution = {file: (ROOT / file).read_text(encoding="utf-8") for file in SUBMITTED_FILES}
    blank = {file: make_students_version(file, source) for file, source in solution.items()}
    given = read_given(blank, solution)
    codes = {group.name: read_folder(group).files for group in groups}
    works = {
        name: list_features(files, given)
        for name, files in tqdm(codes.items(), unit=" submissions", disable=None)
    }
    pairs, same = find_pairs(works, least), find_same_files(codes, blank, solution)
    with replacing(folder / PAGE) as path:
        path.write_text(make_page(pairs, same, works, codes), encoding="utf-8")
    return pairs, same, folder / PAGE


def find_same_files(
    codes: Mapping[str, Mapping[str, bytes]], blank: Mapping[str, str], solution: Mapping[str, str]
) -> list[SameFile]:
    """The files that several have, except as the handout has them."""
    owners: dict[tuple[str, bytes], list[str]] = defaultdict(list)
    marks = [mark.encode() for mark in MARKS]
    given = {file: source.encode() for file, source in solution.items()}
    for name, files in [*codes.items(), (SOLUTION, given)]:
        for file in SUBMITTED_FILES:
            lines = files.get(file, b"").splitlines()
            unmarked = b" ".join(line for line in lines if line.strip() not in marks)
            content = b" ".join(unmarked.split())
            if content and content != b" ".join(blank[file].encode().split()):
                owners[file, content].append(name)
    same = [SameFile(file, names) for (file, _), names in owners.items() if len(names) > 1]
    return sorted(same, key=lambda file: (file.groups, file.name))


def make_page(
    pairs: Sequence[Pair],
    same: Sequence[SameFile],
    works: Mapping[str, Features],
    codes: Mapping[str, Mapping[str, bytes]],
) -> str:
    """The page as HTML."""
    return render(
        "similar.html.j2",
        nbr_groups=len(works),
        nbr_pairs=len(pairs),
        same=same,
        pairs=[_show_pair(pair, works, codes) for pair in pairs[:MOST_PAIRS]],
    )


def _show_pair(pair: Pair, works, codes) -> dict[str, Any]:
    sides = [
        {"name": name, "files": _show_files(works[name], codes[name], pair)}
        for name in (pair.first, pair.second)
    ]
    files = [file for file in SUBMITTED_FILES if any(file in side["files"] for side in sides)]
    return {"alike": f"{100 * pair.alike:.0f} %", "sides": sides, "files": files}


def _show_files(work: Features, code: Mapping[str, bytes], pair: Pair) -> dict[str, str]:
    """The files with something in common, those lines marked."""
    marked = {where for feature in pair.shared for where in work[feature]}
    shown = {}
    for file in SUBMITTED_FILES:
        if any(name == file for name, _ in marked):
            source = show_lines(code[file].decode("utf-8-sig", errors="replace"))
            shown[file] = "\n".join(
                f"<mark>{line}</mark>" if (file, number) in marked else f"<i>{line}</i>"
                for number, line in enumerate(source.lines, start=1)
            )
    return shown

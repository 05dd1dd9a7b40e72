"""What a class gets back: the gradebook, feedback for each group, results for Gradescope.

All of it is written from the results alone, and the same results make the same files.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from data import replacing
from grading.batch import Graded
from grading.groups import Group
from grading.overview import make_overview
from tests.graded import submission
from tests.graded.parts import PARTS, TOTAL

CLASS = "class.json"
"""The results of all groups, from which all else is made."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet takes for a formula."""
MARKDOWN = str.maketrans(
    {**{c: f"\\{c}" for c in "\\`*_[]#"}, **{c: f"&#{ord(c)};" for c in "<>&|"}}
)
"""What Markdown takes for more than a character, and how it is shown as it is."""


def write_gradebook(graded: Iterable[Graded], folder: Path) -> Path:
    """Writes `class.json`, `gradebook.csv`, `overview.html`, and two files for each group.

    Feedback and results of groups that are not there any more are removed.

    Returns:
        The path of `gradebook.csv`.
    """
    graded = list(graded)
    files = {
        CLASS: json.dumps([(e.group._replace(path=e.group.path.name), *e[1:]) for e in graded]),
        "gradebook.csv": make_table(graded),
        "overview.html": make_overview(graded),
    }
    for entry in graded:
        files[f"feedback/{entry.group.name}.md"] = make_feedback(entry)
        files[f"results/{entry.group.name}.json"] = json.dumps(make_result(entry), indent=2) + "\n"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder / name) as path:
            path.write_bytes(text.encode())
    for old in [*folder.glob("feedback/*.md"), *folder.glob("results/*.json")]:
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    return folder / "gradebook.csv"


def read_class(folder: Path) -> list[Graded]:
    """What `write_gradebook` was given the last time.

    Raises:
        FileNotFoundError: If there is no gradebook.
        ValueError: If it is not readable.
    """
    entries = json.loads((folder / CLASS).read_text())
    return [
        Graded(Group(name, tuple(numbers), Path(path), tuple(flags)), tuple(more), tuple(aside), r)
        for (name, numbers, path, flags), more, aside, r in entries
    ]


def make_table(graded: Iterable[Graded]) -> str:
    """The gradebook as CSV: a row a student; where a name has no number, one for the group."""
    text = io.StringIO()
    columns = ["number", "group", *PARTS, "total", "status", "flags", "laid aside", "handed in"]
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    for entry in graded:
        points = entry.get_points()
        shared = {
            "group": entry.group.name,
            **{part: f"{points[part]:g}" for part in points},
            "total": f"{sum(points.values()):g}" if points else "",
            "status": entry.result["status"],
            "flags": " | ".join(entry.get_flags()),
            "laid aside": " ".join(entry.aside),
            "handed in": submission.printable(entry.group.path.name),
        }
        for number in entry.group.numbers or [""]:
            row = {"number": number, **shared}
            writer.writerow({column: make_harmless(str(cell)) for column, cell in row.items()})
    return "\ufeff" + text.getvalue()  # by this mark a spreadsheet knows that it is UTF-8


def make_harmless(cell: str) -> str:
    """A cell that no spreadsheet computes, even where a semicolon ends a cell."""
    cell = cell.replace(";", ",")
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def make_feedback(entry: Graded) -> str:
    """What a group reads: its points, part by part, and why."""
    points, result = entry.get_points(), entry.result
    lines = [f"# Group {entry.group.name}", ""]
    if not points:
        lines += [f"Not graded: {result['status']}. You need not do anything.", ""]
        return "\n".join(lines)
    lines += [
        f"**{sum(points.values()):g} of {TOTAL:g} points.** Handed in:"
        f" {make_plain(submission.printable(entry.group.path.name))}",
        "",
    ]
    lines += [f"- {make_plain(remark)}" for remark in entry.get_remarks()]
    rows = []
    for letter, part in PARTS.items():
        reasons = result.get("reasons", {}).get(letter) or result.get("notes", {}).get(letter, [])
        rows.append(
            [
                letter,
                part.title,
                f"{points[letter]:g}/{part.points:g}",
                "<br>".join(map(make_plain, reasons)),
            ]
        )
    lines += [
        "",
        tabulate(rows, ["part", "", "points", "why"], tablefmt="pipe", disable_numparse=True),
        "",
    ]
    return "\n".join(lines)


def make_plain(text: str) -> str:
    """A text that Markdown shows as it is, in a table's cell."""
    return text.translate(MARKDOWN)


def make_result(entry: Graded) -> dict[str, Any]:
    """The results in Gradescope's format."""
    points, remarks = entry.get_points(), entry.get_remarks()
    tests = entry.result.get("gradescope", {}).get("tests") or [
        {
            "name": f"({letter}) {part.title}: {criterion}",
            "number": f"{letter}.{number}",
            "score": 0,
            "max_score": most,
            "status": "failed",
            "output": "; ".join(remarks),
            "output_format": "text",
            "visibility": "visible",
        }
        for letter, part in PARTS.items()
        for number, (criterion, most) in enumerate(part.criteria.items(), start=1)
        if points
    ]
    return {
        **({"score": sum(points.values())} if points else {}),  # without one there is no verdict
        "output": "\n".join([entry.result["status"], *remarks]),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "group": entry.group.name,
            "status": entry.result["status"],
            "sandboxed": entry.result.get("sandboxed", True),
        },
        "tests": tests,
    }

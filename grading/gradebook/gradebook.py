"""The gradebook: its table, feedback for each group, and results for Gradescope."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grading.classroom.graded import GradebookError, Graded
from grading.engine.parts import PARTS
from grading.engine.text import printable
from grading.engine.verdict import lose_all, make_report
from grading.gradebook.feedback import make_feedback
from grading.gradebook.overview import make_overview
from support.files import replacing

CLASS = "class.json"
"""The results of all groups; all else is made from them."""
FORMULA = ("=", "+", "-", "@")
"""A spreadsheet computes a cell that begins so, also in full width or after blanks."""
LONGEST_CELL = 30_000
"""Characters; a spreadsheet takes 32,767, and Python's csv 131,072."""


def write_gradebook(graded: Iterable[Graded], folder: Path) -> Path:
    """Writes `class.json`, `gradebook.csv`, `overview.html`, and two files for each group.

    Feedback and results of groups that are not there any more are removed.

    Returns:
        The path of `gradebook.csv`.
    """
    graded = list(graded)
    files = {
        CLASS: json.dumps([entry.to_record() for entry in graded]),
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
        GradebookError: If there is no readable gradebook.
    """
    try:
        return [Graded.from_record(record) for record in json.loads((folder / CLASS).read_text())]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise GradebookError(f"{folder} is no gradebook: grade a class first") from None


def make_table(graded: Iterable[Graded]) -> str:
    """The gradebook as CSV: one row per student, or per group if its name has no number."""
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
            "status": entry.result.status,
            "flags": " | ".join(entry.get_flags()),
            "laid aside": " ".join(entry.aside),
            "handed in": printable(entry.group.path.name),
        }
        for number in entry.group.numbers or [""]:
            row = {"number": number, **shared}
            writer.writerow({column: make_harmless(str(cell)) for column, cell in row.items()})
    return "\ufeff" + text.getvalue()  # this mark tells a spreadsheet that it is UTF-8


def make_harmless(cell: str) -> str:
    """A cell that no spreadsheet computes, even if a semicolon ends cells there."""
    cell = cell[:LONGEST_CELL].replace(";", ",")
    begin = unicodedata.normalize("NFKC", cell[:100]).lstrip()
    return f"'{cell}" if begin.startswith(FORMULA) or cell[:1].isspace() else cell


def make_result(entry: Graded) -> dict[str, Any]:
    """The results in Gradescope's format."""
    remarks, verdict = entry.get_remarks(), entry.result.verdict
    if verdict is None and entry.get_points():
        verdict = lose_all("; ".join(remarks))
    return make_report(
        verdict,
        "\n".join([entry.result.status, *remarks]),
        extra_data={
            "group": entry.group.name,
            "status": entry.result.status,
            "flags": entry.get_flags(),
            "sandboxed": entry.result.sandboxed,
        },
    )

"""The gradebook: its table, feedback for each group, and results for Gradescope."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from grading.classroom.graded import CODE, LATE, GradebookError, Graded
from grading.engine.parts import PARTS
from grading.engine.verdict import lose_all, make_report
from grading.gradebook.code import make_code_page
from grading.gradebook.decisions import decide, list_idle
from grading.gradebook.description import describe
from grading.gradebook.edits import write_files
from grading.gradebook.feedback import make_page, make_text
from grading.gradebook.late import FILES_DATE
from grading.gradebook.overview import make_overview
from grading.gradebook.tables import COURSES, Form
from grading.gradebook.tables import make_table as make_csv

CLASS = "class.json"
"""The results of all groups; all else is made from them."""
FORMULA = ("=", "+", "-", "@")
"""A spreadsheet computes a cell that begins so, also in full width or after blanks."""
LONGEST_CELL = 30_000
"""Characters; a spreadsheet takes 32,767, and Python's csv 131,072."""


class Written(NamedTuple):
    """What was written."""

    table: Path
    """The gradebook as CSV."""
    edited: list[str]
    """The files that somebody had changed; they were moved to `edits.EDITED`."""
    idle: list[str]
    """The decisions that change nothing, in words."""
    nbr_decided: int
    """How many decisions change something."""
    by_date: list[int]
    """How many days each group is late, of which only its file's date is known."""


def write_gradebook(graded: Iterable[Graded], folder: Path, form: Form = COURSES) -> Written:
    """Writes `class.json`, `gradebook.csv`, `overview.html`, and the files of each group.

    What people decided is taken from `overrides.csv` and `times.csv`. Feedback and results of
    groups that are not there any more are removed.

    Raises:
        TableError: If one of these tables is wrong.
    """
    graded = list(graded)
    records = json.dumps([entry.to_record() for entry in graded])
    idle = list_idle(graded, folder)
    graded = decide(graded, folder)
    code = {entry.group.name: make_code_page(entry, folder) for entry in graded}
    pages = {name: f"{CODE}/{name}.html" for name, page in code.items() if page}
    files = {
        CLASS: records,
        "gradebook.csv": make_table(graded, form),
        "overview.html": make_overview(graded, pages=pages),
        **{path: code[name] for name, path in pages.items()},
    }
    for entry in graded:
        files[f"feedback/{entry.group.name}.txt"] = make_text(entry)
        files[f"feedback/{entry.group.name}.html"] = make_page(entry)
        files[f"results/{entry.group.name}.json"] = json.dumps(make_result(entry), indent=2) + "\n"
    edited = write_files(folder, files)
    patterns = ("feedback/*.*", "results/*.json", f"{CODE}/*.html")
    for old in [path for pattern in patterns for path in folder.glob(pattern)]:
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    nbr_decided = sum(len(entry.overrides) for entry in graded)
    by_date = [
        entry.lateness.days
        for entry in graded
        if entry.lateness and entry.lateness.source == FILES_DATE
    ]
    return Written(folder / "gradebook.csv", edited, idle, nbr_decided, by_date)


def read_class(folder: Path) -> list[Graded]:
    """What `write_gradebook` was given the last time.

    Raises:
        GradebookError: If there is no readable gradebook.
    """
    try:
        return [Graded.from_record(record) for record in json.loads((folder / CLASS).read_text())]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise GradebookError(f"{folder} is no gradebook: grade a class first") from None


def make_table(graded: Iterable[Graded], form: Form = COURSES) -> str:
    """The gradebook as CSV: one row per student, or per group if its name has no number."""
    columns = ["number", "group", *PARTS, "late", "total", "status", "flags", "by hand"]
    columns += ["lateness", "laid aside", "handed in"]
    rows = []
    for entry in graded:
        points, total = entry.get_points(), entry.get_total()
        numbers = [points.get(part) for part in PARTS]
        numbers += [entry.get_deduction() if points else None, total]
        shown = describe(entry)
        texts = [
            entry.result.status,
            " | ".join(entry.get_flags()),
            " | ".join(entry.get_decisions()),
            shown.lateness,
            " ".join(entry.aside),
            shown.handed_in,
        ]
        cells = ["" if number is None else form.show(number) for number in numbers]
        cells += map(make_harmless, texts)
        rows += [[n, entry.group.name, *cells] for n in entry.group.numbers or [""]]
    return make_csv(columns, rows, form.separator)


def make_harmless(cell: str) -> str:
    """A cell that no spreadsheet computes, even if a semicolon ends cells there."""
    cell = cell[:LONGEST_CELL].replace(";", ",")
    begins = (cell.lstrip(), unicodedata.normalize("NFKC", cell[:100]).lstrip())
    is_formula = any(begin.startswith(FORMULA) for begin in begins)
    return f"'{cell}" if is_formula or cell[:1].isspace() else cell


def make_result(entry: Graded) -> dict[str, Any]:
    """The results in Gradescope's format."""
    remarks, verdict = entry.get_remarks(), entry.result.verdict
    if verdict is None and entry.get_points():
        verdict = lose_all("; ".join(remarks))
    shown = describe(entry)
    late = [f"late: {shown.lateness}"] if shown.lateness else []
    report = make_report(
        verdict,
        "\n".join([entry.result.status, *remarks, *late]),
        extra_data={
            "group": entry.group.name,
            "status": entry.result.status,
            "flags": entry.get_flags(),
            "sandboxed": entry.result.sandboxed,
        },
    )
    if verdict is not None:
        report["score"] = entry.get_total()
        report["tests"] += _make_corrections(entry)
    return report


def _make_corrections(entry: Graded) -> list[dict[str, Any]]:
    """What people decided and what lateness costs, as tests whose scores are the differences."""
    shown = describe(entry)
    judged = entry.get_judged_points() or dict.fromkeys(PARTS, 0)
    corrections = [
        _make_correction(
            f"({part.letter}) {part.title}: by hand",
            f"{part.letter}.hand",
            entry.overrides[part.letter].points - judged[part.letter],
            part.decision,
        )
        for part in shown.parts
        if part.decision
    ]
    if entry.get_deduction():
        corrections.append(_make_correction(LATE, LATE, -entry.get_deduction(), shown.lateness))
    return corrections


def _make_correction(name: str, number: str, score: float, output: str) -> dict[str, Any]:
    return {
        "name": name,
        "number": number,
        "score": score,
        "status": "failed" if score < 0 else "passed",
        "output": output,
        "output_format": "text",
        "visibility": "visible",
    }

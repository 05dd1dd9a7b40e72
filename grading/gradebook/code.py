"""A group's code on a page, beside the reasons why it lost points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import escape

from grading.classroom.graded import CODE, Graded
from grading.engine.manifest import SUBMITTED_FILES
from grading.engine.parts import PARTS
from grading.gradebook.description import describe
from grading.gradebook.pages import render

MAX_SHOWN = 20_000
"""Bytes of a file that the page shows, and of the rest of its lines' marks."""
MAX_LINE = 400
"""Characters of a line."""


def make_code_page(entry: Graded, folder: Path) -> str | None:
    """The page; None if nothing was handed in that could be shown.

    Args:
        entry: The group.
        folder: The gradebook's, in which the code is kept.
    """
    kept = folder / CODE / entry.group.name
    sources = {
        file: (kept / file).read_text(encoding="utf-8", errors="replace")
        for file in SUBMITTED_FILES
        if (kept / file).is_file()
    }
    if not sources:
        return None
    parts = {part.letter: part for part in describe(entry).parts}
    files = [_show(file, sources[file], parts, entry.group.name) for file in sources]
    return render("code.html.j2", name=entry.group.name, files=files)


class Shown(NamedTuple):
    """The lines of a source that a page shows."""

    lines: list[str]
    """Without what HTML would interpret."""
    is_cut: bool
    """Whether there are more."""


def show_lines(source: str) -> Shown:
    """The lines of a source, as far as a page shows them."""
    lines, size = [], 0
    all_lines = source.split("\n")
    for line in all_lines:
        lines.append(str(escape(_cut(line.removesuffix("\r")))))
        size += len(lines[-1].encode()) + len("<i></i>\n")
        if size > MAX_SHOWN:
            break
    return Shown(lines, is_cut=len(lines) < len(all_lines))


def _show(file: str, source: str, parts: Mapping[str, Any], name: str) -> dict[str, Any]:
    shown = show_lines(source)
    lines = source.split("\n", len(shown.lines))[: len(shown.lines)]
    own = [part for part in parts if PARTS[part].file == file]
    anchors = {_find_line(PARTS[part].where, lines): part for part in own}
    marked = [
        f'<i id="{anchors[number]}">{line}</i>' if number in anchors else f"<i>{line}</i>"
        for number, line in enumerate(shown.lines)
    ]
    return {
        "name": file,
        "code": "\n".join(marked),
        "is_cut": shown.is_cut,
        "raw": f"{name}/{file}",
        "parts": [parts[part] for part in own],
    }


def _cut(line: str) -> str:
    plain = "".join(c if c.isprintable() or c == "\t" else "�" for c in line[:MAX_LINE])
    return plain + "…" * (len(line) > MAX_LINE)


def _find_line(where: str, lines: list[str]) -> int:
    """The number of the line, from 0, in which a function begins; -1 if there is none.

    Args:
        where: The function's name; if it is a method, its class's name and a dot stand before it.
        lines: The source.
    """
    *classes, function = where.split(".")
    start = 0
    for name in classes:
        start = _search(rf"class {re.escape(name)}\b", lines, 0)
    return _search(rf"\s*def {re.escape(function)}\b", lines, max(start, 0))


def _search(pattern: str, lines: list[str], start: int) -> int:
    found = (n for n in range(start, len(lines)) if re.match(pattern, lines[n][:MAX_LINE]))
    return next(found, -1)

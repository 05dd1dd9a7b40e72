"""Solution regions: the student writes what stands between the marks.

    # Part (b): what to write
    ### BEGIN SOLUTION
    ...
    ### END SOLUTION

The marks are nbgrader's. The comment above them stays in the handout; the region becomes a line
that raises NotImplementedError. Marks without a partner, and misspelt marks, are errors.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from support.errors import ExplainedError

BEGIN = "### BEGIN SOLUTION"
"""The mark above a region."""
END = "### END SOLUTION"
"""The mark below a region."""
MARKS = (BEGIN, END)
"""What stands around the course's solution, and nowhere in the handout."""
LIKE_A_MARK = re.compile(r"\b(begin|end)[\s_-]*solution", re.IGNORECASE)
"""What counts as a misspelt mark."""
HINT = re.compile(r"# Part \(([a-z])\): \S")
"""The comment that names a region's part."""


class RegionError(ExplainedError):
    """The marks of a file are wrong; the message names file and line."""


class Region(NamedTuple):
    """A solution region; `begin` and `end` are the lines of its marks, counted from 0."""

    part: str
    function: str
    begin: int
    end: int


def find_regions(source: str, file: str) -> list[Region]:
    """The solution regions of a file, in order.

    Raises:
        RegionError: If a mark is stray, nested, unclosed or misspelt, or no comment names the part.
    """
    lines = source.splitlines()
    regions, begin = [], None
    for number, line in enumerate(lines):
        mark = line.strip()
        if mark not in MARKS:
            if LIKE_A_MARK.search(line):
                raise RegionError(f"{file}:{number + 1}: {mark!r} is almost a mark of a region")
        elif mark == BEGIN:
            if begin is not None:
                raise RegionError(
                    f"{file}:{number + 1}: a region begins within the one of line {begin + 1}"
                )
            begin = number
        else:
            if begin is None:
                raise RegionError(f"{file}:{number + 1}: this region has no mark of its beginning")
            part = _find_part(lines, begin, file)
            regions.append(Region(part, _find_function(source, begin, file), begin, number))
            begin = None
    if begin is not None:
        raise RegionError(f"{file}:{begin + 1}: this region has no mark of its end")
    return regions


def strip(source: str, file: str, parts: Iterable[str] = ()) -> str:
    """The handout's version of a file.

    Args:
        source: The solution.
        file: Its name, for messages.
        parts: The parts that must have a region in it; a file without any must have no region.

    Raises:
        RegionError: As `find_regions`; or if a part has no region, or a region is of another part.
    """
    regions = find_regions(source, file)
    parts = set(parts)
    for region in regions:
        if region.part not in parts:
            raise RegionError(
                f"{file}:{region.begin + 1}: part ({region.part}) does not belong in this file"
            )
    if missing := sorted(parts - {region.part for region in regions}):
        raise RegionError(f"{file}: part ({missing[0]}) must have a region here")
    return _replace(
        source,
        regions,
        lambda region: [
            f'raise NotImplementedError("part ({region.part}): write {region.function}")'
        ],
    )


def fill(source: str, file: str, part: str, body: str) -> str:
    """A solution with another body in the first region of a part; the others stay."""
    region = next(r for r in find_regions(source, file) if r.part == part)
    return _replace(source, [region], lambda _: body.strip("\n").splitlines(), keep_marks=True)


def _replace(
    source: str,
    regions: list[Region],
    new_lines: Callable[[Region], list[str]],
    keep_marks: bool = False,
) -> str:
    lines = source.splitlines()
    for region in reversed(regions):
        indent = lines[region.begin][: lines[region.begin].index("#")]
        body = [indent + line if line else "" for line in new_lines(region)]
        if keep_marks:
            body = [lines[region.begin], *body, lines[region.end]]
        lines[region.begin : region.end + 1] = body
    return "\n".join(lines) + "\n"


def _find_part(lines: list[str], begin: int, file: str) -> str:
    """The part that the comment right above a mark names."""
    for line in reversed(lines[:begin]):
        if match := HINT.match(line.strip()):
            return match[1]
        if not line.strip().startswith("#"):
            break
    raise RegionError(
        f"{file}:{begin + 1}: there is no comment '# Part (x): what to write' above the mark"
    )


def _find_function(source: str, line: int, file: str) -> str:
    """The name of the function around a line, with its class's."""
    try:
        stack: list[ast.AST] = [ast.parse(source)]
    except SyntaxError as error:
        raise RegionError(f"{file}:{error.lineno}: {error.msg}") from error
    names: list[str] = []
    while stack:
        for node in ast.iter_child_nodes(stack.pop()):
            if (
                isinstance(node, (ast.FunctionDef, ast.ClassDef))
                and node.lineno <= line + 1 <= node.end_lineno
            ):
                names.append(node.name)
                stack.append(node)
    return ".".join(names) or file

"""README and docs/ tell the truth: commands exist, links lead somewhere, tables are measured."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys

import pytest

import main
from experiment.folder import RunFolder
from support.files import ROOT

PAGES = {path.name: path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
OTHERS = {"pytest", "venv", "dask", "http"}
"""Modules in commands that are not the project's."""


def find_commands(text):
    """The commands of a page: in indented lines, and in inline code."""
    lines = re.findall(r"^    (?:\$ )?(.*)$", text, re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", text)
    for line in (*lines, *inline):
        for command in line.partition("#")[0].split("&&"):
            yield command.strip()


def find_calls(page, program):
    """What follows `python PROGRAM` in the page's commands."""
    pattern = rf"(?:\S*/)?python3? {re.escape(program)}(?= |$)(.*)"
    calls = (re.fullmatch(pattern, command) for command in find_commands(TEXTS[page]))
    return [call[1].strip() for call in calls if call]


@pytest.mark.parametrize("page", PAGES)
def test_runs_that_are_shown_are_accepted(page):
    rows = re.findall(r"^\| `(--cell [^`]*)` \|", TEXTS[page], re.MULTILINE)
    for line in [*find_calls(page, "main.py"), *rows]:
        if line in ("", "…", "--help"):
            continue
        parser = main.build_parser()
        folder = RunFolder(ROOT / "runs" / "shown")
        main.resolve_settings(parser.parse_args(shlex.split(line)), parser, folder)


@pytest.mark.parametrize("page", PAGES)
def test_modules_that_are_run_are_there(page):
    for call in find_calls(page, "-m"):
        module = call.split()[0]
        assert module in OTHERS or importlib.util.find_spec(module), call


@pytest.mark.parametrize(("program", "shown"), [("study", "QUESTION"), ("grading", "")])
def test_commands_that_are_shown_are_those_there_are(program, shown):
    parser = importlib.import_module(f"{program}.__main__").build_parser()
    calls = {call for page in PAGES for call in find_calls(page, f"-m {program}")}
    assert calls
    for call in calls - {shown}:
        with contextlib.redirect_stderr(io.StringIO()):
            parser.parse_args(shlex.split(call))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (PAGES[page].parent / path).resolve() if path else PAGES[page]
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(make_anchor, headings), target


def make_anchor(heading):
    """As GitHub makes it."""
    plain = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading).lower())
    return plain.strip().replace(" ", "-")


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("results.md", "defaults.md"),
        ("speed.md", "start.md"),
        ("grading.md", "corpus.md"),
        ("grading-a-class.md", "classroom.md"),
        ("grading-a-class.md", "kernel_memory.md"),
    ],
)
def test_tables_are_those_that_the_benchmarks_wrote(page, table):
    measured = (ROOT / "benchmarks" / "results" / table).read_text(encoding="utf-8")
    assert read_cells(measured) <= read_cells(TEXTS[page])


def read_cells(text):
    """The rows of a page's tables, without their padding and headers."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return {tuple(cell.strip() for cell in row) for row in rows if set("".join(row)) - set("-: ")}


def run_example():
    example = re.search(r"^```python\n(.*?)^```", TEXTS["README.md"], re.MULTILINE | re.DOTALL)[1]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_the_readmes_example_runs_where_it_says_and_prints_nothing_else():
    example = run_example()
    assert (example.returncode, example.stderr) == (0, "")
    losses = [float(line) for line in example.stdout.splitlines()]
    assert len(losses) == 10
    assert losses == sorted(losses, reverse=True)


def test_the_readme_is_for_people_in_a_hurry():
    assert len(TEXTS["README.md"].splitlines()) <= 180

"""Examines mutants on an executor, and keeps what was found out."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from grading.engine.manifest import SUBMITTED_FILES
from support.executors import deferred_interrupts
from support.files import find_files
from tests.corpus.mutants.choose import Mutant
from tests.corpus.mutants.remote import examine

TRUTH = ("tests/corpus/mutants/truth", "rnn_cells", "support", "data.py")
"""What the truth depends on beside the mutant."""
GRADER = (
    *("grading/engine", "grading/private", "tests/graded", "tests/corpus/grade.py"),
    *("rnn_cells", "support", "data.py", *SUBMITTED_FILES),
)
"""What a grade depends on beside the mutant."""
JUDGED = {"a": "ab", "c": "cd"}
"""The parts whose truth is asked, if others than the mutated one: a cell needs its variables."""

MakeExecutor = Callable[[], AbstractContextManager[futures.Executor]]
"""Opens an executor."""


class Examined(NamedTuple):
    """A mutant, what it is, and how it was graded."""

    mutant: Mutant
    truth: dict[str, list[str]]
    """An outcome and its reason, by part; empty if the mutant ends whatever runs it."""
    grade: dict[str, Any] | None
    """The `lost` parts, and `points` and `reasons` by part; None if it could not be graded."""


class Kept:
    """Lines of JSON in a file, by their keys; a broken last line is as if it were not there."""

    def __init__(self, path: Path):
        self._path = path
        self._known: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                self._known[record["key"]] = record["value"]
        if text and not text.endswith("\n"):
            with path.open("a") as file:
                file.write("\n")

    def get(self, key: str) -> Any:
        """What is kept, or None."""
        return self._known.get(key)

    def keep(self, key: str, value: Any) -> None:
        self._known[key] = value
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key, "value": value}) + "\n")


def examine_all(
    mutants: Sequence[Mutant], make_executor: MakeExecutor, folder: Path
) -> list[Examined]:
    """Examines what was not examined yet, with a progress bar.

    Args:
        mutants: What to examine.
        make_executor: Opens the executor.
        folder: Where results are kept.
    """
    truths, grades = Kept(folder / "truths.jsonl"), Kept(folder / "grades.jsonl")
    code, grader = _hash_files(*TRUTH), _hash_files(*GRADER)
    keys = [(_hash(code, m.original.part, m.text), _hash(grader, m.text)) for m in mutants]
    tasks = {}
    for number, (mutant, (truth, grade)) in enumerate(zip(mutants, keys, strict=True)):
        if truths.get(truth) is None or grades.get(grade) is None:
            part, file = mutant.original.part, mutant.original.file
            tasks[number] = {
                "file": file,
                "text": mutant.text,
                "judged": "" if truths.get(truth) is not None else JUDGED.get(part, part),
                "graded": grades.get(grade) is None,
                "alone": False,
            }
    done = len(mutants) - len(tasks)
    with tqdm(total=len(mutants), initial=done, unit=" mutants", disable=None) as bar:
        for number, answer in _run(tasks, make_executor):
            if answer.get("truth") is not None:
                truths.keep(keys[number][0], answer["truth"])
            if answer.get("grade") is not None:
                grades.keep(keys[number][1], answer["grade"])
            bar.update()
    return [
        Examined(mutant, truths.get(truth) or {}, grades.get(grade))
        for mutant, (truth, grade) in zip(mutants, keys, strict=True)
    ]


def _run(
    tasks: dict[int, dict[str, Any]], make_executor: MakeExecutor
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The answers to tasks, as they come."""
    if not tasks:
        return
    with deferred_interrupts() as stop_here, make_executor() as executor:
        running = {executor.submit(examine, task): number for number, task in tasks.items()}
        while running:
            done, _ = futures.wait(running, timeout=0.2, return_when=futures.FIRST_COMPLETED)
            stop_here()
            for future in done:
                yield running.pop(future), future.result()


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def _hash_files(*paths: str) -> str:
    digest = hashlib.sha256()
    for name, path in find_files(*paths).items():
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()

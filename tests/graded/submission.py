"""BUILD, seen from outside: lays a submission out, runs the builder on it, reads what it left.

Only the four files that the exercise asks for are taken from a submission; all others come from
this tree. The builder's process is bounded in time here and in memory by itself. When a part kills
it or hangs, that part is lost and another process goes on with the next.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.graded import builder
from tests.graded.parts import PARTS

ROOT = Path(__file__).parents[2]

SUBMITTED_FILES = tuple(dict.fromkeys(part.file for part in PARTS.values()))
"""What a student hands in."""
GIVEN_FILES = (
    "data.py",
    "rnn_cells/__init__.py",
    "rnn_cells/RNNCell.py",
    "rnn_cells/RNNOutputWrapper.py",
    "rnn_cells/towers.py",
    "rnn_cells/unrolling.py",
)
"""What they need to run."""

START_LIMIT = 180.0
"""Seconds for the builder to import TensorFlow."""
PART_LIMIT = 30.0
"""Seconds for a part."""

MAX_SOURCE = 1 << 20
MAX_RECORD = 1 << 18
MAX_GRAPH = 1 << 24
"""Bytes of a submitted file, of a part's record, of a graph."""


class Probe(NamedTuple):
    """What BUILD left of one probe."""

    graph: bytes | None = None
    """A serialised `MetaGraphDef`."""
    facts: Mapping[str, Any] = {}
    error: str | None = None
    """One sentence, where there is no graph and there are no facts."""
    needs: bool = False
    """Whether the error is that of the part this one stands on."""


class Build(NamedTuple):
    """What BUILD left of a submission."""

    probes: Mapping[str, Mapping[str, Probe]]
    """By part and name."""
    seed: int
    """Of the data of part h."""


def build(submission: Path, *, seed: int = 0, part_limit: float = PART_LIMIT) -> Build:
    """Runs the Python of a submission in a process of its own.

    Args:
        submission: A folder with the files of the exercise.
        seed: Of the data that part h is run on.
        part_limit: Seconds after which a part is given up.

    Raises:
        RuntimeError: If the builder itself does not start.
    """
    with tempfile.TemporaryDirectory(prefix="build-", ignore_cleanup_errors=True) as folder:
        stage, out = Path(folder, "submission"), Path(folder, "out")
        out.mkdir()
        missing = lay_out(submission, stage)
        lost = {part: missing[PARTS[part].file] for part in PARTS if PARTS[part].file in missing}
        remaining = [part for part in PARTS if part not in lost]
        while remaining:
            blame = _run_builder(stage, out, remaining, seed, part_limit)
            if not (out / "ready").exists():
                raise RuntimeError("the builder did not start: can this Python import tensorflow?")
            left = [part for part in remaining if not (out / f"{part}.json").exists()]
            culprits = [part for part in left if (out / f"{part}.stage").exists()]
            if left == remaining:  # each process must bring the end nearer
                culprits = culprits or left[:1]
            remaining = left
            for culprit in culprits[:1]:
                importing = _read(out / f"{culprit}.stage", 16) == b"import"
                doing = f"importing {PARTS[culprit].file}" if importing else "running it"
                for part in left:
                    if part == culprit or (importing and PARTS[part].file == PARTS[culprit].file):
                        lost[part] = blame.format(doing=doing)
                remaining = [part for part in left if part not in lost]
        return collect(out, lost, seed)


def lay_out(submission: Path, stage: Path) -> dict[str, str]:
    """Copies what is submitted over what is given; tells what is missing and why."""
    missing = {}
    (stage / "rnn_cells").mkdir(parents=True)
    for file in GIVEN_FILES:
        shutil.copyfile(ROOT / file, stage / file)
    for file in SUBMITTED_FILES:
        source = _read(submission / file, MAX_SOURCE)
        if source is None:
            missing[file] = _explain_missing(submission, file)
        else:
            (stage / file).write_bytes(source)
    return missing


def collect(out: Path, lost: Mapping[str, str], seed: int) -> Build:
    """Reads and checks what the builder left; anything else is the submission's doing."""
    probes: dict[str, dict[str, Probe]] = {}
    for part in PARTS:
        try:
            if part in lost:
                raise ValueError(lost[part])
            records = _read_records(out / f"{part}.json")
            probes[part] = {
                name: _read_probe(out, part, name, records.get("", records.get(name)))
                for name in builder.PROBES[part]
            }
        except ValueError as error:
            probes[part] = {name: Probe(error=str(error)) for name in builder.PROBES[part]}
    return Build(probes, seed)


def _run_builder(stage: Path, out: Path, parts: list[str], seed: int, part_limit: float) -> str:
    """Runs the builder until it ends or hangs; what to blame, should a part be missing."""
    for marker in (*out.glob("*.stage"), out / "ready"):
        with contextlib.suppress(OSError):
            marker.unlink()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, builder.__file__, os.fspath(out), str(seed), *parts],
        cwd=stage,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline, done = time.monotonic() + START_LIMIT, -1
        while process.poll() is None:
            progress = (out / "ready").exists() + sum((out / f"{p}.json").exists() for p in parts)
            if progress > max(done, 0):
                deadline, done = time.monotonic() + part_limit, progress
            if time.monotonic() > deadline:
                return f"{{doing}} took longer than {part_limit:g} seconds"
            time.sleep(0.01)
    finally:
        _kill(process)
    if process.returncode < 0:
        return f"{{doing}} killed the process ({signal.Signals(-process.returncode).name})"
    return f"{{doing}} ended the process with exit status {process.returncode}"


def _kill(process: subprocess.Popen) -> None:
    """Ends a process and all that it has started in its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _read(path: Path, max_size: int) -> bytes | None:
    """The content of a regular file that is not too large; no link is followed."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > max_size:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _read_records(path: Path) -> dict[str, dict[str, Any]]:
    content = _read(path, MAX_RECORD)
    try:
        records = json.loads(content or b"")
    except (ValueError, RecursionError):
        records = None
    if not isinstance(records, dict) or not all(isinstance(r, dict) for r in records.values()):
        raise ValueError("what was built is not readable")
    return records


def _read_probe(out: Path, part: str, name: str, record: dict[str, Any] | None) -> Probe:
    if record is None:
        return Probe(error="it was not built")
    if "error" in record:
        return Probe(error=printable(record["error"]), needs=bool(record.get("needs")))
    if part == "h":
        return Probe(facts=record)
    graph = _read(out / f"{part}-{name}.pb", MAX_GRAPH)
    if graph is None:
        return Probe(error=f"its graph is missing, or larger than {MAX_GRAPH >> 20} MiB")
    return Probe(graph=graph, facts=record)


def printable(text: Any, longest: int = 400) -> str:
    """Text from a submission, made fit for a terminal and a table: one line, no control codes."""
    line = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "?" for character in line)[:longest]


def _explain_missing(submission: Path, file: str) -> str:
    path = submission / file
    if path.is_symlink():
        return f"{file} is a link: hand in the file itself"
    if path.is_file():
        return f"{file} is larger than {MAX_SOURCE >> 20} MiB: hand in code only"
    alike = sorted(
        other.relative_to(submission).as_posix()
        for other in [*submission.glob("*.py"), *submission.glob("*/*.py")]
        if _squeeze(other.name) == _squeeze(path.name) or other.name == path.name
    )
    hint = f" (is {alike[0]} meant? then rename it)" if alike else ""
    return f"there is no file {file}{hint}"


def _squeeze(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))

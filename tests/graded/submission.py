"""BUILD, seen from outside: lays a submission out, runs the builder on it, reads what it sends.

Only the four files that the exercise asks for are taken from a submission; all others come from
this tree. The builder's process is bounded in time here and in memory by itself; what it sends is
bounded and kept in memory. When a part kills it or hangs, that part is lost and another process
goes on with the next.
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
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tests.graded import builder
from tests.graded.course import COURSE
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
PART_LIMIT = COURSE.part_seconds
"""Seconds for a part."""

READING_LIMIT = 2.0
"""Seconds for reading on when the builder has ended."""

MAX_SOURCE = 1 << 20
MAX_RECORD = 1 << 18
MAX_GRAPH = 1 << 24
"""Bytes of a submitted file, of a part's record, of a graph."""
MAX_SIZES = {
    "ready": 0,
    **{f"{part}.{mark}": 0 for part in PARTS for mark in ("import", "run")},
    **{f"{part}.json": MAX_RECORD for part in PARTS},
    **{f"{part}-{probe}.pb": MAX_GRAPH for part in PARTS for probe in builder.PROBES[part]},
}
"""Bytes of the builder's messages, by name."""
LONGEST_HEADER = 100
"""Bytes of the line before a message."""

ENVIRONMENT = {
    "MPLBACKEND": "Agg",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Of the process that builds."""


class Probe(NamedTuple):
    """What BUILD left of one probe."""

    graph: bytes | None = None
    """A serialised `MetaGraphDef`."""
    facts: Mapping[str, Any] = {}
    error: str | None = None
    """One sentence, where there is no graph and there are no facts."""
    needs: bool = False
    """Whether the error is that of the part this one stands on."""


class Trouble(NamedTuple):
    """What ended a builder's process before its time."""

    kind: str
    """One of `TROUBLES`."""
    what: str
    """What it did, as a predicate."""


TROUBLES = ("out of memory", "timed out", "crashed")


class Build(NamedTuple):
    """What BUILD left of a submission."""

    probes: Mapping[str, Mapping[str, Probe]]
    """By part and name."""
    seed: int
    """Of the data of part h."""
    troubles: frozenset[str] = frozenset()
    """The kinds of trouble that cost parts, of `TROUBLES`."""


class HandedIn(NamedTuple):
    """The files of a submission."""

    files: Mapping[str, bytes]
    """By name, of `SUBMITTED_FILES`."""
    missing: Mapping[str, str]
    """Why a file is not there, by name."""


class Process(subprocess.Popen):
    """A process that builds."""

    trouble: Trouble | None = None
    """Why it was ended, if it was, by whoever watches it."""


Start = Callable[[list[str], Path], Process]
"""Starts a Python program, given by its arguments, in a folder, with a pipe as standard output."""


def start_python(arguments: list[str], folder: Path) -> Process:
    """Starts Python as the user who runs this: with their rights, not shut away."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return Process(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def build(
    handed_in: HandedIn,
    *,
    seed: int = 0,
    part_limit: float = PART_LIMIT,
    start: Start = start_python,
) -> Build:
    """Runs the Python of a submission in a process of its own.

    Args:
        handed_in: The submission's files.
        seed: Of the data that part h is run on.
        part_limit: Seconds after which a part is given up.
        start: Starts the builder.

    Raises:
        RuntimeError: If the builder itself does not start.
    """
    with tempfile.TemporaryDirectory(prefix="build-", ignore_cleanup_errors=True) as folder:
        lay_out(handed_in.files, Path(folder))
        lost = {
            p: handed_in.missing[PARTS[p].file] for p in PARTS if PARTS[p].file in handed_in.missing
        }
        remaining = [part for part in PARTS if part not in lost]
        sent: dict[str, bytes] = {}
        troubles: set[str] = set()
        while remaining:
            arguments = [builder.__file__, str(seed), *remaining]
            news, trouble = _run_builder(start(arguments, Path(folder)), remaining, part_limit)
            if "ready" not in news:
                raise RuntimeError("the builder did not start: can this Python import tensorflow?")
            sent.update(news)
            left = [part for part in remaining if f"{part}.json" not in sent]
            culprits = [part for part in left if f"{part}.import" in sent]
            if left == remaining:  # each process must bring the end nearer
                culprits = culprits or left[:1]
            remaining = left
            for culprit in culprits[:1]:
                troubles.add(trouble.kind)
                importing = f"{culprit}.run" not in sent
                doing = f"importing {PARTS[culprit].file}" if importing else "running it"
                for part in left:
                    if part == culprit or (importing and PARTS[part].file == PARTS[culprit].file):
                        lost[part] = f"{doing} {trouble.what}"
                remaining = [part for part in left if part not in lost]
        return collect(sent, lost, seed)._replace(troubles=frozenset(troubles))


def read_folder(folder: Path) -> HandedIn:
    """Reads a submission that lies in a folder."""
    files, missing = {}, {}
    for file in SUBMITTED_FILES:
        path = folder / file
        if path.is_symlink():
            missing[file] = f"{file} is a link: hand in the file itself"
        elif not path.is_file():
            names = [p.relative_to(folder).as_posix() for p in folder.glob("**/*.py")]
            missing[file] = explain_missing(file, names)
        elif path.stat().st_size > MAX_SOURCE:
            missing[file] = f"{file} is larger than {MAX_SOURCE >> 20} MiB: hand in code only"
        else:
            files[file] = path.read_bytes()
    return HandedIn(files, missing)


def explain_missing(file: str, names: Iterable[str]) -> str:
    """Says that a file is missing, and which one of those there may be meant."""
    wanted = file.rpartition("/")[2]
    alike = sorted(
        name
        for name in names
        if (last := name.rpartition("/")[2]) == wanted or _squeeze(last) == _squeeze(wanted)
    )
    hint = f" (is {printable(alike[0])} meant? then rename it)" if alike else ""
    return f"there is no file {file}{hint}"


def lay_out(files: Mapping[str, bytes], stage: Path) -> None:
    """Writes what is submitted over what is given."""
    (stage / "rnn_cells").mkdir(parents=True)
    for file in GIVEN_FILES:
        shutil.copyfile(ROOT / file, stage / file)
    for file, content in files.items():
        (stage / file).write_bytes(content)


def collect(sent: Mapping[str, bytes], lost: Mapping[str, str], seed: int) -> Build:
    """Checks what the builder sent; anything else is the submission's doing."""
    probes: dict[str, dict[str, Probe]] = {}
    for part in PARTS:
        try:
            if part in lost:
                raise ValueError(lost[part])
            records = _read_records(sent.get(f"{part}.json"))
            probes[part] = {
                name: _read_probe(
                    part, records.get("", records.get(name)), sent.get(f"{part}-{name}.pb")
                )
                for name in builder.PROBES[part]
            }
        except ValueError as error:
            probes[part] = {name: Probe(error=str(error)) for name in builder.PROBES[part]}
    return Build(probes, seed)


def _run_builder(
    process: Process, parts: list[str], part_limit: float
) -> tuple[dict[str, bytes], Trouble]:
    """Lets the builder work until it ends or hangs.

    Returns:
        The messages it sent, and what to blame, should a part be missing.
    """
    sent: dict[str, bytes] = {}
    reader = threading.Thread(target=_read_messages, args=(process.stdout, sent), daemon=True)
    reader.start()
    marks = ("ready", *(f"{part}.json" for part in parts))
    deadline, done = time.monotonic() + START_LIMIT, 0
    try:
        while (running := process.poll() is None) and time.monotonic() < deadline:
            progress = sum(mark in sent for mark in marks)
            if progress > done:
                deadline, done = time.monotonic() + part_limit, progress
            time.sleep(0.01)
    finally:
        _kill(process)
        reader.join(READING_LIMIT)  # a process that got away may hold the pipe open
    if process.trouble:
        trouble = process.trouble
    elif running:
        trouble = Trouble("timed out", f"took longer than {part_limit:g} seconds")
    else:
        trouble = Trouble("crashed", describe_end(process.returncode))
    return dict(sent), trouble


def describe_end(status: int) -> str:
    """What ended a process; 128 is added to a signal's number by what waits for it in a sandbox."""
    number = -status if status < 0 else status - 128
    with contextlib.suppress(ValueError):
        return f"killed the process ({signal.Signals(number).name})"
    return f"ended the process with exit status {status}"


def _read_messages(stream: BinaryIO, sent: dict[str, bytes]) -> None:
    """Reads messages as `builder.py` sends them, the first of each name; ends at anything else."""
    with contextlib.suppress(ValueError, KeyError, EOFError):
        while header := stream.readline(LONGEST_HEADER):
            name, size = header.decode("ascii").split()
            content = _read(stream, int(size), MAX_SIZES[name])
            if content is not None:
                sent.setdefault(name, content)
    while stream.read(1 << 16):  # so that the writer is not kept waiting
        pass


def _read(stream: BinaryIO, size: int, max_size: int) -> bytes | None:
    """The next `size` bytes; None where these are too many to be kept."""
    content, left = bytearray(), size
    while left > 0:
        piece = stream.read(min(left, 1 << 20))
        if not piece:
            raise EOFError
        left -= len(piece)
        if size <= max_size:
            content += piece
    return bytes(content) if size <= max_size else None


def _kill(process: Process) -> None:
    """Ends a process and all that it has started in its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _read_records(content: bytes | None) -> dict[str, dict[str, Any]]:
    try:
        records = json.loads(content or b"")
    except (ValueError, RecursionError):
        records = None
    if not isinstance(records, dict) or not all(isinstance(r, dict) for r in records.values()):
        raise ValueError("what was built is not readable")
    return records


def _read_probe(part: str, record: dict[str, Any] | None, graph: bytes | None) -> Probe:
    if record is None:
        return Probe(error="it was not built")
    if "error" in record:
        if not isinstance(record["error"], str):
            raise ValueError("what was built is not readable")
        return Probe(error=printable(record["error"]), needs=bool(record.get("needs")))
    facts = _read_facts(record)
    if part == "h":
        return Probe(facts=facts)
    if graph is None:
        return Probe(error=f"its graph is missing, or larger than {MAX_GRAPH >> 20} MiB")
    return Probe(graph=graph, facts=facts)


def _read_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record is plain: text, numbers, and a few numbers in rows."""

    def is_plain(value: Any, depth: int) -> bool:
        if isinstance(value, list):
            return depth > 0 and len(value) < 10 and all(is_plain(v, depth - 1) for v in value)
        return value is None or isinstance(value, (str, int, float))

    return {name: value for name, value in record.items() if is_plain(value, depth=2)}


def printable(text: Any, longest: int = 400) -> str:
    """Text from a submission, made fit for a terminal and a table: one line, no control codes."""
    line = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "?" for character in line)[:longest]


def _squeeze(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))

"""BUILD, seen from outside: runs the builder on a submission, reads what it sends.

The builder limits its own memory; its time, and the size of what it sends, are limited here. If a
part kills the builder or hangs, that part is lost, and another process continues with the next.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from grading.engine import builder
from grading.engine.course import COURSE
from grading.engine.parts import PARTS
from grading.engine.process import (
    TIMED_OUT,
    Process,
    Start,
    Trouble,
    find_trouble,
    kill,
    start_python,
    watch,
)
from grading.engine.submission import Submission, lay_out
from grading.engine.text import printable, printable_error

START_LIMIT = 180.0
"""Seconds for the builder to import TensorFlow."""
PART_LIMIT = COURSE.part_seconds
"""Seconds for a part."""
READING_LIMIT = 2.0
"""Seconds to read the rest when the builder has ended."""

HINTS = {"h": ": does its loop end at tf.errors.OutOfRangeError?"}
"""What is asked of a part that does not end by itself."""

MAX_RECORD = 1 << 18
"""Bytes of a part's record."""
MAX_GRAPH = 1 << 24
"""Bytes of a graph."""
MAX_SENT = 3 << 24
"""Bytes of all messages of a submission together."""
MAX_SIZES = {
    "ready": 0,
    **{f"{part}.{mark}": 0 for part in PARTS for mark in ("import", "run")},
    **{f"{part}.json": MAX_RECORD for part in PARTS},
    **{f"{part}-{probe}.pb": MAX_GRAPH for part in PARTS for probe in builder.PROBES[part]},
}
"""Bytes of the builder's messages, by name."""
LONGEST_HEADER = 100
"""Bytes of the line before a message."""


class Probe(NamedTuple):
    """What BUILD left of one probe."""

    graph: bytes | None = None
    """A serialised `MetaGraphDef`."""
    facts: Mapping[str, Any] = {}
    error: str | None = None
    """One sentence, if there is neither a graph nor facts."""
    needs: bool = False
    """Whether the error is that of the part that this one needs."""


class Build(NamedTuple):
    """What BUILD left of a submission."""

    probes: Mapping[str, Mapping[str, Probe]]
    """By part and name."""
    seed: int
    """Seeds the data of part h."""
    troubles: frozenset[str] = frozenset()
    """The kinds of `TROUBLES` that cost parts."""


Tell = Callable[[str, Mapping[str, Probe]], None]
"""Takes what BUILD left of a part's probes."""


def build(
    submission: Submission,
    *,
    seed: int = 0,
    part_limit: float = PART_LIMIT,
    start: Start = start_python,
    scratch: Path | None = None,
    tell: Tell = lambda part, probes: None,
) -> Build:
    """Runs the Python of a submission in a process of its own.

    Args:
        submission: What is handed in.
        seed: Seeds the data of part h.
        part_limit: Seconds after which a part is given up.
        start: Starts the builder.
        scratch: The folder for temporary files; the system's, if none is given.
        tell: Takes parts as soon as they are built. It hears nothing of those that are lost, and
            may not hear of the last.

    Raises:
        RuntimeError: If the builder itself does not start.
    """
    with tempfile.TemporaryDirectory(
        prefix="build-", dir=scratch, ignore_cleanup_errors=True
    ) as folder:
        lay_out(submission.files, Path(folder))
        lost = submission.get_lost_parts()
        remaining = [part for part in PARTS if part not in lost]
        sent: dict[str, bytes] = {}
        troubles: set[str] = set()
        while remaining:
            arguments = [builder.__file__, str(seed), *remaining]
            room = MAX_SENT - sum(map(len, sent.values()))
            process = start(arguments, Path(folder))
            news, trouble = _run_builder(process, remaining, part_limit, room, tell)
            if "ready" not in news:
                raise RuntimeError("the builder did not start: can this Python import tensorflow?")
            sent.update(news)
            left = [part for part in remaining if f"{part}.json" not in sent]
            culprits = [part for part in left if f"{part}.import" in sent]
            if left == remaining:  # each process must settle a part
                culprits = culprits or left[:1]
            remaining = left
            for culprit in culprits[:1]:
                troubles.add(trouble.kind)
                importing = f"{culprit}.run" not in sent
                doing = f"importing {PARTS[culprit].file}" if importing else "running it"
                for part in left:
                    if part == culprit or (importing and PARTS[part].file == PARTS[culprit].file):
                        lost[part] = f"{doing} {trouble.what}"
                        if trouble.kind == TIMED_OUT:
                            lost[part] += HINTS.get(part, "")
                remaining = [part for part in left if part not in lost]
        return collect(sent, lost, seed)._replace(troubles=frozenset(troubles))


def collect(sent: Mapping[str, bytes], lost: Mapping[str, str], seed: int) -> Build:
    """Checks what the builder sent; the submission pays for anything unexpected."""
    return Build({part: _read_part(part, sent, lost.get(part)) for part in PARTS}, seed)


def _read_part(part: str, sent: Mapping[str, bytes], lost: str | None) -> dict[str, Probe]:
    try:
        if lost is not None:
            raise ValueError(lost)
        records = _read_records(sent.get(f"{part}.json"))
        return {
            name: _read_probe(
                part, records.get("", records.get(name)), sent.get(f"{part}-{name}.pb")
            )
            for name in builder.PROBES[part]
        }
    except ValueError as error:
        return {name: Probe(error=str(error)) for name in builder.PROBES[part]}


def _run_builder(
    process: Process, parts: list[str], part_limit: float, room: int, tell: Tell
) -> tuple[dict[str, bytes], Trouble]:
    """Lets the builder work until it ends or hangs; keeps so many bytes of what it sends.

    Returns:
        The messages it sent, and what to blame if a part is missing.
    """
    sent: dict[str, bytes] = {}
    reader = threading.Thread(target=_read_messages, args=(process.stdout, sent, room), daemon=True)
    reader.start()
    awaited = {"ready", *(f"{part}.json" for part in parts)}
    limit = START_LIMIT
    try:
        while watch(process, lambda: not awaited.isdisjoint(list(sent)), limit):
            arrived = awaited.intersection(list(sent))
            awaited.difference_update(arrived)
            limit = part_limit
            for part in parts:
                if f"{part}.json" in arrived:
                    tell(part, _read_part(part, sent, lost=None))
        trouble = find_trouble(process, limit)
    finally:
        kill(process)
        reader.join(READING_LIMIT)  # a process that got away may hold the pipe open
    return dict(sent), trouble


def _read_messages(stream: BinaryIO, sent: dict[str, bytes], room: int) -> None:
    """Keeps the first message of each name that `builder.py` sends; stops at anything else."""
    with contextlib.suppress(ValueError, KeyError, EOFError):
        while header := stream.readline(LONGEST_HEADER):
            name, size = header.decode("ascii").split()
            content = _read(stream, int(size), min(MAX_SIZES[name], room))
            if content is not None and name not in sent:
                sent[name] = content
                room -= len(content)
    while stream.read(1 << 16):  # so that the writer is not kept waiting
        pass


def _read(stream: BinaryIO, size: int, max_size: int) -> bytes | None:
    """The next `size` bytes; None if these are too many to keep."""
    content, left = bytearray(), size
    while left > 0:
        piece = stream.read(min(left, 1 << 20))
        if not piece:
            raise EOFError
        left -= len(piece)
        if size <= max_size:
            content += piece
    return bytes(content) if size <= max_size else None


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
        return Probe(error=printable_error(record["error"]), needs=bool(record.get("needs")))
    facts = _read_facts(record)
    if part == "h":
        return Probe(facts=facts)
    if graph is None:
        return Probe(error=f"its graph is missing, or larger than {MAX_GRAPH >> 20} MiB")
    return Probe(graph=graph, facts=facts)


def _read_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The plain entries of a record: printable text, numbers, and short lists of them."""

    def is_plain(value: Any, depth: int) -> bool:
        if isinstance(value, list):
            return depth > 0 and len(value) < 10 and all(is_plain(v, depth - 1) for v in value)
        return value is None or isinstance(value, (str, int, float))

    return {
        name: printable(value) if isinstance(value, str) else value
        for name, value in record.items()
        if is_plain(value, depth=2)
    }

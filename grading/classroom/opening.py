"""Opens archives, each in a process of its own that may take only so much time and memory.

    python -m grading.classroom.opening ARCHIVE GROUP ASIDE SECONDS BYTES        one archive

What was opened once is kept in the gradebook's folder, so that no start opens it again.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

from grading.classroom import archives
from grading.classroom.arrivals import TOO_MUCH, Arrival, take_in
from grading.classroom.groups import Group
from grading.classroom.result import OUR_FAULT, REFUSED, Result
from grading.engine.submission import Submission
from support.files import ROOT, find_files, write_json

PROCESSOR_LIMIT = 20
"""Processor seconds for an archive."""
TIME_LIMIT = 120
"""Seconds for an archive."""
MEMORY_LIMIT = 1 << 30
"""Bytes of addresses for an archive."""
MAX_ANSWER = 8 << 20
"""Bytes of what is read of the process."""


class Opened(NamedTuple):
    """What opening an archive has given."""

    group: Group
    record: dict[str, Any]
    """See `to_record`; without the submission's files if it is kept."""
    path: Path | None = None
    """Where it is kept."""

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(self.record["flags"])

    def flag_group(self) -> Group:
        """The group, flagged with what the teacher should look at in the sources."""
        return self.group._replace(flags=(*self.group.flags, *self.record["suspects"]))

    @property
    def aside(self) -> tuple[str, ...]:
        return tuple(self.record["aside"])

    @property
    def result(self) -> Result | None:
        """How it ended, if there is nothing to grade."""
        return Result(**self.record["result"]) if self.record["result"] else None

    def read_submission(self) -> Submission:
        """What is to be graded; it is read anew each time, as a class has many."""
        record = json.loads(self.path.read_text())
        files = {name: base64.b64decode(text) for name, text in record["files"].items()}
        return Submission(files, record["missing"])


def open_all(groups: Sequence[Group], aside: Path, kept: Path, nbr_jobs: int) -> Iterator[Opened]:
    """Opens what groups handed in, several at a time, and yields it as it comes.

    Args:
        groups: The groups.
        aside: The folder for pen-and-paper parts.
        kept: The folder where it is kept what was opened.
        nbr_jobs: How many are opened at a time.

    Raises:
        OSError: If the disk is full.
    """
    opener = hash_opener()
    with futures.ThreadPoolExecutor(nbr_jobs) as executor:
        tasks = [executor.submit(open_one, group, aside, kept, opener) for group in groups]
        try:
            for task in futures.as_completed(tasks):
                yield task.result()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def open_one(group: Group, aside: Path, kept: Path, opener: str) -> Opened:
    """Opens what a group handed in, or reads what was kept."""
    path = None
    with contextlib.suppress(OSError):  # of a file that cannot be read
        path = kept / f"{hash_arrival(group, opener)}.json"
        with contextlib.suppress(ValueError):
            record = json.loads(path.read_text())
            if all((aside / name).stat().st_size == size for name, size in record["aside"].items()):
                return Opened(group, _without_files(record), path)
    record = open_apart(group, aside)
    result = record["result"] or {}
    if path is None or result.get("status") == OUR_FAULT or result.get("why") == TOO_MUCH:
        return Opened(group, record)
    write_json(path, record)
    return Opened(group, _without_files(record), path)


def _without_files(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "files": {}}


def open_apart(group: Group, aside: Path) -> dict[str, Any]:
    """Opens what a group handed in, in a process of its own.

    Raises:
        OSError: If the disk is full.
    """
    bounds = str(PROCESSOR_LIMIT), str(MEMORY_LIMIT)
    arguments = [group.path.absolute(), group.name, aside.absolute(), *bounds]
    process = subprocess.Popen(
        [sys.executable, "-m", "grading.classroom.opening", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process, futures.ThreadPoolExecutor(1) as reader:
        answer = reader.submit(process.stdout.read, MAX_ANSWER)
        with contextlib.suppress(futures.TimeoutError):
            answer.result(TIME_LIMIT)
        process.kill()
    with contextlib.suppress(ValueError):
        record = json.loads(answer.result())
        if "errno" in record:
            raise OSError(record["errno"], os.strerror(record["errno"]))
        return record
    return to_record(Arrival(group, result=Result(REFUSED, why=TOO_MUCH)), aside)


def hash_opener() -> str:
    """A hash of the program that opens."""
    digest = hashlib.sha256()
    for name, file in find_files("grading/classroom", "grading/engine").items():
        digest.update(name.encode() + file.read_bytes())
    return digest.hexdigest()


def hash_arrival(group: Group, opener: str) -> str:
    """A hash of what a group handed in: an archive's content, a folder's list of files."""
    path = group.path
    name = os.fsencode(path.name)
    digest = hashlib.sha256(b"\0".join([opener.encode(), group.name.encode(), name]))
    if stat.S_ISDIR(path.lstat().st_mode):
        for file in sorted(itertools.islice(path.rglob("*"), archives.MAX_MEMBERS + 1)):
            s = file.lstat()
            facts = s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns
            digest.update(os.fsencode(file) + repr(facts).encode())
    elif stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size <= archives.MAX_ARCHIVE:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()[:32]


def to_record(arrival: Arrival, aside: Path) -> dict[str, Any]:
    """An arrival as plain data for JSON."""
    submission = arrival.submission or Submission({}, {})
    return {
        "flags": arrival.flags,
        "suspects": arrival.suspects,
        "aside": {name: (aside / name).stat().st_size for name in arrival.aside},
        "result": arrival.result._asdict() if arrival.result else None,
        "files": {n: base64.b64encode(c).decode() for n, c in submission.files.items()},
        "missing": dict(submission.missing),
    }


def main(archive: str, name: str, aside: str, seconds: str, memory: str) -> None:
    """Opens an archive within bounds; writes its record to standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        arrival = take_in(Group(name, (), Path(archive), ()), Path(aside))
        record = to_record(arrival, Path(aside))
    except OSError as error:
        record = {"errno": error.errno}
    json.dump(record, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

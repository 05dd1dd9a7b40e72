"""A class of archives, most of them hostile or broken, graded as a course does it, twice.

    python -m tests.corpus.hostile_class               twenty minutes on 2 cores
    python -m tests.corpus.hostile_class --only forks  the groups whose description has this word

Each honest group must get exactly its points. Each trick must earn nothing in the parts that it
attacks. Both runs must give the same gradebook, leave no process behind, and change nothing outside
of their folder; memory, time and files must stay within bounds. Prints what went wrong; the exit
status is 1 if anything did.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from grading.classroom.graded import Graded
from grading.classroom.kept import LOG, SALT
from grading.classroom.result import REFUSED
from grading.engine.course import COURSE
from grading.engine.parts import PARTS
from grading.gradebook.gradebook import CLASS, read_class
from grading.sandbox.limits import UIDS
from support.files import ROOT
from tests.corpus.archives import HONEST, PACKED
from tests.corpus.bombs import BOMBS
from tests.corpus.entries import Entry
from tests.corpus.exhausting import EXHAUSTING
from tests.corpus.hostile import HOSTILE
from tests.corpus.packing import Arrival, pack_folder
from tests.corpus.tricks import PORT, SECRET, TRICKS

MOST_MEMORY = 1 << 30
"""Bytes of the main process."""
MOST_SECONDS = len(PARTS) * COURSE.part_seconds + COURSE.judge_seconds + 60
"""For a submission: its own limits, and a minute."""
MOST_BYTES = 100_000
"""Of a file in the gradebook that is of one group."""
SHOWN = 10
"""Lines of a difference that are shown."""


def make_class() -> dict[str, Arrival]:
    """The class, by group."""
    tricks = [
        Arrival(entry.name, _pack_entry(entry), status=REFUSED)  # as a whole
        if entry.reason == "is a link"
        else Arrival(
            entry.name, _pack_entry(entry), entry.lost, flag=entry.flag, reason=entry.reason
        )
        for entry in [*HOSTILE, *TRICKS, *EXHAUSTING]
    ]
    arrivals = [*HONEST, *PACKED, *BOMBS, *tricks]
    return {
        "_".join(str(1_000_000 + 3 * number + member) for member in range(3)): arrival
        for number, arrival in enumerate(arrivals)
    }


def _pack_entry(entry: Entry):
    def pack(folder: Path, group: str) -> None:
        pack_folder(entry.get_files())(folder, group)
        if entry.add is not None:
            entry.add(folder / group)

    return pack


# --- grading it ---------------------------------------------------------------------------------


def find_faults(groups: Mapping[str, Arrival], folder: Path) -> Iterator[str]:
    """Grades the class twice; yields all that is not as it should be."""
    submissions = folder / "submissions"
    submissions.mkdir()
    names = {}
    for group, arrival in groups.items():
        before = set(submissions.iterdir())
        arrival.pack(submissions, group)
        for path in set(submissions.iterdir()) - before:
            names[path.name] = group
    before = take_stock(submissions), take_stock(ROOT)
    books = [folder / "first", folder / "second"]
    for book in books:
        if book is not books[0]:  # the same draws
            book.mkdir()
            shutil.copy(books[0] / SALT, book / SALT)
        status, most = grade(submissions, book)
        if status:
            yield "grading failed"
            return
        if most > MOST_MEMORY:
            yield f"the main process took {most >> 20:,} MiB"
        yield from find_excess(book, names)
    if (take_stock(submissions), take_stock(ROOT)) != before:
        yield "something was changed outside of the gradebook"
    left = [p.pid for p in psutil.process_iter(["uids"]) if p.info["uids"].real in UIDS]
    if left:
        yield f"processes were left behind: {left}"
    yield from find_differences(*books)
    entries = {names[entry.group.path.name]: entry for entry in read_class(books[0])}
    for group, arrival in groups.items():
        if group not in entries:
            yield f"{arrival.what}: it is not in the gradebook"
        else:
            yield from (f"{arrival.what}: {fault}" for fault in compare(entries[group], arrival))


def grade(submissions: Path, book: Path) -> tuple[int, int]:
    """Grades the class; returns the exit status, and the most memory that the main process had."""
    command = [sys.executable, "-m", "grading", "grade", submissions, "--out", book]
    with socket.create_server(("127.0.0.1", PORT)):
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, SECRET: "42"})
        most = 0
        while process.poll() is None:
            most = max(most, read_peak(process.pid))
            time.sleep(0.5)
    return process.returncode, most


def read_peak(pid: int) -> int:
    """Bytes of memory that a process has had at most; 0 if it has ended."""
    peak = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(peak[1]) << 10 if peak else 0


def find_excess(book: Path, names: Mapping[str, str]) -> Iterator[str]:
    """Submissions that took too long, and files of one group that are too large."""
    for group, seconds in re.findall(r"(\S+): .* (\d+) s$", (book / LOG).read_text(), re.MULTILINE):
        if int(seconds) > MOST_SECONDS:
            yield f"{group} took {seconds} seconds"
    for path in book.rglob("*"):
        of_all = path.name in (CLASS, "gradebook.csv", "overview.html", LOG)
        limit = MOST_BYTES * (len(names) if of_all else 1)
        if path.is_file() and path.parent.name != "aside" and path.stat().st_size > limit:
            yield f"{path.relative_to(book)} has {path.stat().st_size:,} bytes"


def find_differences(first: Path, second: Path) -> Iterator[str]:
    """Names the files in which two gradebooks differ, and the lines."""
    stocks = [take_stock(book) for book in (first, second)]
    for name in sorted(set().union(*stocks)):
        if stocks[0].get(name) == stocks[1].get(name):
            continue
        if any(name not in stock for stock in stocks):
            yield f"only one of the two gradebooks has {name}"
            continue
        texts = [split_lines((book / name).read_text(errors="replace")) for book in (first, second)]
        lines = [
            line[:400]
            for line in difflib.unified_diff(*texts, lineterm="", n=0)
            if not line.startswith(("---", "+++", "@@"))
        ]
        yield "\n    ".join([f"the two gradebooks differ in {name}:", *lines[:SHOWN]])


def split_lines(text: str) -> list[str]:
    """The lines of a text; JSON on one line is broken between its entries."""
    return re.sub(r'(?<=[,{\[]) (?=["{\[])', "\n", text).splitlines()


def compare(entry: Graded, arrival: Arrival) -> Iterator[str]:
    """Yields how a group's result differs from what it must get."""
    points, status = entry.get_points(), entry.result.status
    if arrival.status is not None and status != arrival.status:
        yield f"{status}, not {arrival.status}"
    lost = {part for part in PARTS if points.get(part, 0) < PARTS[part].points}
    expected = set(PARTS if arrival.status == REFUSED else arrival.lost)
    if lost != expected or not points:
        told = {part: entry.get_reasons(part) for part in sorted(lost - expected)}
        yield f"lost {sorted(lost)}, not {sorted(expected)} ({told})"
    if not any(arrival.flag in flag for flag in entry.get_flags()) and arrival.flag:
        yield f"no flag says {arrival.flag!r}: {entry.get_flags()}"
    reasons = [reason for part in lost for reason in entry.get_reasons(part)]
    if not any(arrival.reason in reason for reason in reasons) and arrival.reason:
        yield f"no reason says {arrival.reason!r}: {reasons}"


def take_stock(folder: Path) -> dict[str, str]:
    """The content of all files, by path, without the log, caches and repositories."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and not PASSED_OVER & set(path.parts)
    }


PASSED_OVER = {".git", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache", "runs", "log.txt"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="leave the class and its gradebooks in a new folder",
    )
    parser.add_argument("--only", metavar="WORDS", help="only groups whose description has these")
    args = parser.parse_args()
    groups = {
        group: arrival
        for group, arrival in make_class().items()
        if args.only is None or args.only in arrival.what
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        faults = list(find_faults(groups, folder))
    for fault in faults:
        print(fault)
    print(f"{len(groups)} groups, {len(faults)} not as they should be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""A class of 79 archives, most of them hostile or broken, graded as a course does it, twice.

    python -m tests.corpus.hostile_class        a quarter of an hour on 2 cores

Each honest group must get exactly its points. Each trick must earn nothing in the parts that it
attacks. Both runs must give the same gradebook, leave no process behind, and change nothing outside
of their folder. Prints what went wrong; the exit status is 1 if anything did.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from grading.classroom.graded import Graded
from grading.classroom.result import REFUSED
from grading.engine.parts import PARTS
from grading.gradebook.gradebook import read_class
from grading.sandbox.limits import UIDS
from support.files import ROOT
from tests.corpus.entries import (
    BASIC,
    TEST,
    TRAIN,
    Entry,
    bodies,
    body,
    prepend,
    read_reference,
)
from tests.corpus.hostile import HOSTILE, trick

Files = Mapping[str, bytes]


class Arrival(NamedTuple):
    """What a group hands in, and what it must get."""

    what: str
    pack: Callable[[Path, str], None]
    """Writes it into a folder, under the group's name."""
    lost: str = ""
    """The parts that lose points."""
    status: str | None = None
    """How grading must end, if that is given."""
    flag: str = ""
    """What a flag must say."""
    reason: str = ""
    """What a reason for losing points must say."""


# --- packing ------------------------------------------------------------------------------------


def pack_zip(files: Files, change: Callable[[zipfile.ZipInfo], None] = lambda info: None):
    def pack(folder: Path, group: str) -> None:
        with zipfile.ZipFile(folder / f"{group}.zip", "w") as archive:
            for name, content in files.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                change(info)
                archive.writestr(info, content)

    return pack


def pack_tar(files: Files, change: Callable[[tarfile.TarInfo], None] = lambda info: None):
    def pack(folder: Path, group: str) -> None:
        with tarfile.open(folder / f"{group}.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                change(info)
                archive.addfile(info, io.BytesIO(content) if info.size else None)

    return pack


def pack_folder(files: Files):
    def pack(folder: Path, group: str) -> None:
        for name, content in files.items():
            (folder / group / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / group / name).write_bytes(content)

    return pack


def then(pack: Callable, change: Callable[[Path], object]):
    """Packs, then changes the archive at its path."""

    def pack_and_change(folder: Path, group: str) -> None:
        before = set(folder.iterdir())
        pack(folder, group)
        (path,) = set(folder.iterdir()) - before
        change(path)

    return pack_and_change


def damaged(pack: Callable, damage: Callable[[bytes], bytes]):
    return then(pack, lambda path: path.write_bytes(damage(path.read_bytes())))


def renamed(pack: Callable, name: Callable[[str], str]):
    return then(pack, lambda path: path.rename(path.with_name(name(path.name))))


def pack_twice(folder: Path, group: str) -> None:
    """An empty solution, and later the right one."""
    pack_zip(SPOILED)(folder, group)
    os.utime(folder / f"{group}.zip", (1_000_000_000, 1_000_000_000))
    pack_tar(SOLVED)(folder, group)


# --- the class ----------------------------------------------------------------------------------

SOLVED = {name: content.encode() for name, content in read_reference().items()}
SPOILED = {**SOLVED, TRAIN: b"raise SystemExit\n"}


def _link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def _link_in_tar(info: tarfile.TarInfo) -> None:
    if info.name == "link":
        info.type, info.linkname = tarfile.SYMTYPE, str(ROOT)


def _device(info: tarfile.TarInfo) -> None:
    if info.name == "zero":
        info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 5


def _encrypt(archive: bytes) -> bytes:
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[changed.index(signature) + offset] |= 1
    return bytes(changed)


def _cut_off(archive: bytes) -> bytes:
    return archive[:-99]


SECRET = "COURSE_SECRET"
"""A variable in the environment of the grader."""
PORT = 47_311
"""Where something listens on the grader's machine."""


def _steal(path: Path) -> str:
    """Code that tries to steal from a file of the course."""
    return f"source = open({str(path)!r}).read()\nraise SystemExit('stolen: ' + source[:99])"


_SLOW = """
import tensorflow.compat.v1 as tf
def slow():
    product = tf.random.uniform([3000, 3000])
    for _ in range(6):
        product = tf.matmul(product, tf.random.uniform([3000, 3000])) / 3000
    return tf.reduce_sum(product)
"""

HONEST = [
    Arrival("a zip", pack_zip(SOLVED)),
    Arrival("a tar", pack_tar(SOLVED)),
    Arrival("a folder", pack_folder(SOLVED)),
    Arrival(
        "packed on a Mac, one folder down, with scans",
        pack_zip(
            {
                **{f"Übung 3/{name}": content for name, content in SOLVED.items()},
                "__MACOSX/Übung 3/._train.py": b"litter",
                "Übung 3/.DS_Store": b"litter",
                "Übung 3/answers.pdf": b"%PDF-1.4",
            }
        ),
    ),
    Arrival("no solution of part g", pack_zip({**SOLVED, **Entry(
        "", (body("g", "raise NotImplementedError('part (g): write get_loss_memory')"),)
    ).get_files()}), lost="g"),
    Arrival("without test.py", pack_tar({n: c for n, c in SOLVED.items() if n != TEST}), lost="h"),
    Arrival("with a data file", pack_zip({**SOLVED, "data/w.ckpt": b"1"}), flag="more than code"),
    Arrival("two members", renamed(pack_zip(SOLVED), lambda n: "7000001_7000002.zip"),
            flag="a group of 2"),
    Arrival("handed in twice", pack_twice, flag="handed in 2 times"),
    Arrival("a number of another group", renamed(pack_zip(SOLVED), lambda n: "1000000_7" + n[1:]),
            flag="is also in"),
    Arrival("a name of words", renamed(pack_zip(SOLVED), lambda n: "final version (2).zip"),
            flag="the name should be"),
]  # fmt: skip

PACKED = [
    Arrival("a path upwards", pack_zip({**SOLVED, "../../../tmp/x.py": b""}), status=REFUSED),
    Arrival("a path upwards, tar", pack_tar({**SOLVED, "../x.py": b""}), status=REFUSED),
    Arrival("an absolute path", pack_tar({**SOLVED, "/tmp/x.py": b""}), status=REFUSED),
    Arrival("a link", pack_zip({"train.py": str(ROOT / "train.py").encode()}, _link),
            status=REFUSED),
    Arrival("a link, tar", pack_tar({**SOLVED, "link": b""}, _link_in_tar), status=REFUSED),
    Arrival("a device", pack_tar({**SOLVED, "zero": b""}, _device), status=REFUSED),
    Arrival("a bomb", pack_zip({**SOLVED, "bomb": bytes(1 << 29)}), status=REFUSED),
    Arrival("a bomb, tar", pack_tar({**SOLVED, "bomb": bytes(1 << 29)}), status=REFUSED),
    Arrival("many files", pack_zip({**SOLVED, **{f"{n}.py": b"" for n in range(9999)}}),
            status=REFUSED),
    Arrival("names that collide", pack_zip({**SOLVED, "TRAIN.py": b""}), status=REFUSED),
    Arrival("encrypted", damaged(pack_zip(SOLVED), _encrypt), status=REFUSED),
    Arrival("cut off", damaged(pack_zip(SOLVED), _cut_off), status=REFUSED),
    Arrival("cut off, tar", damaged(pack_tar(SOLVED), _cut_off), status=REFUSED),
    Arrival("no archive", damaged(pack_zip(SOLVED), lambda archive: b"hello"), status=REFUSED),
    Arrival("empty", damaged(pack_zip(SOLVED), lambda archive: b""), status=REFUSED),
    Arrival("another format", renamed(pack_zip(SOLVED), lambda n: n.replace(".zip", ".rar")),
            status=REFUSED),
    Arrival("an archive in an archive", pack_zip({"solution.zip": b"PK"}), lost="".join(PARTS)),
    Arrival("a formula for a name", renamed(pack_zip(SOLVED), lambda n: "=HYPERLINK(1).zip"),
            flag="the name should be"),
]  # fmt: skip

TRICKS = [
    trick("reads the solution", "d", body("d", _steal(ROOT / "rnn_cells" / "MyLSTMCell.py")),
          reason="FileNotFoundError"),
    trick("reads the private tests", "d",
          body("d", _steal(ROOT / "grading" / "private" / "test_equations.py")),
          reason="FileNotFoundError"),
    trick("looks for the solution and for other groups", "e", body("e", """
        import os
        found = [name for _, *both in os.walk("/") for names in both for name in names]
        telling = ("test_equations.py", "hostile_class.py", "1000000_1")
        raise ValueError(f"found {[name for name in found if name.startswith(telling)]}")
    """), reason="found []"),
    trick("uses the network", "e", body("e", f"""
        import socket
        socket.create_connection(("127.0.0.1", {PORT}), timeout=2)
    """), reason="not permitted"),
    trick("forks without end", "f", body("f", """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """)),
    trick("fills the disk", "g", body("g", """
        number = 0
        while True:
            with open(f"/tmp/{number}", "wb") as file:
                file.write(bytes(1 << 24))
            number += 1
    """), reason="No space left"),
    trick("makes a file in memory", "g", body("g", "import os\nos.memfd_create('x')"),
          reason="PermissionError"),
    trick("takes all processors", "f", body("f", """
        import subprocess
        while True:
            try:
                subprocess.Popen(["sh", "-c", "while :; do :; done"])
            except OSError:
                pass
    """), reason="took longer"),
    trick("graphs that take long", "bdeg", *bodies(
        b=_SLOW + "h = state.hidden + slow()\nreturn [h] * int(x.shape[1]), MyBasicRNNState(h)",
        d=_SLOW + "h = state.hidden + slow()\nreturn [h] * int(x.shape[1]), MyLSTMState(h, h)",
        e=_SLOW + "return slow()",
        g=_SLOW + "return slow()",
    ), reason="running the graph takes more than"),
    trick("records that are too deep to be handed on", "gh", prepend(BASIC, """
        import os, stat
        answers = b"[" * 900 + b"]" * 900
        records = {
            b"h": b'{"long": {"answers": %s}, "short": {"answers": %s}}' % (answers, answers),
            b"g": b'{"": {"error": %s}}' % answers,
        }
        for number in range(3, 100):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode):
                    for part, record in records.items():
                        os.write(number, b"%s.json %d\\n" % (part, len(record)) + record)
            except OSError:
                pass
    """), reason="not readable"),
    trick("kills whom it can", "b", body("b", "import os\nos.kill(-1, 9)")),
    trick("writes into the system", "h", prepend(TEST, "open('/usr/lib/x', 'w')"),
          reason="Read-only"),
    trick("reads the environment", "", prepend(TRAIN, f"""
        import os
        if {SECRET!r} in os.environ:
            raise ValueError("stolen")
    """)),
]  # fmt: skip


def make_class() -> dict[str, Arrival]:
    """The class, by group."""
    tricks = [
        Arrival(entry.name, _pack_entry(entry), status=REFUSED)  # as a whole
        if entry.reason == "is a link"
        else Arrival(entry.name, _pack_entry(entry), entry.lost, reason=entry.reason)
        for entry in [*HOSTILE, *TRICKS]
    ]
    arrivals = [*HONEST, *PACKED, *tricks]
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
        command = [sys.executable, "-m", "grading", "grade", submissions, "--out", book]
        environment = {**os.environ, SECRET: "42"}
        with socket.create_server(("127.0.0.1", PORT)):
            process = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if process.returncode:
            yield "grading failed"
            return
    if (take_stock(submissions), take_stock(ROOT)) != before:
        yield "something was changed outside of the gradebook"
    left = [p.pid for p in psutil.process_iter(["uids"]) if p.info["uids"].real in UIDS]
    if left:
        yield f"processes were left behind: {left}"
    if take_stock(books[0]) != take_stock(books[1]):
        yield "the two gradebooks differ"
    entries = {names[entry.group.path.name]: entry for entry in read_class(books[0])}
    for group, arrival in groups.items():
        if group not in entries:
            yield f"{arrival.what}: it is not in the gradebook"
        else:
            yield from (f"{arrival.what}: {fault}" for fault in compare(entries[group], arrival))


def compare(entry: Graded, arrival: Arrival) -> Iterator[str]:
    """Yields how a group's result differs from what it must get."""
    points, status = entry.get_points(), entry.result.status
    if arrival.status is not None and status != arrival.status:
        yield f"{status}, not {arrival.status}"
    lost = {part for part in PARTS if points.get(part, 0) < PARTS[part].points}
    expected = set(PARTS if arrival.status == REFUSED else arrival.lost)
    if lost != expected or not points:
        yield f"lost {sorted(lost)}, not {sorted(expected)}"
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
    kept = parser.parse_args().keep
    groups = make_class()
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        faults = list(find_faults(groups, folder))
    for fault in faults:
        print(fault)
    print(f"{len(groups)} groups, {len(faults)} not as they should be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Archives of the hostile class: honest ones in all shapes, and those packed to break what opens
them."""

from __future__ import annotations

import stat
import tarfile
import zipfile

from grading.classroom.result import REFUSED
from grading.engine.parts import PARTS
from support.files import ROOT
from tests.corpus.entries import TEST, Entry, body
from tests.corpus.packing import (
    SOLVED,
    Arrival,
    damaged,
    pack_folder,
    pack_tar,
    pack_twice,
    pack_zip,
    renamed,
)


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

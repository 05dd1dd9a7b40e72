"""Archives of the hostile class that are small, and cost what opens them much time or memory."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from grading.classroom.result import REFUSED
from grading.engine.parts import PARTS
from tests.corpus.packing import SOLVED, Arrival, damaged, pack_folder, pack_tar, pack_zip, renamed

NOISE = os.urandom(1_200_000)
"""Makes an archive large enough for what is in it."""


def pack_sparse(folder: Path, group: str) -> None:
    """A file of which a list of ten million pieces says where its holes are."""
    content = b"10000000\n" + b"0\n1\n" * 10_000_000
    with tarfile.open(folder / f"{group}.tar.gz", "w:gz") as archive:
        for name, data in {"a": content, "noise.py": NOISE, **SOLVED}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name == "a":
                info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
            archive.addfile(info, io.BytesIO(data))


def _old_sparse(info: tarfile.TarInfo) -> None:
    if info.name == "a":
        info.type = tarfile.GNUTYPE_SPARSE


def _many_streams(archive: bytes) -> bytes:
    return gzip.compress(b"") * 3_000_000 + archive


def _empty_blocks(archive: bytes) -> bytes:
    """A stream of twelve million blocks with nothing in them."""
    return archive[:10] + b"\0\0\0\xff\xff" * 12_000_000 + archive[10:]


def _other_name(archive: bytes) -> bytes:
    """The header has another name than the directory."""
    return archive.replace(b"xxxx", b"xxxy", 1)


def pack_overlapping(folder: Path, group: str) -> None:
    """2,000 files, each of which is the same eight million bytes of empty blocks."""
    packed = b"\0\0\0\xff\xff" * 1_600_000 + zlib.compressobj(wbits=-15).flush()
    name = b"x.py"
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(packed), 0, len(name), 0)
    body = header + name + packed
    directory = b"".join(
        struct.pack(
            "<4s6H3L5H2L",
            *(b"PK\1\2", 20, 20, 0, 8, 0, 33, 0, len(packed), 0, len(name), 0, 0, 0, 0, 0, 0),
        )
        + name
        for _ in range(1999)
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1999, 1999, len(directory), len(body), 0)
    (folder / f"{group}.zip").write_bytes(body + directory + end)


def pack_extras(folder: Path, group: str) -> None:
    """Files with as many extra fields as there may be."""
    with zipfile.ZipFile(folder / f"{group}.zip", "w") as archive:
        for name, content in {**SOLVED, **{f"{n}.py": b"" for n in range(450)}}.items():
            info = zipfile.ZipInfo(name)
            info.extra = b"xx\0\0" * 16_000
            archive.writestr(info, content)


def pack_headers(folder: Path, group: str) -> None:
    """A header of a header of a header."""
    with gzip.open(folder / f"{group}.tar.gz", "wb") as archive:
        header = tarfile.TarInfo("x")
        header.type = tarfile.XHDTYPE
        archive.write(header.tobuf() * 50_000)


BOMBS = [
    Arrival("a list of holes", pack_sparse, status=REFUSED),
    Arrival("an old list of holes", pack_tar({"a": b"x" * 600, **SOLVED}, _old_sparse),
            status=REFUSED),
    Arrival("three million streams", damaged(pack_tar(SOLVED), _many_streams), status=REFUSED),
    Arrival("empty blocks", damaged(pack_tar(SOLVED), _empty_blocks), status=REFUSED),
    Arrival("files that overlap", pack_overlapping, status=REFUSED),
    Arrival("two long names", damaged(pack_zip({"x" * 65_000: b"1"}), _other_name), status=REFUSED),
    Arrival("extra fields", pack_extras, status=REFUSED),
    Arrival("headers of headers", pack_headers, status=REFUSED),
    Arrival("scans that fill the disk", pack_zip({**SOLVED, "a.pdf": bytes(100 << 20),
            "noise.py": NOISE}), status=REFUSED),
    Arrival("a thousand scans", pack_zip({**SOLVED, **{f"{n}.jpg": b"" for n in range(1000)}}),
            status=REFUSED),
    Arrival("two thousand files, and none of the four",
            pack_zip({f"{n}.py": b"" for n in range(1999)}), lost="".join(PARTS)),
    Arrival("a large source", pack_zip({**SOLVED, "test.py": b"#" * 300_000}), lost="h",
            reason="larger than 256 KiB"),
    Arrival("a folder of many files", pack_folder({f"{n}.py": b"" for n in range(5000)}),
            status=REFUSED),
    Arrival("a formula in full width", renamed(pack_zip(SOLVED), lambda n: "＝HYPERLINK(1).zip"),
            flag="the name should be"),
    Arrival("forty groups with one number", renamed(pack_zip({}), lambda n: "1000000_8" + n[1:]),
            lost="".join(PARTS), flag="is also in"),
]  # fmt: skip

"""What a group handed in, as plain bytes: a `.zip`, `.tar.gz` or `.tgz` archive, or a folder.

Nothing is ever unpacked to the disk. The members are read into memory, within bounds; the files of
the exercise are then looked up among them. An archive may hold regular files and folders with
plain, different names. Any other archive is refused as a whole, in one line that says why.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from grading.engine.text import printable
from support.errors import ExplainedError

SUFFIXES = (".tar.gz", ".tgz", ".zip")
"""How the names of archives end."""

MAX_ARCHIVE = 64 << 20
"""Bytes of an archive."""
MAX_CONTENT = 128 << 20
"""Bytes of all that is in an archive."""
MAX_RATIO = 100
"""Bytes in an archive for each of its own."""
RATIO_COUNTS_FROM = 4 << 20
"""Bytes in an archive from which `MAX_RATIO` counts."""
MAX_MEMBERS = 2000
"""Files and folders of an archive."""
MAX_STREAMS = 100
"""Compressed streams, one after another, of which a .tar.gz is made."""
MAX_HEADER = 4 << 10
"""Bytes of a header in an archive."""
MAX_DIRECTORY = 1 << 20
"""Bytes of the directory at the end of a .zip."""
MAX_DEPTH = 12
"""Parts of a path in an archive."""
MAX_NAME = 255
"""Characters of a path in an archive."""

PIECE = 1 << 16
"""Bytes of an archive that are decompressed at a time."""
GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls the format of gzip."""

LITTER = re.compile(
    r"(^|/)(__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*"
    r"|__pycache__|\.(pytest|mypy|ruff)_cache|\.ipynb_checkpoints|\.?venv|runs"
    r"|\.git|\.gitignore|\.idea|\.vscode)(/|$)"
)
"""What operating systems, Python, editors and runs leave behind; it is ignored."""
LAID_ASIDE = (".pdf", ".png", ".jpg", ".jpeg", ".heic")
"""The pen-and-paper part."""
MAX_ASIDE = 50
"""Files of the pen-and-paper part."""
MAX_ASIDE_SIZE = 16 << 20
"""Bytes of the pen-and-paper part, if it is larger than the archive: scans do not shrink."""

Members = Iterator[tuple[str, "bytes | None"]]
"""Names and contents, as they stand in an archive; a folder has no content."""


class RefusedError(ExplainedError):
    """What was handed in is refused."""


class Content(NamedTuple):
    """What is in an archive."""

    files: dict[str, bytes]
    """The files that the exercise asks for, by path."""
    laid_aside: dict[str, bytes]
    """The pen-and-paper part, by path."""
    others: list[str]
    """The paths of everything else."""
    root: str = ""
    """The folder in which all of it lies; a slash ends it."""


def read(path: Path, wanted: Collection[str]) -> Content:
    """Reads an archive or a folder.

    Args:
        path: The archive or folder.
        wanted: The paths of the files that the exercise asks for; they may lie some folders down.

    Raises:
        RefusedError: If it is not such an archive, is damaged, too large, or holds suspect things.
        OSError: If it cannot be read.
    """
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for number, (name, content) in enumerate(_list_members(path)):
        if number == MAX_MEMBERS:
            raise RefusedError(f"it holds more than {MAX_MEMBERS:,} files: hand in your code only")
        clean = _clean(name)
        alike = names.setdefault(unicodedata.normalize("NFKC", clean).casefold(), clean)
        if content is None:
            continue
        if clean in files or alike != clean:
            raise RefusedError(
                f"two of its files have the same name, {_show(alike)} and {_show(clean)}"
            )
        files[clean] = content
    plain = {name: content for name, content in files.items() if not LITTER.search(name)}
    content = _sort_out(plain, wanted)
    _check_aside(content.laid_aside, path)
    return content


def _sort_out(files: dict[str, bytes], wanted: Collection[str]) -> Content:
    """Separates what is asked for, in the one folder that has most of it, from the rest."""
    found = {name.removesuffix(file) for name in files for file in wanted if name.endswith(file)}
    roots = ["", *sorted(folder for folder in found if folder.endswith("/"))]
    root = max(roots, key=lambda folder: sum(folder + name in files for name in wanted))
    taken = {name: files.pop(root + name) for name in wanted if root + name in files}
    laid_aside = {n: content for n, content in files.items() if n.lower().endswith(LAID_ASIDE)}
    others = [name.removeprefix(root) for name in sorted(files.keys() - laid_aside.keys())]
    return Content(taken, laid_aside, others, root)


def _check_aside(laid_aside: dict[str, bytes], path: Path) -> None:
    """Refuses a pen-and-paper part that would fill the course's disk."""
    if len(laid_aside) > MAX_ASIDE:
        raise RefusedError(f"it has more than {MAX_ASIDE} scans: put them together")
    packed = 0 if path.is_dir() else max(MAX_ASIDE_SIZE, 2 * path.stat().st_size)
    if packed and sum(map(len, laid_aside.values())) > packed:
        raise RefusedError("its scans are far too large: hand in plain pictures or PDF")


def _clean(name: str) -> str:
    """A member's path without empty parts; Windows's separators count as separators."""
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in parts:
        raise RefusedError(f"the path {_show(name)} leads out of it: pack plain files and folders")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise RefusedError(
            f"the name {_show(name)} has control characters in it: give it a plain one"
        )
    if len(name) > MAX_NAME or len(parts) > MAX_DEPTH:
        raise RefusedError(f"the path {_show(name)} is too long: hand in your code only")
    return "/".join(parts)


def _show(name: str) -> str:
    return ascii(name if len(name) <= 60 else f"{name[:57]}...")


def _list_members(path: Path) -> Members:
    kind = path.lstat().st_mode
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    if stat.S_ISDIR(kind):
        yield from _list_folder(path)
        return
    if suffix is None or not stat.S_ISREG(kind):
        raise RefusedError("this kind of file is not opened: hand in a .zip or .tar.gz")
    if path.stat().st_size > MAX_ARCHIVE:
        raise RefusedError(f"it is larger than {MAX_ARCHIVE >> 20} MiB: hand in your code only")
    archive = path.read_bytes()
    try:
        yield from (_list_zip if suffix == ".zip" else _list_tar)(archive)
    except RefusedError:
        raise
    except Exception as error:  # the parsers raise all sorts of errors on other files
        why = printable(error, 200)
        raise RefusedError(f"the archive is damaged or cut off ({why}): pack it again") from error


class _Budget:
    """Counts the bytes that are read."""

    def __init__(self, archive_size: int | None = None):
        self._left = MAX_CONTENT
        if archive_size is not None:
            self._left = min(MAX_CONTENT, max(RATIO_COUNTS_FROM, MAX_RATIO * archive_size))

    def read(self, file: BinaryIO, size: int = -1) -> bytes:
        content = file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self.count(len(content))
        return content

    def count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise RefusedError("its content is far too large: hand in your code only")


def _list_zip(archive: bytes) -> Members:
    budget = _Budget(len(archive))
    if archive.count(zipfile.stringCentralDir) > 2 * MAX_MEMBERS:  # before they are all parsed
        raise RefusedError(f"it holds more than {MAX_MEMBERS:,} files: hand in your code only")
    end = archive.rfind(zipfile.stringEndArchive)
    if end >= 0 and int.from_bytes(archive[end + 12 : end + 16], "little") > MAX_DIRECTORY:
        raise RefusedError("its directory is unusually long: pack a plain .zip")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        if sum(member.compress_size for member in opened.infolist()) > len(archive):
            raise RefusedError("its files overlap: pack a plain .zip")
        for member in opened.infolist():
            name = member.orig_filename
            if member.flag_bits & 0x1:
                raise RefusedError("it is encrypted: pack it without a password")
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise RefusedError(f"{_show(name)} is a link or a device: pack the file itself")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise RefusedError("it is packed in an unusual way: pack a plain .zip")
            if name.endswith(("/", "\\")):
                yield name, None
                continue
            with opened.open(member) as file:
                yield name, budget.read(file)


class _PlainTarInfo(tarfile.TarInfo):
    """A member whose header is not too long: tarfile needs very long for some."""

    def _proc_member(self, opened: tarfile.TarFile) -> tarfile.TarInfo:
        extended = (
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        )
        if self.type in extended and self.size > MAX_HEADER:
            raise RefusedError("it has an unusually long header: pack a plain .tar.gz")
        return super()._proc_member(opened)

    def _refuse_sparse(self, *_: object) -> NoReturn:
        """Refuses a file with holes, before the list of its holes is read: that may be long."""
        raise RefusedError("a file in it is packed with holes: pack a plain .tar.gz")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


def _list_tar(archive: bytes) -> Members:
    with tarfile.open(
        fileobj=_Unzipped(archive), mode="r|", errors="replace", tarinfo=_PlainTarInfo
    ) as opened:
        for member in opened:
            if member.isdir():
                yield member.name, None
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
                raise RefusedError(
                    f"{_show(member.name)} is a link or a device: pack the file itself"
                )
            yield member.name, opened.extractfile(member).read()


class _Unzipped(io.RawIOBase):
    """The bytes of a tar file, headers included, within the budget.

    Python's gzip takes long for a file of many streams, most of them empty.
    """

    def __init__(self, archive: bytes):
        self._rest, self._budget = io.BytesIO(archive), _Budget(len(archive))
        self._streams, self._stream, self._input = 0, None, b""

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._stream is None:
                self._input = self._input.lstrip(b"\0") or self._rest.read(PIECE).lstrip(b"\0")
                if not self._input:
                    return b""
                self._begin_stream()
            elif not self._input and not (next_piece := self._rest.read(PIECE)):
                raise EOFError("the end is missing")
            elif not self._input:
                self._input = next_piece
            content = self._stream.decompress(self._input, max(0, size))
            self._input = self._stream.unconsumed_tail
            if self._stream.eof:
                self._input, self._stream = self._stream.unused_data, None
            if content:
                self._budget.count(len(content))
                return content

    def _begin_stream(self) -> None:
        self._streams += 1
        if self._streams > MAX_STREAMS:
            raise RefusedError(f"it is made of more than {MAX_STREAMS} streams: pack it again")
        self._stream = zlib.decompressobj(GZIP)


def _list_folder(folder: Path) -> Members:
    budget = _Budget()

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=fail):
        for name in sorted([*folders, *files]):
            path = Path(parent, name)
            shown = path.relative_to(folder).as_posix()
            kind = path.lstat().st_mode
            if stat.S_ISDIR(kind):
                yield shown, None
            elif stat.S_ISREG(kind):
                with path.open("rb") as file:
                    yield shown, budget.read(file)
            else:
                raise RefusedError(f"{_show(shown)} is a link or a device: hand in the file itself")

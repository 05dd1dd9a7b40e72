"""What groups hand in: archives of all kinds, and their names."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.classroom import archives
from grading.classroom.archives import RefusedError
from grading.classroom.arrivals import take_in
from grading.classroom.groups import find_groups
from grading.engine.parts import BASIC
from grading.engine.submission import explain_missing

WANTED = ("train.py", "rnn_cells/BasicRNNCell.py")
TREE = {"train.py": b"solved = True\n", "rnn_cells/BasicRNNCell.py": b"class BasicRNNCell: ...\n"}


def make_zip(path: Path, files: dict, change=None) -> Path:
    """A zip archive; `change` is called with each member's `ZipInfo`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(info)
            archive.writestr(info, content)
    return path


def make_tar(path: Path, files: dict, change=None) -> Path:
    """A tar archive, gzipped; `change` is called with each member's `TarInfo`."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change is not None:
                change(info)
            archive.addfile(info, io.BytesIO(content) if info.size else None)
    return path


def make_folder(path: Path, files: dict) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


MAKERS = {"a.zip": make_zip, "a.tar.gz": make_tar, "a.TGZ": make_tar, "a": make_folder}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("root", ["", "group 7/", "Übung/group 7/"])
def test_the_files_asked_for_are_found_at_the_top_or_some_folders_down(name, root, tmp_path):
    litter = ["__MACOSX/._train.py", "._train.py", ".DS_Store", "__pycache__/train.cpython-311.pyc"]
    litter += [".pytest_cache/README.md", "runs/sin-lstm/train.py", ".venv/lib/train.py"]
    more = {"answers.PDF": b"%PDF", "scans/1.jpg": b"JFIF", "weights/model.ckpt": b"weights"}
    files = {**TREE, **more, **dict.fromkeys(litter, b"litter")}
    path = MAKERS[name](tmp_path / name, {root + file: content for file, content in files.items()})
    content = archives.read(path, WANTED)
    assert content.files == TREE
    assert content.laid_aside == {root + n: more[n] for n in ("answers.PDF", "scans/1.jpg")}
    assert content.others == ["weights/model.ckpt"]
    assert content.root == root


def test_what_is_missing_is_just_not_there(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"sub/my_train.py": b"", "notes.txt": b""})
    assert archives.read(path, WANTED).files == {}


@pytest.mark.parametrize(
    ("files", "flags"),
    [
        (["train.py"], []),
        (["group 7/train.py"], []),
        (["a/b/train.py", "a/b/.venv/pyvenv.cfg", "runs/x.png"], ["in a/b/: move them to the top"]),
        (["train.py", "x.ckpt"], ["more than code: x.ckpt"]),
    ],
)
def test_a_person_is_asked_to_look_at_what_is_odd(files, flags, tmp_path):
    path = make_zip(tmp_path / "11111_22222_33333.zip", dict.fromkeys(files, b""))
    (group,) = find_groups([path])
    arrival = take_in(group, tmp_path)
    assert arrival.submission.files == {"train.py": b""}
    assert len(arrival.flags) == len(flags)
    assert all(flag in found for flag, found in zip(flags, arrival.flags, strict=True))


@pytest.mark.parametrize(
    ("file", "there", "advice"),
    [
        ("train.py", "code/train.py", "(is code/train.py meant? then move it to the top)"),
        (BASIC, "BasicRNNCell.py", "(is BasicRNNCell.py meant? then move it to rnn_cells/)"),
        (BASIC, "rnn_cells/basic_rnn_cell.py", "basic_rnn_cell.py meant? then rename it)"),
        (BASIC, "notes.py", f"there is no file {BASIC}"),
    ],
)
def test_the_advice_on_a_missing_file_is_what_helps(file, there, advice):
    assert explain_missing(file, [there]).endswith(advice)


def link(info):
    if isinstance(info, tarfile.TarInfo):
        info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
    else:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16


def hard_link(info):
    info.type, info.linkname, info.size = tarfile.LNKTYPE, "train.py", 0


def device(info):
    info.type, info.size = tarfile.CHRTYPE, 0


def header(info):
    """A header of n digits, which keeps tarfile busy for about n^2 steps."""
    if info.name == "1":
        info.type = tarfile.XHDTYPE


def encrypted(path):
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-30])


def no_archive(path):
    path.write_bytes(b"#!/bin/sh\necho hello\n")


def empty(path):
    path.write_bytes(b"")


MANY = {f"{number}.py": b"" for number in range(archives.MAX_MEMBERS + 1)}
REFUSED = {
    "escaping": (make_zip, {"../train.py": b""}, None, "leads out of it"),
    "escaping, tar": (make_tar, {"a/../../train.py": b""}, None, "leads out of it"),
    "escaping, Windows": (make_zip, {"a\\..\\..\\train.py": b""}, None, "leads out of it"),
    "absolute": (make_zip, {"/etc/passwd": b""}, None, "leads out of it"),
    "absolute, tar": (make_tar, {"/etc/passwd": b""}, None, "leads out of it"),
    "absolute, Windows": (make_zip, {"C:\\train.py": b""}, None, "leads out of it"),
    "link": (make_zip, {"train.py": b"/etc/passwd"}, link, "a link or a device"),
    "link, tar": (make_tar, {"train.py": b""}, link, "a link or a device"),
    "hard link": (make_tar, {"train.py": b""}, hard_link, "a link or a device"),
    "device": (make_tar, {"train.py": b""}, device, "a link or a device"),
    "colliding": (make_zip, {"train.py": b"1", "TRAIN.py": b"2"}, None, "the same name"),
    "colliding in Unicode": (make_zip, {"é.py": b"1", "e\u0301.py": b"2"}, None, "the same name"),
    "control characters": (make_tar, {"a\x1b[2J.py": b""}, None, "control characters"),
    "deep": (make_zip, {"a/" * 50 + "train.py": b""}, None, "too long"),
    "long": (make_zip, {"a" * 300: b""}, None, "too long"),
    "many": (make_zip, MANY, None, "more than 2,000 files"),
    "many, tar": (make_tar, MANY, None, "more than 2,000 files"),
    "bomb": (make_zip, {"a": bytes(64 << 20)}, None, "far too large"),
    "bomb, tar": (make_tar, {"a": bytes(64 << 20)}, None, "far too large"),
    "long header": (make_tar, {"1": b"1" * 20_000, **TREE}, header, "unusually long header"),
    "encrypted": (make_zip, {"train.py": b"1"}, encrypted, "without a password"),
    "cut off": (make_zip, TREE, cut_off, "damaged or cut off"),
    "cut off, tar": (make_tar, TREE, cut_off, "damaged or cut off"),
    "no zip": (make_zip, TREE, no_archive, "damaged or cut off"),
    "no tar": (make_tar, TREE, no_archive, "damaged or cut off"),
    "empty": (make_zip, TREE, empty, "damaged or cut off"),
}
ON_FILES = (encrypted, cut_off, no_archive, empty)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_suspect_is_refused_in_a_line(kind, tmp_path):
    make, files, change, reason = REFUSED[kind]
    path = tmp_path / ("a.zip" if make is make_zip else "a.tar.gz")
    if change in ON_FILES:
        change(make(path, files))
    else:
        make(path, files, change)
    with pytest.raises(RefusedError, match=reason) as refused:
        archives.read(path, WANTED)
    assert "\n" not in str(refused.value)
    assert str(refused.value).isprintable()
    assert os.listdir(tmp_path) == [path.name]


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.py", "wrong")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("train.py", "right")
    with pytest.raises(RefusedError, match="the same name"):
        archives.read(path, WANTED)


@pytest.mark.parametrize("name", ["a.rar", "a.7z", "a.tar", "a.py"])
def test_other_kinds_of_files_are_not_opened(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(RefusedError, match=r"hand in a \.zip or \.tar\.gz"):
        archives.read(tmp_path / name, WANTED)


def test_a_folder_with_links_or_pipes_is_refused(tmp_path):
    folder = make_folder(tmp_path / "a", TREE)
    (folder / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(RefusedError, match="a link or a device"):
        archives.read(folder, WANTED)
    (folder / "link.py").unlink()
    os.mkfifo(folder / "pipe.py")
    with pytest.raises(RefusedError, match="a link or a device"):
        archives.read(folder, WANTED)


def test_an_archive_in_an_archive_is_not_opened(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", TREE).read_bytes()
    path = make_zip(tmp_path / "a.zip", {"inner.zip": inner})
    assert archives.read(path, WANTED) == archives.Content({}, {}, ["inner.zip"])


@settings(deadline=None)
@given(kind=st.sampled_from(["zip", "tar.gz"]), data=st.data())
def test_damage_of_any_kind_is_refused_or_harmless(kind, data, tmp_path_factory):
    """After any damage to its bytes, an archive is refused, or has no file of another name."""
    folder = tmp_path_factory.mktemp("damaged")
    path = (make_zip if kind == "zip" else make_tar)(folder / f"a.{kind}", TREE)
    content = bytearray(path.read_bytes() if kind == "zip" else gzip.decompress(path.read_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path.write_bytes(content if kind == "zip" else gzip.compress(content))
    with contextlib.suppress(RefusedError):
        assert set(archives.read(path, WANTED).files) <= set(WANTED)

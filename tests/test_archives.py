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
from hypothesis import given
from hypothesis import strategies as st

from grading.classroom import archives, opening
from grading.classroom.archives import RefusedError
from grading.classroom.arrivals import take_in
from grading.classroom.groups import Group, find_groups
from grading.classroom.sources import find_suspects
from grading.engine.parts import BASIC
from grading.engine.submission import explain_missing
from grading.handout.regions import BEGIN, END
from tests.corpus.packing import SOLVED
from tests.corpus.right import RIGHT

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


def holes(info):
    """A file with holes, in GNU's old format: its header would go on with a list of them."""
    if info.name == "1":
        info.type = tarfile.GNUTYPE_SPARSE


def holes_in_pax(info):
    """A file with holes, in the newer format: its content begins with a list of 30 million."""
    if info.name == "1":
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}


def many_streams(path):
    """Compressed streams with nothing in them, one after another."""
    path.write_bytes(gzip.compress(b"") * 100_000 + path.read_bytes())


def overlapping(path):
    """The second member is the first, whose content is read twice."""
    content = path.read_bytes()
    central = content.index(b"PK\x01\x02")
    first, second = content.index(b"1.py", central) - 46, content.index(b"2.py", central) - 46
    offset, packed = content[first + 42 : first + 46], content[first + 20 : first + 28]
    changed = bytearray(content)
    changed[second + 20 : second + 28], changed[second + 42 : second + 46] = packed, offset
    path.write_bytes(bytes(changed))


def two_names(path):
    """Central directory and header give a member different names, very long ones."""
    content = path.read_bytes()
    at = content.index(b"xxxx")
    path.write_bytes(content[:at] + b"y" + content[at + 1 :])


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
SCANS = {f"{number}.jpg": b"" for number in range(archives.MAX_ASIDE + 1)}
RANDOM = os.urandom(10_000)
"""What does not shrink."""
NOISE = os.urandom(1 << 18)
"""With it, 17 MiB are less than a hundred times the archive."""
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
    "holes": (make_tar, {"1": b"", **TREE}, holes, "packed with holes"),
    "holes, pax": (make_tar, {"1": b"30000000\n", **TREE}, holes_in_pax, "packed with holes"),
    "many streams": (make_tar, TREE, many_streams, "more than 100 streams"),
    "overlapping": (make_zip, {"1.py": RANDOM, "2.py": b""}, overlapping, "overlap"),
    "two long names": (make_zip, {"x" * 65_000: b"1"}, two_names, "damaged or cut off"),
    "many scans": (make_zip, SCANS, None, "more than 50 scans"),
    "large scans": (make_zip, {"a.pdf": bytes(17 << 20), "b.py": NOISE}, None, "scans are far too"),
    "encrypted": (make_zip, {"train.py": b"1"}, encrypted, "without a password"),
    "cut off": (make_zip, TREE, cut_off, "damaged or cut off"),
    "cut off, tar": (make_tar, TREE, cut_off, "damaged or cut off"),
    "no zip": (make_zip, TREE, no_archive, "damaged or cut off"),
    "no tar": (make_tar, TREE, no_archive, "damaged or cut off"),
    "empty": (make_zip, TREE, empty, "damaged or cut off"),
}
ON_FILES = (encrypted, cut_off, no_archive, empty, many_streams, overlapping, two_names)


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
    assert len(str(refused.value)) < 300
    assert os.listdir(tmp_path) == [path.name]


def test_a_tar_of_some_streams_is_read(tmp_path):
    tar = gzip.decompress(make_tar(tmp_path / "a.tar.gz", TREE).read_bytes())
    pieces = [tar[at : at + 3000] for at in range(0, len(tar), 3000)]
    (tmp_path / "a.tar.gz").write_bytes(b"".join(map(gzip.compress, pieces)) + bytes(99))
    assert archives.read(tmp_path / "a.tar.gz", WANTED).files == TREE


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


# --- in a process of its own --------------------------------------------------------------------


def open_them(tmp_path, *paths):
    """What opening archives gives, by the archive's name."""
    for folder in ("aside", "opened"):
        (tmp_path / folder).mkdir(exist_ok=True)
    groups = [Group(path.name.partition(".")[0], (), path, ()) for path in paths]
    opened = opening.open_all(groups, tmp_path / "aside", tmp_path / "opened", 2)
    return {one.group.path.name: one for one in opened}


@pytest.fixture
def counted(monkeypatch):
    """The groups whose archives were opened by a process."""
    names, open_apart = [], opening.open_apart
    monkeypatch.setattr(
        opening, "open_apart", lambda group, *a: names.append(group.name) or open_apart(group, *a)
    )
    return names


def test_what_was_opened_once_is_not_opened_again(tmp_path, counted):
    good = make_zip(tmp_path / "a.zip", {**SOLVED, "answers.pdf": b"%PDF"})
    bad = make_tar(tmp_path / "b.tar.gz", {"../x": b""})
    folder = make_folder(tmp_path / "c", SOLVED)
    first = open_them(tmp_path, good, bad, folder)
    assert open_them(tmp_path, good, bad, folder) == first
    assert sorted(counted) == ["a", "b", "c"]
    assert first["a.zip"].read_submission().files == SOLVED
    assert first["b.tar.gz"].result.status == "would not unpack"
    (tmp_path / "aside" / "a-1.pdf").unlink()  # somebody took it away
    (folder / "train.py").write_bytes(b"solved = False\n")
    again = open_them(tmp_path, good, bad, folder)
    assert sorted(counted) == ["a", "a", "b", "c", "c"]
    assert (tmp_path / "aside" / "a-1.pdf").read_bytes() == b"%PDF"
    assert again["c"].read_submission().files["train.py"] == b"solved = False\n"


@pytest.mark.parametrize(("bound", "most"), [("MEMORY_LIMIT", 1 << 27), ("TIME_LIMIT", 0.01)])
def test_an_archive_that_takes_too_much_is_refused(bound, most, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, bound, most)
    path = make_folder(tmp_path / "a", {"noise": bytes(100 << 20)})
    (opened,) = open_them(tmp_path, path).values()
    assert "too long to open, or too much memory" in opened.result.why


def test_a_file_that_cannot_be_read_is_tried_again(tmp_path, counted):
    path = tmp_path / "a.zip"
    path.mkdir()
    path.rmdir()  # it was there when the groups were listed
    for _ in range(2):
        (opened,) = open_them(tmp_path, path).values()
        assert opened.result.status == "our own fault"
    assert counted == ["a", "a"]


# --- what a person should look at ---------------------------------------------------------------

SUSPECTS = {
    "import gc": "uses gc (Python's insides): look at train.py, line 1",
    "from inspect import stack": "uses inspect",
    "__import__('tensorflow.python.ops.rnn_cell_impl')": "uses tensorflow.python",
    "from tensorflow.python.ops import rnn_cell_impl": "uses rnn_cell_impl",
    "tf.compat.v1.nn.rnn_cell.BasicLSTMCell(3)": "uses rnn_cell",
    "f.__code__ = f.__code__.replace(co_filename='x')": "uses __code__ (code objects)",
    "getattr(f, '__code__')": "uses __code__",
    "import sys\nsys.modules['__main__'].export = 1": "uses __main__",
    "import sys\nsys.modules['a']": "uses sys.modules",
    "tf.import_graph_def(graph)": "uses import_graph_def (a graph that is built elsewhere)",
    "tf.keras.layers.LSTMCell(3)": "uses LSTMCell (a library's cells)",
    "from keras.layers import LSTM": "uses LSTM",
    "def f():\n    ### BEGIN SOLUTION\n    0": "has marks of the course's solution",
    "\n\nexec('1')": "uses exec (code that is made from text): look at train.py, line 3",
}


@pytest.mark.parametrize("code", SUSPECTS)
def test_code_that_may_forge_what_build_remarks_is_shown_to_the_teacher(code):
    assert any(
        flag.startswith(SUSPECTS[code]) for flag in find_suspects({"train.py": code.encode()})
    )


def test_honest_code_is_not_flagged():
    sources = [
        {
            file: source.replace(BEGIN.encode(), b"").replace(END.encode(), b"")
            for file, source in entry.get_files().items()
        }
        for entry in RIGHT
    ]
    assert [find_suspects(files) for files in sources] == [[]] * len(sources)
    plain = b"# inspect the modules, compile them\nre.compile('a')\nmodel.eval()\nmodules = 'gc?'\n"
    assert find_suspects({"train.py": plain}) == []


@pytest.mark.parametrize("source", [b"def (", b"\0", b"(" * 10_000, b"\xff", b"-" * 100_000 + b"1"])
def test_code_that_is_none_is_not_flagged(source):
    assert find_suspects({"train.py": source}) == []

"""Grading a class: names, the sandbox, what is kept, the gradebook."""

import csv
import errno
import functools
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading.__main__ import main as command_line
from grading.__main__ import share_processors
from grading.classroom import grade, kept
from grading.classroom.batch import Settings, make_task
from grading.classroom.graded import GradebookError, Graded
from grading.classroom.groups import (
    Group,
    GroupError,
    find_groups,
    find_name,
    list_handed_in,
    read_name,
)
from grading.classroom.judging import end_judges, judge_apart
from grading.classroom.result import GRADED, OUR_FAULT, REFUSED, Result
from grading.engine import builder
from grading.engine.build import Build, Probe
from grading.engine.course import PATH, CourseError, read
from grading.engine.parts import PARTS
from grading.engine.process import OUT_OF_MEMORY, TIMED_OUT, find_trouble, kill, watch
from grading.engine.submission import Submission
from grading.engine.verdict import GRADER_FAILED, Question, get_points, get_reasons, lose_all
from grading.gradebook import gradebook, overview
from grading.sandbox import groups, runners, seccomp, walls
from grading.sandbox.check import check_sandbox
from grading.sandbox.limits import UIDS, Limits, SandboxError, become
from grading.sandbox.process import LONGEST_REST, MAP_BYTES, BoundedProcess
from grading.sandbox.runners import Bare, Sandbox
from support.files import ROOT
from tests.clusters import start_cluster
from tests.corpus.packing import SOLVED, pack_folder, pack_tar


def may_make_namespaces():
    command = ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "true"]
    try:
        with runners.open_pipe(seccomp.write_filter):
            pass
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except (SandboxError, OSError):
        return False


needs_sandbox = pytest.mark.skipif(
    not may_make_namespaces(),
    reason="no sandbox: apt install bubblewrap libseccomp2 (it needs user namespaces, or root)",
)

# --- names --------------------------------------------------------------------------------------

NAMES = {
    "11111_22222_33333.zip": ("11111_22222_33333", 0),
    "7654321_54321_123456_99999.tar.gz": ("123456_54321_7654321_99999", 0),
    "11111_22222_33333": ("11111_22222_33333", 0),
    "11111_22222.zip": ("11111_22222", 1),
    "1_2_3_4_5.zip": ("1_2_3_4_5", 1),
    "11111-22222-33333.tgz": ("11111_22222_33333", 1),
    "group 11111_22222_33333 (1).zip": ("11111_22222_33333", 1),
    "11111_11111_22222.zip": ("11111_22222", 1),
    "１１１１１_22222_33333.zip": ("11111_22222_33333", 1),  # in full width
    "=1+1.zip": ("1-1-", 1),
    "Größte Lösung.zip": ("Größte-Lösung-", 1),
    "Gro\u0308ße.zip": ("Größe-", 1),  # as macOS writes it
    "….zip": ("no-name-", 1),
    "решение.zip": ("no-name-", 1),
    "Ada Love_1234567_assignsubmission_file_11111_22222_33333.zip": ("11111_22222_33333", 0),
    "_".join(map(str, range(10_000, 10_040))) + ".zip": ("10000_10001_", 1),
    b"11111_22222_33333_\xfc.zip".decode("utf-8", "surrogateescape"): ("11111_22222_33333", 1),
}
"""Names of archives, each with its group and its number of flags."""


@pytest.mark.parametrize("name", NAMES)
def test_names_tell_the_group(name, tmp_path):
    expected, nbr_flags = NAMES[name]
    (tmp_path / name).touch()
    (group,) = find_groups(tmp_path.iterdir())
    assert group.name.startswith(expected)
    assert len(group.name) < 100
    assert len(group.flags) == nbr_flags


@given(st.text(min_size=1))
def test_any_name_gives_a_group_that_files_can_be_called_after(name):
    path = Path("/x", name.replace("/", "").replace("\0", "") or "x")
    numbers, flags = read_name(path)
    assert all(5 <= len(number) <= 7 for number in numbers)
    assert all("\n" not in flag for flag in flags)


def test_the_latest_of_a_group_counts_and_shared_numbers_are_flagged(tmp_path):
    names = ["11111_22222_33333.zip", "33333_22222_11111.tar.gz", "33333_44444_55555.zip"]
    for age, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_700_000_000 - age, 1_700_000_000 - age))
    first, second = find_groups(tmp_path.iterdir())
    assert (first.name, first.path.name) == ("11111_22222_33333", names[0])
    assert any("handed in 2 times" in flag and names[1] in flag for flag in first.flags)
    assert any("33333 is also in 33333_44444_55555" in flag for flag in first.flags)
    assert any("33333 is also in 11111_22222_33333" in flag for flag in second.flags)


def test_a_group_is_called_by_its_name_or_by_the_number_of_a_member():
    names = ["11111_22222_33333", "33333_44444", "Größe-0a1b2c"]
    assert find_name(names, "11111_22222_33333") == names[0]
    assert find_name(names, "22222") == names[0]
    assert find_name(names, "Größe-0a1b2c") == names[2]
    with pytest.raises(GroupError, match="33333 is in 11111_22222_33333 and in 33333_44444"):
        find_name(names, "33333")
    with pytest.raises(GroupError, match="44444 is in 44444 and in 44444_55555_66666"):
        find_name(["44444", "44444_55555_66666"], "44444")
    with pytest.raises(GroupError, match="no group 1111: give a name like"):
        find_name(names, "1111")


def test_what_moodle_has_downloaded_is_taken_out_of_its_folders(tmp_path):
    for name in ("Ada Lovelace_123456_assignsubmission_file_", "Böhm_654321_assignsubmission_file"):
        (tmp_path / name).mkdir()
    (tmp_path / "Ada Lovelace_123456_assignsubmission_file_" / "11111_22222_33333.zip").touch()
    (tmp_path / "Böhm_654321_assignsubmission_file" / "44444_55555_66666.zip").touch()
    (tmp_path / "77777_88888_99999").mkdir()
    groups = find_groups(list_handed_in(tmp_path))
    names = ["11111_22222_33333", "44444_55555_66666", "77777_88888_99999"]
    assert [group.name for group in groups] == names
    assert not any(group.flags for group in groups)


def test_whoever_names_their_archives_alike_is_told_apart_by_moodles_names(tmp_path):
    for name in ("Ada A_101_assignsubmission_file_", "Bob B_102_assignsubmission_file_"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "abgabe.zip").touch()
    for name in ("Cem C_103", "Dan D_104"):
        (tmp_path / f"{name}_assignsubmission_file_abgabe.zip").touch()
    groups = find_groups(list_handed_in(tmp_path))
    assert len({group.name for group in groups}) == 4
    assert all(group.name.startswith("abgabe-") for group in groups)


def test_only_what_points_depend_on_makes_a_grading_worth_repeating(monkeypatch, tmp_path):
    def hash_course(old, new):
        assert old in SETTINGS
        path = tmp_path / "course.toml"
        path.write_text(SETTINGS.replace(old, new))
        monkeypatch.setattr(kept.course, "PATH", path)
        monkeypatch.setattr(kept, "find_files", lambda *_, **__: {"course.toml": path})
        return kept.hash_grader()

    as_it_is = hash_course("[groups]", "[groups]")
    assert hash_course("members = [3, 4]", "members = [2, 4]") == as_it_is
    assert hash_course("# The global norm", "# The norm") == as_it_is
    assert hash_course("clip_norm = 5.0", "clip_norm = 4.0") != as_it_is


def test_comments_do_not_make_a_grading_worth_repeating(monkeypatch, tmp_path):
    def hash_source(text):
        (tmp_path / "judge.py").write_text(text)
        monkeypatch.setattr(kept, "find_files", lambda *_, **__: {"x.py": tmp_path / "judge.py"})
        return kept.hash_grader()

    assert hash_source("x = 1  # one\n") == hash_source("x = 1\n") != hash_source("x = 2\n")


# --- the settings -------------------------------------------------------------------------------

SETTINGS = PATH.read_text()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("total = 15", "total = 20", "add up to 15, not to total = 20"),
        ("loss = 1 }", "los = 1 }", "must have these parts and criteria"),
        ("members = [3, 4]", "members = [4, 3]", "the smaller first"),
        ("part_seconds = 30", "part_seconds = 0", "part_seconds must be a number from 1"),
        ("clip_norm = 5.0", "clip_norm = -1", "clip_norm must be a positive number"),
        ('"linear", ', '"cubic", ', "must be some of"),
        ("digits = [5, 7]", "", "digits is missing"),
        ('"point"', '"dot"', "decimal must be one of"),
        ('separator = ","', 'separator = "|"', "separator must be one of"),
        ("[groups]", "[groups", "course.toml: "),
        ("[groups]", "[groups]\nhand_in_at = 6", "hand_in_at must be a text, in quotes"),
    ],
)
def test_impossible_settings_are_refused_in_a_line(old, new, reason, tmp_path):
    assert old in SETTINGS
    path = tmp_path / "course.toml"
    path.write_text(SETTINGS.replace(old, new))
    with pytest.raises(CourseError, match=reason):
        read(path)


# --- the sandbox --------------------------------------------------------------------------------


@needs_sandbox
def test_the_sandbox_holds():
    check_sandbox(Limits())


def leave_out(hole, build, *args):
    return [word for word in build(*args) if word not in hole]


@needs_sandbox
@pytest.mark.parametrize(
    ("hole", "reason"),
    [
        (["--unshare-net", "socket"], "reached 127.0.0.1"),
        (["--unshare-pid"], "processes"),
        ([f"--nproc={Limits().processes}"], "processes"),
        (["memfd_create"], "made a file in memory"),
        (["unshare"], "made a namespace"),
    ],
)
def test_a_sandbox_with_a_hole_is_not_used(hole, reason, monkeypatch):
    for name in ("build_walls", "shut_away"):
        without = functools.partial(leave_out, hole, getattr(runners, name))
        monkeypatch.setattr(runners, name, without)
    monkeypatch.setattr(seccomp, "REFUSED", [call for call in seccomp.REFUSED if call not in hole])
    with pytest.raises(SandboxError, match=reason):
        check_sandbox(Limits())


@needs_sandbox
def test_locks_that_are_not_refused_are_a_hole(monkeypatch):
    monkeypatch.setattr(seccomp, "LOCKS", ())
    with pytest.raises(SandboxError, match="locked a part of a file"):
        check_sandbox(Limits())


@needs_sandbox
def test_a_tmp_for_any_number_of_files_is_a_hole(monkeypatch):
    if not walls.make_tmp(Limits()):
        pytest.skip("no file system can be made here beforehand")
    monkeypatch.setattr(walls, "MAKE_TMP", walls.MAKE_TMP.replace("nr_inodes=$1", "nr_inodes=0"))
    walls.make_tmp.cache_clear()
    try:
        with pytest.raises(SandboxError, match="made 8192 links"):
            check_sandbox(Limits())
    finally:
        walls.make_tmp.cache_clear()


@needs_sandbox
def test_what_should_be_hidden_is_told_when_it_is_not():
    with pytest.raises(SandboxError, match="read /usr"):
        check_sandbox(Limits(), [Path("/usr")])


@needs_sandbox
def test_a_sandbox_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="does not start .*No such file"):
        check_sandbox(Limits())


def test_without_bubblewrap_nothing_is_graded(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        check_sandbox(Limits())


# --- what a process takes -----------------------------------------------------------------------


def run_bounded(code, limits=Limits(), seconds=20.0):  # noqa: B008
    """Runs Python until it prints a line or is ended; returns what ended it, and the seconds."""
    process = BoundedProcess(
        [sys.executable, "-c", code], limits, stdout=subprocess.PIPE, start_new_session=True
    )
    started = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        said = thread.submit(process.stdout.readline)
        done = watch(process, said.done, seconds)
        trouble = process.trouble if done else find_trouble(process, seconds)
        kill(process)
    process.stdout.close()
    return trouble, time.monotonic() - started


SHARING = """
import os, time
shared = {before}
ready, say = os.pipe()
for _ in range(6):
    if os.fork() == 0:
        own = {after}
        os.write(say, b"1")
        time.sleep(99)
for _ in range(6):
    os.read(ready, 1)
time.sleep({rest})
print("done", flush=True)
time.sleep(99)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what processes share")
@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [("b'x' * (200 << 20)", "0", None), ("0", "b'x' * (200 << 20)", OUT_OF_MEMORY)],
    ids=["shared", "own"],
)
def test_memory_that_processes_share_counts_once(before, after, kind):
    limits = Limits(memory=1 << 30)
    trouble, _ = run_bounded(SHARING.format(before=before, after=after, rest=LONGEST_REST), limits)
    assert getattr(trouble, "kind", None) == kind


@pytest.mark.parametrize("code", ["import time; time.sleep(99)", "while True: pass"])
def test_a_process_that_works_or_sleeps_has_the_time_it_is_given(code):
    trouble, seconds = run_bounded(code, seconds=1.0)
    assert trouble.kind == TIMED_OUT
    assert seconds > 0.9


def test_a_process_that_waits_its_turn_has_more_time(monkeypatch):
    monkeypatch.setattr("grading.sandbox.process._get_queued", lambda _: time.monotonic())
    monkeypatch.setattr("grading.sandbox.process.REST", 0)  # even if this machine is busy, too
    trouble, seconds = run_bounded("import time; time.sleep(99)", seconds=1.0)
    assert trouble.kind == TIMED_OUT
    assert seconds > 2.5


def test_many_mappings_of_many_processes_count():
    code = "import mmap\nm = [mmap.mmap(-1, 4096, prot=1 + n % 2 * 2) for n in range(20_000)]"
    maps = MAP_BYTES * 20_000
    limits = Limits(memory=(maps // 2) + (10 << 20))
    trouble, _ = run_bounded(f"{code}\nimport time\ntime.sleep(5)\nprint()", limits)
    assert trouble.kind == OUT_OF_MEMORY


# --- wrong usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("grade missing --out book", "there is no folder missing"),
        ("grade empty --out book --no-sandbox", "empty is empty"),
        ("grade class --out class/book", "class/book lies in class"),
        ("grade class --out file", "Not a directory: file"),
        ("grade class --out book --no-sandbox --only 1", "there is no group 1"),
        ("grade class --out book --no-sandbox --jobs 0", "whole number from 1, got 0"),
        ("grade class", "required: --out"),
        ("report empty", "empty is no gradebook"),
    ],
)
def test_wrong_usage_is_a_line(arguments, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("class/11111_22222_33333", "empty"):
        Path(name).mkdir(parents=True)
    Path("empty", ".DS_Store").touch()
    Path("file").touch()
    with pytest.raises(SystemExit) as ended:
        sys.exit(command_line(arguments.split()))
    assert ended.value.code in (1, 2)
    error = capsys.readouterr().err.removeprefix(WARNING)
    assert reason in error
    assert error.count("\n") == 1


WARNING = "grading: warning: the students' code has no sandbox\n"


def lose_the_disk(task, scratch):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def lose_a_worker(task, scratch):
    raise OSError("Timed out trying to connect to tcp://127.0.0.1:1 after 5 s")  # as Dask says it


def lose_the_judge(task, scratch):
    return Result(OUR_FAULT, why="the judge gave no verdict", sandboxed=False)


@pytest.mark.parametrize(
    ("grade", "reason"),
    [
        (lose_the_disk, "error: the disk of book is full: make room"),
        (lose_the_judge, "warning: no verdict on 11111_"),
        (lose_a_worker, "warning: no verdict on 11111_"),
    ],
)
def test_what_is_not_the_students_fault_is_said(grade, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("grading.classroom.grade.grade", grade)
    pack_folder(SOLVED)(tmp_path / "class", "11111_22222_33333")
    assert command_line(["grade", "class", "--out", "book", "--no-sandbox"]) == 1
    error = capsys.readouterr().err.removeprefix(WARNING)
    assert reason in error.splitlines()[-1]
    assert error.splitlines()[:-1] in (
        [],  # there is no gradebook yet
        ["grading: 1 our own fault, 1 with a flag; overview.html shows them"],
    )
    assert not list(Path("book", kept.KEPT).iterdir())


@pytest.mark.parametrize("module", ["gradebook.gradebook", "classroom.batch", "gradescope"])
def test_no_command_waits_for_tensorflow_that_does_without(module):
    code = f"import sys, grading.{module}; print({{'tensorflow', 'pytest'}} & set(sys.modules))"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout == "set()\n"


# --- the gradebook ------------------------------------------------------------------------------

VERDICT = lose_all("<script>alert(1)</script> | `x` should be 0.25")
VERDICT["a"]["points"]["variables"] = 1
VERDICT["b"]["points"].update({"equation": 1, "state": 0.5})
JUDGED = Result(GRADED, verdict=VERDICT)


def make_entry(name="11111_22222_33333", flags=(), result=JUDGED):
    numbers = tuple(n for n in name.split("_") if n.isdigit())
    group = Group(name, numbers, Path(f"{name}.zip"), ())
    return Graded(group, tuple(flags), (), result)


def read_table(graded):
    text = gradebook.make_table(graded)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_the_table_has_a_row_a_student():
    rows = read_table([make_entry(), make_entry("no-name")])
    assert [row["number"] for row in rows] == ["11111", "22222", "33333", ""]
    assert rows[0]["b"] == "1.5"
    assert rows[0]["total"] == "2.5"


def test_our_own_fault_is_no_zero():
    (row, *_) = read_table([make_entry(result=Result(OUR_FAULT, why="the judge gave no verdict"))])
    assert row["total"] == row["a"] == ""
    assert "no verdict" in row["flags"]


@given(st.lists(st.text(min_size=1), max_size=3))
def test_no_cell_is_a_formula(flags):
    for row in read_table([make_entry(flags=flags)]):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


@pytest.mark.parametrize("sign", [*"＝＋－＠﹢﹣﹦﹫=+-@", "=\u0338"])
@pytest.mark.parametrize("before", ["", " ", "\u3000"])
def test_no_cell_is_a_formula_in_another_width(sign, before):
    (row, *_) = read_table([make_entry(flags=[f"{before}{sign}1+1"])])
    assert row["flags"] == f"'{before}{sign}1+1"


def test_pythons_csv_reads_a_gradebook_of_any_flags():
    (row, *_) = read_table([make_entry(flags=["x" * 500_000])])
    assert len(row["flags"]) < csv.field_size_limit()


def test_names_of_any_encoding_are_written(tmp_path):
    entry = make_entry(flags=["a;=1+1"])
    path = Path(b"\xfc<b>.zip".decode("utf-8", "surrogateescape"))
    entry = entry._replace(group=entry.group._replace(path=path))
    gradebook.write_gradebook([entry], tmp_path)
    assert "?<b>.zip" in (tmp_path / "feedback" / f"{entry.group.name}.txt").read_text()
    assert "&lt;b&gt;.zip" in (tmp_path / "feedback" / f"{entry.group.name}.html").read_text()
    assert b";" not in (tmp_path / "gradebook.csv").read_bytes()


def test_a_class_can_be_written_again_from_its_results(tmp_path):
    entries = [make_entry(flags=["more than code: x.ckpt"]), make_entry("no-name")]
    gradebook.write_gradebook(entries, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "feedback" / "gone.txt").write_text("of a group that is not there any more")
    gradebook.write_gradebook(gradebook.read_class(tmp_path), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_results_are_as_gradescope_wants_them(tmp_path):
    result = gradebook.make_result(make_entry(result=Result(REFUSED, why="cut off")))
    assert result["score"] == 0
    assert sum(test["max_score"] for test in result["tests"]) == 15
    assert {"score", "max_score", "status", "name", "number", "output"} <= set(result["tests"][0])
    json.dumps(result)
    unknown = gradebook.make_result(make_entry(result=Result(OUR_FAULT, why="no verdict")))
    assert "score" not in unknown
    assert unknown["tests"] == []


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium: apt install chromium")
@pytest.mark.parametrize("width", [1200, 390])
def test_the_overview_opens_in_a_browser(width, tmp_path):
    verdict = lose_all("<script>alert(1)</script>" + "a_name_without_a_blank" * 50)
    long = make_entry("44444_55555_66666", ["<b>odd</b>"], Result(GRADED, verdict=verdict))
    entries = [make_entry(), long]
    page = tmp_path / "overview.html"
    page.write_text(
        overview.make_overview(entries)
        + "<script>const all = s => [...document.querySelectorAll(s)];"
        " all('details').forEach(group => group.open = true);"
        " document.title = [document.documentElement.scrollWidth <= innerWidth,"
        " Math.min(...all('.row > div:nth-child(3)').map(title => title.clientWidth)),"
        " all('details').length, all('details summary')[0].innerText].join('|')</script>"
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += ["--disable-quic", f"--window-size={width},900", f"--user-data-dir={tmp_path / 'u'}"]
    dom = subprocess.run(
        ["chromium", *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    title = dom.partition("<title>")[2].partition("</title>")[0]
    fits, narrowest, nbr_groups, first = title.split("|")
    assert (fits, nbr_groups) == ("true", "2")
    assert int(narrowest) > 150  # pixels of a part's title, beside the longest reason
    assert first.splitlines()[1].startswith("44444_55555_66666")  # the flagged one, after its total
    assert "<script>alert" not in dom


# --- a small class, from archives to the gradebook ----------------------------------------------


def make_small_class(folder):
    folder.mkdir()
    some = {file: SOLVED[file] for file in ("rnn_cells/BasicRNNCell.py", "test.py")}
    pack_tar({**some, "train.py": b"import os\nos.abort()\n"})(folder, "44444_55555_66666")
    (folder / "77777_88888_99999.zip").write_bytes(b"no archive")
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))  # the date is part of what is handed in
    return folder


@pytest.fixture(scope="module")
def small_class(tmp_path_factory):
    return make_small_class(tmp_path_factory.mktemp("course") / "class")


def start(folder, book, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "grading", "grade", folder, "--out", book, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def get_totals(book):
    with (book / "gradebook.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["group"]: (row["total"], row["status"]) for row in csv.DictReader(file)}


TOTALS = {
    "44444_55555_66666": ("5", "crashed"),
    "77777_88888_99999": ("0", "would not unpack"),
}


@pytest.fixture(scope="module")
def graded_class(small_class, tmp_path_factory):
    """The gradebook of the small class, graded on a cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    with start_cluster(folder) as (address, _):
        process = start(small_class, folder / "book", "--scheduler", address)
        _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return folder / "book"


@needs_sandbox
def test_a_cluster_grades_a_class(graded_class):
    assert get_totals(graded_class) == TOTALS
    feedback = (graded_class / "feedback" / "44444_55555_66666.txt").read_text()
    assert "importing train.py killed the process (SIGABRT)" in feedback


@needs_sandbox
def test_a_killed_grading_goes_on_and_ends_with_the_same_gradebook(
    small_class, graded_class, tmp_path
):
    book = tmp_path / "book"
    book.mkdir()
    shutil.copy(graded_class / kept.SALT, book / kept.SALT)  # the same draws
    process = start(small_class, book, "--jobs", "1")
    deadline = time.monotonic() + 300
    while not list((book / kept.KEPT).glob("[!.]*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in (book / kept.KEPT).glob("[!.]*.json")}
    assert start(small_class, book).wait(timeout=300) == 0
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in finished.items())
    for name in ("gradebook.csv", "class.json", "overview.html"):
        assert (book / name).read_bytes() == (graded_class / name).read_bytes()
    assert not list((book / kept.WORK).iterdir())
    assert "44444_55555_66666: crashed, as it was graded before" in (book / kept.LOG).read_text()


def test_the_judges_draws_come_from_a_secret(tmp_path):
    submissions = tmp_path / "class"
    submissions.mkdir()
    seeds = []
    for book in ("one", "two"):
        for _ in range(2):
            with kept.open_gradebook(tmp_path / book, submissions):
                salt = kept.read_salt(tmp_path / book)
            task = make_task(Submission(SOLVED, {}), Settings(), salt)
            seeds.append(task.seed)
        assert stat.S_IMODE((tmp_path / book / kept.SALT).stat().st_mode) == 0o600
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]
    other = Submission({**SOLVED, "train.py": b""}, {})
    assert make_task(other, Settings(), salt).seed != seeds[3]


def test_a_group_is_flagged_on_whose_part_the_grader_failed():
    verdict = lose_all("x")
    verdict["g"]["reasons"]["loss"] = [f"{GRADER_FAILED} (KeyError: 1): this is not your fault"]
    (flag,) = make_entry(result=Result(GRADED, verdict=verdict)).get_flags()
    assert flag == f"part (g): {GRADER_FAILED}"


def test_without_any_file_nothing_is_built_and_nothing_judged(monkeypatch):
    monkeypatch.setattr(grade, "build", None)
    missing = {name: f"there is no file {name}" for name in SOLVED}
    result = grade.grade(grade.Task(Submission({}, missing), seed=0))
    assert result.status == GRADED
    assert get_reasons(result.verdict, "h") == ["there is no file test.py"]


def test_two_at_once_do_not_share_a_gradebook(small_class, tmp_path):
    def open_it():
        return kept.open_gradebook(tmp_path / "book", small_class)

    match = "another grading is under way"
    with open_it(), pytest.raises(GradebookError, match=match), open_it():
        pass
    with open_it():  # again, now that it is free
        pass


def judge_but(stops):
    """Replaces JUDGE: all points for each part, or no verdict if `stops` says so."""

    def judge_apart(question, runner, *_):
        probes = question.build.probes
        failed = {p for p in PARTS if all(probe.error for probe in probes[p].values())}
        if stops(set(question.parts) - failed):
            raise grade.JudgeError("the judge gave no verdict (exit status -6)")
        verdict = lose_all("not checked in this run")
        for part in set(question.parts) - failed:
            verdict[part] = {"points": PARTS[part].criteria, "reasons": {}, "notes": []}
        return verdict

    return judge_apart


@pytest.mark.parametrize(
    ("stops", "lost"),
    [(lambda parts: "e" in parts, "e"), (lambda parts: len(parts) > 3, "")],
    ids=["one part", "all together"],
)
def test_what_stops_the_judge_earns_nothing_and_costs_nothing_else(stops, lost, monkeypatch):
    monkeypatch.setattr(grade, "judge_apart", judge_but(stops))
    probes = {part: dict.fromkeys(names, Probe()) for part, names in builder.PROBES.items()}
    build, verdict = grade.judge_parts(Build(probes, 0), 0, Bare(Limits()))
    assert get_points(verdict) == {
        letter: 0 if letter in lost else part.points for letter, part in PARTS.items()
    }
    assert list(verdict) == list(PARTS)
    assert "".join(part for part in PARTS if build.probes[part] != probes[part]) == lost
    assert build.troubles == ({"crashed"} if lost else set())


def test_a_judge_that_judges_nothing_is_our_own_fault(monkeypatch):
    def judge_apart(*_):
        raise grade.JudgeError("the judge gave no verdict (exit status 1)")

    monkeypatch.setattr(grade, "judge_apart", judge_apart)
    with pytest.raises(grade.JudgeError):
        grade.judge_parts(Build(dict.fromkeys(PARTS, {}), 0), 0, Bare(Limits()))


HIDDEN_WORK = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that nobody hears how long a child worked
for _ in range(20):
    if not os.fork():
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        os._exit(0)
time.sleep(60)
"""


@pytest.mark.skipif(groups.find_parent() is None, reason="no control groups here")
def test_the_work_of_processes_that_nobody_saw_end_counts(tmp_path):
    (tmp_path / "work.py").write_text(HIDDEN_WORK)
    process = Bare(Limits()).start_builder(["work.py"], tmp_path)
    try:
        assert watch(process, lambda: process.read_clocks()[0] > 0.9, 50)
    finally:
        kill(process)


PEEPING = """
import os
from grading.engine.verdict import lose_all
from grading.private import judge, server

def peep(question):
    try:
        open(f"/proc/{os.getppid()}/mem").close()
    except PermissionError as error:
        return lose_all("it cannot")
    return lose_all("it reads the memory of its judge")

judge.judge = peep
server.main()
"""


@needs_sandbox
def test_in_the_sandbox_what_judges_a_submission_cannot_read_its_parent(monkeypatch):
    monkeypatch.setattr(runners, "JUDGE", ("-c", PEEPING))
    try:
        verdict = judge_apart(Question(None, 0, "a"), Sandbox(Limits(open_files=200)), 60)
    finally:
        end_judges()
    assert get_reasons(verdict, "a") == ["it cannot"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no choice of processors here")
@pytest.mark.parametrize("nbr_jobs", [1, 2, 3])
def test_jobs_share_no_processor_as_far_as_there_are_any(nbr_jobs):
    usable = os.sched_getaffinity(0)
    with ThreadPoolExecutor(nbr_jobs, initializer=share_processors(nbr_jobs)) as executor:
        all_there = threading.Barrier(nbr_jobs)

        def get_own(_):
            all_there.wait()
            return os.sched_getaffinity(0)

        shares = list(executor.map(get_own, range(nbr_jobs)))
    assert set().union(*shares) == usable
    assert sum(map(len, shares)) == max(nbr_jobs, len(usable))


SNOOP = """
import os, subprocess, time
seen = [path for path in {paths!r} if os.access(path, os.R_OK) or os.access(path, os.W_OK)]
subprocess.Popen(["sleep", "600.125"], start_new_session=True)
raise ValueError(f"as {{os.getuid()}} it sees {{seen}}")
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become another user",
)
def test_without_namespaces_gradescope_runs_code_as_another_user(tmp_path):
    other = subprocess.run([*become(UIDS[0]), sys.executable, "-c", ""], check=False)
    if other.returncode:
        pytest.skip("other users cannot read this Python")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as Gradescope's are
        assert command_line(["gradescope", str(tmp_path / "bundle.zip")]) == 0
        shutil.unpack_archive(tmp_path / "bundle.zip", folder / "source")
        secret = ["source/grading/private/test_equations.py", "source/grading", "results"]
        paths = [str(folder / path) for path in [*secret, "submission"]]
        code = SNOOP.format(paths=paths).encode()
        pack_folder({"train.py": SOLVED["train.py"], "test.py": code})(folder, "submission")
        (folder / "results").mkdir()
        call = (
            "from grading import gradescope; from pathlib import Path\n"
            "def check_sandbox(limits): raise gradescope.SandboxError('no namespaces')\n"
            "gradescope.check_sandbox = check_sandbox\n"
            "gradescope.run(Path('../submission'), Path('../results'))"
        )
        subprocess.run([sys.executable, "-c", call], cwd=folder / "source", check=True)
        result = json.loads((folder / "results" / "results.json").read_text())
    assert result["score"] == sum(PARTS[part].points for part in "efg")
    reasons = "".join(test["output"] for test in result["tests"])
    user = int(reasons.partition("as ")[2].partition(" it sees []")[0])
    assert user in UIDS
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if "600.125" in command]


def test_the_bundle_for_gradescope_grades_a_submission(tmp_path):
    command = [sys.executable, "-m", "grading", "gradescope", tmp_path / "bundle.zip"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    source = tmp_path / "source"
    shutil.unpack_archive(tmp_path / "bundle.zip", source)
    pack_folder({**SOLVED, "answers.pdf": b"%PDF-1.4"})(tmp_path, "submission")
    subprocess.run(
        [sys.executable, "-m", "grading.gradescope", tmp_path / "submission", tmp_path / "results"],
        cwd=source,
        check=True,
    )
    assert not (source / "rnn_cells" / "MyLSTMCell.py").exists()
    assert "grading.gradescope" in (source / "run_autograder").read_text()
    result = json.loads((tmp_path / "results" / "results.json").read_text())
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 15

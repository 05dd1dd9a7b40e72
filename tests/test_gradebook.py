"""What teachers and students get back: decisions by hand, late days, feedback, tables, code."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading.__main__ import main as command_line
from grading.classroom.graded import CODE, Graded, Lateness, Override
from grading.classroom.groups import Group
from grading.classroom.result import GRADED, OUR_FAULT, REFUSED, Result
from grading.engine.course import COURSE, PATH, CourseError, LateRule, read
from grading.engine.manifest import SUBMITTED_FILES
from grading.engine.parts import LSTM, PARTS
from grading.engine.verdict import lose_all
from grading.gradebook import edits, feedback, gradebook, late, overrides, overview, tables
from grading.gradebook.decisions import decide
from grading.gradebook.tables import Form, TableError
from grading.handout.handout import make_readme
from support.files import ROOT
from tests.corpus.entries import read_reference

REASON = "the <b>loss</b> of `x_y` should be 0.25; it is *0.5*"


def make_entry(name="11111_22222_33333", *, status=GRADED, lost="d"):
    """A group that has all points except those of some parts."""
    verdict = None
    if status == GRADED:
        verdict = lose_all(REASON)
        for letter, part in PARTS.items():
            if letter not in lost:
                verdict[letter] = {"points": part.criteria, "reasons": {}, "notes": []}
                verdict[letter]["reasons"] = {criterion: [] for criterion in part.criteria}
    numbers = tuple(n for n in name.split("_") if n.isdigit())
    group = Group(name, numbers, Path(f"{name}.zip"), ())
    return Graded(group, (), (), Result(status, verdict=verdict))


CLASS = [make_entry(), make_entry("44444_55555_66666", lost="")]


def write_book(folder, graded=CLASS, **files):
    """A gradebook with tables beside it."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    gradebook.write_gradebook(graded, folder)
    return folder


def read_book(folder, encoding="utf-8-sig", **options):
    with (folder / "gradebook.csv").open(newline="", encoding=encoding) as file:
        return list(csv.DictReader(file, **options))


# --- decisions by hand --------------------------------------------------------------------------

HEADER = "group,part,points,reason\n"


def test_what_a_person_decides_counts_and_is_shown_everywhere_with_its_reason(tmp_path):
    book = write_book(tmp_path / "book", overrides=f"{HEADER}22222,(d),4.5,a name confused it\n")
    (row, *_) = read_book(book)
    assert (row["d"], row["total"]) == ("4.5", "14.5")
    assert row["by hand"] == "(d) 4.5 instead of 0, by hand: a name confused it"
    name = "11111_22222_33333"
    result = json.loads((book / "results" / f"{name}.json").read_text())
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 14.5
    for file in (f"feedback/{name}.txt", f"feedback/{name}.html", "overview.html"):
        assert "a name confused it" in (book / file).read_text()
        assert "4.5" in (book / file).read_text()
    assert "by hand" not in (book / "feedback" / "44444_55555_66666.txt").read_text()


def test_a_decision_that_is_taken_back_leaves_no_trace(tmp_path):
    book = write_book(tmp_path / "book")
    before = {path: path.read_bytes() for path in book.rglob("*") if path.is_file()}
    write_book(book, overrides=f"{HEADER}22222,d,5,right\n")
    (book / "overrides.csv").unlink()
    assert command_line(["report", str(book)]) == 0
    assert {path: path.read_bytes() for path in book.rglob("*") if path.is_file()} == before


def test_people_can_give_points_where_the_grader_has_none(tmp_path):
    rows = "".join(f"11111,{letter},{part.points},read\n" for letter, part in PARTS.items())
    entries = [make_entry(status=OUR_FAULT), make_entry("44444", status=OUR_FAULT)]
    book = write_book(tmp_path / "book", entries, overrides=f"{HEADER}{rows}44444,d,5,read\n")
    totals = {row["group"]: row["total"] for row in read_book(book)}
    assert totals == {"11111_22222_33333": "15", "44444": ""}
    result = json.loads((book / "results" / "11111_22222_33333.json").read_text())
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 15


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (f"{HEADER}99999,d,5,right\n", "overrides.csv, line 2: there is no group 99999"),
        (f"{HEADER}11111,x,5,right\n", "line 2: there is no part 'x': write one of a, b, c"),
        (f"{HEADER}11111,d,5.5,right\n", "must be a number from 0 to 5, not 5.5"),
        (f"{HEADER}11111,d,-1,right\n", "without a sign, not how many more or fewer (-1)"),
        (f"{HEADER}11111,d,+0.5,right\n", "without a sign, not how many more or fewer (+0.5)"),
        (f"{HEADER}11111,d,,right\n", "must be a number from 0 to 5, not nothing"),
        (f"{HEADER}11111,d,nan,right\n", "must be a number from 0 to 5, not nan"),
        (f"{HEADER}11111,d,5,\n", "line 2: there is no reason"),
        (
            f"{HEADER}11111,d,5,x\n\n22222,d,4,y\n",
            "line 4: d of 11111_22222_33333 is decided twice",
        ),
        (f"{HEADER}11111,d,4,5,right\n", "line 2: there are more cells than headers"),
        ("group,part,points\n", "overrides.csv has no column reason"),
        ("", "overrides.csv is empty"),
    ],
)
def test_an_impossible_decision_is_refused_in_a_line(table, reason, tmp_path, capsys):
    book = write_book(tmp_path / "book")
    (book / "overrides.csv").write_text(table)
    before = (book / "gradebook.csv").read_bytes()
    assert command_line(["report", str(book)]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert (book / "gradebook.csv").read_bytes() == before


def test_all_impossible_decisions_are_told_at_once(tmp_path, capsys):
    rows = "99999,d,5,right\n11111,d,5,right\n11111,x,5,right\n11111,d,4,left\n"
    book = write_book(tmp_path / "book")
    (book / "overrides.csv").write_text(HEADER + rows)
    assert command_line(["report", str(book)]) == 1
    error = capsys.readouterr().err
    assert [f"line {n}: " in error for n in range(2, 6)] == [True, False, True, True]


def test_an_impossible_decision_is_known_before_anything_is_graded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("grading.classroom.grade.grade", lambda *_, **__: pytest.fail("graded"))
    (tmp_path / "class" / "11111_22222_33333").mkdir(parents=True)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "overrides.csv").write_text(f"{HEADER}99999,d,5,right\n")
    arguments = [str(tmp_path / "class"), "--out", str(tmp_path / "book"), "--no-sandbox"]
    assert command_line(["grade", *arguments]) == 1
    assert "line 2: there is no group 99999" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "group;part;points;reason\r\n11111;d;4,5;Größe\r\n",
        "group,part,points,reason\n11111,d,4.5,Größe\n",
        "group\tpart\tpoints\treason\n11111\td\t4,5\tGröße\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_table_may_be_written_by_any_spreadsheet(content, encoding, tmp_path):
    (tmp_path / "overrides.csv").write_bytes(content.encode(encoding))
    found = overrides.read_overrides(tmp_path, ["11111_22222_33333"])
    assert found.decided == {"11111_22222_33333": {"d": Override(4.5, "Größe")}}
    assert not found.unclear


@pytest.mark.parametrize("stranger", ["11111", "11111_98765_99999"])
def test_nobody_takes_a_decision_by_writing_a_number_of_somebody_else(stranger, tmp_path):
    (tmp_path / "overrides.csv").write_text(f"{HEADER}11111,d,5,right\n33333,e,1,right\n")
    names = ["11111_22222_33333", stranger]
    found = overrides.read_overrides(tmp_path, names)
    assert found.decided == {"11111_22222_33333": {"e": Override(1, "right")}}
    for name in names:
        (flag,) = found.unclear[name]
        assert "overrides.csv is not applied: 11111 is in 11111_22222_33333 and in" in flag


@pytest.mark.parametrize("name", ["results/11111_22222_33333.json", "gradebook.csv"])
def test_a_file_that_somebody_changed_is_kept_and_it_is_said_where_to_write(name, tmp_path, capsys):
    book = write_book(tmp_path / "book")
    (book / name).write_text("15 of 15")
    assert command_line(["report", str(book)]) == 0
    error = capsys.readouterr().err
    assert f"somebody changed {name}" in error
    assert f"{book / 'overrides.csv'} (group,part,points,reason)" in error
    assert error.count("\n") == 1
    assert (book / edits.EDITED / name).read_text() == "15 of 15"
    assert (book / name).read_text() != "15 of 15"
    assert command_line(["report", str(book)]) == 0
    assert capsys.readouterr().err == ""


# --- late days ----------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")
DEADLINE = datetime(2018, 1, 15, 23, 59, tzinfo=BERLIN)
RULE = LateRule(DEADLINE, "Europe/Berlin", points_a_day=1.5)


@pytest.mark.parametrize(
    "text",
    [
        "2018-01-17 10:05",
        "2018-01-17T10:05:00+01:00",
        "2018-01-17 01:05:00 -0800",
        "2018-01-17 09:05:00 UTC",
        "17.01.2018 10:05",
        "17.1.2018, 10:05 Uhr",
        "Wednesday, 17 January 2018, 10:05 AM",
        "Mittwoch, 17. Januar 2018, 10:05",
        "Jan 17, 2018 10:05 am",
    ],
)
def test_times_are_read_as_an_lms_writes_them(text):
    assert late.read_time(text, BERLIN) == datetime(2018, 1, 17, 10, 5, tzinfo=BERLIN)


@pytest.mark.parametrize("text", ["01/02/2018 10:05", "soon", "31.02.2018", "2018-13-01", "10:05"])
def test_what_could_be_two_days_or_none_is_no_time(text):
    assert late.read_time(text, BERLIN) is None


@given(st.text())
def test_any_text_is_a_time_or_none(text):
    time = late.read_time(text, BERLIN)
    assert time is None or time.tzinfo is not None


@pytest.mark.parametrize(
    ("time", "rule", "days", "cost"),
    [
        ("2018-01-15 23:59", RULE, 0, 0),
        ("2018-01-15 23:59:59", RULE, 0, 0),  # the minute of the deadline
        ("2018-01-16 00:00", RULE, 1, 1.5),
        ("2018-01-16 23:59", RULE, 1, 1.5),
        ("2018-01-17 00:00", RULE, 2, 3),
        ("2018-01-17 00:00", RULE._replace(grace_days=1), 2, 1.5),
        ("2018-01-16 12:00", RULE._replace(grace_days=1), 1, 0),
        ("2018-01-17 12:00", RULE._replace(points_a_day=0, percent_a_day=10), 2, 2),
        ("2018-01-17 12:00", RULE._replace(latest_days=1), 2, 10),
        ("2018-02-15 12:00", RULE, 31, 10),  # not more than the 10 points that were earned
    ],
)
def test_what_a_late_day_costs(time, rule, days, cost, tmp_path):
    book = write_book(tmp_path / "book", times=f"number,time\n11111,{time}\n22222,-\n")
    (entry, other) = decide(CLASS, book, rule)
    assert sum(entry.get_points().values()) == 10
    assert (entry.lateness.days, entry.get_deduction()) == (days, cost)
    assert entry.get_total() == 10 - cost
    assert entry.lateness.source == "the list of times"
    assert other.lateness is None
    assert other.get_total() == 15


def test_who_is_not_in_the_list_of_times_is_flagged_and_loses_nothing(tmp_path):
    """Not even if the file's date is late: that is the time of a download."""
    book = write_book(tmp_path / "book", times="Matrikelnummer;Abgabezeit\n11111;2018-01-15 9:00\n")
    late_file = [entry._replace(handed_in=4e9) for entry in CLASS]
    present, missing = decide(late_file, book, RULE)
    assert (present.lateness.days, missing.lateness) == (0, None)
    assert missing.get_total() == 15
    assert not any("times.csv" in flag for flag in present.get_flags())
    assert any("times.csv has no time of this group" in flag for flag in missing.get_flags())
    (book / "overrides.csv").write_text("Gruppe;Teil;Punkte;Grund\n55555;late;1,5;seen by hand\n")
    _, decided = decide(late_file, book, RULE)
    assert decided.get_total() == 13.5
    assert not any("times.csv" in flag for flag in decided.get_flags())


def test_who_has_no_number_is_flagged_as_in_time_until_the_archive_is_renamed(tmp_path):
    (tmp_path / "times.csv").write_text("number,time\n11111,2018-01-15 9:00\n")
    unnamed = make_entry("no-name")
    unnamed = unnamed._replace(group=unnamed.group._replace(numbers=()))
    (entry,) = decide([unnamed], tmp_path, RULE)
    assert "counts as in time until it is renamed" in entry.get_flags()[-1]
    assert entry.get_deduction() == 0


def test_it_is_said_that_only_the_files_dates_are_known(tmp_path, monkeypatch, capsys):
    """Else a forgotten table costs a whole class its points."""
    monkeypatch.setattr(gradebook, "decide", lambda graded, folder: decide(graded, folder, RULE))
    late_file = [entry._replace(handed_in=4e9) for entry in CLASS]
    gradebook.write_gradebook(late_file, tmp_path)
    assert command_line(["report", str(tmp_path)]) == 0
    warning = f"warning: there is no {tmp_path / 'times.csv'}: the files' dates count"
    error = capsys.readouterr().err
    assert warning in error
    assert "2 of 2 groups are late by them" in error
    (tmp_path / "times.csv").write_text("number,time\n11111,2018-01-15 9:00\n")
    assert command_line(["report", str(tmp_path)]) == 0
    assert "files' dates" not in capsys.readouterr().err


def test_a_group_is_as_late_as_its_latest_member(tmp_path):
    times = (
        "SID,Submission Time\n11111,2018-01-14 10:00:00 +0100\n33333,2018-01-16 10:00:00 +0100\n"
    )
    book = write_book(tmp_path / "book", times=times)
    assert decide(CLASS, book, RULE)[0].lateness.days == 1


def test_without_times_the_files_date_counts_and_this_is_said(tmp_path):
    archive = tmp_path / "11111_22222_33333.zip"
    archive.touch()
    date = datetime(2018, 1, 16, 20, tzinfo=timezone.utc).timestamp()
    os.utime(archive, (date, date))
    entry = make_entry()
    entry = entry._replace(group=entry.group._replace(path=archive))
    (noted,) = late.note_times([entry])
    noted = Graded.from_record(json.loads(json.dumps(noted.to_record())))
    (decided,) = decide([noted], tmp_path, RULE)
    assert decided.lateness == Lateness(
        "2018-01-16 21:00 CET",
        "the file's date",
        days=1,
        points=1.5,
        rule="1 day late, the deadline was 2018-01-15 23:59 CET; each costs 1.5 points",
    )


def test_what_lateness_costs_is_shown_and_part_of_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(gradebook, "decide", lambda graded, folder: decide(graded, folder, RULE))
    book = write_book(tmp_path / "book", times="number,time\n55555,2018-01-17 10:05\n")
    row = read_book(book)[-1]
    assert [row[part] for part in PARTS] == [f"{part.points:g}" for part in PARTS.values()]
    assert (row["late"], row["total"]) == ("3", "12")
    assert row["lateness"].startswith("−3 points (2 days late, the deadline was 2018-01-15 23:59")
    assert row["flags"] == ""
    text = (book / "feedback" / "44444_55555_66666.txt").read_text()
    assert text.startswith("Group 44444_55555_66666: 12 of 15 points\n")
    assert "2018-01-17 10:05 CET (by the list of times)" in text
    assert "Late: −3 points (2 days late" in text
    assert "Late:" not in (book / "feedback" / "11111_22222_33333.txt").read_text()
    result = json.loads((book / "results" / "44444_55555_66666.json").read_text())
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 12


def test_people_can_forgive_lateness(tmp_path):
    book = write_book(tmp_path / "book", times="number,time\n11111,2018-01-17 10:05\n")
    (book / "overrides.csv").write_text(f"{HEADER}11111,late,0,ill\n")
    (entry, _) = decide(CLASS, book, RULE)
    assert entry.get_total() == 10
    assert "Late: nothing is deducted (decided by hand: ill; 2 days" in feedback.make_text(entry)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (
            "number,time\n11111,01/02/2018 10:00\n22222,2018-01-15\n33333,late\n",
            "times.csv, line 2: '01/02/2018 10:00' is no time: write it like 2018-01-15 23:59, or"
            " with the month's name\ntimes.csv, line 4: 'late' is no time",
        ),
        ("name,time\nAda,2018-01-15\n", "must have one of these columns: number, matriculation"),
        ("number,when\n11111,2018-01-15\n", "must have one of these columns: time, handed in"),
    ],
)
def test_times_that_cannot_be_read_are_refused_in_a_line_each(table, reason, tmp_path):
    (tmp_path / "times.csv").write_text(table)
    with pytest.raises(TableError, match=re.escape(reason)):
        decide(CLASS, tmp_path, RULE)


LATE = """
[late]
deadline = 2018-01-15 23:59:00
timezone = "Europe/Berlin"
percent_a_day = 10
"""


def read_course(folder, late_days):
    (folder / "course.toml").write_text(PATH.read_text() + late_days)
    return read(folder / "course.toml")


def test_the_rule_stands_in_the_courses_settings(tmp_path):
    assert read(PATH).late is None
    assert read_course(tmp_path, LATE).late == LateRule(
        DEADLINE.replace(second=0), "Europe/Berlin", percent_a_day=10
    )


def test_the_rule_is_told_in_words_to_students_too():
    shown = RULE._replace(latest_days=3).describe()
    assert shown == (
        "2018-01-15 23:59 CET; each day that has begun costs 1.5 points; "
        "nothing counts after 3 days"
    )
    assert f"The deadline: {shown}." in make_readme(
        COURSE._replace(late=RULE._replace(latest_days=3))
    )
    assert "The deadline" not in make_readme(COURSE)


def test_the_handout_says_where_to_hand_in_if_the_course_does():
    assert "Hand in at: Moodle, Sheet 6." in make_readme(
        COURSE._replace(hand_in_at="Moodle, Sheet 6")
    )
    assert "Hand in at" not in make_readme(COURSE)


def test_a_package_that_is_missing_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    def need_a_package(args):
        raise ModuleNotFoundError("No module named 'psutil'", name="psutil")

    monkeypatch.setattr("grading.__main__.run_report", need_a_package)
    assert command_line(["report", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the package psutil is not installed here: python -m pip install -r grading/" in line


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Europe/Berlin", "Berlin", "timezone must be one like Europe/Berlin, not 'Berlin'"),
        ("2018-01-15 23:59:00", '"soon"', "deadline must be a date and a time"),
        ("2018-01-15 23:59:00", "2018-01-15", "deadline must be a date and a time"),
        ("percent_a_day = 10", "percent_a_day = -1", "percent_a_day must be a number from 0"),
        ("percent_a_day", "points_a_day = 1\npercent_a_day", "choose one of them"),
        ("percent_a_day = 10", "grace_days = 1.5", "grace_days must be a whole number from 0"),
        ("percent_a_day", "percent_an_hour", "no setting 'percent_an_hour', only deadline"),
        ("deadline = 2018-01-15 23:59:00", "", "deadline is missing"),
        ("2018-01-15 23:59:00", "15.01.2018 23:59", "a date is like 2018-01-15 23:59:00"),
        ("percent_a_day = 10", "percent_a_day = 0.1", "write 10 for 10 %"),
        ("percent_a_day = 10", "grace_days = 1", "does not say what a day costs"),
    ],
)
def test_an_impossible_rule_is_refused_in_a_line(old, new, reason, tmp_path):
    assert old in LATE
    with pytest.raises(CourseError, match=reason):
        read_course(tmp_path, LATE.replace(old, new))


# --- feedback -----------------------------------------------------------------------------------


class TextOf(HTMLParser):
    """The text that a page shows."""

    def __init__(self, page):
        super().__init__()
        self.text, self._hidden = "", False
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, _):
        self.tags.append(tag)
        self._hidden = tag in ("style", "title", "script")

    def handle_endtag(self, _):
        self._hidden = False

    def handle_data(self, data):
        self.text += "" if self._hidden else data


def test_feedback_is_text_that_reads_as_it_is():
    text = feedback.make_text(make_entry())
    assert REASON in text
    assert "\\" not in text
    assert max(map(len, text.splitlines())) <= feedback.WIDTH
    assert not re.search(r"\S {5}", text)
    assert text.splitlines()[0] == "Group 11111_22222_33333: 10 of 15 points"
    assert "    0/5  (d) LSTM, unrolled" in text


def test_feedback_is_a_page_of_its_own():
    page = TextOf(feedback.make_page(make_entry()))
    assert REASON in page.text
    assert not {"b", "script", "link", "img"} & set(page.tags)


@given(st.text(max_size=200))
def test_no_reason_becomes_markup(reason):
    entry = make_entry()
    entry.result.verdict["d"]["reasons"] = {"equation": [f"<{reason}"]}
    plain = TextOf(feedback.make_page(make_entry()))
    assert TextOf(feedback.make_page(entry)).tags == plain.tags


def test_who_has_no_verdict_is_told_so():
    for make in (feedback.make_text, feedback.make_page):
        assert "You need not do anything." in make(make_entry(status=OUR_FAULT))


# --- the code -----------------------------------------------------------------------------------


def test_the_code_is_shown_beside_its_reasons(tmp_path):
    source = "class MyLSTMCell:\n    def __init__(self): ...\n\n    def __call__(self): '<b>&'\n"
    file = tmp_path / "book" / CODE / "11111_22222_33333" / LSTM
    file.parent.mkdir(parents=True)
    file.write_text(source)
    book = write_book(tmp_path / "book")
    assert f'href="{CODE}/11111_22222_33333.html"' in (book / "overview.html").read_text()
    assert f"{CODE}/44444_55555_66666.html" not in (book / "overview.html").read_text()
    page = (book / CODE / "11111_22222_33333.html").read_text()
    shown = TextOf(page)
    assert source in shown.text
    assert REASON in shown.text
    assert page.count('<a href="#d">') == 1
    assert '<i id="d">    def __call__' in page
    assert "(a)" not in shown.text  # BasicRNNCell.py is not there


def test_each_part_leads_to_the_function_of_its_own_file(tmp_path):
    folder = tmp_path / "book" / CODE / "11111_22222_33333"
    for file, source in read_reference().items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(source)
    page = (write_book(tmp_path / "book") / CODE / "11111_22222_33333.html").read_text()
    found = re.findall(r'<i id="(.)">\s*(?:def )?(\w+)', page)
    assert sorted(letter for letter, _ in found) == list(PARTS)
    assert all(PARTS[letter].where.rpartition(".")[2] == name for letter, name in found)
    sections = page.split("<h2>")[1:]
    for section in sections:
        file = section.partition("<")[0]
        assert {PARTS[letter].file for letter in re.findall(r'<i id="(.)">', section)} == {file}


def test_a_page_of_code_is_bounded_whatever_is_in_it(tmp_path):
    for file in SUBMITTED_FILES:
        path = tmp_path / "book" / CODE / "11111_22222_33333" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff<\x00" * 300_000 + b"\n<" * 300_000)
    page = write_book(tmp_path / "book") / CODE / "11111_22222_33333.html"
    assert page.stat().st_size < 100_000
    assert "The rest is not shown here" in page.read_text()


def test_totals_have_at_most_two_decimals(tmp_path):
    rows = "".join(f"11111,{part},0.{n},read\n" for n, part in enumerate("abcdefgh", start=1))
    book = write_book(tmp_path / "book", overrides=f"{HEADER}{rows}11111,late,1.23456,late\n")
    (row, *_) = read_book(book)
    assert (row["total"], row["late"]) == ("2.37", "1.23")


def test_the_median_is_of_those_whose_work_was_read():
    refused = [make_entry(name, status=REFUSED) for name in ("77777", "88888")]
    page = TextOf(overview.make_overview([make_entry(), *refused]))
    assert "could be read: 10 of 15" in " ".join(page.text.split())


def test_the_overview_counts_criteria():
    half = make_entry("77777_88888_99999")
    half.result.verdict["d"]["points"] = {"equation": 3, "state": 0, "graph": 1}
    page = TextOf(overview.make_overview([*CLASS, half]))
    text = " ".join(page.text.split())
    assert "(d) LSTM, unrolled 1 / 1 / 1" in text
    assert "equation (3) 2 / 1 state (1) 1 / 2 graph (1) 2 / 1" in text


def test_what_was_put_aside_is_linked():
    entry = make_entry()._replace(aside=("11111_22222_33333-1.pdf",))
    page = overview.make_overview([entry])
    assert '<a href="aside/11111_22222_33333-1.pdf">put aside: 11111_22222_33333-1.pdf</a>' in page
    assert '<a href="feedback/11111_22222_33333.html">feedback</a>' in page


def test_a_gradebook_of_many_groups_is_written_at_once_and_without_tensorflow(tmp_path):
    names = [f"{n}_{n + 1}_{n + 2}" for n in range(10_000, 10_300, 3)]
    write_book(tmp_path / "book", [make_entry(name) for name in names])
    code = (
        "import sys, time; from grading.__main__ import main; status = main(sys.argv[1:])\n"
        "print(status, time.process_time(), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "report", str(tmp_path / "book")]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    _, status, seconds, has_tensorflow = process.stdout.split()
    assert (status, has_tensorflow) == ("0", "False")
    assert float(seconds) < 1  # of a processor, whatever else the machine does


# --- spreadsheets -------------------------------------------------------------------------------


def test_a_german_spreadsheet_gets_its_commas_and_semicolons(tmp_path):
    book = write_book(tmp_path / "book", overrides=f"{HEADER}11111,d,4.5,right; nearly\n")
    assert command_line(["report", str(book), "--decimal", "comma", "--separator", ";"]) == 0
    (row, *_) = read_book(book, delimiter=";")
    assert (row["number"], row["d"], row["total"]) == ("11111", "4,5", "14,5")


def test_the_course_says_once_how_its_tables_are_written(tmp_path):
    (tmp_path / "course.toml").write_text(
        PATH.read_text().replace('"point"', '"comma"').replace('","', '";"')
    )
    course = read(tmp_path / "course.toml")
    assert (course.decimal, course.separator) == ("comma", ";")
    assert course.get_what_points_depend_on() == read().get_what_points_depend_on()


@given(st.lists(st.lists(st.text("a;,\"'\n\t=1.5"), min_size=2, max_size=2)))
def test_a_table_is_read_back_as_it_was_written(rows):
    rows = [[cell.strip() or "x" for cell in row] for row in rows]
    for separator in ",;":
        text = tables.make_table(["one", "two"], rows, separator)
        assert list(csv.reader(io.StringIO(text[1:], newline=""), delimiter=separator))[1:] == rows


def test_numbers_are_read_with_a_point_or_a_comma():
    assert tables.read_number("1,5") == tables.read_number("1.5") == 1.5
    assert tables.read_number("one") is None
    assert Form("comma").show(1.5) == "1,5"


def test_a_decision_that_changes_nothing_is_said(tmp_path, capsys):
    book = write_book(
        tmp_path / "book", overrides=f"{HEADER}11111,a,1,looks right\n11111,d,1,some\n"
    )
    capsys.readouterr()
    assert command_line(["report", str(book)]) == 0
    warning, summary = capsys.readouterr().err.splitlines()
    assert "overrides.csv changes nothing: (a) of 11111_22222_33333 has 1 without it" in warning
    assert summary == "grading: 1 decided by overrides.csv"
    feedback = (book / "feedback" / "11111_22222_33333.txt").read_text()
    assert "some" in feedback
    assert "looks right" not in feedback


def test_feedback_says_which_criterion_of_a_part_cost_what():
    entry = make_entry(lost="")
    entry.result.verdict["d"]["points"] = {"equation": 3, "state": 0, "graph": 1}
    assert "(d) LSTM, unrolled: equation 3/3, state 0/1, graph 1/1" in feedback.make_text(entry)
    assert ": equation" not in feedback.make_text(make_entry(lost="d"))

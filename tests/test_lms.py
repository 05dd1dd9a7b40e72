"""Tables for an LMS, read back as the importers of Moodle and Canvas read them."""

import csv
import io
import json
import shutil
import zipfile

import pytest

from grading import gradescope
from grading.__main__ import main as command_line
from grading.classroom.graded import CODE
from grading.classroom.result import OUR_FAULT
from grading.gradebook import feedback, gradebook
from tests.corpus.packing import SOLVED, pack_folder
from tests.test_gradebook import CLASS, HEADER, make_entry

TOTALS = {"11111": 10, "22222": 10, "33333": 10, "44444": 15, "55555": 15, "66666": 15}


@pytest.fixture
def book(tmp_path):
    """A gradebook of two groups, and one that has no points yet."""
    folder = tmp_path / "book"
    folder.mkdir()
    gradebook.write_gradebook([*CLASS, make_entry("77777_88888", status=OUR_FAULT)], folder)
    return folder


def export(*arguments):
    return command_line(["export", *map(str, arguments)])


# --- Moodle -------------------------------------------------------------------------------------

ENGLISH = {
    "header": [
        *("Identifier", "Full name", "ID number", "Email address", "Status", "Grade"),
        *("Maximum grade", "Grade can be changed", "Last modified (submission)"),
        *("Last modified (grade)", "Feedback comments"),
    ],
    "participant": "Participant ",
}
GERMAN = {
    "header": [
        *("ID", "Vollständiger Name", "ID-Nummer", "E-Mail-Adresse", "Status", "Bewertung"),
        *("Bestwertung", "Bewertung kann geändert werden", "Zuletzt geändert (Abgabe)"),
        *("Zuletzt geändert (Bewertung)", "Feedback als Kommentar"),
    ],
    "participant": "Teilnehmer/in",
}
STUDENTS = {
    501: ("Ada Lovelace", "11111"),
    502: ("Böhm, Jürgen_Kai", "22222"),
    503: ("=cmd|x", "44444"),
    504: ("Zoë O'Hara", "99999"),
    505: ("Not Graded", "77777"),
}
"""By Moodle's number, name and matriculation number."""


def make_worksheet(language, most="15.00", with_numbers=True):
    rows = [language["header"]]
    for participant, (name, number) in STUDENTS.items():
        rows.append(
            [
                *(f"{language['participant']}{participant}", name),
                *(number if with_numbers else "", f"s{number}@example.org", "Submitted", ""),
                *(most, "Yes", "Monday, 15 January 2018, 11:59 PM", "-", ""),
            ]
        )
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return "\ufeff" + text.getvalue()


def import_as_moodle_does(text, language):
    """Grades and comments by participant: columns by their names, numbers cut off at the front."""
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == language["header"]
    identifier, grade, comment = (rows[0].index(language["header"][n]) for n in (0, 5, 10))
    return {
        int(row[identifier][len(language["participant"]) :]): (row[grade], row[comment])
        for row in rows[1:]
    }


@pytest.mark.parametrize("language", [ENGLISH, GERMAN], ids=["English", "German"])
def test_moodles_worksheet_comes_back_filled_in(language, book, tmp_path, capsys):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(make_worksheet(language), encoding="utf-8")
    assert export(book, "moodle", "--table", sheet) == 0
    written = (book / "export" / "moodle-worksheet.csv").read_text(encoding="utf-8")
    found = import_as_moodle_does(written, language)
    assert {participant: grade for participant, (grade, _) in found.items()} == {
        **{501: "10", 502: "10", 503: "15"},
        **{504: "", 505: ""},  # in no group, and without points
    }
    assert found[501][1].startswith("(a) 1/1, (b) 2/2, (c) 2/2, (d) 0/5")
    assert found[504][1] == ""
    before = list(csv.reader(io.StringIO(make_worksheet(language)[1:])))
    after = list(csv.reader(io.StringIO(written)))
    untouched = [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [[row[n] for n in untouched] for row in after] == [
        [row[n] for n in untouched] for row in before
    ]
    warnings = capsys.readouterr().err
    assert "33333, 55555, 66666, 88888: not in sheet.csv" in warnings
    assert (
        "Zoë O'Hara (sheet.csv, line 5): in sheet.csv and in no group: they handed in" in warnings
    )
    assert "77777, 88888: without points yet" in warnings


def test_moodles_zip_has_a_page_for_each_student(book, tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(make_worksheet(GERMAN), encoding="utf-8")
    export(book, "moodle", "--table", sheet)
    found = {}
    with zipfile.ZipFile(book / "export" / "moodle-feedback.zip") as archive:
        for name in archive.namelist():
            part, *others = name.split("/")  # what follows is Moodle's is_valid_filename_for_import
            _, participant, kind, plugin, file = part.split("_", 4)
            assert not others
            assert not name.startswith((".", "~"))
            assert (kind, plugin) == ("assignsubmission", "file")
            found[int(participant)] = (file, archive.read(name).decode())
    assert set(found) == {501, 502, 503, 505}
    assert found[501] == found[502] == ("feedback.html", feedback.make_page(CLASS[0]))
    assert "You need not do anything" in found[505][1]


def test_students_are_found_by_their_mail_if_moodle_shows_no_numbers(book, tmp_path, capsys):
    sheet, students = tmp_path / "sheet.csv", tmp_path / "students.csv"
    sheet.write_text(make_worksheet(GERMAN, with_numbers=False), encoding="utf-8")
    assert export(book, "moodle", "--table", sheet) == 1
    assert "sheet.csv has none of the groups' numbers" in capsys.readouterr().err
    students.write_text("Matrikelnummer;E-Mail\n011111;S11111@example.org\n44444;x@example.org\n")
    assert export(book, "moodle", "--table", sheet, "--students", students) == 0
    written = (book / "export" / "moodle-worksheet.csv").read_text(encoding="utf-8")
    found = import_as_moodle_does(written, GERMAN)
    assert {n: grade for n, (grade, _) in found.items() if grade} == {501: "10"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (make_worksheet(GERMAN, most="100,00"), "line 2: Moodle's maximum grade is 100,00"),
        ("number,name\n1,Ada\n", "sheet.csv has no column Identifier or ID: download"),
        ("Identifier,Grade\nAda,\n", "line 2: there is no participant's number"),
    ],
)
def test_a_worksheet_of_something_else_is_refused_in_a_line(text, reason, book, tmp_path, capsys):
    (tmp_path / "sheet.csv").write_text(text, encoding="utf-8")
    assert export(book, "moodle", "--table", tmp_path / "sheet.csv") == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not list(book.glob("export/*"))


def test_moodles_gradebook_needs_no_worksheet(book):
    assert export(book, "moodle", "--assignment", "Sheet 6") == 0
    with (book / "export" / "moodle-gradebook.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["ID number", "Sheet 6", "Feedback"]
    assert {row["ID number"]: float(row["Sheet 6"]) for row in rows} == TOTALS


# --- Canvas -------------------------------------------------------------------------------------

CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Sheet 5 (41),Sheet 6 (42),Final Score
    Points Possible,,,,,20,15,(read only)
"Lovelace, Ada",901,11111,ada,Ex 1,20,,50
"Böhm, Jürgen",902,22222,jb,Ex 1,19,3,50
"Hara, Zoë",903,99999,zoe,Ex 2,18,4,50
"Student, Test",904,,,Ex 2,,,
"""


def import_as_canvas_does(text):
    """Scores of the only assignment by student: (Canvas's ID, SIS User ID), and its header."""
    assert not text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text)))
    header = rows[0]
    assert len(header) > 3
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert header[2:5] == ["SIS User ID", "SIS Login ID", "Section"]
    (assignment,) = header[5:]
    scores = {}
    for row in rows[1:]:
        if "Points Possible" in row[0]:
            assert float(row[5]) == 15
        else:
            scores[row[1], row[2]] = row[5]
    return assignment, scores


def test_canvass_gradebook_comes_back_filled_in(book, tmp_path, capsys):
    (tmp_path / "canvas.csv").write_text(CANVAS, encoding="utf-8")
    table = ["--table", tmp_path / "canvas.csv", "--assignment", "Sheet 6"]
    assert export(book, "canvas", *table) == 0
    written = (book / "export" / "canvas-gradebook.csv").read_text(encoding="utf-8")
    assert import_as_canvas_does(written) == (
        "Sheet 6 (42)",
        {("901", "11111"): "10", ("902", "22222"): "10", ("903", "99999"): "4", ("904", ""): ""},
    )
    assert "33333, 44444, 55555, 66666, 77777 and 1 more: not in canvas.csv" in (
        capsys.readouterr().err
    )


def test_canvas_needs_no_export_where_it_knows_the_numbers(book):
    assert export(book, "canvas", "--assignment", "Sheet 6") == 0
    assignment, scores = import_as_canvas_does(
        (book / "export" / "canvas-gradebook.csv").read_text(encoding="utf-8")
    )
    assert assignment == "Sheet 6"
    assert {number: float(score) for (_, number), score in scores.items()} == TOTALS


@pytest.mark.parametrize(
    ("change", "arguments", "reason"),
    [
        (("", ""), [], "canvas.csv: say by --assignment which one to fill in (Sheet 5, Sheet 6)"),
        (("", ""), ["--assignment", "Sheet 7"], "(Sheet 5, Sheet 6)"),
        (
            ("20,15,", "20,100,"),
            ["--assignment", "Sheet 6"],
            "line 2: the assignment has 100 points",
        ),
        (("Student,ID", "Name,ID"), [], "canvas.csv does not begin with Student,ID"),
    ],
)
def test_another_table_of_canvas_is_refused_in_a_line(
    change, arguments, reason, book, tmp_path, capsys
):
    (tmp_path / "canvas.csv").write_text(CANVAS.replace(*change), encoding="utf-8")
    assert export(book, "canvas", "--table", tmp_path / "canvas.csv", *arguments) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


# --- Gradescope ---------------------------------------------------------------------------------


def test_gradescopes_autograder_answers_with_the_classs_results(book, tmp_path, monkeypatch):
    pack_folder(SOLVED)(book / CODE, "11111_22222_33333")
    (book / "overrides.csv").write_text(f"{HEADER}11111,d,4.5,by hand\n")
    target = tmp_path / "autograder.zip"
    assert command_line(["gradescope", str(target), "--results", str(book)]) == 0
    shutil.unpack_archive(target, tmp_path / "source")
    monkeypatch.setattr(gradescope, "ROOT", tmp_path / "source")
    monkeypatch.setattr(gradescope, "check_sandbox", lambda _: None)
    monkeypatch.setattr(gradescope, "grade", lambda *_: pytest.fail("it is graded again"))
    pack_folder({**SOLVED, "notes.txt": b"from Gradescope"})(tmp_path, "submission")
    gradescope.run(tmp_path / "submission", tmp_path / "results")
    result = json.loads((tmp_path / "results" / "results.json").read_text())
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 14.5


def test_groups_with_the_same_files_are_not_mixed_up(book):
    for name in ("11111_22222_33333", "44444_55555_66666"):
        pack_folder(SOLVED)(book / CODE, name)
    assert gradescope.list_results(book) == {}


def test_who_is_in_two_groups_is_left_out_and_costs_nobody_else_an_export(book, tmp_path, capsys):
    records = json.loads((book / "class.json").read_text())
    records[0]["group"]["numbers"].append(records[1]["group"]["numbers"][0])
    (book / "class.json").write_text(json.dumps(records))
    contested = records[1]["group"]["numbers"][0]
    assert export(book, "moodle") == 0
    assert f"{contested} is in " in capsys.readouterr().err

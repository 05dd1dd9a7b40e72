"""What the points depend on: the oracle, the solution regions, the handout, the options."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import onnx.helper
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from grading.engine import builder, points
from grading.engine.bounds import Clock
from grading.engine.course import COURSE
from grading.engine.graphs import LoadedGraph
from grading.engine.layout import find_layout
from grading.engine.manifest import BUILD, GRADESCOPE, HANDOUT, JUDGE, ONE_GRADING, SUBMITTED_FILES
from grading.engine.parts import PARTS, TOTAL
from grading.engine.text import tell_apart
from grading.engine.verdict import lose_part
from grading.handout import handout
from grading.handout.regions import BEGIN, END, RegionError, fill, find_regions, strip
from grading.private import expected
from grading.private.oracle import MISTAKES, RIGHT, with_forget_bias
from grading.private.roles import NoRoleError, find_roles
from support.files import ROOT, find_files
from tests.corpus.entries import Entry, body
from tests.graded import cells

# --- the oracle, against implementations that are not ours --------------------------------------

BATCH, LENGTH, N_INP, N_OUT = 4, 6, 3, 5
right_lstm = next(e for e in RIGHT["MyLSTMCell"] if e.name == "" and e.nbr_biases == 1)


def draw(rng, equation):
    parameters = rng.normal(size=equation.get_shape(N_INP, N_OUT))
    x = rng.normal(size=[BATCH, LENGTH, N_INP])
    start = tuple(rng.normal(size=[BATCH, N_OUT]) for _ in range(equation.nbr_states))
    return parameters, x, start


def run_onnx(op, weights, x, start, **attributes):
    """Outputs [T, B, H] of ONNX's RNN or LSTM, for W, R and B as ONNX has them."""
    names = ["X", "W", "R", "B", "", "initial_h", "initial_c"][: 5 + len(start)]
    node = onnx.helper.make_node(op, names, ["Y"], hidden_size=N_OUT, **attributes)
    values = [x.swapaxes(0, 1), *weights, *(s[np.newaxis] for s in start)]
    feeds = dict(zip([n for n in names if n], [v.astype(np.float32) for v in values], strict=True))
    inputs = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, v.shape)
        for n, v in feeds.items()
    ]
    output = onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "g", inputs, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])
    return ReferenceEvaluator(model).run(None, feeds)[0][:, 0]


def as_onnx(parameters, order):
    """W [1, G H, I], R [1, G H, H] and B [1, 2 G H] of parameters [G, I + H + 1, H]."""
    gates = parameters[order]
    w, r, b = gates[:, :N_INP], gates[:, N_INP:-1], gates[:, -1]
    stacked = [np.concatenate(part.swapaxes(1, 2))[np.newaxis] for part in (w, r)]
    return [*stacked, np.concatenate([b.ravel(), np.zeros(b.size)])[np.newaxis]]


@pytest.mark.parametrize(("name", "activation"), [("linear", "Affine"), ("tanh", "Tanh")])
def test_the_basic_oracle_agrees_with_onnx(name, activation):
    equation = next(e for e in RIGHT["BasicRNNCell"] if e.name == name and e.nbr_biases == 1)
    parameters, x, start = draw(np.random.default_rng(1), equation)
    parameters *= 0.3
    linear = {"activation_alpha": [1.0], "activation_beta": [0.0]} if name == "linear" else {}
    outputs, _ = equation.run(parameters[np.newaxis], x, start)
    peer = run_onnx("RNN", as_onnx(parameters, [0]), x, start, activations=[activation], **linear)
    np.testing.assert_allclose(outputs[0], peer, rtol=1e-4, atol=1e-5)


def test_the_lstm_oracle_agrees_with_onnx():
    parameters, x, start = draw(np.random.default_rng(2), right_lstm)
    outputs, _ = right_lstm.run(parameters[np.newaxis], x, start)
    peer = run_onnx("LSTM", as_onnx(parameters, [0, 3, 2, 1]), x, start)
    np.testing.assert_allclose(outputs[0], peer, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("forget_bias", [1.0, 2.5])
def test_the_lstm_oracle_with_a_forget_bias_agrees_with_tensorflows_block_lstm(sess, forget_bias):
    equation = with_forget_bias(right_lstm, forget_bias)
    parameters, x, (h, c) = draw(np.random.default_rng(3), equation)
    outputs, (last_h, last_c) = equation.run(parameters[np.newaxis], x, (h, c))
    none = tf.zeros([N_OUT])
    peer = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(LENGTH, tf.int64),
        x=tf.constant(x.swapaxes(0, 1), tf.float32),
        cs_prev=tf.constant(c, tf.float32),
        h_prev=tf.constant(h, tf.float32),
        w=tf.constant(np.concatenate(parameters[:, :-1], axis=1), tf.float32),
        b=tf.constant(parameters[:, -1].ravel(), tf.float32),
        wci=none,
        wcf=none,
        wco=none,
        forget_bias=forget_bias,
        cell_clip=-1.0,
        use_peephole=False,
    )
    peer_h, peer_c = sess.run([peer.h, peer.cs])
    np.testing.assert_allclose(outputs[0], peer_h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(last_h[0], peer_h[-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(last_c[0], peer_c[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", RIGHT)
def test_no_mistake_gives_the_outputs_of_another_or_of_the_right_equation(cell):
    cases = expected.CASES[cell].values()
    rows = [
        (equation.name, [expected.run(equation, case) for case in cases])
        for equation in [*RIGHT[cell], *MISTAKES[cell]]
    ]
    for (name, ones), (other, others) in itertools.combinations(rows, 2):
        pairs = zip(ones, others, strict=True)
        assert name == other or any(np.abs(a - b).max() > 1e-3 for a, b in pairs), (name, other)


def test_the_public_tests_expect_what_the_oracle_gives():
    assert expected.is_current()


@given(constant=st.floats(-8, 8))
def test_the_public_tests_know_the_outputs_for_any_constant_of_the_forget_gate(constant):
    rows = cells.EXPECTED["MyLSTMCell"]["right"]
    for row, equation in zip(rows, RIGHT["MyLSTMCell"], strict=True):
        for where, case in (expected.EQUATION | expected.SIZES).items():
            outputs = cells.Fit(row, np.tanh(constant / 2)).expect(where)
            exact = expected.run(with_forget_bias(equation, constant), case)
            np.testing.assert_allclose(outputs, exact, atol=2e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_roles_are_found_in_any_order(seed):
    rng = np.random.default_rng(seed)
    equation = right_lstm
    shape = equation.get_shape(2, 3)
    order = rng.permutation(int(np.prod(shape)))
    x, start = rng.uniform(-1, 1, [5, 4, 2]), (np.zeros([5, 3]),) * 2

    def run(parameters):
        by_role = np.empty_like(parameters)
        by_role[order] = parameters
        return equation.run(by_role.reshape(1, *shape), x, start)[0][0]

    np.testing.assert_array_equal(find_roles(run, equation, shape, x, start, rng), order)


@pytest.mark.parametrize("mistake", MISTAKES["MyLSTMCell"], ids=lambda mistake: mistake.name)
def test_no_order_of_roles_explains_a_mistake(mistake):
    rng = np.random.default_rng(4)
    shape = mistake.get_shape(2, 3)
    x, start = rng.uniform(-1, 1, [5, 4, 2]), (np.zeros([5, 3]),) * 2

    def run(parameters):
        return mistake.run(parameters.reshape(1, *shape), x, start)[0][0]

    with pytest.raises(NoRoleError):
        find_roles(run, right_lstm, shape, x, start, rng)


@pytest.mark.parametrize(("n_inp", "n_out"), [(1, 1), (3, 4), (2, 40)])
def test_a_layout_is_found_whatever_holds_the_weights(n_inp, n_out):
    rng = np.random.default_rng(5)
    shape = right_lstm.get_shape(n_inp, n_out)
    order = rng.permutation(int(np.prod(shape)))
    with tf.Graph().as_default() as graph:
        numbers = tf.Variable(tf.zeros([order.size]))
        w = tf.reshape(tf.gather(numbers, order), shape)
        x, h, c = (tf.placeholder(tf.float32, s) for s in ([None, 1, n_inp], *[[None, n_out]] * 2))
        terms = tf.concat([x[:, 0], h, tf.ones_like(h[:, :1])], 1)
        i, j, f, o = tf.unstack(tf.einsum("br,grh->gbh", terms, w))
        output = tf.sigmoid(o) * tf.tanh(tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j))
        sent = []
        inputs = {"x": x, "state/hidden": h, "state/cell": c}
        builder.export(graph, inputs, {"outputs/0": output}, sent.append)
    loaded = LoadedGraph(sent[0], Clock())
    layout = find_layout(loaded, 1, n_inp, n_out, ("hidden", "cell"))
    gates = {tuple(gate.ravel()) for gate in order.reshape(shape)}
    assert {tuple(gate.ravel()) for gate in layout} == gates


def test_a_layout_that_is_none_is_not_found():
    with tf.Graph().as_default() as graph:
        w = tf.Variable(tf.zeros([3, 2]))
        x, h = tf.placeholder(tf.float32, [None, 1, 1]), tf.placeholder(tf.float32, [None, 2])
        output = tf.tanh(tf.square(x[:, 0]) @ w[:1] + h @ w[1:])  # no bias, and a square
        sent = []
        inputs = {"x": x, "state/hidden": h}
        builder.export(graph, inputs, {"outputs/0": output}, sent.append)
    assert find_layout(LoadedGraph(sent[0], Clock()), 1, 1, 2, ("hidden",)) is None


def test_numbers_are_told_apart():
    assert tell_apart(2.0041, 2.0042) == ["2.0041", "2.0042"]
    assert tell_apart([1, 2], [1, 2.5]) == ["1, 2", "1, 2.5"]
    assert tell_apart(1.0, 1.0 + 1e-9) == ["1", "1.000000001"]


# --- solution regions ---------------------------------------------------------------------------

MARKED = f"""def f():
    x = 1
    # Part (e): write it.
    {BEGIN}
    y = 2
    return x + y
    {END}
"""


def test_a_region_becomes_a_line_that_raises():
    assert strip(MARKED, "f.py", "e") == (
        "def f():\n"
        "    x = 1\n"
        "    # Part (e): write it.\n"
        '    raise NotImplementedError("part (e): write f")\n'
    )


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (MARKED.replace(BEGIN, "pass"), r"f\.py:7: this region has no mark of its beginning"),
        (MARKED.replace(END, "pass"), r"f\.py:4: this region has no mark of its end"),
        (MARKED.replace("y = 2", BEGIN), r"f\.py:5: a region begins within the one of line 4"),
        (MARKED.replace(BEGIN, "## BEGIN SOLUTION"), r"f\.py:4: .* is almost a mark"),
        (MARKED.replace(END, "### end solution"), r"f\.py:7: .* is almost a mark"),
        (MARKED.replace("Part (e)", "Write"), r"f\.py:4: there is no comment"),
        (MARKED.replace("(e)", "(f)"), r"f\.py:4: part \(f\) does not belong in this file"),
        (MARKED.split("    # Part")[0], r"f\.py: part \(e\) must have a region here"),
        (MARKED.replace("x = 1", "x = = 1"), r"f\.py:2: "),
    ],
)
def test_wrong_marks_are_errors_that_name_file_and_line(source, complaint):
    with pytest.raises(RegionError, match=complaint):
        strip(source, "f.py", "e")


@given(st.lists(st.sampled_from([BEGIN, END, "# Part (e): write it.", "x = 1"]), max_size=9))
def test_either_all_marks_are_gone_or_it_is_an_error(lines):
    try:
        stripped = strip("\n".join(lines) + "\n", "f.py", "e" if BEGIN in lines else "")
    except RegionError:
        return
    assert "SOLUTION" not in stripped
    assert lines.count(BEGIN) == lines.count(END) == stripped.count("NotImplementedError")


def test_the_regions_of_the_solution_are_what_the_parts_ask_for():
    found = {
        (region.part, region.function)
        for file in SUBMITTED_FILES
        for region in find_regions((ROOT / file).read_text(), file)
    }
    assert found == {(letter, part.where) for letter, part in PARTS.items()}


# --- the handout --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zipped_handout(tmp_path_factory):
    """The handout, written as a course does, which checks its points."""
    target = tmp_path_factory.mktemp("course") / "exercise.zip"
    process = run_python("-m", "grading", "handout", target)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == f"wrote {target}\n"
    assert [path.name for path in target.parent.iterdir()] == ["exercise.zip"]
    return target


@pytest.fixture(scope="module")
def unzipped_handout(zipped_handout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(zipped_handout) as archive:
        archive.extractall(folder)
    return folder / "exercise"


def run_python(*arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_handout_has_no_solution_no_private_test_and_no_leftovers(unzipped_handout):
    files = {path.relative_to(unzipped_handout).as_posix() for path in unzipped_handout.rglob("*")}
    assert {"README.md", "main.py", "tests/graded/test_cells.py"} < files
    assert {path.name for path in (unzipped_handout / "grading").iterdir()} == {
        "__init__.py",
        "engine",
    }
    private = ("private", "oracle", "test_equations", "corpus", "cache")
    assert not any(word in file for file in files for word in private)
    for file in SUBMITTED_FILES:
        solution, source = (tree / file for tree in (ROOT, unzipped_handout))
        for region in find_regions(solution.read_text(), file):
            lines = solution.read_text().splitlines()[region.begin + 1 : region.end]
            assert "\n".join(lines) not in source.read_text()


def test_the_handout_lints_clean(unzipped_handout):
    rules = f"--config={ROOT / 'pyproject.toml'}"
    for command in (["check"], ["format", "--check"]):
        process = run_python("-m", "ruff", *command, rules, ".", cwd=unzipped_handout)
        assert process.returncode == 0, process.stdout


@pytest.mark.parametrize(
    ("cell", "gap"), [("basic", "(a): write BasicRNNCell"), ("lstm", "(c): write MyLSTMCell")]
)
def test_the_program_of_the_handout_names_the_first_gap(unzipped_handout, cell, gap, tmp_path):
    process = run_python(
        "main.py", "--cell", cell, "--task", "sin", "--out-dir", tmp_path, cwd=unzipped_handout
    )
    assert process.returncode == 1
    (error,) = process.stderr.splitlines()
    assert error.startswith(f"main.py: error: part {gap}.__init__, in rnn_cells/")
    assert error.endswith("shows what is not solved yet, part by part)")


@pytest.fixture
def solved_handout(unzipped_handout, tmp_path):
    """A handout in which all but (g) is solved."""
    folder = shutil.copytree(unzipped_handout, tmp_path / "solved")
    for file in SUBMITTED_FILES:
        (folder / file).write_text(strip_part("g", (ROOT / file).read_text(), file))
    return folder


def strip_part(part, source, file):
    """A file in which one part is not solved."""
    if PARTS[part].file != file:
        return source
    return fill(source, file, part, f'raise NotImplementedError("part ({part})")')


def test_what_is_handed_in_is_looked_at_and_packed(solved_handout):
    (solved_handout / "answers.pdf").write_bytes(b"%PDF-1.4")
    pictures = ["runs/sin-lstm/inside.png", "runs/memory-lstm/inside.png"]
    for picture in pictures:
        (solved_handout / picture).parent.mkdir(parents=True)
        (solved_handout / picture).touch()
    arguments = ["33333", "11111", "22222", "--with", "answers.pdf", *pictures]
    process = run_python("-m", "handin", *arguments, cwd=solved_handout)
    assert (process.returncode, process.stderr) == (0, "")
    lines = process.stdout.splitlines()
    assert lines[7] == "(g) 0/1  loss of the memory task: not solved yet: part (g)"
    named = ["answers.pdf", "sin-lstm-inside.png", "memory-lstm-inside.png"]
    assert lines[-3:] == [
        "    14/15  by the public tests",
        f"packed: {', '.join([*SUBMITTED_FILES, *named])}",
        "wrote 11111_22222_33333.zip: hand in this file, or go on: points are missing (1)",
    ]
    with zipfile.ZipFile(solved_handout / "11111_22222_33333.zip") as archive:
        assert sorted(archive.namelist()) == sorted([*SUBMITTED_FILES, *named])
        content = archive.read("train.py").decode()
        assert content == (solved_handout / "train.py").read_text()
    process = run_python("-m", "handin", "11111", "22222", "33333", cwd=solved_handout)
    assert process.returncode == 1
    assert process.stderr == (
        "handin: error: 11111_22222_33333.zip is there already, with answers.pdf,"
        " memory-lstm-inside.png, sin-lstm-inside.png: name this again after --with, or remove the"
        " archive\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["11111", "22222"], "a group has 3 to 4 members, and 2 of them are given"),
        (["1", "22222", "33333"], "1 is no matriculation number: it has 5 to 7 digits"),
        (["11111", "11111", "22222"], "a number is there twice"),
        (["11111", "22222", "33333", "--with", "train.py"], "train.py is no file of these kinds"),
        (["11111", "22222", "33333", "--with", "no.pdf"], "there is no file no.pdf"),
        (["--with", "no.pdf", "11111", "22222", "33333"], "give the group's numbers first"),
        (["11111", "22222", "33333"], "train.py:1: invalid syntax"),
    ],
)
def test_what_cannot_be_handed_in_is_said_in_a_line(arguments, reason, unzipped_handout, tmp_path):
    folder = shutil.copytree(unzipped_handout, tmp_path / "handout")
    if "syntax" in reason:
        (folder / "train.py").write_text("def (\n")
    process = run_python("-m", "handin", *arguments, cwd=folder)
    assert process.returncode == 1
    assert process.stderr.startswith(f"handin: error: {reason}")
    assert process.stderr.count("\n") == 1
    assert not list(folder.glob("*.zip"))


def test_the_handouts_readme_says_all_that_a_student_needs():
    readme = handout.make_readme(COURSE)
    for text in ("c_t = f_t ⊙ c_{t-1} + i_t ⊙ j_t", "␣ ␣ ␣ ␣ ␣ ␣ ␣ 3 1 4", "python -m handin"):
        assert text in readme
    assert "Groups of 3 to 4 hand in one archive" in readme
    assert "Groups of 2 to 2" in handout.make_readme(COURSE._replace(members=(2, 2)))


def test_the_handouts_readme_names_the_courses_points_and_norm():
    readme = handout.make_readme(COURSE)
    for letter, part in PARTS.items():
        assert f"| {letter} | {part.points:g} |" in readme
    assert f"Eight gaps, {TOTAL:g} points." in readme
    assert f"global norm at {COURSE.clip_norm:g} |" in readme
    assert "global norm at 1 |" in handout.make_readme(COURSE._replace(clip_norm=1.0))


def test_a_handout_is_not_written_over_anything(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    process = run_python("-m", "grading", "handout", tmp_path)
    assert process.returncode == 1
    assert process.stderr.splitlines() == [
        f"grading: error: {tmp_path} is there already: remove it, or choose another name"
    ]


def test_a_handout_of_other_points_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "_run_check", lambda check, report: 14.0)
    with pytest.raises(handout.HandoutError, match="the blank handout, by its own tests: 14 po"):
        handout.write_handout(tmp_path / "exercise")
    assert list(tmp_path.iterdir()) == []


# --- what is needed where -----------------------------------------------------------------------


def test_one_grading_needs_no_solution_and_nothing_that_only_presents():
    needed = find_files(*ONE_GRADING, without=SUBMITTED_FILES)
    assert find_files(*BUILD, *JUDGE, without=SUBMITTED_FILES).keys() <= needed.keys()
    assert needed.keys() <= find_files(*GRADESCOPE, without=SUBMITTED_FILES).keys()
    elsewhere = ("gradebook", "handout", "archives", "classroom/groups", "corpus", "overview")
    assert not any(word in file for file in needed for word in elsewhere)


def test_the_judge_sees_none_of_what_only_the_builder_is_given():
    assert not find_files("data.py", "rnn_cells").keys() & find_files(*JUDGE).keys()


# --- another course -----------------------------------------------------------------------------


def test_a_course_that_clips_at_another_norm_gives_its_solution_all_points(tmp_path):
    for file, path in find_files("pyproject.toml", *HANDOUT).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / file)
    for file in ("grading/engine/course.toml", "train.py"):
        text = (tmp_path / file).read_text()
        changed = re.sub(r"(clip_norm(: float)? = )5\.0", r"\g<1>1.0", text)
        assert changed != text
        (tmp_path / file).write_text(changed)
    for file in {*SUBMITTED_FILES} - {"train.py"}:
        (tmp_path / file).unlink()
    process = run_python(
        *["-m", "pytest", "-p", "no:cacheprovider", "tests/graded", "-k", "train_op"],
        *[f"--submission={tmp_path}", "--gradescope=points.json"],
        cwd=tmp_path,
        COLUMNS="40",
    )
    assert process.returncode == 0, process.stdout
    report = json.loads((tmp_path / "points.json").read_text())
    scores = {test["number"]: test["score"] for test in report["tests"]}
    assert scores["f.1"] + scores["f.2"] == PARTS["f"].points
    table = process.stdout[process.stdout.index("= points =") :].splitlines()[1:-1]
    assert max(map(len, table)) <= 40
    assert next(line for line in table if line.startswith("e ")).split()[1] == "-/1"  # unchecked


def test_a_run_of_some_tests_shows_no_reason_for_what_it_did_not_check():
    verdict = {letter: lose_part(letter, points.NOT_CHECKED) for letter in PARTS}
    verdict["b"]["points"]["equation"] = 1
    verdict["b"]["reasons"]["equation"] = []
    verdict["d"]["reasons"]["equation"] = ["wrong"]
    rows = {row[0]: row[2:] for row in points.make_table(verdict)}
    assert rows["a"] == ["-/1", points.NOT_CHECKED]
    assert rows["b"] == ["1/2", "the rest is not checked in this run"]
    assert rows["d"] == ["0/5", "wrong"]


# --- pytest's options ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """What pytest says of a submission whose mean squared error is a sum."""
    folder = tmp_path_factory.mktemp("graded") / "submission"
    entry = Entry("", (body("e", "return tf.reduce_sum((tf.concat(outputs, 1) - y) ** 2)"),))
    for name, content in entry.get_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "conftest.py").write_text("raise RuntimeError('never imported')")
    report = folder.parent / "results.json"
    process = run_python(
        *["-m", "pytest", "-p", "no:cacheprovider", f"--submission={folder}"],
        *[f"--gradescope={report}", f"--junitxml={report.with_suffix('.xml')}"],
    )
    return process, report


def test_pytest_ends_with_a_table_of_the_points(graded):
    process, _ = graded
    assert process.returncode == 1
    table = process.stdout[process.stdout.index("= points =") :].splitlines()
    assert table[1].split() == ["part", "points", "why"]
    rows = {line[0]: line for line in table if line[:1].isalpha() and line[1:2] == " "}
    assert list(rows) == list(PARTS)
    assert "0/1" in rows["e"]
    assert "it is the sum over all" in " ".join(" ".join(table).split())  # it may be wrapped
    assert any(line.split()[:2] == ["total", f"{TOTAL - 1}/{TOTAL}"] for line in table)


def test_gradescopes_report_has_each_criterion(graded):
    report = json.loads(graded[1].read_text())
    assert report["score"] == TOTAL - 1
    assert isinstance(report["execution_time"], float)
    assert sum(test["max_score"] for test in report["tests"]) == TOTAL
    assert sum(test["score"] for test in report["tests"]) == TOTAL - 1
    (lost,) = [test for test in report["tests"] if test["status"] == "failed"]
    assert lost["number"] == "e.1"
    assert "it is the sum over all entries" in lost["output"]
    assert all(test["visibility"] == "visible" for test in report["tests"])


def test_junit_has_the_tests_too(graded):
    assert 'failures="' in graded[1].with_suffix(".xml").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--submission=/nowhere"], "--submission: there is no folder /nowhere"),
        (["tests/graded", "--submission", "."], "write --submission=DIR with an equals sign"),
    ],
)
def test_wrong_options_are_answered_in_a_line(arguments, complaint):
    process = run_python("-m", "pytest", "-p", "no:cacheprovider", *arguments)
    assert process.returncode == 4
    assert f"ERROR: {complaint}" in process.stderr

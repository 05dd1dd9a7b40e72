"""Works that are alike: what a disguise does not change, and what the class has in common."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading.__main__ import main as command_line
from grading.classroom.graded import CODE
from grading.engine.parts import LSTM
from grading.handout.handout import make_students_version
from grading.similar import features
from grading.similar.features import Feature, Given, list_features, read_given
from grading.similar.pairs import LEAST_PARTS, TELLING, find_pairs
from support.files import ROOT
from tests.corpus.copies import (
    list_styles,
    make_originals,
    measure_alike,
    read_course,
    remove_marks,
)
from tests.corpus.disguise import disguise
from tests.corpus.packing import pack_folder
from tests.corpus.right import RIGHT

BLANK = "def step(x, h, w):\n    raise NotImplementedError\n"
PLAIN = """def step(x, h, w):
    z = tf.matmul(tf.concat([x, h], 1), w)
    i, f = tf.split(z, 2, 1)
    return tf.nn.sigmoid(f) * h + tf.tanh(i)
"""


def list_kinds(source):
    """What a function computes."""
    found = list_features({"x.py": source.encode()}, read_given({"x.py": BLANK}, {"x.py": BLANK}))
    return {feature.what for feature in found}


@pytest.mark.parametrize(
    "disguised",
    [
        PLAIN.replace("z", "alpha").replace("    i, f", "    # the gates\n    i, f"),
        PLAIN.replace("tf.nn.sigmoid(f) * h + tf.tanh(i)", "tf.math.tanh(i) + h * tf.sigmoid(f)"),
        PLAIN.replace("tf.nn.sigmoid(f) * h +", "tf.add(tf.sigmoid(f) * h,").replace(
            "tf.tanh(i)", "tf.tanh(i))"
        ),
        PLAIN.replace("i, f = tf.split(z, 2, 1)", "i = z[:, :9]\n    f = z[:, 9:]"),
        PLAIN.replace(
            "    return tf.nn.sigmoid(f) * h + tf.tanh(i)",
            "    b = tf.tanh(i)\n    s = tf.sigmoid\n    return tf.identity(s(f)) * h + b",
        ),
        PLAIN.replace("tf.nn.sigmoid(f)", "gate(f)")
        + "\ndef gate(value):\n    '''Squashes.'''\n    return tf.nn.sigmoid(value)\n",
        PLAIN.replace("    i, f = tf.split(z, 2, 1)", "    n = 9")
        .replace(
            "    return tf.nn.sigmoid(f) * h + tf.tanh(i)",
            "    part = lambda k: z[:, k * n : (k + 1) * n]\n"
            "    return h * tf.sigmoid(part(1)) + tf.tanh(part(0))",
        )
        .replace("n = 9", "n = h.shape[1]"),
        PLAIN.replace(
            "    return tf.nn.sigmoid(f) * h",
            "    gates = [tf.sigmoid(g) for g in (f,)]\n    return gates[0] * h",
        ),
    ],
    ids=["names", "order", "words", "slices", "variables", "helper", "lambda", "comprehension"],
)
def test_a_disguise_does_not_change_what_is_computed(disguised):
    assert disguised != PLAIN
    assert list_kinds(disguised) == list_kinds(PLAIN)


def test_another_computation_has_other_features():
    assert list_kinds(PLAIN.replace("tf.tanh(i)", "tf.tanh(f)")) != list_kinds(PLAIN)
    assert list_kinds(PLAIN.replace("tf.tanh(i)", "tf.nn.relu(i)")) != list_kinds(PLAIN)
    assert list_kinds(PLAIN.replace("* h", "- h")) != list_kinds(PLAIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tf.losses.mean_squared_error(x, h)", "tf.reduce_mean(tf.square(h - x))"),
        ("tf.matmul(tf.concat([x, h], 1), w)", "tf.matmul(h, w) + tf.matmul(x, w)"),
        ("tf.reduce_mean(tf.squared_difference(x, h))", "tf.reduce_mean((x - h) ** 2)"),
        ("tf.reduce_sum(x * h) / tf.size(x)", "tf.reduce_mean(h * x)"),
        ("tf.nn.xw_plus_b(x, w, h)", "tf.nn.bias_add(tf.matmul(x, w), h)"),
        ("tf.train.AdamOptimizer(w).minimize(h)", "OPTIMIZERS['adam'](w).minimize(h)"),
        ("np.argmax(np.stack(x), -1)", "np.stack(x, 0).argmax(axis=2)"),
        ("tf.sigmoid(tf.tanh(x) - 1.5)", "tf.sigmoid(tf.tanh(x) + SHIFT)"),
        ("np.argmax(x.T)", "np.argmax(x)"),
    ],
    ids=[
        *("loss", "concat", "square", "mean", "xw_plus_b", "optimizer", "method"),
        *("shift", "transposed"),
    ],
)
def test_the_same_in_other_operations_is_alike(one, other):
    head = "OPTIMIZERS = {'adam': tf.train.AdamOptimizer}\nSHIFT = 1.5\n"
    head += "def step(x, h, w):\n    return "
    first, second = list_kinds(head + one), list_kinds(head + other)
    assert len(first & second) >= len(first | second) / 2


def test_a_loop_is_a_comprehension():
    loop = "    y = []\n    for t in x:\n        y.append(tf.tanh(t))\n    return tf.stack(y)\n"
    listed = "    return tf.stack([tf.tanh(t) for t in x])\n"
    head = "def step(x, h, w):\n"
    assert list_kinds(head + loop) == list_kinds(head + listed) != set()


def test_a_default_that_is_written_out_does_not_count():
    head = "def step(x, h, w):\n    return tf.tanh(tf.zeros([9]"
    assert list_kinds(head + ") + x)") == list_kinds(head + ", dtype=tf.float32, name='z') + x)")


def test_a_sum_that_grows_is_the_sum_of_a_list():
    head, loop = "def step(x, h, w):\n", "    for t in x:\n"
    grows = f"    n = 0\n{loop}        n += tf.size(tf.tanh(t)) * 5\n    return n\n"
    listed = f"    n = []\n{loop}        n.append(tf.size(tf.tanh(t)) * 5)\n    return sum(n)\n"
    first, second = list_kinds(head + grows), list_kinds(head + listed)
    assert len(first & second) >= len(first | second) / 2


def test_what_the_solution_does_does_not_count():
    given = read_given({"x.py": BLANK}, {"x.py": PLAIN})
    assert not list_features({"x.py": PLAIN.encode()}, given)
    other = PLAIN.replace("tf.tanh(i)", "tf.nn.relu(i)").encode()
    found = {feature.what for feature in list_features({"x.py": other}, given)}
    assert "relu" in found
    assert "tanh" not in found
    assert "sigmoid" not in found


def test_what_was_handed_out_does_not_count():
    handout = BLANK + "def given(x):\n    return tf.reduce_mean(tf.square(x))\n"
    source = PLAIN + "    \ndef given(x):\n    return tf.reduce_mean(tf.square(x))\n"
    given = read_given({"x.py": handout}, {"x.py": handout})
    found = list_features({"x.py": source.encode()}, given)
    assert not any("reduce_mean" in feature for feature in found)
    assert any("sigmoid" in feature for feature in found)


@pytest.mark.parametrize(
    "source",
    [
        "def step(:\n  tf.matmul(a, b) + tf.tanh(c) * tf.sigmoid(d)\n",
        "def step(x):\n    return " + "+".join(["x"] * 30_000),
        "def step(x):\n"
        + "".join(f"    x = (x, x)  # {n}\n" for n in range(500))
        + "    return x+x",
        "def step(x):\n    a(x)\n"
        + "".join(f"def {c}(x):\n" + f"    {d}(x)\n" * 300 for c, d in ("ab", "bc", "cd"))
        + "def d(x):\n    return x + x\n",
        "def step(x):\n    return x + 9" + "9" * 400,
        "def step(x):\n    y = x + x\n" + "    y = y + y\n" * 60,
        "def a(x):\n    return [" + "1, " * 9000 + "]\n" + "def b(): a(1)\n" * 300,
        "(" * 5000,
        "\0\xff" * 1000,
    ],
    ids=[
        "no Python",
        "deep",
        "doubling",
        "calls",
        "a large number",
        "a long sum",
        "many functions",
        "brackets",
        "bytes",
    ],
)
def test_whatever_is_handed_in_is_read_in_a_moment(source):
    list_features({"x.py": source.encode()}, {"x.py": Given(["step"], frozenset())})


@given(st.binary(max_size=200))
def test_any_bytes_have_features(content):
    list_features({"x.py": content}, {"x.py": Given(["step"], frozenset())})


def test_steps_are_bounded(monkeypatch):
    monkeypatch.setattr(features, "MAX_STEPS", 100)
    many = "def step(x):\n" + "    x = tf.tanh(x)\n" * 1000
    found = list_features({"x.py": many.encode()}, {"x.py": Given(["step"], frozenset())})
    assert max(line for where in found.values() for _, line in where) < 100


def make_work(*names, parts=LEAST_PARTS):
    return {
        Feature(f"part {part}", name): frozenset({("x.py", 1)})
        for name in names
        for part in range(parts)
    }


OWN = [f"own {n}" for n in range(round(TELLING))]


def test_what_many_have_is_no_evidence():
    common = [f"common {n}" for n in range(100)]
    works = {f"honest {n}": make_work(*common, f"{n}") for n in range(30)}
    works |= {"first": make_work(*OWN, *common), "second": make_work(*OWN, *common)}
    (pair,) = find_pairs(works)
    assert (pair.first, pair.second) == ("first", "second")
    assert pair.alike == pytest.approx(1)
    assert pair.shared == make_work(*OWN).keys()


def test_one_part_alone_is_not_alike():
    alone = make_work(*OWN, parts=1)
    assert find_pairs({"first": alone, "second": alone}) == []


def test_a_short_work_is_not_alike():
    few = make_work(OWN[0])
    assert find_pairs({"first": few, "second": few}) == []


@pytest.fixture(scope="module")
def given():
    return read_course()


@pytest.fixture(scope="module")
def styles(given):
    return list_styles(given)


def test_right_solutions_in_other_styles_are_not_alike(styles):
    assert len(styles) == len(RIGHT)
    assert find_pairs(styles) == []


@pytest.mark.parametrize("seed", range(4))
def test_disguised_copies_are_found_and_others_are_not(seed, styles, given):
    original, other = make_originals(random.Random(seed))
    assert measure_alike((original, disguise(original, seed)), styles, given) > 0.5
    assert measure_alike((original, other), styles, given) == 0


def test_the_command_lists_pairs_with_both_texts(tmp_path, capsys):
    first, second = make_originals(random.Random(1))
    first[LSTM] += b"# <script>alert(1)</script>\n"
    for name, files in {"11111": first, "22222": second, "33333": disguise(first, 1)}.items():
        pack_folder(files)(tmp_path / CODE, name)
    assert command_line(["similar", str(tmp_path)]) == 0
    line, page = capsys.readouterr().out.splitlines()
    assert line.split()[1:] == ["11111", "33333"]
    text = (tmp_path / "similar.html").read_text()
    assert str(tmp_path / "similar.html") == page
    assert text.count("<details>") == 1
    assert text.count("<mark>") > 20
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


def test_the_same_file_is_told_but_not_that_of_the_handout(tmp_path, capsys):
    first, second = make_originals(random.Random(1))
    blank = make_students_version("train.py", (ROOT / "train.py").read_text()).encode()
    for name, files in {"11111": first, "22222": second, "33333": second}.items():
        copied = {**files, LSTM: first[LSTM].replace(b"\n", b"\r\n"), "train.py": blank}
        pack_folder(copied if name == "22222" else {**files, "train.py": blank})(
            tmp_path / CODE, name
        )
    assert command_line(["similar", str(tmp_path)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("the same")]
    assert f"the same {LSTM}: 11111, 22222" in told
    assert not any("train.py" in line for line in told)
    page = (tmp_path / "similar.html").read_text()
    assert f"<li>{LSTM}: 11111, 22222</li>" in page


def test_the_courses_solution_is_told_even_without_its_marks(tmp_path, capsys):
    (copied, other) = make_originals(random.Random(1))
    copied["train.py"] = remove_marks("train.py", (ROOT / "train.py").read_text()).encode()
    pack_folder(copied)(tmp_path / CODE, "11111")
    pack_folder(other)(tmp_path / CODE, "22222")
    assert command_line(["similar", str(tmp_path)]) == 0
    assert "the same train.py: 11111, the course's solution\n" in capsys.readouterr().out


def test_a_gradebook_without_code_is_refused_in_a_line(tmp_path, capsys):
    assert command_line(["similar", str(tmp_path)]) == 1
    assert "grade the class again" in capsys.readouterr().err

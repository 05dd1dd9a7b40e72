"""Mutants of right solutions: they are made as they should be, and the truth about them is true."""

import ast
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from grading.engine.parts import PARTS
from support.imports import importing_tensorflow
from tests import oracle
from tests.corpus.mutants import examination
from tests.corpus.mutants.choose import choose
from tests.corpus.mutants.examination import Examined, Kept
from tests.corpus.mutants.originals import get_originals
from tests.corpus.mutants.report import (
    ELSEWHERE,
    KEPT,
    LOST,
    SPEECHLESS,
    UNDECIDABLE,
    find,
    make_table,
)

with importing_tensorflow():
    from tests.corpus.mutants.truth import equations, judge


@pytest.fixture(scope="module")
def mutants():
    return choose(200)


def test_mutants_are_python_and_each_is_another(mutants):
    for mutant in mutants:
        ast.parse(mutant.text)
        assert mutant.text != mutant.original.text
    assert len({(m.original.file, m.text) for m in mutants}) == len(mutants) == 200


def test_all_parts_and_operators_take_turns(mutants):
    by_part = Counter(mutant.original.part for mutant in mutants)
    assert by_part == dict.fromkeys(PARTS, 25)
    assert len({mutant.operator for mutant in mutants}) == 14


def test_fewer_mutants_are_the_first_of_more():
    assert choose(10, "eg") == choose(30, "eg")[:10]


def test_the_equations_are_those_of_the_other_oracle():
    """Which is checked against ONNX and TensorFlow."""
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=[2, 4, 3]), rng.normal(size=[2, 5]), rng.normal(size=[2, 5])
    weights = rng.normal(size=[4, 9, 5])
    w, b = np.concatenate(weights[:, :-1], axis=1), weights[:, -1].ravel()
    outputs, final = equations.unroll(equations.lstm(0.0), weights, x, (h, c))
    expected, *states = oracle.lstm(x, h, c, w, b)
    np.testing.assert_allclose(outputs, expected, rtol=1e-9)
    np.testing.assert_allclose(final, states, rtol=1e-9)
    outputs, final = equations.unroll(equations.basic("tanh"), weights[:1], x, (h,))
    expected, state = oracle.basic_rnn(x, h, weights[0, :-1], weights[0, -1], np.tanh)
    np.testing.assert_allclose(outputs, expected, rtol=1e-9)
    np.testing.assert_allclose(final, [state], rtol=1e-9)


def test_derivatives_are_those_of_small_differences():
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=[2, 4, 3]), rng.normal(size=[2, 5]), rng.normal(size=[2, 5])
    weights = rng.normal(size=[4, 9, 5])

    def compute(weights, x, h, c):
        outputs, _ = equations.unroll(equations.lstm(1.0), weights, x, (h, c))
        return (outputs[-1] ** 2).sum(axis=(-1, -2))

    for number, derivative in enumerate(equations.differentiate(compute, weights, x, h, c)):
        for index in list(np.ndindex(derivative.shape))[::7]:
            arguments = [[a.copy() for a in (weights, x, h, c)] for _ in range(2)]
            for some, step in zip(arguments, (1e-6, -1e-6), strict=True):
                some[number][index] += step
            ahead, behind = (compute(*some) for some in arguments)
            assert derivative[index] == pytest.approx((ahead - behind) / 2e-6, abs=1e-7)


CHANGES = [
    ("a", "right", "glorot_uniform_initializer()", "random_uniform_initializer(-0.3, 0.3)"),
    ("a", "wrong", "tf.orthogonal_initializer()", "tf.zeros_initializer()"),
    ("a", "undecidable", "recurrent_block], 0)", "0.2 * recurrent_block], 0)"),
    ("b", "right", "tf.matmul(hidden, w_hidden)", "tf.matmul(hidden, tf.transpose(w_hidden))"),
    ("b", "wrong", "tf.matmul(hidden, w_hidden)", "tf.matmul(tf.stop_gradient(hidden), w_hidden)"),
    ("c", "wrong", "[n_inp + n_out, 4 * n_out]", "[n_inp + n_out + 2, 4 * n_out]"),
    ("d", "right", "i, j, f, o = tf.split", "f, o, i, j = tf.split"),
    ("d", "wrong", "tf.sigmoid(f) * cell", "tf.sigmoid(f) * tf.clip_by_value(cell, -3.0, 3.0)"),
    ("e", "right", "tf.square(predictions - truth)", "tf.square(truth - predictions)"),
    ("e", "wrong", "tf.square(predictions - truth)", "tf.abs(predictions - truth)"),
    ("e", "fails", "tf.square(predictions - truth)", "tf.square(predictions, - truth)"),
    ("f", "right", "OPTIMIZERS[optimizer](lr)", "tf.train.MomentumOptimizer(lr, 0.8)"),
    (
        "f",
        "wrong",
        "tf.gradients(loss, variables), clip_norm",
        "tf.gradients(loss, variables), 4.9",
    ),
    ("g", "wrong", "tf.reduce_mean(tf.nn.sparse", "tf.reduce_sum(tf.nn.sparse"),
    ("h", "right", "batch_loss * len(truth)", "batch_loss * truth.shape[0]"),
    ("h", "wrong", "batch_loss * len(truth)", "batch_loss"),
]
"""Part, what the change makes of the reference, the old text and the new."""


@pytest.mark.parametrize(("part", "outcome", "old", "new"), CHANGES)
def test_right_and_wrong_are_told_apart(part, outcome, old, new):
    reference = get_originals(part)[0]
    assert reference.text.count(old) == 1
    assert judge(reference.file, reference.text.replace(old, new), part).outcome == outcome


def test_findings_are_disagreements_of_truth_and_grade(mutants):
    mutant = next(m for m in mutants if m.original.part == "e")

    def get_kinds(outcome, lost, **reasons):
        grade = {"lost": lost, "points": {}, "reasons": reasons}
        examined = Examined(mutant, {"e": [outcome, ""]}, grade)
        return [kind for kind, _ in find(examined)]

    assert get_kinds("right", "") == get_kinds("wrong", "e") == get_kinds("fails", "e") == []
    assert get_kinds("right", "e") == [LOST]
    assert get_kinds("wrong", "") == get_kinds("fails", "") == [KEPT]
    assert get_kinds("wrong", "eg") == [ELSEWHERE]
    assert get_kinds("undecidable", "e") == [UNDECIDABLE]
    assert get_kinds("wrong", "e", e=["the grader itself failed here (…)"]) == [SPEECHLESS]


def test_only_what_is_not_known_is_examined(mutants, tmp_path, monkeypatch):
    asked = []

    def examine(task):
        asked.append(task)
        truth = {part: ["right", ""] for part in task["judged"]}
        return {"truth": truth, "grade": {"lost": "", "points": {}, "reasons": {}}}

    monkeypatch.setattr(examination, "examine", examine)
    for number in (5, 16):
        examined = examination.examine_all(
            mutants[:number], lambda: ThreadPoolExecutor(1), tmp_path
        )
        assert [some.mutant for some in examined] == mutants[:number]
        assert len(asked) == number
    assert {tuple(task["judged"]) for task in asked} == {*map(tuple, ("ab", "b", "cd", *"defgh"))}
    assert "| all " in make_table(examined)


def test_results_are_kept_although_the_last_line_is_broken(tmp_path):
    path = tmp_path / "truths.jsonl"
    Kept(path).keep("key", {"e": ["right", ""]})
    with path.open("a") as file:
        file.write('{"key": "bro')
    kept = Kept(path)
    assert kept.get("key") == {"e": ["right", ""]}
    kept.keep("another", 1)
    assert Kept(path).get("another") == 1

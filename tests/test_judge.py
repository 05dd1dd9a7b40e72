"""JUDGE against graphs that are made to break it, or to keep it from a verdict."""

import io
import json
import subprocess
import sys

import numpy as np
import psutil
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.core.framework.variable_pb2 import VariableDef

from grading.classroom import judging
from grading.classroom.judging import JudgeError, end_judges, judge_apart
from grading.engine.bounds import Clock
from grading.engine.build import MAX_SENT, _read_messages, build
from grading.engine.graphs import LoadedGraph
from grading.engine.operations import ALLOWED_OPERATIONS, MAX_NAME
from grading.engine.parts import PARTS
from grading.engine.process import start_python
from grading.engine.submission import Submission
from grading.engine.text import printable, printable_error
from grading.engine.verdict import MOST_REASONS, Question, get_reasons, lose_all, read
from grading.sandbox.limits import Limits
from grading.sandbox.runners import Bare
from support.files import ROOT

# --- what a graph may hold ----------------------------------------------------------------------


def make_meta(make_loss):
    """The graph of a loss of one placeholder, as BUILD sends it."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], name="x")
        loss = make_loss(x)
        meta = tf.train.export_meta_graph(graph=graph)
    meta.signature_def["probe"].inputs["x"].name = x.name
    meta.signature_def["probe"].outputs["loss"].name = loss.name
    return meta


def load(meta):
    return LoadedGraph(meta.SerializeToString(), Clock())


def fetch(meta):
    graph = load(meta)
    try:
        return graph.fetch(["loss"], {"x": np.ones(3)})
    finally:
        graph.close()


def rename_operation(meta):
    node = next(node for node in meta.graph_def.node if node.name == "Sum")
    node.name = "ā" * 3_000_000
    meta.signature_def["probe"].outputs["loss"].name = node.name


def rename_output(meta):
    meta.signature_def["probe"].outputs["x" * (MAX_NAME + 1)].name = "Sum"


def rename_variable(meta):
    variable = VariableDef(variable_name="x" * (MAX_NAME + 1), initializer_name="x")
    meta.collection_def["variables"].bytes_list.value.append(variable.SerializeToString())


def call_function_like_an_operation(meta):
    function = meta.graph_def.library.function.add()
    function.signature.name = "Sum"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (rename_operation, "a name in the graph has more than"),
        (rename_output, "a name in the graph has more than"),
        (rename_variable, "a name in the graph has more than"),
        (call_function_like_an_operation, "called like an operation of TensorFlow"),
    ],
)
def test_a_graph_with_such_names_is_not_loaded(change, reason):
    meta = make_meta(tf.reduce_sum)
    assert fetch(meta) == [3.0]
    change(meta)
    with pytest.raises(pytest.fail.Exception, match=reason) as failure:
        load(meta)
    assert len(failure.value.msg) < 200


@pytest.mark.parametrize(
    ("make_loss", "reason"),
    [
        (lambda x: tf.strings.format("{}", x, summarize=-1), "no numbers: it is of type string"),
        (lambda x: tf.complex(x, x), "no numbers: it is of type complex64"),
        (lambda x: tf.fill([3000, 3000], 1.0), "more than 4,194,304 numbers"),
    ],
)
def test_a_loss_that_is_no_loss_is_a_plain_reason(make_loss, reason, monkeypatch):
    monkeypatch.setattr(
        "grading.engine.operations.ALLOWED_OPERATIONS", ALLOWED_OPERATIONS | {"Complex"}
    )
    with pytest.raises(pytest.fail.Exception, match=reason):
        fetch(make_meta(make_loss))


def test_each_operation_that_is_run_is_one():
    assert not [name for name in ALLOWED_OPERATIONS if not hasattr(tf.raw_ops, name)]


# --- what comes back ----------------------------------------------------------------------------


def test_text_is_cut_before_it_is_looked_at():
    assert printable("a \x1b[2J\n\u202e b" + "x" * 10**8) == "a ?[2J ? b" + "x" * 390
    assert printable_error("<function f at 0x7fe2a0b1c2d0>") == "<function f at 0x…>"


def test_what_judge_answers_is_kept_within_bounds():
    verdict = lose_all("x" * 10**6)
    verdict["a"]["reasons"]["variables"] = [f"{n}" for n in range(99)]
    verdict["b"]["points"]["state"] = 10**9
    kept = read(json.dumps(verdict).encode())
    assert kept["a"]["reasons"]["variables"] == [f"{n}" for n in range(MOST_REASONS)]
    assert kept["b"]["points"]["state"] == PARTS["b"].criteria["state"]
    assert len(kept["c"]["reasons"]["variables"][0]) == 1000


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"a": 1}', b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_verdict_is_none(answer):
    with pytest.raises(ValueError, match=r".*"):
        read(answer)


def test_of_what_is_sent_only_so_much_is_kept():
    content = bytes(1 << 24)
    messages = b"".join(b"%s-%s.pb %d\n" % (*name, len(content)) + content for name in SENT)
    sent = {}
    _read_messages(io.BytesIO(messages), sent, MAX_SENT)
    assert list(sent) == ["b-call.pb", "b-long.pb", "b-again.pb"]


SENT = [(b"b", b"call"), (b"b", b"long"), (b"b", b"again"), (b"b", b"fixed")]

WAITING = """
import os, time

def send(name, content):
    print(name, len(content), flush=True)
    print(content, end="", flush=True)

send("ready", "")
send("e.json", '{"": {"error": "the first"}}')
while not os.path.exists("heard of it"):
    time.sleep(0.01)
os.abort()
"""
"""A builder that ends only when somebody has heard of its first part."""


def test_of_a_part_one_hears_as_soon_as_it_is_built(tmp_path):
    heard, folders = {}, []

    def start(arguments, folder):
        folders.append(folder)
        return start_python(["-c", WAITING], folder)

    def tell(part, probes):
        heard[part] = {probe.error for probe in probes.values()}
        (folders[0] / "heard of it").touch()

    submission = Submission({"train.py": b""}, {})
    built = build(submission, part_limit=20, start=start, scratch=tmp_path, tell=tell)
    assert heard == {"e": {"the first"}}
    assert {probe.error for probe in built.probes["e"].values()} == {"the first"}
    assert all("SIGABRT" in probe.error for probe in built.probes["g"].values())


# --- a verdict only if every test has reported --------------------------------------------------

TRIPPED = """
import pytest
from grading.engine import builder
from grading.engine.build import Build, Probe
from grading.engine.parts import PARTS
from grading.engine.verdict import Question
from grading.private.judge import NoVerdictError, judge

probes = {p: dict.fromkeys(builder.PROBES[p], Probe(error="not built")) for p in PARTS}

class Trips:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        if item.get_closest_marker("part").args[0] == "f" and %s:
            raise MemoryError

try:
    verdict = judge(Question(Build(probes, 0), 0, "efg"), (Trips(),))
    print(sorted({why for part in verdict.values() for w in part["reasons"].values() for why in w}))
except NoVerdictError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("trips", "outcome"),
    [("call.when == 'call'", "INTERNAL_ERROR"), ("False", "['not built', 'not checked in this")],
)
def test_there_is_no_verdict_if_a_test_does_not_report(trips, outcome):
    process = subprocess.run(
        [sys.executable, "-c", TRIPPED % trips],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert outcome in process.stdout


EXPLODING = """
from grading.engine.verdict import Question
from grading.private import judge, test_equations
from support.files import ROOT
from tests.corpus.grade import build_here

draw = test_equations.Fit.draw

def draw_large_weights(*arguments):
    parameters, x, start = draw(*arguments)
    return 3 * parameters, x, start

test_equations.Fit.draw = draw_large_weights
cell = "rnn_cells/BasicRNNCell.py"
build = build_here({cell: (ROOT / cell).read_bytes()}, "b")
verdict = judge.judge(Question(build, 1, "b"))
print(verdict["b"]["reasons"]["graph"])
"""
"""JUDGE, but the weights that it draws let the basic cell's state grow a millionfold."""


def test_a_right_cell_whose_state_explodes_loses_nothing():
    command = [sys.executable, "-c", EXPLODING]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"


# --- one submission after another -----------------------------------------------------------------

PLAYED = """
import os, time
from grading.engine.verdict import lose_all
from grading.private import judge, server

def play(question):
    if question.seed == 1:
        os.abort()
    if question.seed == 2:
        raise MemoryError
    if question.seed == 3:
        time.sleep(60)
    if question.seed == 4 and not os.fork():
        os.setpgid(0, 0)
        time.sleep(60)
    return lose_all(f"{os.getppid()} {os.getpid()}")

judge.judge = play
server.import_all = lambda: None  # it takes seconds, and nothing here needs it
server.main()
"""
"""JUDGE, but what it does follows from the seed."""


class Played(Bare):
    def start_judge(self):
        return self._start([sys.executable, "-c", PLAYED], ROOT, stdin=subprocess.PIPE)


@pytest.fixture(scope="module")
def ask():
    """Asks JUDGE; the answer is its process and that of the child, or what went wrong."""
    runner = Played(Limits())

    def ask(seed, seconds=30.0):
        try:
            verdict = judge_apart(Question(None, seed, "a"), runner, seconds)
        except JudgeError as error:
            return str(error)
        return tuple(map(int, get_reasons(verdict, "a")[0].split()))

    yield ask
    end_judges()


def test_tensorflow_and_the_tests_are_imported_before_the_first_fork():
    importing = "import sys; from grading.private.server import import_all; import_all()"
    asked = "{'tensorflow', 'tests.graded.test_losses', 'grading.private.test_equations'}"
    command = f"{importing}; print({asked} - set(sys.modules))"
    answer = subprocess.check_output([sys.executable, "-c", command], cwd=ROOT, text=True)
    assert answer == "set()\n"


def test_a_judge_forks_for_each_submission(ask):
    (judge, child), (same, other) = ask(0), ask(0)
    assert judge == same
    assert len({judge, child, other}) == 3
    assert not any(psutil.pid_exists(pid) for pid in (child, other))


@pytest.mark.parametrize(("seed", "status"), [(1, 134), (2, 1)])
def test_a_submission_that_crashes_its_judge_costs_no_other_a_verdict(ask, seed, status):
    judge, _ = ask(0)
    assert ask(seed) == f"the judge gave no verdict (exit status {status})"
    renewed, _ = ask(0)
    assert not psutil.pid_exists(judge)
    assert psutil.pid_exists(renewed)


def test_a_submission_that_takes_too_long_is_ended_with_its_judge(ask):
    judge, _ = ask(0)
    assert ask(3, seconds=1.0) == "the judge gave no verdict (it took too long)"
    assert not psutil.pid_exists(judge)


@pytest.mark.skipif(sys.platform != "linux", reason="nobody takes up what is left")
def test_that_the_judge_has_ended_is_told_alike_whether_its_pipe_or_its_process_is_seen_to(
    ask, monkeypatch
):
    monkeypatch.setattr(judging, "watch", lambda process, is_done, seconds: process.wait() is None)
    assert ask(4) == "the judge gave no verdict (exit status 1)"


@pytest.mark.skipif(sys.platform != "linux", reason="nobody takes up what is left")
def test_a_process_that_a_submission_leaves_ends_the_judge(ask):
    assert ask(4) == "the judge gave no verdict (exit status 1)"
    ask(0)


def test_a_judge_that_was_killed_while_it_waited_is_replaced(ask):
    judge, _ = ask(0)
    psutil.Process(judge).kill()
    psutil.wait_procs([psutil.Process(judge)], timeout=10)
    assert ask(0)[0] != judge


def test_a_judge_is_renewed_now_and_then(ask, monkeypatch):
    judge, _ = ask(0)
    monkeypatch.setattr(judging, "MOST_ASKED", 1)
    assert ask(0)[0] != judge

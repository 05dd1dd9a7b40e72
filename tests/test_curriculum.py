"""The curriculum over lags: its stages, stopping and continuing, and recall at any lag."""

import csv
import itertools
import json
import shlex

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import data
import experiment.curriculum
import experiment.evaluation
import experiment.lags
import experiment.model
import experiment.run
import main
import train
from experiment.curriculum import StageMetrics, find_stage, get_stage_settings, list_stages
from experiment.lags import choose_lags, measure_recall, plot_recall_by_lag
from experiment.model import build_network
from experiment.settings import PASSED, complete
from tests import oracle
from tests.experiments import draw_nothing

TINY = shlex.split(
    "--task memory --curriculum --blank-separation-len 12 --to-remember-len 2 --hidden-size 4"
    " --epochs 2 --train-size 20 --batch-size 10 --towers 1"
)
"""Stages of up to 5 and up to 12 blanks."""


def make_settings(**given):
    return complete({"task": "memory", "cell": "lstm", "curriculum": 4.0, **given})


def run(out_dir, line, *more):
    """Runs the program in this process; returns its exit status."""
    try:
        return main.main([*TINY, *line.split(), "--out-dir", str(out_dir), *more])
    except SystemExit as stop:
        return stop.code


def read_rows(out_dir):
    with (out_dir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small sets, and no pictures."""
    for module in (experiment.model, experiment.evaluation, experiment.lags):
        monkeypatch.setattr(module, "TEST_SIZE", 20)
    monkeypatch.setattr(experiment.model, "VALIDATION_SIZE", 10)
    draw_nothing(monkeypatch)


@pytest.fixture
def easy(monkeypatch):
    """Lets a network pass each stage after its first epoch, whatever it has learned."""
    monkeypatch.setattr(experiment.curriculum, "PASSED", 0.0)


# --- the stages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "growth", "stages"),
    [
        (40, 2.0, [5, 10, 20, 40]),
        (625, 5.0, [5, 25, 125, 625]),
        (45, 4.0, [5, 15, 45]),  # two equal jumps rather than 20 and a short one
        (5, 4.0, [5]),
        (3, 4.0, [3]),
        (7, 1.1, [5, 6, 7]),  # steps of less than one blank are none
        (1000, 1000.0, [5, 1000]),
    ],
)
def test_stages_by_hand(last, growth, stages):
    assert list_stages(make_settings(blank_separation_len=last, curriculum=growth)) == stages


@given(st.integers(1, 20_000), st.floats(1.01, 50))
def test_stages_grow_to_the_last_by_no_more_than_the_factor(last, growth):
    stages = list_stages(make_settings(blank_separation_len=last, curriculum=growth))
    assert stages[0] == min(5, last)
    assert stages[-1] == last
    for before, after in itertools.pairwise(stages):
        assert before < after <= growth * (before + 0.5) + 0.5  # whole numbers of blanks


def make_history(*stages):
    """A history of epochs, given by their stage and recall."""
    return [
        StageMetrics(epoch, 1.0, 1.0, 0.1, 1.0, blanks, recall)
        for epoch, (blanks, recall) in enumerate(stages, 1)
    ]


@pytest.mark.parametrize(
    ("history", "stage"),
    [
        ([], 5),
        ([(5, 0.2)], 5),
        ([(5, 0.2), (5, PASSED)], 10),
        ([(5, 1.0), (10, 0.9), (10, 0.9)], 10),
        ([(5, 1.0), (10, 0.9), (10, 0.9), (10, 0.9)], None),  # three epochs are its bound
        ([(5, 0.9), (5, 0.9), (5, 1.0)], 10),  # passed in the last epoch that it had
        ([(5, 1.0), (10, 1.0), (20, 0.9)], 20),
        ([(5, 1.0), (10, 1.0), (20, 1.0)], None),
    ],
)
def test_the_next_stage_follows_from_the_history(history, stage):
    settings = make_settings(blank_separation_len=20, curriculum=2.0, epochs=3)
    assert find_stage(settings, make_history(*history)) == stage


def test_the_learning_rate_falls_with_the_lag_unless_it_is_constant():
    falling = make_settings(blank_separation_len=500)
    rates = [get_stage_settings(falling, blanks).learning_rate for blanks in (5, 20, 500)]
    assert rates[0] == falling.learning_rate
    assert rates[0] > rates[1] > rates[2] > 0
    constant = make_settings(blank_separation_len=500, decay="constant", learning_rate=0.01)
    assert get_stage_settings(constant, 500).learning_rate == 0.01


def test_a_stage_draws_lags_within_its_range():
    settings = make_settings(blank_separation_len=100, min_blank_separation_len=10)
    ranges = [
        (stage.min_blank_separation_len, stage.blank_separation_len)
        for stage in (get_stage_settings(settings, blanks) for blanks in (5, 25, 100))
    ]
    assert ranges == [(5, 5), (10, 25), (10, 100)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--cell lstm --blank-separation-len 0", "raise --blank-separation-len"),
        ("--cell lstm --curriculum 1", "must be a number above 1, got 1"),
        ("--cell lstm --curriculum twice", "must be a number above 1, got twice"),
        ("--cell lstm --min-blank-separation-len 13", "(13) is more than --blank-separation-len"),
        ("--cell lstm --decay cosine", "--decay cosine needs a known number of steps"),
        ("--cell lstm --chrono --forget-bias 1", "leave out one of the two"),
    ],
)
def test_wrong_usage_is_a_line(tmp_path, capsys, line, message):
    assert run(tmp_path / "run", line) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--task sin --curriculum", "--curriculum does not apply to --task sin"),
        ("--task memory --decay lag", "--decay lag is for --curriculum alone"),
    ],
)
def test_a_curriculum_and_its_rates_go_together_with_the_memory_task(capsys, line, message):
    with pytest.raises(SystemExit, match="2"):
        main.main(["--cell", "lstm", *line.split()])
    assert message in capsys.readouterr().err


# --- a run --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "--cell lstm",
        "--cell lstm --forget-bias 1 --optimizer rmsprop",
        "--cell lstm --match-params --hidden-size 12 --decay constant",
        "--cell basic --recall-input truth",
        "--cell basic --activation tanh --unroll dynamic",
        "--cell basic --activation relu --min-blank-separation-len 12",
    ],
)
def test_a_run_goes_through_all_stages(tmp_path, capsys, easy, line):
    assert run(tmp_path, line) == 0
    rows = read_rows(tmp_path)
    assert [(row["epoch"], row["blanks"]) for row in rows] == [("1", "5"), ("2", "12")]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["last_stage"]["blanks"] == 12
    assert result["last_stage"]["recall"] == float(rows[-1]["recall"])
    lags, recalls = zip(*result["recall_by_lag"], strict=True)
    assert lags == (0, 1, 2, 5, 10, 12, 18, 24)
    for recall in (*recalls, result["recall_accuracy"]):
        assert 0 <= recall <= 1
    assert {path.name for path in tmp_path.iterdir()} >= {
        "config.json",
        "recall.png",
        "training.png",
        "model.ckpt-2.index",
    }
    assert "at 12 blanks" in capsys.readouterr().out


def test_a_stage_that_is_not_passed_ends_the_training_with_a_word(tmp_path, capsys):
    assert run(tmp_path, "--cell basic") == 0
    assert [row["blanks"] for row in read_rows(tmp_path)] == ["5", "5"]
    printed = capsys.readouterr().out
    assert "the curriculum ended at up to 5 blanks: after 2 epochs there" in printed
    assert "--resume with more --epochs" in printed
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["last_stage"]["passed"] is False
    assert [lag for lag, _ in result["recall_by_lag"][-3:]] == [12, 18, 24]


def test_a_training_that_ended_goes_on_with_more_epochs(tmp_path):
    assert run(tmp_path / "long", "--cell basic", "--epochs", "4") == 0
    assert run(tmp_path / "short", "--cell basic") == 0
    assert run(tmp_path / "short", "--cell basic", "--resume", "--epochs", "4") == 0
    ends = [(tmp_path / name / "metrics.csv").read_text() for name in ("long", "short")]
    assert ends[0] == ends[1]


def test_the_same_seed_gives_the_same_run_and_another_another(tmp_path, easy):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert run(tmp_path / name, f"--cell basic --seed {seed}") == 0
    metrics = [(tmp_path / name / "metrics.csv").read_text() for name in "abc"]
    assert metrics[0] == metrics[1] != metrics[2]


def test_tensorboard_gets_the_stage_and_the_recall(tmp_path, easy):
    assert run(tmp_path, "--cell basic --tensorboard") == 0
    shown = {
        (event.step, value.tag): value.simple_value
        for path in tmp_path.glob("events.out.tfevents.*")
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    for row in read_rows(tmp_path):
        for tag in ("train_loss", "gradient_norm", "learning_rate", "blanks", "recall"):
            assert shown[int(row["epoch"]), tag] == pytest.approx(float(row[tag]))


def test_one_progress_bar_shows_stage_recall_and_loss(tmp_path, monkeypatch, easy):
    shown = []

    class Recorder(experiment.run.tqdm):
        def set_postfix(self, values, refresh):
            shown.append((self.desc, values["loss"]))

    monkeypatch.setattr(experiment.run, "tqdm", Recorder)
    assert run(tmp_path, "--cell basic") == 0
    recall = float(read_rows(tmp_path)[0]["recall"])
    first, second = "stage 1/2, up to 5 blanks", "stage 2/2, up to 12 blanks"
    second = f"{second}, {recall:.1%} recalled"
    assert [desc for desc, _ in shown] == [first, first, second, second]
    assert all(np.isfinite(loss) for _, loss in shown)


# --- stopping and continuing --------------------------------------------------------------------


def read_end(out_dir):
    """All that must not depend on whether a run was stopped."""
    result = json.loads((out_dir / "result.json").read_text())
    del result["seconds"]
    variables = {
        name: tf.train.load_variable(str(out_dir), name).tolist()
        for name, _ in tf.train.list_variables(str(out_dir))
    }
    return result, variables, (out_dir / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The end of a run that was not stopped, which the first test that needs it makes."""
    return tmp_path_factory.mktemp("whole")


@pytest.mark.parametrize("stop", ["step 3", "step 4", "recall 2", "save 2", "evaluation"])
def test_a_stopped_run_ends_bit_for_bit_where_one_that_was_not_does(
    tmp_path, monkeypatch, easy, whole, stop
):
    """Stops within and after an epoch, between metrics and checkpoint, and after the training."""
    line = "--cell basic --optimizer adam"
    if not any(whole.iterdir()):
        assert run(whole, line) == 0
    what, _, number = stop.partition(" ")
    owner, name = {
        "step": (train.tqdm, "update"),
        "recall": (experiment.curriculum.test, "run_memory_test"),
        "save": (tf.train.Saver, "save"),
        "evaluation": (experiment.run, "evaluate"),
    }[what]
    function, calls = getattr(owner, name), itertools.count(1)

    def stopping(*arguments, **keywords):
        if next(calls) == int(number or 1):
            raise KeyboardInterrupt
        return function(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping)
        assert run(tmp_path, line) == 130
    assert run(tmp_path, line, "--resume") == 0
    assert read_end(tmp_path) == read_end(whole)


# --- recall at any lag --------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["basic", "lstm"])
@pytest.mark.parametrize("recall_input", ["blank", "truth"])
def test_the_walk_along_the_blanks_recalls_what_numpy_recalls(
    sess, monkeypatch, cell, recall_input
):
    """NumPy reads each sequence as a whole; the parts of the test set are 20 / 3."""
    monkeypatch.setattr(experiment.lags, "SEQUENCES_AT_A_TIME", 8)
    settings = make_settings(cell=cell, to_remember_len=3, recall_input=recall_input, towers=2)
    network = build_network(settings, 5)
    rng = np.random.default_rng(0)
    weights = {}
    for variable in tf.global_variables():
        weights[variable.op.name] = rng.normal(0, 0.5, variable.shape)
        variable.load(weights[variable.op.name], sess)
    lags = [0, 1, 4, 9]
    recalls = measure_recall(sess, network, settings, lags)

    name, equations, nbr_states = {
        "basic": ("BasicRNNCell", oracle.basic_rnn, 1),
        "lstm": ("MyLSTMCell", oracle.lstm, 2),
    }[cell]
    for lag, recall in zip(lags, recalls, strict=True):
        test_rng = data.get_rng(settings.seed, data.TEST)
        inputs, targets = data.draw_memory(test_rng, 20, 3, lag, recall_input=recall_input)
        state = [np.zeros([20, 5])] * nbr_states
        outputs, *_ = equations(
            np.eye(11)[inputs], *state, weights[f"{name}/W"], weights[f"{name}/b"]
        )
        logits = outputs[-3:] @ weights["RNNOutputWrapper/W"] + weights["RNNOutputWrapper/b"]
        expected = np.mean(targets[:, -3:] == np.argmax(logits, axis=2).T)
        assert recall == pytest.approx(expected)


@given(st.integers(1, 5000))
@hypothesis_settings(max_examples=20)
def test_lags_reach_from_none_to_twice_the_longest(longest):
    lags = choose_lags(longest)
    assert {0, longest, 2 * longest} <= set(lags)
    assert lags == sorted(set(lags))
    assert len(lags) <= 15


def test_the_figure_shades_what_was_trained(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda f, path, **_: drawn.append(f) or path.touch())
    points = [(0, 1.0), (10, 0.9), (20, 0.5)]
    plot_recall_by_lag(points, (0, 10), make_settings(blank_separation_len=10), tmp_path)
    (axes,) = drawn[0].axes
    curve, chance = axes.lines
    assert list(zip(*curve.get_data(), strict=True)) == points
    assert set(chance.get_ydata()) == {1 / 9}
    (trained,) = axes.patches
    assert (trained.get_x(), trained.get_x() + trained.get_width()) == (0, 10)
    assert (tmp_path / "recall.png").exists()


def test_the_validation_set_is_neither_test_nor_training():
    sets = [
        next(iter(data.generate_memory_data(50, 50, 8, 3, **keywords)))[1].numpy()
        for keywords in (
            {"training": False, "purpose": data.VALIDATION},
            {"training": False},
            {},
        )
    ]
    for one, other in itertools.combinations(sets, 2):
        assert not {row.tobytes() for row in one} & {row.tobytes() for row in other}

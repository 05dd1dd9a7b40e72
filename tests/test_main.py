"""The program from outside: what it leaves, what it prints, and how it fails."""

import csv
import dataclasses
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import experiment.evaluation
import experiment.model
import experiment.run
import main
import test
import train
from experiment.checkpoints import get_finished_epochs
from experiment.folder import RunFolder
from experiment.memory import SLOTS, estimate
from experiment.settings import TRAINING_DEFAULTS, complete, name_option
from support.files import ROOT
from support.terminal import name_python
from tests.experiments import draw_nothing, make_small

PAIRS = [(task, cell) for task in ("sin", "memory") for cell in ("basic", "lstm")]
TINY = shlex.split("--epochs 3 --train-size 20 --batch-size 8 --hidden-size 4 --towers 1")


def run(out_dir, line, *more):
    """Runs the program in this process; returns its exit status."""
    try:
        return main.main([*line.split(), "--out-dir", str(out_dir), *more])
    except SystemExit as stop:
        return stop.code


def start(out_dir, line, *more, **keywords):
    """Starts the program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "main.py", *line.split(), "--out-dir", str(out_dir), *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"},
        **keywords,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def only_line(text):
    """Returns the text, which must be one line: an error without a traceback."""
    assert text.startswith("main.py: "), text
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


@pytest.fixture(autouse=True)
def small_experiments(monkeypatch):
    make_small(monkeypatch)


@pytest.fixture(autouse=True)
def quick_pictures(request, monkeypatch):
    """Draws pictures only if a test looks at them."""
    if "real_pictures" not in request.fixturenames:
        draw_nothing(monkeypatch)


@pytest.fixture
def real_pictures():
    """Lets a run draw its pictures."""


# --- what a run leaves --------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "cell"), PAIRS)
def test_a_run_leaves_all_that_is_known_of_it(tmp_path, capsys, real_pictures, task, cell):
    assert run(tmp_path / "new" / "run", f"--task {task} --cell {cell} --seed 7", *TINY) == 0
    out_dir = tmp_path / "new" / "run"
    plot, figure = {
        "sin": ("continuation.png", "continuation_mse"),
        "memory": ("recall.png", "recall_accuracy"),
    }[task]
    assert sorted(path.name for path in out_dir.iterdir()) == sorted(
        [
            "checkpoint",
            "config.json",
            "inside.png",
            "metrics.csv",
            "model.ckpt-3.data-00000-of-00001",
            "model.ckpt-3.index",
            "result.json",
            "training.png",
            plot,
        ]
    )
    for picture in (plot, "training.png", "inside.png"):
        assert (out_dir / picture).read_bytes().startswith(b"\x89PNG")
    result = json.loads((out_dir / "result.json").read_text())
    assert {key: result[key] for key in ("task", "cell", "seed", "epochs")} == {
        "task": task,
        "cell": cell,
        "seed": 7,
        "epochs": 3,
    }
    n_inp = n_out = {"sin": 1, "memory": 11}[task]
    gates = {"basic": 1, "lstm": 4}[cell]
    in_cell, in_readout = gates * ((n_inp + 4) * 4 + 4), 4 * n_out + n_out
    assert result["parameters"] == {
        "cell": in_cell,
        "readout": in_readout,
        "trainable": in_cell + in_readout,
        "total": in_cell + in_readout,
    }
    rows = list(csv.DictReader((out_dir / "metrics.csv").open()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert float(rows[-1]["train_loss"]) == result["train_loss"]
    assert float(rows[-1]["validation_loss"]) == pytest.approx(result["test_loss"])  # of 50 both
    for key in ("seconds", "train_loss", "test_loss", figure):
        assert np.isfinite(result[key])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"{in_cell + in_readout:,} parameters" in printed.out
    assert str(out_dir / plot) in printed.out.splitlines()[-1]
    assert str(out_dir / "training.png") in printed.out.splitlines()[-1]
    assert str(out_dir / "inside.png") in printed.out.splitlines()[-1]


def test_the_memory_task_prints_a_sequence_and_the_guess_without_memory(tmp_path, capsys):
    assert run(tmp_path, "--task memory --cell basic --to-remember-len 3", *TINY) == 0
    printed = capsys.readouterr().out
    assert "␣ ␣ ␣ ␣ ␣ # ␣ ␣ ␣ → ␣ ␣ ␣ ␣ ␣ ␣ ␣ ␣ ␣ " in printed
    assert f"a guess without memory has {3 * np.log(9) / 12:.4f}" in printed


def test_each_sequence_can_have_a_lag_of_its_own(tmp_path, capsys):
    line = "--cell lstm --task memory --to-remember-len 2 --min-blank-separation-len 0"
    assert run(tmp_path, line, *TINY) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    lengths = [2 * 2 + nbr_blanks + 1 for nbr_blanks in range(6)]
    expected = np.mean([2 * np.log(9) / length for length in lengths])
    assert result["memoryless_loss"] == pytest.approx(expected)
    assert 0 <= result["recall_accuracy"] <= 1
    assert len(result["example"]["sequence"].split(" → ")[1].split()) in lengths


@pytest.mark.parametrize("more", ["--towers 1", "--towers 3", "--unroll dynamic"])
def test_how_a_network_is_run_changes_nothing_but_rounding(tmp_path, more):
    line = "--cell lstm --task memory --blank-separation-len 3"
    assert run(tmp_path / "a", line, *TINY, "--towers", "2") == 0
    assert run(tmp_path / "b", line, *TINY, *more.split()) == 0
    a, b = (np.loadtxt(tmp_path / name / "metrics.csv", delimiter=",", skiprows=1) for name in "ab")
    np.testing.assert_allclose(a, b, rtol=1e-3)


def test_config_json_is_enough_to_run_it_again(tmp_path):
    line = "--task memory --cell lstm --learning-rate 0.02 --recall-input truth --chrono"
    assert run(tmp_path / "a", line, *TINY) == 0
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    flags = []
    for name, value in config.items():
        if value is True:
            flags.append(name_option(name))
        elif value not in (None, False):
            flags += [name_option(name), str(value)]
    assert run(tmp_path / "b", shlex.join(flags)) == 0
    for name in ("config.json", "metrics.csv"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()


def test_the_checkpoint_holds_the_network_that_was_tested(tmp_path):
    assert run(tmp_path, "--task sin --cell lstm", *TINY) == 0
    names = {name for name, _ in tf.train.list_variables(str(tmp_path))}
    assert {"MyLSTMCell/W", "MyLSTMCell/b", "RNNOutputWrapper/W", "RNNOutputWrapper/b"} <= names


@pytest.mark.parametrize(("task", "cell"), [("sin", "lstm"), ("memory", "basic")])
def test_the_same_seed_gives_the_same_run_and_another_another(tmp_path, task, cell):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert run(tmp_path / name, f"--task {task} --cell {cell} --seed {seed}", *TINY) == 0
    metrics = [(tmp_path / name / "metrics.csv").read_text() for name in "abc"]
    assert metrics[0] == metrics[1] != metrics[2]


def test_tensorboard_gets_its_summaries(tmp_path):
    assert run(tmp_path, "--task sin --cell basic --tensorboard", *TINY) == 0
    (events,) = tmp_path.glob("events.out.tfevents.*")
    steps = {
        (event.step, value.tag)
        for event in tf.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert steps == {
        (epoch, tag)
        for epoch in (1, 2, 3)
        for tag in ("train_loss", "gradient_norm", "learning_rate", "validation_loss")
    }


def test_a_new_run_leaves_nothing_of_the_one_before(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert run(tmp_path, "--task memory --cell basic --tensorboard", *TINY) == 0
    assert run(tmp_path, "--task sin --cell basic", *TINY, "--epochs", "2") == 0
    left = {path.name for path in tmp_path.iterdir()}
    assert "recall.png" not in left
    assert not any("model.ckpt-3" in name or "events" in name for name in left)
    assert (tmp_path / "notes.txt").read_text() == "mine"


# --- equal parameters ---------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "symbols"), [("sin", 1), ("memory", 11)])
def test_match_params_gives_the_largest_lstm_within_the_budget(tmp_path, capsys, task, symbols):
    assert (
        run(tmp_path, f"--task {task} --cell lstm --match-params", *TINY, "--hidden-size", "30")
        == 0
    )
    result = json.loads((tmp_path / "result.json").read_text())

    def basic(h):
        return h * (symbols + h) + h + h * symbols + symbols

    def lstm(h):
        return 4 * (h * (symbols + h) + h) + h * symbols + symbols

    size = result["hidden_size"]
    assert result["parameters"]["total"] == lstm(size) <= basic(30) < lstm(size + 1)
    assert "no more parameters than a basic network of 30 hidden units" in capsys.readouterr().out


def test_match_params_needs_a_budget(tmp_path, capsys):
    assert run(tmp_path, "--task sin --cell lstm --match-params --hidden-size 1") == 1
    assert "raise --hidden-size" in only_line(capsys.readouterr().err)


# --- continuing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "--task sin --cell lstm --optimizer adam",
        "--task sin --cell basic --optimizer momentum --decay cosine",
        "--task memory --cell lstm --optimizer rmsprop",
        "--task memory --cell basic --recall-input truth",
        "--task memory --cell basic --hidden-size 128 --batch-size 100 --train-size 300",
    ],
)
def test_an_interrupted_run_ends_bit_for_bit_where_an_uninterrupted_one_does(
    tmp_path, monkeypatch, line
):
    start_line = " ".join([*TINY, line])  # the sizes in the line replace the tiny ones
    assert run(tmp_path / "whole", start_line) == 0

    one_pass = train.one_pass
    passes = []

    def interrupted(sess, it_init, fetches):
        passes.append(it_init)
        for number, values in enumerate(one_pass(sess, it_init, fetches)):
            if len(passes) == 2 and number == 1:
                raise KeyboardInterrupt
            yield values

    with monkeypatch.context() as patch:
        patch.setattr(train, "one_pass", interrupted)
        assert run(tmp_path / "resumed", start_line) == 130
    assert get_finished_epochs(tmp_path / "resumed") == 1
    assert run(tmp_path / "resumed", line, "--resume") == 0

    for name in ("metrics.csv", "config.json"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "resumed" / name).read_text()
    for name, _ in tf.train.list_variables(str(tmp_path / "whole")):
        ends = (tf.train.load_variable(str(tmp_path / part), name) for part in ("whole", "resumed"))
        np.testing.assert_array_equal(*ends)
    results = [json.loads((tmp_path / p / "result.json").read_text()) for p in ("whole", "resumed")]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]


def test_an_interrupt_before_the_start_does_not_offer_another_run(tmp_path, capsys, monkeypatch):
    assert run(tmp_path, "--task memory --cell basic", *TINY) == 0
    before = contents(tmp_path)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment.run, "build_model", interrupted)
    capsys.readouterr()
    assert run(tmp_path, "--task sin --cell basic", *TINY) == 130
    assert "nothing to continue from" in only_line(capsys.readouterr().err)
    assert contents(tmp_path) == before


def test_metrics_may_be_an_epoch_ahead_of_the_checkpoint(tmp_path, monkeypatch):
    line = "--task memory --cell basic"
    assert run(tmp_path / "whole", line, *TINY) == 0

    save = tf.train.Saver.save

    def interrupted(saver, sess, path, global_step, **keywords):
        if global_step == 2:
            raise KeyboardInterrupt
        save(saver, sess, path, global_step=global_step, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Saver, "save", interrupted)
        assert run(tmp_path / "resumed", line, *TINY) == 130
    assert len((tmp_path / "resumed" / "metrics.csv").read_text().splitlines()) == 1 + 2
    assert get_finished_epochs(tmp_path / "resumed") == 1
    assert run(tmp_path / "resumed", line, "--resume") == 0
    ends = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "resumed")]
    assert ends[0] == ends[1]


def test_a_longer_run_that_fails_leaves_no_result_of_the_shorter(tmp_path, monkeypatch):
    line = "--task memory --cell basic"
    assert run(tmp_path, line, *TINY) == 0

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "one_pass", interrupted)
    assert run(tmp_path, line, "--resume", "--epochs", "5") == 130
    assert get_finished_epochs(tmp_path) == 3
    assert not list(tmp_path.glob("*.png"))
    assert not (tmp_path / "result.json").exists()


def test_a_run_at_a_constant_rate_can_be_made_longer(tmp_path, capsys):
    line = "--task memory --cell lstm --decay constant"
    assert run(tmp_path / "long", line, *TINY, "--epochs", "5") == 0
    assert run(tmp_path / "short", line, *TINY) == 0
    capsys.readouterr()
    assert run(tmp_path / "short", line, "--resume", "--epochs", "5") == 0
    assert "note: the training continues after epoch 3\n" in capsys.readouterr().out
    assert run(tmp_path / "short", line, "--resume") == 0
    assert "only the tests are run again\n" in capsys.readouterr().out
    ends = [(tmp_path / name / "metrics.csv").read_text() for name in ("long", "short")]
    assert ends[0] == ends[1]


def test_ctrl_c_keeps_the_last_checkpoint_and_says_how_to_continue(tmp_path):
    def heed_interrupts():
        """A shell may run the tests in the background, where interrupts are ignored."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    line = "--task sin --cell basic"
    process = start(tmp_path, line, *TINY, "--epochs", "100000", preexec_fn=heed_interrupts)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "checkpoint").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"continue from the last finished epoch with: {name_python()} main.py" in only_line(
        error
    )
    assert error.rstrip().endswith("--resume")
    epochs = get_finished_epochs(tmp_path)
    assert epochs >= 1
    assert tf.train.load_variable(str(tmp_path), "BasicRNNCell/W").shape == (5, 4)
    assert not list(tmp_path.glob(".unfinished-*"))


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        RuntimeError(  # seen when it arrived while the iterator raised OutOfRangeError
            "pybind11::error_already_set: MISMATCH of original and normalized active exception "
            "types: ORIGINAL OutOfRangeError REPLACED BY KeyboardInterrupt: <EMPTY MESSAGE>"
        ),
    ],
)
def test_ctrl_c_is_known_also_in_what_tensorflow_makes_of_it(error, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise error

    monkeypatch.setattr(main, "run", interrupted)
    assert run(tmp_path, "--task sin --cell basic") == 130
    assert "interrupted" in only_line(capsys.readouterr().err)


# --- wrong usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--task sin", "required: --cell"),
        ("--cell gru --task sin", "invalid choice: 'gru'"),
        ("--cell lstm --task copy", "invalid choice: 'copy'"),
        ("--cell lstm --task sin --hidden-size 0", "must be a whole number from 1, got 0"),
        ("--cell lstm --task sin --batch-size -5", "must be a whole number from 1, got -5"),
        ("--cell lstm --task sin --epochs 0", "must be a whole number from 1, got 0"),
        ("--cell lstm --task sin --epochs 1.5", "must be a whole number from 1, got 1.5"),
        ("--cell lstm --task sin --seed -1", "must be a whole number from 0, got -1"),
        ("--cell lstm --task sin --learning-rate nan", "must be a positive number, got nan"),
        ("--cell lstm --task sin --learning-rate fast", "must be a positive number, got fast"),
        ("--cell lstm --task sin --forget-bias inf", "must be a finite number, got inf"),
        ("--cell lstm --task sin --learning-rate=-0.1", "must be a positive number, got -0.1"),
        ("--cell lstm --task sin --clip-norm 0", "must be a positive number, got 0"),
        ("--cell lstm --task sin --input-noise=-1", "must be a number from 0, got -1"),
        ("--cell lstm --task memory --to-remember-len 0", "must be a whole number from 1, got 0"),
        ("--cell lstm --task memory --blank-separation-len -1", "whole number from 0, got -1"),
        (
            "--cell lstm --task sin --activation tanh",
            "--activation does not apply to --task sin --cell lstm",
        ),
        (
            "--cell basic --task sin --match-params",
            "--match-params does not apply to --task sin --cell basic",
        ),
        ("--cell basic --task sin --num-digits 8", "--num-digits does not apply to --task sin"),
        ("--cell lstm --task sin --chrono --forget-bias 2", "leave out one of the two"),
        ("--cell lstm --task sin --epoch 3", "unrecognized arguments: --epoch"),
    ],
)
def test_wrong_usage_is_answered_with_status_2(tmp_path, capsys, line, message):
    assert run(tmp_path / "run", line) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("line", ["--help", "--cell gru --task sin"])
def test_tensorflow_is_not_imported_for_help_and_wrong_usage(line):
    program = (
        "import sys, main\n"
        "try: main.main(sys.argv[1:])\n"
        "except SystemExit: print('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", program, *line.split()]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert printed.endswith("False\n")


def test_help_shows_the_defaults_that_a_run_takes(tmp_path, capsys):
    assert run(tmp_path, "--help") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for (task, cell, activation), row in TRAINING_DEFAULTS.items():
        values = (
            "-" if value is None else str(value) for value in dataclasses.asdict(row).values()
        )
        assert " ".join(filter(None, [task, cell, activation, *values])) in printed


# --- failures -----------------------------------------------------------------------------------


def test_an_output_directory_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        assert run(out_dir, "--task sin --cell basic") == 1
        assert "is not a directory: give another --out-dir" in only_line(capsys.readouterr().err)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_output_directory_that_cannot_be_written(capsys):
    for out_dir in ("/proc/run", "/proc"):
        assert run(out_dir, "--task sin --cell basic") == 1
        assert "give another --out-dir" in only_line(capsys.readouterr().err)


def test_an_output_directory_that_tensorflow_would_take_for_a_pattern(tmp_path, capsys):
    assert run(tmp_path / "run[1]", "--task sin --cell basic") == 2
    assert "must be a path without * ? [ ]" in capsys.readouterr().err


def test_files_that_are_not_of_a_run_are_not_removed(tmp_path, capsys):
    (tmp_path / "checkpoint").write_text("of another program")
    assert run(tmp_path, "--task sin --cell basic", *TINY) == 1
    assert "give another --out-dir" in only_line(capsys.readouterr().err)
    assert (tmp_path / "checkpoint").read_text() == "of another program"


def test_two_runs_do_not_share_a_directory(tmp_path, capsys):
    assert run(tmp_path / "a", "--cell basic --task sin", *TINY) == 0
    before = contents(tmp_path / "a")
    with RunFolder(tmp_path / "a").locked():
        assert run(tmp_path / "a", "--cell basic --task sin", *TINY) == 1
        assert run(tmp_path / "a", "--cell basic --task sin --resume") == 1
        assert run(tmp_path / "b", "--cell basic --task sin", *TINY) == 0
    assert contents(tmp_path / "a") == before
    errors = capsys.readouterr().err.splitlines()
    assert all("another run is under way" in line for line in errors if "error" in line)
    assert sum("error" in line for line in errors) == 2
    assert run(tmp_path / "a", "--cell basic --task sin", *TINY) == 0  # it is free again


@pytest.mark.parametrize(
    ("line", "lower"),
    [
        ("--cell lstm --task sin --hidden-size 9000000", "--hidden-size"),
        ("--cell basic --task memory --hidden-size 2000000", "--hidden-size"),
        (
            "--cell lstm --task sin --batch-size 900000000 --train-size 900000000",
            "--batch-size or --num-samples or --hidden-size",
        ),
        (
            "--cell basic --task memory --batch-size 6400 --blank-separation-len 99999",
            "--batch-size or --blank-separation-len or --hidden-size",
        ),
    ],
)
def test_a_run_that_cannot_fit_into_memory_says_what_to_lower(tmp_path, capsys, line, lower):
    started = time.monotonic()
    assert run(tmp_path / "a", line) == 1
    assert time.monotonic() - started < 1
    assert only_line(capsys.readouterr().err).endswith(f"GiB are free: lower {lower}\n")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("task", "cell"), PAIRS)
def test_the_estimate_of_memory_counts_the_parameters_that_there_are(tmp_path, task, cell):
    settings = complete({"task": task, "cell": cell, "hidden_size": 7})
    assert run(tmp_path, f"--cell {cell} --task {task}", *TINY, "--hidden-size", "7") == 0
    total = json.loads((tmp_path / "result.json").read_text())["parameters"]["total"]
    copies = 2 + SLOTS[settings.optimizer]
    assert estimate(settings).parameters == 4 * copies * total


def test_a_run_that_cannot_start_leaves_the_one_before(tmp_path):
    assert run(tmp_path, "--task sin --cell lstm", *TINY) == 0
    before = contents(tmp_path)
    assert run(tmp_path, "--task sin --cell lstm --match-params --hidden-size 1") == 1
    assert contents(tmp_path) == before


def test_resuming_without_a_checkpoint(tmp_path, capsys):
    assert run(tmp_path / "none", "--task sin --cell basic --resume") == 1
    assert "without --resume" in only_line(capsys.readouterr().err)
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The folder in which the first test that needs a finished run leaves it for others."""
    return tmp_path_factory.mktemp("finished")


@pytest.fixture
def finished(template, tmp_path):
    """The directory of a finished run, the same for all that ask."""
    if not any(template.iterdir()):
        assert run(template, "--task sin --cell basic", *TINY) == 0
    return Path(shutil.copytree(template, tmp_path, dirs_exist_ok=True))


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("model.ckpt-3.data-00000-of-00001", damage),
        ("model.ckpt-3.data-00000-of-00001", lambda path: path.write_bytes(b"")),
        ("model.ckpt-3.data-00000-of-00001", lambda path: path.unlink()),
        ("model.ckpt-3.index", damage),
        ("model.ckpt-3.index", lambda path: path.write_bytes(b"")),
        ("checkpoint", lambda path: path.write_bytes(b"\x00\xff")),
        ("metrics.csv", lambda path: path.write_text("epoch,train_loss\n1,0.5\n")),
        ("metrics.csv", lambda path: path.unlink()),
        ("config.json", lambda path: path.write_text('{"task": ')),
        ("config.json", lambda path: path.write_text("[]")),
        ("config.json", lambda path: path.unlink()),
    ],
)
def test_resuming_what_is_damaged(finished, capsys, name, spoil):
    spoil(finished / name)
    before = contents(finished)
    capsys.readouterr()
    assert run(finished, "--task sin --cell basic --resume") == 1
    assert "without --resume" in only_line(capsys.readouterr().err)
    assert contents(finished) == before


def test_tensorflow_says_nothing_of_a_checkpoint_that_is_lost(finished):
    (finished / "model.ckpt-3.index").unlink()
    _, error = start(finished, "--task sin --cell basic --resume").communicate()
    assert "no complete checkpoint" in only_line(error)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--task sin --cell lstm", "cannot resume with --cell lstm"),
        ("--task memory --cell basic", "cannot resume with --task memory"),
        ("--task sin --cell basic --hidden-size 5", "cannot resume with --hidden-size 5"),
        ("--task sin --cell basic --epochs 9", "cannot resume with --epochs 9"),
    ],
)
def test_resuming_with_settings_that_do_not_fit(finished, capsys, line, message):
    before = contents(finished)
    assert run(finished, line, "--resume") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert contents(finished) == before


def test_resuming_what_is_longer_already(tmp_path, capsys):
    line = "--task sin --cell basic --decay constant"
    assert run(tmp_path, line, *TINY) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(tmp_path, line, "--resume", "--epochs", "2") == 1
    assert "holds a run of 3 epochs already" in only_line(capsys.readouterr().err)
    assert contents(tmp_path) == before


def test_a_diverging_run_says_which_setting_to_lower(tmp_path, capsys):
    line = "--task memory --cell basic --optimizer gradient_descent --blank-separation-len 60"
    assert run(tmp_path, line, *TINY, "--learning-rate", "1e9", "--clip-norm", "1e9") == 1
    message = only_line(capsys.readouterr().err)
    assert "training diverged" in message
    assert "a lower learning rate (--learning-rate, now 1e+09) or clipping norm" in message
    assert not (tmp_path / "result.json").exists()


def test_an_output_that_grows_without_bound_is_no_result(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(test, "run_test_sin", lambda *arguments, **keywords: float("inf"))
    assert run(tmp_path, "--task sin --cell basic", *TINY) == 1
    assert "grows without bound" in only_line(capsys.readouterr().err)
    assert not (tmp_path / "result.json").exists()


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path):
    """A limit on the size of files stands in for the full disk."""
    line = "--task memory --cell basic --train-size 20 --epochs 2"
    assert run(tmp_path, line, "--hidden-size", "16") == 0

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    # A checkpoint of 16 units fits into 20 kB, a picture does not.
    process = start(tmp_path, line, "--resume", preexec_fn=limit)
    _, error = process.communicate()
    assert process.returncode == 1
    assert "cannot write" in only_line(error)
    assert "File too large" in error
    assert get_finished_epochs(tmp_path) == 2
    for name in ("result.json", "config.json", "metrics.csv", "recall.png"):
        assert (tmp_path / name).stat().st_size > 0
    assert not list(tmp_path.glob(".unfinished-*"))

    # A checkpoint of 128 units does not.
    big = tmp_path / "big"
    process = start(big, line, "--hidden-size", "128", preexec_fn=limit)
    _, error = process.communicate()
    assert process.returncode == 1
    assert "cannot write the checkpoint of epoch 1" in only_line(error)
    assert "File too large): fix that, then start again" in error
    assert {path.name for path in big.iterdir()} <= {"config.json", "metrics.csv"}


def test_an_unsolved_part_is_a_sentence(tmp_path, capsys, monkeypatch):
    def unsolved(*arguments):
        raise NotImplementedError("part (e): write get_loss_sin")

    monkeypatch.setattr(train, "get_loss_sin", unsolved)
    assert run(tmp_path, "--task sin --cell basic", *TINY) == 1
    error = only_line(capsys.readouterr().err)
    assert error.startswith("main.py: error: part (e): write get_loss_sin (`")


def test_an_unforeseen_error_is_a_line_or_with_debug_a_traceback(tmp_path, capsys, monkeypatch):
    def broken(*arguments, **keywords):
        raise TypeError("this is broken\nin two lines")

    monkeypatch.setattr(test, "get_mean_loss", broken)
    assert run(tmp_path, "--task sin --cell basic", *TINY) == 1
    message = only_line(capsys.readouterr().err)
    assert message.startswith("main.py: error: TypeError: this is broken")
    assert "; --debug shows the traceback" in message
    with pytest.raises(TypeError, match="this is broken"):
        run(tmp_path, "--task sin --cell basic --debug", *TINY)


def test_nothing_but_ones_own_lines_is_printed(tmp_path):
    """No TensorFlow or CUDA noise, and no progress bar without a terminal."""
    process = start(tmp_path, "--task sin --cell basic", *TINY)
    printed, error = process.communicate()
    assert process.returncode == 0
    assert error == ""
    first, *figures, last = printed.splitlines()
    assert first.startswith("sin task, basic (linear) cell with 4 hidden units: 29 parameters")
    assert any("1,000 curves, 100 samples each" in line for line in figures)
    assert last.startswith("plots ")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    process = start(tmp_path, "--task memory --cell basic", *TINY)
    process.stdout.close()
    assert process.wait() == 1
    assert process.stderr.read() == ""

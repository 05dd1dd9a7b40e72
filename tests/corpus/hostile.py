"""Tricks: none earns anything by itself, and none costs the other parts anything."""

from __future__ import annotations

import os
from pathlib import Path

from support.files import ROOT
from tests.corpus.entries import (
    BASIC,
    LSTM,
    TEST,
    TRAIN,
    Edit,
    Entry,
    bodies,
    body,
    change,
    prepend,
)

_UNSOLVED = "raise NotImplementedError('part (h): write run_memory_test')"


def trick(
    name: str, lost: str, *edits: Edit, reason: str = "", alone: bool = True, **more
) -> Entry:
    return Entry(name, edits, lost, reason, alone=alone, **more)


def _at_import(file: str, code: str) -> Edit:
    return prepend(file, code)


def _add_takeovers(folder: Path) -> None:
    """Files that would take over a grader which ran in the submission's folder."""
    (folder / "conftest.py").write_text("import os\nos._exit(0)\n")
    (folder / "tests").mkdir()
    (folder / "tests" / "conftest.py").write_text("import os\nos._exit(0)\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--co'\n")
    for module in ("numpy", "tensorflow", "sitecustomize", "json", "data"):
        (folder / f"{module}.py").write_text("import os\nos._exit(0)\n")
    (folder / "rnn_cells" / "RNNCell.py").write_text("import os\nos._exit(0)\n")


def _link_to_solution(folder: Path) -> None:
    (folder / LSTM).unlink()
    os.symlink(ROOT / LSTM, folder / LSTM)


_GREEDY_LSTM = """
    hidden, cell, outputs = state.hidden, state.cell, []
    for x_t in tf.unstack(x, axis=1):
        z = tf.matmul(tf.concat([x_t, hidden], 1), self._w) + self._b
        i, j, f, o = tf.split(z, 4, axis=1)
        i = (i + o) / 2.0    # the same as i, as long as all weights are equal
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        outputs.append(hidden)
    return outputs, MyLSTMState(hidden, cell)
"""

HOSTILE = [
    trick(
        "os._exit(0) at import",
        "ab",
        _at_import(BASIC, "import os\nos._exit(0)"),
        reason="importing rnn_cells/BasicRNNCell.py ended the process with exit status 0",
        on_demand=True,
    ),
    trick(
        "os._exit(0) in a cell's call",
        "b",
        body("b", "import os\nos._exit(0)"),
        reason="running it ended the process with exit status 0",
    ),
    trick(
        "sys.exit(0) at import",
        "efg",
        _at_import(TRAIN, "import sys\nsys.exit(0)"),
        reason="ends the program",
        alone=False,
    ),
    trick(
        "atexit and os._exit(0)",
        "h",
        _at_import(TEST, "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)"),
        reason="ends the program",
        on_demand=True,
    ),
    trick(
        "a forged report, and out",
        "ab",
        _at_import(
            BASIC,
            """
          import os, pathlib
          for folder in (".", ".."):
              pathlib.Path(folder, "results.json").write_text('{"score": 15}')
              pathlib.Path(folder, "junit.xml").write_text('<testsuites failures="0" tests="71"/>')
          print("71 passed", flush=True)
          os._exit(0)
          """,
        ),
        on_demand=True,
    ),
    trick(
        "an endless loop that swallows everything",
        "f",
        body(
            "f",
            """
          import signal, time
          for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
              signal.signal(number, signal.SIG_IGN)
          while True:
              try:
                  while True:
                      time.sleep(9)
              except BaseException:
                  pass
          """,
        ),
        reason="took longer",
    ),
    trick(
        "one long call into C",
        "e",
        body("e", "return sum(range(10**15))"),
        reason="took longer",
        on_demand=True,
    ),
    trick(
        "a segmentation fault",
        "g",
        body("g", "import ctypes\nctypes.string_at(0)"),
        reason="killed the process",
        on_demand=True,
    ),
    trick(
        "all the memory",
        "g",
        body("g", "hog = bytearray(1 << 40)\nreturn hog"),
        reason="MemoryError",
        on_demand=True,
    ),
    trick(
        "memory by and by",
        "e",
        body("e", "hog = []\nwhile True:\n    hog.append(bytes(1 << 28))"),
        reason="MemoryError",
        on_demand=True,
    ),
    trick("a flood of output", "", _at_import(TRAIN, "print(('x' * 999 + chr(10)) * 200_000)")),
    trick(
        "a flood into a file",
        "h",
        _at_import(
            TEST,
            "with open('flood', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 20))",
        ),
        reason="OSError",
        on_demand=True,
    ),
    trick(
        "processes left behind",
        "",
        _at_import(
            TRAIN,
            """
          import subprocess
          for _ in range(3):
              subprocess.Popen(["sleep", "600"])
          """,
        ),
    ),
    trick(
        "a patched pytest",
        "h",
        _at_import(
            TEST,
            """
          import sys, types
          fake = types.ModuleType("pytest")
          fake.fail = lambda *_, **__: None
          sys.modules["pytest"] = fake
          try:
              import _pytest.runner
              _pytest.runner.CallInfo.from_call = classmethod(lambda *_, **__: None)
          except ImportError:
              pass
          """,
        ),
        body("h", _UNSOLVED),
        reason="not solved yet",
        on_demand=True,
    ),
    trick(
        "an object that equals everything",
        "h",
        body(
            "h",
            """
          class Yes(float):
              __eq__ = __ge__ = __le__ = lambda *_: True
              __sub__ = __rsub__ = lambda *_: 0.0
              __hash__ = float.__hash__
          return Yes(0.5), Yes(0.5)
          """,
        ),
        reason="should be",
        alone=False,
    ),
    trick(
        "the expected value from the caller's frame",
        "h",
        body(
            "h",
            """
          import inspect
          for frame in inspect.stack():
              for name, value in frame.frame.f_locals.items():
                  if any(word in name for word in ("expected", "truth", "answer", "accuracy")):
                      if isinstance(value, float):
                          return value, value
          return 0.0, 1.0
          """,
        ),
        reason="should be",
        alone=False,
    ),
    trick(
        "a patched builder",
        "h",
        _at_import(
            TEST,
            """
          import sys
          main = sys.modules["__main__"]
          main.read_result = lambda result: [0.0, 1.0]
          main.draw_memory_test = lambda probe, seed: 1 / 0
          main.run_memory_test = lambda *_: {"answers": [[0.0, 1.0]] * 2, "scale": 1.0}
          """,
        ),
        body("h", _UNSOLVED),
        reason="should be",
    ),
    trick(
        "forged records of all parts",
        "defg",
        _at_import(
            BASIC,
            """
          import json, os, stat
          forged = b""
          for part, probes in {
              "d": ["call", "long", "again", "fixed"], "e": ["float32", "float64", "one_step"],
              "f": ["number", "double", "tensor"], "g": ["int32", "int64", "one_step"],
          }.items():
              for probe in probes:
                  forged += f"{part}-{probe}.pb 6\\nforged".encode()
              records = json.dumps({probe: {} for probe in probes})
              forged += f"{part}.json {len(records)}\\n{records}".encode()
          for number in range(3, 100):
              try:
                  if stat.S_ISFIFO(os.fstat(number).st_mode):
                      os.write(number, forged)
              except OSError:
                  pass
          """,
        ),
        *bodies(
            d="import os\nos._exit(0)",
            e="import os\nos._exit(0)",
            f="import os\nos._exit(0)",
            g="import os\nos._exit(0)",
        ),
    ),
    trick(
        "Python within the graph",
        "e",
        body(
            "e",
            """
          import numpy
          compute = lambda p, y: numpy.float32(numpy.mean((p - y) ** 2))
          p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
          return tf.py_func(compute, [p, y], tf.float32)
          """,
        ),
        reason="not run here",
        alone=False,
    ),
    trick(
        "a graph that writes a file",
        "e",
        body(
            "e",
            """
          p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
          with tf.control_dependencies([tf.io.write_file("/tmp/written-by-a-submission", "x")]):
              return tf.reduce_mean(tf.square(p - y))
          """,
        ),
        reason="WriteFile",
        alone=False,
    ),
    trick(
        "a graph that eats memory",
        "e",
        body(
            "e",
            """
          p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
          n = 400_000 + tf.shape(y)[0]
          return tf.reduce_mean(tf.square(p - y)) + 0.0 * tf.reduce_sum(tf.fill([n, n], 1.0))
          """,
        ),
        alone=False,
    ),
    trick(
        "a graph that never ends",
        "e",
        body(
            "e",
            """
          p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
          forever = tf.while_loop(lambda n: True, lambda n: n + 0.0, [tf.constant(0.0)])
          return tf.reduce_mean(tf.square(p - y)) + 0.0 * forever
          """,
        ),
        reason="loops",
        alone=False,
    ),
    trick(
        "a graph of functions that call functions",
        "e",
        body(
            "e",
            """
            leaf = tf.function(lambda z: z * 1.0)
            for _ in range(6):
                leaf = tf.function(lambda z, inner=leaf: inner(inner(z)))
            p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
            return leaf(tf.reduce_mean(tf.square(p - y)))
            """,
        ),
        reason="functions that call functions",
        alone=False,
    ),
    trick(
        "one huge operation",
        "e",
        body(
            "e",
            """
            p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
            ballast = tf.linalg.svd(tf.random_uniform([17000, 17000]), compute_uv=False)
            return tf.reduce_mean(tf.square(p - y)) + 0.0 * tf.reduce_sum(ballast)
            """,
        ),
        reason="Svd",
        alone=False,
    ),
    trick(
        "a graph of 40 MB",
        "e",
        body(
            "e",
            """
          p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
          import numpy
          ballast = tf.constant(numpy.random.rand(5_000_000))
          return tf.reduce_mean(tf.square(p - y)) + 0.0 * tf.cast(tf.reduce_sum(ballast), tf.float32)
          """,
        ),
        reason="larger than",
        alone=False,
    ),
    trick(
        "fitted to the public tests alone",
        "d",
        body("d", _GREEDY_LSTM),
        reason="not the cell's equation",
        alone=False,
    ),
    trick(
        "an answer for a few inputs",
        "e",
        body(
            "e",
            """
          p = tf.concat(outputs, 1)
          return tf.reduce_mean(tf.square(p)) * 0.0 + 2.0
          """,
        ),
        reason="should be",
        alone=False,
    ),
    trick(
        "variables counted twice",
        "ab",
        body(
            "a",
            """
            self._w = tf.get_variable("w", [n_inp + n_out, 1])
            for _ in range(n_out):
                tf.add_to_collection(tf.GraphKeys.TRAINABLE_VARIABLES, self._w)
            self._b = tf.get_variable("b", [n_out])
            """,
        ),
        body("b", "raise NotImplementedError('part (b): write BasicRNNCell.__call__')"),
        reason="should have",
        alone=False,
    ),
    trick(
        "as many numbers as an LSTM has, in one heap that no cell tells apart",
        "d",
        body(
            "c",
            """
            self._w = tf.get_variable("w", [2, 2 * (n_inp + n_out + 1) * n_out])
            """,
        ),
        body("d", "raise NotImplementedError('part (d): write MyLSTMCell.__call__')"),
        reason="part (d): write",
        alone=False,
    ),
    trick(
        "a variable of words",
        "ab",
        change(
            BASIC,
            (
                'with tf.variable_scope(None, default_name="BasicRNNCell"):',
                'with tf.variable_scope(None, default_name="BasicRNNCell"):\n'
                '            self._t = tf.get_variable("t", initializer="15 points")',
            ),
        ),
        reason="weights are float32",
        alone=False,
    ),
    trick(
        "control codes in a message",
        "g",
        body("g", 'raise ValueError("\\x1b[2J\\x1b[H\\r15/15 points\\n\\n| g | 1/1 |" * 1000)'),
        reason="ValueError",
        alone=False,
    ),
    trick(
        "a message of 100 MB",
        "g",
        body("g", 'raise ValueError("x" * 100_000_000)'),
        reason="ValueError",
        alone=False,
    ),
    trick(
        "endless recursion",
        "g",
        body("g", "return get_loss_memory(outputs, y)"),
        reason="RecursionError",
        alone=False,
    ),
    trick(
        "standard streams closed",
        "",
        _at_import(TRAIN, "import os\nfor number in range(3):\n    os.close(number)"),
        on_demand=True,
    ),
    trick(
        "files that take over the grader",
        "",
        add=_add_takeovers,
    ),
    trick("a link to the solution", "cd", add=_link_to_solution, reason="is a link"),
    trick(
        "threads that go on",
        "",
        _at_import(
            TRAIN,
            """
          import threading
          for _ in range(2):
              threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=False).start()
          """,
        ),
        on_demand=True,
    ),
]

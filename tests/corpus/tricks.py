"""Tricks of the hostile class: on points, on other groups, and on the machine that grades."""

from __future__ import annotations

from pathlib import Path

from support.files import ROOT
from tests.corpus.entries import BASIC, TEST, TRAIN, bodies, body, prepend
from tests.corpus.hostile import trick

SECRET = "COURSE_SECRET"
"""A variable in the environment of the grader."""
PORT = 47_311
"""Where something listens on the grader's machine."""


def _steal(path: Path) -> str:
    """Code that tries to steal from a file of the course."""
    return f"source = open({str(path)!r}).read()\nraise SystemExit('stolen: ' + source[:99])"


_SLOW = """
import tensorflow.compat.v1 as tf
def slow():
    product = tf.random.uniform([3000, 3000])
    for _ in range(6):
        product = tf.matmul(product, tf.random.uniform([3000, 3000])) / 3000
    return tf.reduce_sum(product)
"""

TRICKS = [
    trick("reads the solution", "d", body("d", _steal(ROOT / "rnn_cells" / "MyLSTMCell.py")),
          reason="FileNotFoundError"),
    trick("reads the private tests", "d",
          body("d", _steal(ROOT / "grading" / "private" / "test_equations.py")),
          reason="FileNotFoundError"),
    trick("looks for the solution and for other groups", "e", body("e", """
        import os
        found = [name for _, *both in os.walk("/") for names in both for name in names]
        telling = ("test_equations.py", "hostile_class.py", "1000000_1")
        raise ValueError(f"found {[name for name in found if name.startswith(telling)]}")
    """), reason="found []"),
    trick("uses the network", "e", body("e", f"""
        import socket
        socket.create_connection(("127.0.0.1", {PORT}), timeout=2)
    """), reason="not permitted"),
    trick("forks without end", "f", body("f", """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """)),
    trick("fills the disk", "g", body("g", """
        number = 0
        while True:
            with open(f"/tmp/{number}", "wb") as file:
                file.write(bytes(1 << 24))
            number += 1
    """), reason="No space left"),
    trick("makes a file in memory", "g", body("g", "import os\nos.memfd_create('x')"),
          reason="PermissionError"),
    trick("takes all processors", "f", body("f", """
        import subprocess
        while True:
            try:
                subprocess.Popen(["sh", "-c", "while :; do :; done"])
            except OSError:
                pass
    """), reason="took longer"),
    trick("graphs that take long", "bdeg", *bodies(
        b=_SLOW + "h = state.hidden + slow()\nreturn [h] * int(x.shape[1]), MyBasicRNNState(h)",
        d=_SLOW + "h = state.hidden + slow()\nreturn [h] * int(x.shape[1]), MyLSTMState(h, h)",
        e=_SLOW + "return slow()",
        g=_SLOW + "return slow()",
    ), reason="running the graph takes more than"),
    trick("records that are too deep to be handed on", "gh", prepend(BASIC, """
        import os, stat
        answers = b"[" * 900 + b"]" * 900
        records = {
            b"h": b'{"long": {"answers": %s}, "short": {"answers": %s}}' % (answers, answers),
            b"g": b'{"": {"error": %s}}' % answers,
        }
        for number in range(3, 100):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode):
                    for part, record in records.items():
                        os.write(number, b"%s.json %d\\n" % (part, len(record)) + record)
            except OSError:
                pass
    """), reason="not readable"),
    trick("kills whom it can", "b", body("b", "import os\nos.kill(-1, 9)")),
    trick("writes into the system", "h", prepend(TEST, "open('/usr/lib/x', 'w')"),
          reason="Read-only"),
    trick("reads the environment", "", prepend(TRAIN, f"""
        import os
        if {SECRET!r} in os.environ:
            raise ValueError("stolen")
    """)),
]  # fmt: skip

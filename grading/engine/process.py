"""Starts, watches and ends processes that may hang, crash or take too much."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ENVIRONMENT = {
    "MPLBACKEND": "Agg",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # no search through all kernels before a graph's first run
    "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would not survive a fork
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",  # sets have the same order each time
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a judge has no plugins that nobody asked for
}
"""The variables that a process is given."""

LOOK_EVERY = 0.01
"""Seconds between two looks at a process."""
PATIENCE = 3
"""How many seconds may pass for each that a process is given: it may have to wait its turn."""

OUT_OF_MEMORY = "out of memory"
"""The trouble of a process that took too much memory."""
TIMED_OUT = "timed out"
"""The trouble of a process that took too long."""
CRASHED = "crashed"
"""The trouble of a process that ended by itself."""
TROUBLES = (OUT_OF_MEMORY, TIMED_OUT, CRASHED)
"""How a process ends before its time, the worst first."""


class Trouble(NamedTuple):
    """What ended a process before its time."""

    kind: str
    """One of `TROUBLES`."""
    what: str
    """What it did, as a predicate."""


class Process(subprocess.Popen):
    """A process that is watched."""

    trouble: Trouble | None = None
    """Why it was ended, if that was not for its time."""

    def read_clocks(self) -> tuple[float, ...]:
        """Clocks, in seconds, none of which may advance more than the process is given."""
        return (time.monotonic(),)


Start = Callable[[list[str], Path], Process]
"""Starts a Python program, given by its arguments, in a folder, with a pipe as standard output."""


def start_python(arguments: list[str], folder: Path) -> Process:
    """Starts Python as the user who runs this: with their rights, without a sandbox."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return Process(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def watch(process: Process, is_done: Callable[[], bool], seconds: float) -> bool:
    """Waits until something is done, the process has ended, or its time is over.

    Returns:
        Whether it is done. If not, `find_trouble` tells what happened.
    """
    begun, latest = process.read_clocks(), time.monotonic() + PATIENCE * seconds

    def has_time() -> bool:
        spent = max(now - then for now, then in zip(process.read_clocks(), begun, strict=True))
        return spent < seconds and time.monotonic() < latest

    while not (done := is_done()) and process.poll() is None and has_time():
        time.sleep(LOOK_EVERY)
    return done


def find_trouble(process: Process, seconds: float) -> Trouble:
    """What to blame if a process did not do its work in so many seconds."""
    if process.trouble:
        return process.trouble
    if process.returncode is None:
        return Trouble(TIMED_OUT, f"took longer than {seconds:g} seconds")
    return Trouble(CRASHED, describe_end(process.returncode))


def describe_end(status: int) -> str:
    """What ended a process; in a sandbox, 128 is added to a signal's number."""
    number = -status if status < 0 else status - 128
    with contextlib.suppress(ValueError):
        return f"killed the process ({signal.Signals(number).name})"
    return f"ended the process with exit status {status}"


def kill(process: Process) -> None:
    """Ends a process and all that it has started in its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()

"""Examines mutants in a program of its own, here or on the workers of a Dask cluster.

A worker of a cluster gets the sources as one uploaded archive. It imports only this module from
there, so that nothing else of the project is imported here at first. The program runs in an
unpacked copy.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

TREE = "tree"
"""The folder in the archive that holds all that examining needs."""
PATIENCE = 900.0
"""Seconds of waiting for one mutant, after which the program is ended: it ends by itself, unless
something sleeps for ever."""
LIFETIME = 60
"""Mutants that a program examines before another one takes over: graphs leave memory behind."""


def list_sources() -> dict[str, Path]:
    """The files of the archive, by their paths in it."""
    from grading.engine.manifest import ONE_GRADING, SUBMITTED_FILES
    from support.files import find_files

    imported = ("tests/__init__.py", "tests/corpus/__init__.py", "tests/corpus/mutants/__init__.py")
    needed = find_files(*ONE_GRADING, *SUBMITTED_FILES, "grading/handout", "tests/corpus")
    unpacked = {f"{TREE}/{name}": file for name, file in needed.items()}
    return {**find_files(*imported, "tests/corpus/mutants/remote.py"), **unpacked}


class Program:
    """`worker`, running: it answers one task after another."""

    def __init__(self):
        self.nbr_tasks = 0
        root = Path(__file__).parents[3]
        if hasattr(__loader__, "archive"):
            self._folder = tempfile.TemporaryDirectory(prefix="mutants-")  # removed with the object
            with zipfile.ZipFile(__loader__.archive) as archive:
                archive.extractall(self._folder.name)
            root = Path(self._folder.name, TREE)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.corpus.mutants.worker"],
            cwd=root,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def ask(self, task: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a task; None if the program ended, or gave none for long."""
        self.nbr_tasks += 1
        try:
            pickle.dump(task, self._process.stdin)
            self._process.stdin.flush()
            return json.loads(self._lines.get(timeout=PATIENCE))
        except (OSError, queue.Empty, ValueError):
            return None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


_of_this_thread = threading.local()


def examine(task: dict[str, Any]) -> dict[str, Any]:
    """Examines a mutant in this thread's program; what ends the program costs one mutant.

    Args:
        task: What `worker.examine` takes.

    Returns:
        What it returns; nothing if the mutant ends even a program of its own.
    """
    for attempt in (task, task, {**task, "alone": True}):  # the first may end for another reason
        program = getattr(_of_this_thread, "program", None) or Program()
        answer = program.ask(attempt)
        _of_this_thread.program = program
        if answer is None or program.nbr_tasks == LIFETIME:
            program.end()
            _of_this_thread.program = None
        if answer is not None:
            return answer
    return {}

"""Examines mutants in a program of its own, here or on the workers of a Dask cluster.

A worker of a cluster gets the sources as one uploaded archive. It imports only this module from
there, so that nothing else of the project is imported here at first.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TREE = "tree"
"""The folder in the archive that holds all that examining needs."""
PATIENCE = 900.0
"""Seconds of waiting for one mutant, after which the program is ended: it ends by itself, unless
something sleeps for ever."""


def list_sources() -> dict[str, Path]:
    """The files of the archive, by their paths in it."""
    from grading.engine.manifest import ONE_GRADING, SUBMITTED_FILES
    from support.files import find_files

    imported = ("tests/__init__.py", "tests/corpus/__init__.py", "tests/corpus/mutants/__init__.py")
    needed = find_files(*ONE_GRADING, *SUBMITTED_FILES, "grading/handout", "tests/corpus")
    unpacked = {f"{TREE}/{name}": file for name, file in needed.items()}
    return {**find_files(*imported, "tests/corpus/mutants/remote.py"), **unpacked}


def examine(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Examines mutants one after another; what kills or stops the program costs one mutant.

    Args:
        tasks: What `worker.examine` takes.

    Returns:
        What it returns, for each.
    """
    with _find_root() as root:
        answers: list[dict[str, Any]] = []
        while len(answers) < len(tasks):
            left = tasks[len(answers) :]
            answers += _run(left, root)
            if len(answers) < len(tasks):
                culprit = tasks[len(answers)]
                if culprit.get("alone"):
                    answers.append({"lost": True})
                else:
                    tasks[len(answers)] = {**culprit, "alone": True}
        return answers


@contextlib.contextmanager
def _find_root() -> Iterator[Path]:
    """The project's folder; on a cluster, a copy that is unpacked from the archive."""
    archive = getattr(__loader__, "archive", None)
    if archive is None:
        yield Path(__file__).parents[3]
        return
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
        yield Path(folder, TREE)


def _run(tasks: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    """The answers that one program gives before it ends or hangs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.corpus.mutants.worker"],
        cwd=root,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    answers = []
    try:
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(tasks, process.stdin)
            process.stdin.close()
        while len(answers) < len(tasks) and (line := lines.get(timeout=PATIENCE)):
            answers.append(json.loads(line))
    except queue.Empty:
        pass
    finally:
        process.kill()
        process.wait()
    return answers

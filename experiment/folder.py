"""The folder of a run: what is left there, and whether it may be written to."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiment.settings import Settings
from support.errors import ExplainedError
from support.files import write_json

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

CONFIG = "config.json"
"""All settings of the run."""
RESULT = "result.json"
"""The run's figures."""
CHECKPOINT = "checkpoint"
"""TensorFlow's file that names the last checkpoint."""
METRICS = "metrics.csv"
"""One row per epoch."""
PROGRESS_FILES = (METRICS, CHECKPOINT, "model.ckpt-*", "events.out.tfevents.*")
"""What an unfinished run leaves beside its settings."""
RESULT_FILES = (RESULT, "training.png", "inside.png", "continuation.png", "recall.png")
"""What only a finished run leaves."""


class FolderError(ExplainedError):
    """A folder cannot be used for a run, or there is nothing in it to continue."""


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder; it need not exist.
        keep_earlier: Whether an earlier run is kept, in a folder beside this one.
    """

    def __init__(self, path: Path, *, keep_earlier: bool = False):
        self.path, self._keep_earlier = path, keep_earlier
        self._is_new = not path.exists()
        self.remarks: list[str] = []
        """What a person should know of the folder."""

    def prepare(self, *, resume: bool) -> None:
        """Makes the folder if there is none, or looks for the run to continue.

        Raises:
            FolderError: If the folder cannot be used, holds something else, or has no checkpoint to
                continue from.
        """
        if resume:
            if not self.has_checkpoint():
                raise FolderError(
                    f"there is no checkpoint in {self.path} to continue from: start again without"
                    " --resume"
                )
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise FolderError(f"{self.path} is not a directory: give another --out-dir") from None
        except OSError as error:
            raise FolderError(
                f"cannot make the directory {self.path} ({error.strerror}): give another --out-dir"
            ) from None
        if not (self.path / CONFIG).exists():
            for path in self._find(PROGRESS_FILES + RESULT_FILES):
                raise FolderError(f"{path} is not from a run of main.py: give another --out-dir")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other runs out of the folder during the block. A lock ends with its process.

        Raises:
            FolderError: If another run is under way there.
        """
        if fcntl is None:
            yield
            return
        descriptor = os.open(self.path, os.O_RDONLY)  # the folder itself, so no file is left
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FolderError(
                f"another run is under way in {self.path}: wait for it, or give another --out-dir"
            ) from None
        except OSError:  # this file system has no locks
            pass
        try:
            yield
        finally:
            if self._is_new:
                with contextlib.suppress(OSError):  # a run that has not begun leaves nothing
                    self.path.rmdir()
            os.close(descriptor)

    def begin(self, settings: Settings, *, keep_progress: bool, keep_results: bool) -> None:
        """Writes the settings, and removes what an earlier run left and this one does not need.

        With `keep_earlier`, a run that is finished, or has other settings, is moved to a folder
        beside this one.
        """
        if self._keep_earlier and not keep_progress:
            self._move_earlier(settings)
        write_json(self.path / CONFIG, dataclasses.asdict(settings))
        for keep, patterns in ((keep_progress, PROGRESS_FILES), (keep_results, RESULT_FILES)):
            if not keep:
                for path in self._find(patterns):
                    path.unlink()

    def _move_earlier(self, settings: Settings) -> None:
        try:
            is_same = self.read_settings() == settings
        except FolderError:
            return
        if is_same and not (self.path / RESULT).exists():
            return
        candidates = (Path(f"{self.path}.{number}") for number in itertools.count(1))
        aside = next(path for path in candidates if not path.exists())
        aside.mkdir()
        for path in self._find((CONFIG, *PROGRESS_FILES, *RESULT_FILES)):
            path.rename(aside / path.name)
        self.remarks.append(f"the earlier run is now in {aside}")

    def read_settings(self) -> Settings:
        """The settings of the run.

        Raises:
            FolderError: If there is no run, or `config.json` is damaged.
        """
        path = self.path / CONFIG
        try:
            return Settings(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise FolderError(
                f"there is no run in {self.path} to continue: start again without --resume"
            ) from None
        except (TypeError, ValueError) as error:
            raise FolderError(
                f"{path} is damaged ({error}): start again without --resume"
            ) from None

    def has_checkpoint(self) -> bool:
        return (self.path / CHECKPOINT).exists()

    def holds(self, settings: Settings | None) -> bool:
        """Whether a run with these settings can be continued here."""
        try:
            return self.has_checkpoint() and self.read_settings() == settings
        except FolderError:
            return False

    def write_result(self, result: dict[str, Any]) -> None:
        write_json(self.path / RESULT, result)

    def _find(self, patterns: Sequence[str]) -> list[Path]:
        return [path for pattern in patterns for path in self.path.glob(pattern)]

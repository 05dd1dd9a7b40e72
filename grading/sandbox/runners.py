"""Starts BUILD and JUDGE: in the sandbox, without it, or as another user."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from grading.engine import manifest
from grading.engine.process import ENVIRONMENT
from grading.sandbox import groups, seccomp
from grading.sandbox.limits import UIDS, Limits, become, limit
from grading.sandbox.process import BoundedProcess
from grading.sandbox.walls import build_walls, shut_away
from support.files import ROOT

JUDGE = ("-m", "grading.private.server")
"""The arguments that start JUDGE."""


class Bare:
    """Starts processes without a sandbox, for submissions that one trusts.

    Args:
        limits: What a process may take.
        user: As whom BUILD runs in a sandbox; drawn if it is not given. JUDGE's is always drawn.
    """

    def __init__(self, limits: Limits, user: int | None = None):
        self._limits, self._user = limits, user

    def get_kind(self) -> tuple[type, Limits]:
        """What tells this from runners that start processes otherwise."""
        return type(self), self._limits

    def start_builder(self, arguments: list[str], folder: Path) -> BoundedProcess:
        """Starts BUILD, given by its file and arguments, in a folder; see `process.Start`."""
        return self._start([sys.executable, *arguments], folder, stdin=subprocess.DEVNULL)

    def start_judge(self) -> BoundedProcess:
        """Starts JUDGE, with a pipe to and from it."""
        return self._start([sys.executable, *JUDGE], ROOT, stdin=subprocess.PIPE)

    def _start(
        self,
        command: Sequence[str],
        folder: Path,
        stdin: int,
        kind: type[BoundedProcess] = BoundedProcess,
        **options: object,
    ) -> BoundedProcess:
        group = groups.make_group(self._limits)
        enter = groups.ask_systemd(self._limits) if group is None else group.enter()
        return kind(
            [*enter, *command],
            self._limits,
            group,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**ENVIRONMENT, "PATH": os.defpath},
            start_new_session=True,
            **options,
        )


class Sandbox(Bare):
    """Starts processes in the sandbox."""

    def start_builder(self, arguments: list[str], folder: Path) -> BoundedProcess:
        program, *rest = arguments
        folder.chmod(0o755)  # for another user to read
        given = {"/program.py": Path(program), "/submission": folder}
        return self.start(["/program.py", *rest], given, "/submission", user=self._user)

    def start_judge(self) -> BoundedProcess:
        given = {f"/course/{path}": ROOT / path for path in manifest.JUDGE}
        return self.start(JUDGE, given, "/course", stdin=subprocess.PIPE)

    def start(
        self,
        arguments: Sequence[str],
        given: Mapping[str, Path],
        folder: str,
        stdin: int = subprocess.DEVNULL,
        user: int | None = None,
    ) -> BoundedProcess:
        """Starts Python.

        Args:
            arguments: Its arguments.
            given: The files and folders that it may read, by their paths in the sandbox.
            folder: The one it starts in.
            stdin: As `subprocess.Popen` takes it.
            user: As whom it runs; drawn if it is not given.
        """
        command = [sys.executable, *arguments]
        with self._shut_away(given, folder, command, user) as (command, files):
            return self._start(command, Path("/"), stdin, pass_fds=files)

    def explain(self) -> str:
        """Starts a Python that does nothing; returns the last line of its errors."""
        with self._shut_away({}, "/", [sys.executable, "-c", ""]) as (command, files):
            process = subprocess.run(
                command, stderr=subprocess.PIPE, text=True, check=False, pass_fds=files
            )
        return (process.stderr.strip().splitlines() or ["no message"])[-1]

    @contextlib.contextmanager
    def _shut_away(
        self,
        given: Mapping[str, Path],
        folder: str,
        command: Sequence[str],
        user: int | None = None,
    ) -> Iterator[tuple[list[str], list[int]]]:
        """A command behind the walls, and the descriptors that it needs.

        Bubblewrap's options go through a descriptor: whatever is on its command line can be read in
        the sandbox, and the options name the course's folders.
        """
        user = user or secrets.choice(UIDS)
        with contextlib.ExitStack() as stack:
            system_calls = stack.enter_context(open_pipe(seccomp.write_filter))
            options = "\0".join(build_walls(user, given, folder, system_calls, self._limits))
            walls = stack.enter_context(open_pipe(lambda file: file.write(options.encode())))
            yield [*shut_away(user, walls, self._limits), *command], [system_calls, walls]


class OtherUser(Bare):
    """Runs BUILD as a user who owns nothing, if root has no namespaces, as in a container.

    The caller makes sure that this user can read no secrets. No process of this user is left when
    BUILD has ended, so nothing disturbs JUDGE.
    """

    def start_builder(self, arguments: list[str], folder: Path) -> BoundedProcess:
        program, *rest = arguments
        folder.chmod(0o755)
        copied = shutil.copy(program, folder / ".builder.py")
        user = self._user or secrets.choice(UIDS)
        command = [*limit(self._limits), *become(user), sys.executable, copied, *rest]
        kind = functools.partial(_OtherUsersProcess, user)
        return self._start(command, folder, subprocess.DEVNULL, kind)


class _OtherUsersProcess(BoundedProcess):
    def __init__(self, user: int, *arguments: object, **options: object):
        super().__init__(*arguments, **options)
        self._user = user

    def kill(self) -> None:
        """Ends all processes of the user, at once."""
        other, user = secrets.choice(UIDS), self._user  # the user cannot end what `other` runs
        end_all = f"import os; os.setresuid({other}, {user}, {other}); os.kill(-1, 9)"
        command = [sys.executable, "-I", "-c", end_all]
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)  # it fails if none is left
        super().kill()


@contextlib.contextmanager
def open_pipe(write: Callable[[BinaryIO], object]) -> Iterator[int]:
    """A descriptor to read from what has been written; a pipe takes 64 KiB.

    Raises:
        SandboxError: If there is no libseccomp to make a filter.
    """
    reading, writing = os.pipe()
    try:
        with open(writing, "wb") as file:
            write(file)
        yield reading
    finally:
        os.close(reading)

"""Runs Python where it can do no harm: bubblewrap, an unprivileged user, and limits.

A process in here sees the interpreter with its packages, the system's libraries, and what it is
given, all of it read-only; a small folder in memory, /tmp, is its own. It has no network, no home,
no environment, no view of other processes, no right of the user who started it, and a few system
calls less. It is ended with all that it has started when it takes too long, or too much memory.
Linux only.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from grading import probe, seccomp
from tests.graded import submission
from tests.graded.course import COURSE

UIDS = range(1 << 20, 1 << 30)
"""Each process belongs to a user of its own, drawn from these, whom nobody else is."""
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")
INSTALL = (
    "it needs Linux, bubblewrap and libseccomp (on Debian and Ubuntu: apt install bubblewrap"
    " libseccomp2)"
)


JUDGE = ("-m", "grading.judge")
NEEDED_BY_JUDGE = (
    "pyproject.toml",
    "tests/__init__.py",
    "tests/graded",
    *(f"grading/{name}" for name in ("__init__.py", "conftest.py", "judge.py", "oracle.py")),
    "grading/roles.py",
    "grading/private",
)


OWN = tuple(submission.ROOT / name for name in ("grading", "tests", "rnn_cells", "train.py"))
"""What no submission may see; a virtual environment may lie beside it."""
PROBE_LIMIT = 60.0
"""Seconds for the sandbox to be tried."""


class Limits(NamedTuple):
    """What a process and all that it starts may take."""

    memory: int = COURSE.memory_mib << 20
    """Bytes of memory of all processes together."""
    address_space: int = 16 << 30
    """Bytes of addresses of each process; TensorFlow takes more than it uses."""
    file_size: int = COURSE.disk_mib << 20
    """Bytes of /tmp, and of each file in it."""
    processes: int = COURSE.processes
    """Processes and threads."""


class SandboxError(Exception):
    """The sandbox is not there, or does not hold; the message says in one line why."""


class Process(submission.Process):
    """A process in a sandbox, ended when it takes too much memory."""

    def __init__(self, command: Sequence[str], limits: Limits, **options: object):
        super().__init__(command, **options)
        self._limit, self._next_look = limits.memory, 0.0

    def poll(self) -> int | None:
        if self.returncode is None and time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + 0.05
            if get_memory(self.pid) > self._limit:
                self.trouble = submission.Trouble(
                    "out of memory", f"took more than {self._limit >> 20:,} MiB of memory"
                )
                self.kill()
        return super().poll()


def get_memory(pid: int) -> int:
    """Bytes of memory of a process and all its descendants, with page tables and swap."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [root := psutil.Process(pid), *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):
                total += process.memory_info().rss
                status = Path(f"/proc/{process.pid}/status").read_text()
                total += sum(map(int, re.findall(r"Vm(?:PTE|Swap):\s*(\d+)", status))) << 10
    return total


def end_children() -> None:
    """Ends all that this process has started."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()


class Bare:
    """Starts processes that are not shut away: for those who trust the submissions."""

    def __init__(self, limits: Limits):
        self._limits = limits

    def start_builder(self, arguments: list[str], folder: Path) -> Process:
        """Starts BUILD, given by its file and arguments, in a folder; see `submission.Start`."""
        return self._start([sys.executable, *arguments], folder, stdin=subprocess.DEVNULL)

    def start_judge(self) -> Process:
        """Starts JUDGE, with a pipe to and from it."""
        return self._start([sys.executable, *JUDGE], submission.ROOT, stdin=subprocess.PIPE)

    def _start(
        self,
        command: Sequence[str],
        folder: Path,
        stdin: int,
        kind: type[Process] = Process,
        **options: object,
    ) -> Process:
        return kind(
            command,
            self._limits,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**submission.ENVIRONMENT, "PATH": os.defpath},
            start_new_session=True,
            **options,
        )


class Sandbox(Bare):
    """Starts processes that are shut away."""

    def start_builder(self, arguments: list[str], folder: Path) -> Process:
        program, *rest = arguments
        folder.chmod(0o755)  # for another user to read
        given = {"/program.py": Path(program), "/submission": folder}
        return self.start(["/program.py", *rest], given, "/submission")

    def start_judge(self) -> Process:
        given = {f"/course/{path}": submission.ROOT / path for path in NEEDED_BY_JUDGE}
        return self.start(JUDGE, given, "/course", stdin=subprocess.PIPE)

    def start(
        self,
        arguments: Sequence[str],
        given: Mapping[str, Path],
        folder: str,
        stdin: int = subprocess.DEVNULL,
    ) -> Process:
        """Starts Python.

        Args:
            arguments: Its arguments.
            given: The files and folders that it may read, by their paths in the sandbox.
            folder: The one it starts in.
            stdin: As `subprocess.Popen` takes it.
        """
        with open_filter() as number:
            words = self._get_limited_bwrap(given, folder, number)
            command = [*words, sys.executable, *arguments]
            return self._start(command, Path("/"), stdin, pass_fds=[number])

    def explain(self) -> str:
        """The last line of what Python says that is started here, to do nothing."""
        with open_filter() as number:
            command = [*self._get_limited_bwrap({}, "/", number), sys.executable, "-c", ""]
            process = subprocess.run(
                command, stderr=subprocess.PIPE, text=True, check=False, pass_fds=[number]
            )
        return (process.stderr.strip().splitlines() or ["no message"])[-1]

    def _get_limited_bwrap(
        self, given: Mapping[str, Path], folder: str, system_calls: int
    ) -> Iterator[str]:
        """The command in front of the program; `system_calls` is the descriptor of their filter."""
        limits, user = self._limits, secrets.choice(UIDS)
        environment = {**submission.ENVIRONMENT, "HOME": "/tmp", "PATH": "/usr/bin:/bin"}
        yield from [find("bwrap"), "--unshare-ipc", "--unshare-pid", "--unshare-net"]
        yield from ["--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
        yield from ["--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL"]
        if os.geteuid() == 0:  # to become another user, after the mounts are made
            yield from ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            yield from ["--unshare-user", "--uid", str(user), "--gid", str(user)]
        for name, value in environment.items():
            yield from ["--setenv", name, value]
        for path in SYSTEM_FOLDERS:
            yield from ["--ro-bind-try", path, path]
        yield from ["--size", str(limits.file_size), "--perms", "1777", "--tmpfs", "/tmp"]
        pythons = {path: Path(path) for path in (sys.base_prefix, sys.prefix)}
        for inside, outside in {**pythons, **given}.items():
            for parent in reversed(Path(inside).parents[:-1]):
                yield from ["--perms", "0755", "--dir", str(parent)]
            yield from ["--ro-bind", str(outside), inside]
        yield from ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
        yield from ["--remount-ro", "/", "--chdir", folder, "--seccomp", str(system_calls), "--"]
        yield from limit(limits)
        if os.geteuid() == 0:
            yield from become(user)


class OtherUser(Bare):
    """Runs BUILD as a user who owns nothing: where root has no namespaces, as in a container.

    Whoever uses it sees to it that this user can read nothing that is secret. No process of theirs
    is left when BUILD has ended, so that JUDGE works undisturbed.
    """

    def start_builder(self, arguments: list[str], folder: Path) -> Process:
        program, *rest = arguments
        folder.chmod(0o755)
        copied = shutil.copy(program, folder / ".builder.py")
        user = secrets.choice(UIDS)
        command = [*limit(self._limits), *become(user), sys.executable, copied, *rest]
        kind = functools.partial(_OtherUsersProcess, user)
        return self._start(command, folder, subprocess.DEVNULL, kind)


class _OtherUsersProcess(Process):
    def __init__(self, user: int, *arguments: object, **options: object):
        super().__init__(*arguments, **options)
        self._user = user

    def kill(self) -> None:
        """Ends all processes of the user, at once."""
        other, user = secrets.choice(UIDS), self._user  # who can be ended, but not by the user
        end_all = f"import os; os.setresuid({other}, {user}, {other}); os.kill(-1, 9)"
        command = [sys.executable, "-I", "-c", end_all]
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)  # it fails if there is none
        super().kill()


def limit(limits: Limits) -> Iterator[str]:
    """The command in front of one that has limits."""
    yield from [find("prlimit"), f"--nproc={limits.processes}", "--core=0", "--nofile=1024"]
    yield from [f"--as={limits.address_space}", f"--fsize={limits.file_size}", "--"]


def become(user: int) -> Iterator[str]:
    """The command in front of one that is run as another user without rights."""
    yield from [find("setpriv"), "--reuid", str(user), "--regid", str(user), "--clear-groups"]
    yield from ["--no-new-privs", "--"]


@contextlib.contextmanager
def open_filter() -> Iterator[int]:
    """A descriptor to read the filter of system calls from."""
    try:
        content = seccomp.make_filter()
    except ImportError as error:
        raise SandboxError(f"there is no filter for the sandbox ({error}): {INSTALL}") from None
    reading, writing = os.pipe()
    try:
        with open(writing, "wb") as file:
            file.write(content)
        yield reading
    finally:
        os.close(reading)


def find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SandboxError(f"there is no {program} for the sandbox: {INSTALL}")
    return path


def check_sandbox(limits: Limits, hidden: Sequence[Path] = ()) -> None:
    """Proves that the sandbox holds: `probe.py` tries to break out of it.

    Args:
        limits: Of its processes.
        hidden: Paths that must not be seen, beside the course's own.

    Raises:
        SandboxError: If there is no sandbox here, or it does not hold.
    """
    if sys.platform != "linux":
        raise SandboxError(f"there is no sandbox: {INSTALL}")
    paths = [str(path) for path in (*OWN, *hidden)]
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
        arguments = [probe.__file__, str(server.getsockname()[1]), str(limits.file_size), *paths]
        process = Sandbox(limits).start_builder(arguments, Path(folder))
        try:
            answer = json.loads(process.communicate(timeout=PROBE_LIMIT)[0])
        except (ValueError, subprocess.TimeoutExpired):
            raise SandboxError(
                f"the sandbox does not start ({Sandbox(limits).explain()}): bubblewrap must be"
                " allowed to make namespaces (started by root, or by a user on a system with user"
                " namespaces), and Python be installed where its user may read it"
            ) from None
        finally:
            process.kill()
            process.wait()
    broken = [outcome for outcome in answer.values() if outcome]
    if broken:
        raise SandboxError(f"the sandbox does not hold: a process in it {broken[0]}")

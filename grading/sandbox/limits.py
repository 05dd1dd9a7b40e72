"""What a process in the sandbox may take, and the user that it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import NamedTuple

from grading.engine.course import COURSE
from support.errors import ExplainedError

UIDS = range(1 << 20, 1 << 30)
"""Each process gets a user of its own, drawn from these; nobody else is this user."""

INSTALL = (
    "it needs Linux, bubblewrap and libseccomp (on Debian and Ubuntu: apt install bubblewrap"
    " libseccomp2)"
)
"""What to do if there is no sandbox."""


class SandboxError(ExplainedError):
    """The sandbox is not there, or does not hold."""


class Limits(NamedTuple):
    """What a process and all that it starts may take."""

    memory: int = COURSE.memory_mib << 20
    """Bytes of memory of all processes together."""
    address_space: int = (2 * COURSE.memory_mib << 20) + (4 << 30)
    """Bytes of addresses of each process: so many that who uses too much memory is ended for that,
    each time, and does not find it out by itself."""
    file_size: int = COURSE.disk_mib << 20
    """Bytes of /tmp, and of each file in it."""
    files: int = 4096
    """Files and folders in /tmp: each takes memory of the kernel."""
    processes: int = COURSE.processes
    """Processes and threads."""
    open_files: int = 256
    """Of each process: a pipe takes memory of the kernel."""


def limit(limits: Limits) -> Iterator[str]:
    """What to put before a command to limit it."""
    yield from [find("prlimit"), f"--nproc={limits.processes}", f"--nofile={limits.open_files}"]
    yield from [f"--as={limits.address_space}", f"--fsize={limits.file_size}"]
    yield from ["--core=0", "--sigpending=1024", "--msgqueue=0", "--"]


def become(user: int) -> Iterator[str]:
    """What to put before a command to run it as another user without rights."""
    yield from [find("setpriv"), "--reuid", str(user), "--regid", str(user), "--clear-groups"]
    yield from ["--no-new-privs", "--"]


def find(program: str) -> str:
    """A program's path.

    Raises:
        SandboxError: If it is not installed.
    """
    path = shutil.which(program)
    if path is None:
        raise SandboxError(f"there is no {program} for the sandbox: {INSTALL}")
    return path

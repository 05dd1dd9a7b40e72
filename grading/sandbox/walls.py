"""The sandbox's walls: bubblewrap's command, wall by wall.

A process behind them sees the interpreter with its packages, the system's libraries, and what it is
given. All of it is read-only. Only /tmp, a small folder in memory, is its own. It has no network,
no home, no environment, no view of other processes and no right of the user who started it. Some
system calls are refused.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from grading.engine.process import ENVIRONMENT
from grading.sandbox.limits import Limits, become, find, limit

SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")
"""The system's programs and libraries, if they exist."""
OWN_TMP = "/sys"
"""Where /tmp is made for the sandbox: in there is nothing that it needs."""
MAKE_TMP = (
    f'mount -t tmpfs -o "size=$0,nr_inodes=$1,mode=1777" tmpfs {OWN_TMP} && shift && exec "$@"'
)
"""A shell's script: makes a /tmp of limited size, then becomes a command."""


def shut_away(user: int, walls: int, limits: Limits) -> Iterator[str]:
    """What to put before a command to shut it away.

    Args:
        user: As whom it runs.
        walls: The descriptor that bubblewrap's options are read from.
        limits: What it may take.
    """
    yield from make_tmp(limits)
    yield from [find("bwrap"), "--args", str(walls), "--"]
    yield from limit(limits)
    if is_root():
        yield from become(user)


def build_walls(
    user: int, given: Mapping[str, Path], folder: str, system_calls: int, limits: Limits
) -> Iterator[str]:
    """Bubblewrap's options, wall by wall.

    Args:
        user: As whom the command runs.
        given: The files and folders that it may read, by their paths in the sandbox.
        folder: The one of these paths that it starts in.
        system_calls: The descriptor that the filter of system calls is read from.
        limits: What it may take.
    """
    yield from separate_namespaces()
    yield from end_with_us()
    yield from drop_rights(user)
    yield from empty_environment()
    yield from mount(given, limits)
    yield from ["--chdir", folder]
    yield from ["--seccomp", str(system_calls)]


@functools.cache
def make_tmp(limits: Limits) -> tuple[str, ...]:
    """What to put before bubblewrap for a /tmp of limited size and number of files.

    Bubblewrap limits only the size. So the file system is made beforehand, in a namespace of mounts
    that ends with the sandbox. Empty where this is not allowed.
    """
    user = () if is_root() else ("--user", "--map-root-user")
    words = (
        *(find("unshare"), *user, "--mount", "--propagation", "private", "--"),
        *("/bin/sh", "-c", MAKE_TMP, str(limits.file_size), str(limits.files)),
    )
    try:
        subprocess.run([*words, "true"], check=True, stderr=subprocess.DEVNULL)
    except (subprocess.SubprocessError, OSError):
        return ()
    return words


def is_root() -> bool:
    """Whether root builds the walls: root needs no user namespace, but must change its user."""
    return os.geteuid() == 0


def separate_namespaces() -> Iterator[str]:
    """No network, no view of other processes, no shared memory of theirs, no name of the host."""
    yield from ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    yield "--unshare-cgroup-try"  # older kernels have none
    yield from ["--hostname", "sandbox"]


def end_with_us() -> Iterator[str]:
    """Nothing outlives the grader, and nothing types into its terminal.

    When the first process of a process namespace ends, the kernel ends all others in it.
    """
    yield from ["--die-with-parent", "--new-session"]


def drop_rights(user: int) -> Iterator[str]:
    """No capability, and a user who owns nothing here.

    Root keeps two capabilities until the mounts are made, and then becomes that user (`become`).
    The limit of processes holds per user, and not for root. So each sandbox needs its own user.
    """
    yield from ["--cap-drop", "ALL"]
    if is_root():
        yield from ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        yield from ["--unshare-user", "--uid", str(user), "--gid", str(user)]


def empty_environment() -> Iterator[str]:
    """Nothing of the grader's environment, which may hold secrets."""
    yield "--clearenv"
    for name, value in {**ENVIRONMENT, "HOME": "/tmp", "PATH": "/usr/bin:/bin"}.items():
        yield from ["--setenv", name, value]


def mount(given: Mapping[str, Path], limits: Limits) -> Iterator[str]:
    """The file system: all read-only, except a /tmp of limited size."""
    for path in SYSTEM_FOLDERS:
        yield from ["--ro-bind-try", path, path]
    if make_tmp(limits):
        yield from ["--bind", OWN_TMP, "/tmp"]
    else:
        yield from ["--size", str(limits.file_size), "--perms", "1777", "--tmpfs", "/tmp"]
    pythons = {path: Path(path) for path in (sys.base_prefix, sys.prefix)}
    for inside, outside in {**pythons, **given}.items():
        for parent in reversed(Path(inside).parents[:-1]):  # for any user to enter
            yield from ["--perms", "0755", "--dir", str(parent)]
        yield from ["--ro-bind", str(outside), inside]
    yield from ["--proc", "/proc", "--dev", "/dev"]
    yield from ["--tmpfs", "/dev/pts", "--remount-ro", "/dev/pts"]  # no terminals
    # These two are in memory without a limit: files in them would fill the machine's memory.
    yield from ["--remount-ro", "/dev", "--remount-ro", "/"]

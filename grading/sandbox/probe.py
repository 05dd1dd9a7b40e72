"""Tries to break out of the sandbox that it runs in, and reports what it could do.

    python probe.py PORT BYTES FILES PATH...        as a program in a sandbox

BYTES and FILES are what /tmp may take; FILES is 0 if their number is not bounded. Each attempt is
something that a hostile submission may try. The answer is JSON on standard output: for each
attempt, what it could do, or null. The file imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 1 << 17, 1 << 28
MAX_PROCESSES = 2000
"""No sandbox should let so many start."""


def write(folders: list[str]) -> str | None:
    """Writes a file somewhere outside /tmp."""
    for folder in folders:
        with contextlib.suppress(OSError):
            Path(folder, "written-by-a-probe").write_text("x")
            return f"wrote into {folder}"
    return None


def fill(folder: str, most: int) -> str | None:
    """Writes many large files."""
    written, piece = 0, bytes(1 << 20)
    with contextlib.suppress(OSError):
        for number in range(1000):
            path = Path(folder, f"filled-{number}")
            with path.open("wb") as file:
                for _ in range(16):
                    written += file.write(piece)
            if written > most:
                return f"wrote {written >> 20} MiB into {folder}"
    return None


def make_files(folder: str, most: int) -> str | None:
    """Makes twice as many links as there may be: each takes memory of the kernel."""
    with contextlib.suppress(OSError):
        for number in range(2 * most):
            os.symlink("x", os.path.join(folder, f"made-{number}"))
        return f"made {2 * most} links in {folder}" if most else None
    return None


def lock(folder: str) -> str | None:
    """Locks a part of a file: the kernel keeps each lock, and counts none."""
    import fcntl

    with contextlib.suppress(OSError), open(os.path.join(folder, "locked"), "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1)
        return "locked a part of a file"
    return None


def see_command() -> str | None:
    """Reads on the command line of the sandbox's first process where the course's files are."""
    words = Path("/proc/1/cmdline").read_text().split("\0")
    return "sees how it was started" if "--ro-bind" in words else None


def read(paths: list[str]) -> str | None:
    """Reads what it must not see."""
    for path in paths:
        with contextlib.suppress(OSError):
            found = os.listdir(path) if os.path.isdir(path) else Path(path).read_bytes()
            if found:
                return f"read {path}"
    return None


def connect(port: int) -> str | None:
    """Reaches a server on loopback, or any address at all."""
    for address in (("127.0.0.1", port), ("192.0.2.1", 80)):
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
            return f"reached {address[0]}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.connect(("192.0.2.1", 53))
        return "found a way to other networks"
    return None


def fork() -> str | None:
    """Starts processes without end."""
    children = []
    sleeping, _ = os.pipe()
    with contextlib.suppress(OSError):
        for _ in range(MAX_PROCESSES):
            child = os.fork()
            if child == 0:
                while True:
                    os.read(sleeping, 1)
            children.append(child)
    for child in children:
        os.kill(child, 9)
    return f"started {len(children)} processes" if len(children) >= MAX_PROCESSES else None


def see_processes() -> str | None:
    """Sees processes of others."""
    others = [name for name in os.listdir("/proc") if name.isdigit()]
    return f"sees {len(others)} processes" if len(others) > 10 else None


def see_descriptors() -> str | None:
    """Has files that were opened by others."""
    for number in range(3, 1000):
        with contextlib.suppress(OSError):
            os.fstat(number)
            return f"has descriptor {number}"
    return None


def hide_memory() -> str | None:
    """Takes memory that belongs to no process."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            os.memfd_create("x")
            return "made a file in memory"
    with contextlib.suppress(OSError):
        mmap.mmap(-1, 1 << 20)
        return "mapped shared memory"
    return None


def unshare() -> str | None:
    """Makes namespaces, in which it would be root."""
    for flags in (CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS):
        if ctypes.CDLL(None).unshare(flags) == 0:
            return "made a namespace"
    return None


def open_terminal() -> str | None:
    """Opens a terminal: all sandboxes and the host share a number of them."""
    with contextlib.suppress(OSError):
        os.openpty()
        return "opened a terminal"
    return None


def be_idle() -> str | None:
    """Runs only when nobody else does, so that waiting for itself counts as waiting for others."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return "chose how it is scheduled"
    return None


def ask_for_key() -> str | None:
    """Asks the kernel for a key, for which it starts a program outside of all sandboxes."""
    request_key = {"x86_64": 249, "aarch64": 219}.get(os.uname().machine)
    libc = ctypes.CDLL(None, use_errno=True)
    if request_key and libc.syscall(request_key, b"user", b"probe", None, 0) < 0:
        return None if ctypes.get_errno() == errno.EPERM else "asked for a key"
    return "found a key" if request_key else None


def become_root() -> str | None:
    """Becomes another user, or has rights of its own."""
    if os.getuid() == 0:
        return "is root"
    for become in (os.setuid, os.setgid):
        with contextlib.suppress(OSError):
            become(0)
            return "became root"
    rights = Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0]
    return f"has the capabilities {rights}" if int(rights, 16) else None


def main(port: str, tmp_size: str, nbr_files: str, *hidden: str) -> None:
    folders = [
        "/",
        "/usr",
        "/usr/lib",
        "/etc",
        "/dev",
        "/dev/shm",
        "/proc",
        os.getcwd(),
        sys.prefix,
    ]
    attempts: dict[str, Callable[[], str | None]] = {
        "write": lambda: write([*folders, *hidden]),
        "lock": lambda: lock("/tmp"),
        "fill": lambda: fill("/tmp", 2 * int(tmp_size)),
        "make files": lambda: make_files("/tmp", int(nbr_files)),
        "see command": see_command,
        "read": lambda: read([*hidden, "/etc/shadow", "/home"]),
        "connect": lambda: connect(int(port)),
        "see processes": see_processes,
        "see descriptors": see_descriptors,
        "become root": become_root,
        "hide memory": hide_memory,
        "unshare": unshare,
        "open terminal": open_terminal,
        "be idle": be_idle,
        "ask for key": ask_for_key,
        "fork": fork,
    }
    json.dump({name: attempt() for name, attempt in attempts.items()}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

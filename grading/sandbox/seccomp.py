"""The system calls that the sandbox refuses, for the kernel to check.

Three kinds are refused. Some get memory that `Limits.memory` does not see, because it belongs to no
process, is mapped nowhere, or is of the kernel's own records. Some undo the choice of processors,
or give a session's share of them to each process, or none. The others are doors to namespaces and
to rarely used parts of the kernel. Python, NumPy and TensorFlow do without all of them.
"""

from __future__ import annotations

import errno
from typing import BinaryIO

from grading.sandbox.limits import INSTALL, SandboxError

REFUSED = (
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open"),
    *("vmsplice", "io_setup", "socket", "socketpair"),
    *("epoll_create", "epoll_create1", "inotify_init", "inotify_init1", "fanotify_init"),
    *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "setsid"),
    *("unshare", "setns", "mount", "fsopen", "open_tree"),
    *("add_key", "request_key", "keyctl", "bpf", "io_uring_setup", "perf_event_open", "ptrace"),
    *("userfaultfd", "syslog"),
)
"""Refused with any arguments."""
MAP_SHARED = 0x01
"""Such memory stays when `madvise` unmaps it."""
LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW: the kernel keeps each lock, without a limit."""
NEW_NAMESPACES = (1 << 17, *(1 << bit for bit in range(25, 31)))
"""CLONE_NEWNS; CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""


def write_filter(file: BinaryIO) -> None:
    """Writes the filter as bubblewrap and the kernel take it.

    Raises:
        SandboxError: If pyseccomp or libseccomp is missing.
    """
    try:
        from pyseccomp import ALLOW, EQ, ERRNO, MASKED_EQ, Arg, SyscallFilter
    except (ImportError, RuntimeError) as error:  # RuntimeError: no libseccomp
        raise SandboxError(f"there is no filter for the sandbox ({error}): {INSTALL}") from None

    refuse = ERRNO(errno.EPERM)
    rules = SyscallFilter(ALLOW)
    for name in REFUSED:
        rules.add_rule(refuse, name)
    rules.add_rule(refuse, "mmap", Arg(3, MASKED_EQ, MAP_SHARED, MAP_SHARED))
    for command in LOCKS:
        rules.add_rule(refuse, "fcntl", Arg(1, EQ, command))
    for flag in NEW_NAMESPACES:
        rules.add_rule(refuse, "clone", Arg(0, MASKED_EQ, flag, flag))
    rules.add_rule(ERRNO(errno.ENOSYS), "clone3")  # its flags are hidden; callers then try clone
    rules.export_bpf(file)

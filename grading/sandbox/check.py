"""Proves that the sandbox holds, by trying to break out of it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from grading.sandbox import groups, probe
from grading.sandbox.limits import INSTALL, Limits, SandboxError
from grading.sandbox.runners import Sandbox
from grading.sandbox.walls import make_tmp
from support.files import ROOT

OWN = tuple(ROOT / name for name in ("grading", "tests", "rnn_cells", "train.py"))
"""What no submission may see; a virtual environment may lie beside it."""

PROBE_LIMIT = 60.0
"""Seconds for trying the sandbox."""


def check_sandbox(limits: Limits, hidden: Sequence[Path] = (), scratch: Path | None = None) -> str:
    """Proves that the sandbox holds: `probe.py` tries to break out of it.

    Args:
        limits: What a process may take.
        hidden: Paths that must not be seen, beside the course's own.
        scratch: The folder for temporary files; the system's, if none is given.

    Returns:
        Which of the walls that a system may lack stand here.

    Raises:
        SandboxError: If there is no sandbox here, or it does not hold.
    """
    if sys.platform != "linux":
        raise SandboxError(f"there is no sandbox: {INSTALL}")
    paths = [str(path) for path in (*OWN, *hidden)]
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.TemporaryDirectory(dir=scratch) as folder,
    ):
        port, most = server.getsockname()[1], limits.files if make_tmp(limits) else 0
        arguments = [probe.__file__, str(port), str(limits.file_size), str(most), *paths]
        process = Sandbox(limits).start_builder(arguments, Path(folder))
        try:
            answer = json.loads(process.communicate(timeout=PROBE_LIMIT)[0])
        except (ValueError, subprocess.TimeoutExpired):
            raise SandboxError(
                f"the sandbox does not start ({Sandbox(limits).explain()}): bubblewrap must be"
                " allowed to make namespaces (as root, or on a system with user namespaces), and"
                " the user in the sandbox must be allowed to read Python"
            ) from None
        finally:
            process.kill()
            process.wait()
    broken = [outcome for outcome in answer.values() if outcome]
    if broken:
        raise SandboxError(f"the sandbox does not hold: a process in it {broken[0]}")
    return describe_walls(limits)


def describe_walls(limits: Limits) -> str:
    """Which of the walls that a system may lack stand here."""
    if groups.find_parent() is not None:
        memory = "a control group"
    elif groups.ask_systemd(limits):
        memory = "a control group, by systemd"
    else:
        memory = "looked up, without a control group: the kernel's own records are not counted"
    files = "bounded" if make_tmp(limits) else "not bounded in number"
    return f"memory: {memory}; files in /tmp: {files}"

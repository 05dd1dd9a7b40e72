"""A Dask cluster on this machine."""

import contextlib
import socket
import subprocess
import sys


@contextlib.contextmanager
def start_cluster(folder):
    """A scheduler on loopback and two workers, which see no sources; yields address and workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    port = address.rpartition(":")[2]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]]
    commands += 2 * [["worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]]
    processes = [
        subprocess.Popen(
            [*dask, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for command in commands
    ]
    try:
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()

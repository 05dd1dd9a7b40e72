"""Parallel work: the processes of this machine, or the workers of a Dask cluster.

Both are given as a `concurrent.futures.Executor`; nothing here schedules anything of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path

from support.errors import ExplainedError

CONNECT_TIMEOUT = "5s"
"""How long a cluster's scheduler may take to answer."""


class ExecutorError(ExplainedError):
    """There is no cluster to work on."""


def count_usable_cores() -> int:
    """The number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def local_executor(nbr_jobs: int) -> Iterator[futures.Executor]:
    """Processes of this machine; an error or Ctrl-C ends them at once."""
    others = set(multiprocessing.active_children())
    executor = futures.ProcessPoolExecutor(
        nbr_jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    try:
        yield executor
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def _start_worker() -> None:
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # a semaphore would outlive the worker


@contextlib.contextmanager
def dask_executor(
    address: str, sources: Mapping[str, Path], scratch: Path | None = None
) -> Iterator[futures.Executor]:
    """The workers of a Dask cluster; no disk is shared.

    Args:
        address: The scheduler's address.
        sources: The files that are sent there, by their paths in an archive. Dask imports the
            modules at its top, on the scheduler and on the workers.
        scratch: The folder for temporary files; the system's, if none is given.

    Raises:
        ExecutorError: If Dask is not installed or there is no scheduler at the address.
        futures.BrokenExecutor: If a task lost worker after worker, or a worker is gone with what it
            has finished.
    """
    try:
        import dask
        from distributed import Client, KilledWorker
    except ModuleNotFoundError:
        raise ExecutorError("--scheduler needs Dask: pip install dask distributed") from None
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ExecutorError(
            f"there is no Dask scheduler at {address} ({error}): start one with `dask scheduler`,"
            " and workers with `dask worker ADDRESS --nthreads 1`"
        ) from None
    with (
        client,
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        dask.config.set({"distributed.comm.timeouts.connect": CONNECT_TIMEOUT}),
    ):
        path = Path(folder, "rnn-sources.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, file in sources.items():
                archive.write(file, name)
        try:
            client.upload_file(str(path))
            yield client.get_executor()
        except (KilledWorker, OSError) as error:
            if getattr(error, "errno", None) is not None:  # the system's, as of a full disk
                raise
            raise futures.BrokenExecutor(str(error)) from error


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Callable[[], None]]:
    """Lets Ctrl-C and SIGTERM wait until the block ends or calls what this yields.

    There they raise KeyboardInterrupt. Elsewhere they could leave one of the executor's locks
    taken, and all would wait for it.
    """
    caught: list[int] = []

    def stop_here() -> None:
        if caught:
            raise KeyboardInterrupt

    handlers = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop_here
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        stop_here()

"""Bounds in time and memory for the runs of a submission's graphs."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

from grading.engine.losing import lose

RUN_LIMIT = 10
"""Processor seconds for one run of a graph."""
PART_LIMIT = 25
"""Processor seconds for loading and running all graphs of a part."""
WAITING = 3
"""How many seconds a run may take for each processor second that it may."""
ENDING_LIMIT = 5
"""Seconds for a run to end when it has been cancelled."""
MEMORY_LIMIT = 4 << 30
"""Bytes that a run may take beyond what the process has."""
SPARE = 1 << 30
"""Bytes that a part may leave behind."""

TOO_LONG = (
    f"running the graph takes more than {RUN_LIMIT} seconds, {PART_LIMIT} with the part's others,"
    f" or {MEMORY_LIMIT >> 30} GiB"
)
"""The reason of a part whose graphs were stopped."""


class Clock:
    """Counts the processor time of a part's graphs: a busy machine costs nobody points."""

    def __init__(self):
        self.seconds = 0.0

    @property
    def has_stopped(self) -> bool:
        return self.seconds == math.inf

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts the time of the block; fails the test when the part has had its time."""
        if self.seconds > PART_LIMIT:
            self.stop()
        started = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - started

    def stop(self) -> NoReturn:
        """Fails the test; the graphs are not run again."""
        self.seconds = math.inf
        lose(TOO_LONG)


def call_within(seconds: float, function: Callable[[], Any], cancel: Callable[[], object]) -> Any:
    """Calls a function, and cancels it when it has had its processor time.

    What does not end even then, such as one huge operation, is left to itself (see `Footprint`).
    """
    outcome: list = []

    def call() -> None:
        try:
            outcome.extend((True, function()))
        except BaseException as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=call, daemon=True)
    until, latest = time.process_time() + seconds, time.monotonic() + WAITING * seconds
    thread.start()
    while thread.is_alive() and time.process_time() < until and time.monotonic() < latest:
        thread.join(0.05)
    if not outcome:
        cancel()
        thread.join(ENDING_LIMIT)
        raise TimeoutError
    succeeded, result = outcome
    if not succeeded:
        raise result
    return result


class Footprint(NamedTuple):
    """What this process takes."""

    addresses: int
    """Bytes."""
    resident: int
    """Bytes."""
    threads: int
    """Those that Python started."""

    def has_room_as(self, before: Footprint) -> bool:
        """Whether a part finds as much room as it would have found before."""
        return (
            self.threads <= before.threads
            and self.addresses < before.addresses + SPARE
            and self.resident < before.resident + SPARE
        )


def measure_footprint() -> Footprint:
    """What this process takes now; nothing where the system does not tell."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            pages = [int(field) for field in file.read().split()[:2]]
    except (ImportError, OSError):
        return Footprint(0, 0, threading.active_count())
    addresses, resident = (number * resource.getpagesize() for number in pages)
    return Footprint(addresses, resident, threading.active_count())


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Lets allocations fail that would take the machine's memory, where the system can."""
    used = measure_footprint().addresses
    if not used:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = (
        used + MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(used + MEMORY_LIMIT, hard)
    )
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

"""Bounds in time and memory for the runs of a submission's graphs."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, NoReturn

from grading.engine.losing import lose

RUN_LIMIT = 10
"""Processor seconds for one run of a graph."""
PART_LIMIT = 25
"""Processor seconds for loading and running all graphs of a part."""
WAITING = 3
"""How many seconds a run may take for each processor second that it may."""
LOOK_EVERY = 0.05
"""Seconds between two looks at the time that a run has taken."""
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


class _Worker:
    """A thread that calls functions, one after another."""

    def __init__(self):
        self._calls: SimpleQueue[Callable[[], Any]] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._outcomes.put(_call(self._calls.get()))

    def start(self, function: Callable[[], Any]) -> None:
        self._calls.put(function)

    def wait(self, seconds: float) -> tuple[bool, Any] | None:
        """Whether the function has succeeded, and what it returned or raised; None if it runs."""
        with contextlib.suppress(Empty):
            return self._outcomes.get(timeout=seconds)
        return None


_idle: list[_Worker] = []
"""Those that wait for a function, so that each of hundreds of small runs needs no new thread."""


def _call(function: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return True, function()
    except BaseException as error:
        return False, error


def call_within(seconds: float, function: Callable[[], Any], cancel: Callable[[], object]) -> Any:
    """Calls a function, and cancels it when it has had its processor time.

    What does not end even then, such as one huge operation, is left to itself (see `Footprint`).
    """
    worker = _idle.pop() if _idle else _Worker()
    until, latest = time.process_time() + seconds, time.monotonic() + WAITING * seconds
    worker.start(function)
    while not (outcome := worker.wait(LOOK_EVERY)):
        if time.process_time() > until or time.monotonic() > latest:
            cancel()
            if worker.wait(ENDING_LIMIT):
                _idle.append(worker)
            raise TimeoutError
    _idle.append(worker)
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
    """Those that Python started, and that do something."""

    def has_room_as(self, before: Footprint) -> bool:
        """Whether a part finds as much room as it would have found before."""
        return (
            self.threads <= before.threads
            and self.addresses < before.addresses + SPARE
            and self.resident < before.resident + SPARE
        )


def measure_footprint() -> Footprint:
    """What this process takes now; nothing where the system does not tell."""
    threads = threading.active_count() - len(_idle)
    try:
        import resource

        with open("/proc/self/statm") as file:
            pages = [int(field) for field in file.read().split()[:2]]
    except (ImportError, OSError):
        return Footprint(0, 0, threads)
    addresses, resident = (number * resource.getpagesize() for number in pages)
    return Footprint(addresses, resident, threads)


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

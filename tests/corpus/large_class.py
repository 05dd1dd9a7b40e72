"""A class of 1,000 archives, 750 of them broken or empty: how long these take, and how much memory.

    python -m tests.corpus.large_class               the 750; two minutes on 2 cores
    python -m tests.corpus.large_class --honest 250  and the others; half an hour

The exit status is 1 if the 750 take more than three minutes, if the main process takes more than a
gigabyte, or if a group does not get what it must.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grading.classroom.result import GRADED, REFUSED
from grading.engine.parts import TOTAL
from grading.gradebook.gradebook import read_class
from support.terminal import natural
from tests.corpus.hostile_class import MOST_MEMORY, grade
from tests.corpus.packing import SOLVED, pack_tar, pack_zip

NBR_BROKEN = 750
"""Archives that are broken or empty."""
MOST_SECONDS = 180
"""For these."""


def pack_bytes(name: str, content: bytes) -> Callable[[Path, str], None]:
    return lambda folder, group: (folder / f"{group}{name}").write_bytes(content)


BROKEN = {
    "an empty file": (pack_bytes(".zip", b""), REFUSED),
    "noise": (pack_bytes(".tar.gz", os.urandom(100_000)), REFUSED),
    "a zip that is cut off": (pack_bytes(".zip", b"PK\3\4" + bytes(100)), REFUSED),
    "many streams": (pack_bytes(".tgz", gzip.compress(b"") * 50_000), REFUSED),
    "a bomb": (pack_zip({"bomb": bytes(1 << 27)}), REFUSED),
    "a path upwards": (pack_tar({**SOLVED, "../x": b""}), REFUSED),
    "an empty zip": (pack_zip({}), GRADED),
    "none of the four files": (pack_zip({f"{n}.py": b"" for n in range(100)}), GRADED),
    "a large file": (pack_zip({"noise.py": os.urandom(1 << 20)}), GRADED),
    "scans only": (pack_zip({"answers.pdf": os.urandom(1 << 18)}), GRADED),
}
"""How archives are packed, and how grading each ends."""


def name_group(number: int) -> str:
    return "_".join(str(1_000_000 + 3 * number + member) for member in range(3))


def check(book: Path, wanted: dict[str, tuple[str, float]]) -> int:
    """How many groups did not get what they must."""
    got = {e.group.name: (e.result.status, sum(e.get_points().values())) for e in read_class(book)}
    return sum(got.get(group) != result for group, result in wanted.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--honest", type=natural, default=0, metavar="N", help="more groups (0)")
    nbr_honest = parser.parse_args().honest
    wanted, wrong, faults = {}, 0, []
    with tempfile.TemporaryDirectory() as name:
        submissions, book = Path(name, "class"), Path(name, "book")
        submissions.mkdir()
        for number in range(NBR_BROKEN):
            pack, status = list(BROKEN.values())[number % len(BROKEN)]
            if number < len(BROKEN):
                pack(submissions, name_group(number))
            else:  # the same again
                (first,) = submissions.glob(f"{name_group(number % len(BROKEN))}.*")
                shutil.copy(first, submissions / f"{name_group(number)}{''.join(first.suffixes)}")
            wanted[name_group(number)] = status, 0
        for more in (0, nbr_honest):
            for number in range(NBR_BROKEN, NBR_BROKEN + more):
                files = {file: content + b"# %d\n" % number for file, content in SOLVED.items()}
                pack_zip(files)(submissions, name_group(number))
                wanted[name_group(number)] = GRADED, TOTAL
            started = time.monotonic()
            status, memory = grade(submissions, book)
            seconds = time.monotonic() - started
            wrong += status or check(book, wanted)
            print(f"{len(wanted)} archives: {seconds:.0f} s, {memory >> 20} MiB, {wrong} wrong")
            if memory > MOST_MEMORY:
                faults.append("too much memory")
            if len(wanted) == NBR_BROKEN and seconds > MOST_SECONDS:
                faults.append("too long")
            if not nbr_honest:
                break
    print("; ".join(faults) or "within bounds")
    return 1 if wrong or faults else 0


if __name__ == "__main__":
    sys.exit(main())

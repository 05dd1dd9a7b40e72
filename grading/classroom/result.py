"""How grading a submission ended."""

from __future__ import annotations

from typing import NamedTuple

from grading.engine.process import TROUBLES
from grading.engine.verdict import Verdict

GRADED = "graded"
"""All parts were judged."""
REFUSED = "would not unpack"
"""What was handed in is refused."""
OUR_FAULT = "our own fault"
"""There is no verdict, for other reasons than what was handed in."""
NOT_YET = "not graded yet"
"""Nobody asked for it so far."""

STATUSES = (GRADED, *TROUBLES, REFUSED, OUR_FAULT, NOT_YET)
"""How grading ends: as it should, with parts that ended their process, or not at all."""


class Result(NamedTuple):
    """How grading a submission ended; `_asdict` is plain data for JSON."""

    status: str
    """One of `STATUSES`."""
    why: str = ""
    """What happened, if there is no verdict."""
    verdict: Verdict | None = None
    sandboxed: bool = True
    """Whether the submission ran in the sandbox."""

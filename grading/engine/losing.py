"""How a test says that points are lost: one sentence for the student."""

from __future__ import annotations

from typing import NoReturn

import pytest

from grading.engine.text import LONGEST_REASON, printable


class VagueFailure(pytest.fail.Exception):
    """Says no more than that something is wrong; left out if a part has a precise reason."""


def lose(reason: str, *, vague: bool = False) -> NoReturn:
    """Fails the test with one sentence for the student.

    Args:
        reason: The sentence.
        vague: Whether any other reason tells more.
    """
    failure = VagueFailure if vague else pytest.fail.Exception
    raise failure(printable(reason, LONGEST_REASON), pytrace=False)

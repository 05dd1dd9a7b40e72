"""Failures that a person is told about in one line."""

from __future__ import annotations


class ExplainedError(Exception):
    """A failure whose message says in one line what is wrong and how to fix it.

    The command lines print the message alone; for any other error they also name its type.
    """

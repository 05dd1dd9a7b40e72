"""The corpus is graded in the background while the other tests run; its own tests run last."""

from __future__ import annotations

import contextlib

import pytest

from tests.corpus.grade import grading

BACKGROUND = pytest.StashKey[contextlib.ExitStack]()
GRADES = pytest.StashKey[dict]()


def _get_entry(item: pytest.Item):
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("entry") if callspec else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "grades" in item.fixturenames)


def pytest_collection_finish(session: pytest.Session) -> None:
    entries = [entry for entry in map(_get_entry, session.items) if entry is not None]
    if entries and not session.config.option.collectonly:
        stack = session.config.stash[BACKGROUND] = contextlib.ExitStack()
        session.config.stash[GRADES] = stack.enter_context(grading(entries))


def pytest_sessionfinish(session: pytest.Session) -> None:
    with session.config.stash.get(BACKGROUND, contextlib.ExitStack()):
        pass


@pytest.fixture
def grades(pytestconfig: pytest.Config) -> dict:
    """The grades to come, by the entries' names."""
    return pytestconfig.stash[GRADES]

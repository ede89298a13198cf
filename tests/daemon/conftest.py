"""Homes for the daemon's tests: one of its own for each test that asks, and a daemon that a module shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon_house import Daemon, Home


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of this test's own; no daemon runs yet."""
    with Home() as home:
        yield home


@pytest.fixture
def gate(home: Home) -> Path:
    """A fifo at which a command waits."""
    path = home.root / "gate"
    os.mkfifo(path)
    return path


@pytest.fixture(scope="session")
def _shared() -> Iterator[Daemon]:
    with Home() as home:
        yield home.start()


@pytest.fixture
def daemon(_shared: Daemon) -> Iterator[Daemon]:
    """A daemon that runs, shared by the tests that leave it running. Its model is the test's to set."""
    assert _shared.process.poll() is None, "a test before this one ended the shared daemon"
    yield _shared
    _shared.end_turns()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever starts a daemon of its own takes longer than a quick test may."""
    for item in items:
        if isinstance(item, pytest.Function) and "home" in item.fixturenames:
            item.add_marker(pytest.mark.slow)

"""A home for the tests of the service; all that starts a daemon of its own is slow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon_house import Home


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of this test's own; no daemon runs yet."""
    with Home() as home:
        yield home


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever starts a daemon of its own takes longer than a quick test may."""
    for item in items:
        if isinstance(item, pytest.Function) and "home" in item.fixturenames:
            item.add_marker(pytest.mark.slow)

"""Async tests: `@trio_test` runs a test under trio; `@trio_test(autojump=True)` on a clock that jumps.

A test that is not done after `TEST_SECONDS_MAX` has hung, and fails instead of holding up the run.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from typing import Any, overload

import trio
import trio.testing

# About hanging, so far above what a test takes beside other work; at night there is more of everything.
TEST_SECONDS_MAX = 3600 if "CODEXD_NIGHTLY" in os.environ else 120

AsyncTest = Callable[..., Awaitable[None]]


@overload
def trio_test(test: AsyncTest, /) -> Callable[..., None]: ...
@overload
def trio_test(*, autojump: bool) -> Callable[[AsyncTest], Callable[..., None]]: ...
def trio_test(test: AsyncTest | None = None, /, *, autojump: bool = False) -> Any:
    """Make a plain test of an async one."""
    if test is None:
        return functools.partial(_wrapped, autojump=autojump)
    return _wrapped(test, autojump=autojump)


def _wrapped(test: AsyncTest, *, autojump: bool) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            # On a jumping clock the deadline would be jumped to as soon as the test waits for the world.
            limit = float("inf") if autojump else TEST_SECONDS_MAX
            with trio.fail_after(limit):
                await test(*args, **kwargs)

        clock = trio.testing.MockClock(autojump_threshold=0) if autojump else None
        trio.run(bounded, clock=clock)

    return run

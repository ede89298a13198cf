"""Rate limits are kept by account and family, over a restart too; null clears nothing, and a past window is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from codexd.account.limits import ACCOUNTS_MAX, FAMILIES_MAX, Known, Limits, headers_of_usage
from codexd.projections.usage.rate_limits import read_limits
from codexd.protocol.account import Credits, RateLimits, RateLimitWindow
from codexd.runtime.account_facts import RATE_LIMITS, AccountFacts
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.reading import records
from trio_test import trio_test

AT = 1_795_000_000_000
PRIMARY = "x-codex-primary-used-percent"
BOTH = {
    PRIMARY: "12.6",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-after-seconds": "600",
    "x-codex-secondary-used-percent": "40",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-at": "1796000000",
    "x-codex-credits-has-credits": "True",
    "x-codex-credits-unlimited": "0",
    "x-codex-credits-balance": "9.5",
    "x-codex-plan-type": "plus",
}


def limits_in(store: MemoryStore) -> Limits:
    facts = AccountFacts(store)

    async def recall(account: str) -> Known | None:
        return await facts.newest(RATE_LIMITS, Known, lambda known: known.account == account)

    async def note(known: Known) -> None:
        await facts.note(RATE_LIMITS, known)

    return Limits(recall, note)


async def noted(store: MemoryStore) -> int:
    return len([record async for record in records(store, "daemon") if record.type == RATE_LIMITS])


@asynccontextmanager
async def running(limits: Limits) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limits.run)
        yield
        nursery.cancel_scope.cancel()


@trio_test
async def test_what_a_response_says_is_known_with_the_time_of_the_response() -> None:
    limits = limits_in(MemoryStore())
    limits.observe("ann", BOTH, AT)
    [(name, seen)] = (await limits.of("ann", AT)).items()
    assert (name, seen.at_ms) == ("codex", AT)
    assert seen.limits == RateLimits(
        "codex",
        primary=RateLimitWindow(13, 300, AT // 1000 + 600),
        secondary=RateLimitWindow(40, 10080, 1796000000),
        credits=Credits(True, False, "9.5"),
        plan_type="plus",
    )
    assert await limits.of("bob", AT) == {}


@trio_test
async def test_what_a_later_response_does_not_say_stays() -> None:
    limits = limits_in(MemoryStore())
    limits.observe("ann", BOTH, AT)
    limits.observe("ann", {PRIMARY: "15", "x-codex-other-primary-used-percent": "3"}, AT + 1000)
    seen = await limits.of("ann", AT + 1000)
    assert list(seen) == ["codex", "codex_other"]
    kept = seen["codex"].limits
    assert kept.primary == RateLimitWindow(15, 300, AT // 1000 + 600)
    assert kept.secondary == RateLimitWindow(40, 10080, 1796000000)
    assert (kept.credits, kept.plan_type) == (Credits(True, False, "9.5"), "plus")
    limits.observe("ann", {"x-request-id": "1"}, AT + 2000)
    assert await limits.of("ann", AT + 2000) == seen


@trio_test
async def test_a_window_that_was_reset_is_gone_and_its_time_is_not_the_next_ones() -> None:
    limits = limits_in(MemoryStore())
    limits.observe("ann", BOTH, AT)
    later = AT + 600_000
    seen = (await limits.of("ann", later))["codex"].limits
    assert seen.primary is None
    assert seen.secondary is not None
    limits.observe("ann", {PRIMARY: "1"}, later)
    assert (await limits.of("ann", later))["codex"].limits.primary == RateLimitWindow(1)


@trio_test
async def test_the_next_daemon_knows_what_this_one_was_told() -> None:
    store = MemoryStore()
    limits = limits_in(store)
    async with running(limits):
        limits.observe("ann", BOTH, AT)
        limits.observe("bob", {PRIMARY: "77"}, AT)
    again = limits_in(store)
    assert await again.of("ann", AT) == await limits.of("ann", AT)
    assert (await again.of("bob", AT))["codex"].limits.primary == RateLimitWindow(77)
    assert await again.of("eve", AT) == {}


@trio_test
async def test_only_a_change_is_recorded_and_some_seconds_of_a_reset_are_none() -> None:
    store = MemoryStore()
    limits = limits_in(store)
    for moment in range(5):
        limits.observe("ann", BOTH, AT + moment * 10_000)
        await limits.of("ann", AT)
    assert await noted(store) == 1
    limits.observe("ann", BOTH | {PRIMARY: "14"}, AT)
    await limits.of("ann", AT)
    limits.observe("ann", BOTH | {PRIMARY: "14", "x-codex-credits-balance": "9"}, AT)
    await limits.of("ann", AT)
    assert await noted(store) == 3


@trio_test
async def test_what_a_server_invents_is_bounded() -> None:
    limits = limits_in(MemoryStore())
    for number in range(100):
        limits.observe("ann", {f"x-family-{number}-primary-used-percent": "1"}, AT)
    assert len(await limits.of("ann", AT)) == FAMILIES_MAX
    for number in range(100):
        await limits.of(f"account-{number}", AT)
    assert len(limits._known) == ACCOUNTS_MAX
    assert len(await limits.of("ann", AT)) == FAMILIES_MAX  # recalled


def test_a_fact_is_read_as_it_was_written() -> None:
    known = Known("ann", {})
    assert msgspec.json.decode(msgspec.json.encode(known), type=Known) == known


def test_what_chatgpts_server_says_is_as_good_as_headers() -> None:
    body = (
        b'{"plan_type":"plus","rate_limit":{"allowed":true,"primary_window":{"used_percent":42,'
        b'"limit_window_seconds":18000,"reset_after_seconds":100,"reset_at":1795900000},"secondary_window":null},'
        b'"credits":{"has_credits":true,"unlimited":false,"balance":"12.5"}}'
    )
    assert read_limits(headers_of_usage(body), AT) == [
        RateLimits(
            "codex",
            primary=RateLimitWindow(42, 300, 1795900000),
            credits=Credits(True, False, "12.5"),
            plan_type="plus",
        )
    ]
    for odd in (b"", b"[]", b"{}", b'{"rate_limit":7}', b"<html>"):
        assert read_limits(headers_of_usage(odd), AT) == []

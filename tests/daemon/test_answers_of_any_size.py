"""An answer of any size is given whole, in pages, or refused with a sentence; and a client that does not read costs little.

The images are as large as the bounds that hold; the text is, where the bounds are a sixteenth of them.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, suppress
from socket import socketpair

import pytest
import trio

from builders import SETTINGS
from codexd.core.events.events import (
    Event,
    InputQueued,
    ThreadStarted,
    TurnCompleted,
    TurnStarted,
    encode_event,
)
from codexd.core.events.record import encode_members
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.models.scripted.server import scripted_model
from codexd.server.connection.connection import REQUESTS_UNDER_WAY_MAX
from codexd.server.feed.outbox import UNREAD_BYTES_MAX, AllUnread, Outbox, Unread
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import NewEvent
from daemon_client import FRAMINGS, Client, Framing, Json, Refused, connected, typed
from daemon_house import READY, Daemon, Home
from daemon_screen import items_of
from images_e2e import OK, PNG, picture, shown, url_of
from small_answers import ANSWER_BYTES_MAX, PAGE_BYTES_MAX, PROGRAM
from trio_test import trio_test

# As JSON six bytes each: a prompt within its bound that is large in every answer.
DEAR = "\x01" * 62_500
DEAR_BYTES = 6 * len(DEAR)
# Six of these have more than one answer may.
LARGE = [PNG + bytes(9_000_000) + bytes([n]) for n in range(6)]
THREAD = ThreadId("0194d2a0-0000-7000-8000-000000000001")


async def write_dear(home: Home, turns: int) -> str:
    """A thread with so many turns of that prompt, as a daemon would have written it."""
    events: list[tuple[Event, str | None]] = [(ThreadStarted(SETTINGS, "test", "0"), None)]
    for n in range(turns):
        turn, item = TurnId(f"turn-{n}"), ItemId(f"item-{n}")
        events += [
            (InputQueued(item, turn, (TextInput(DEAR),)), turn),
            (TurnStarted(turn, SETTINGS, (item,)), turn),
            (TurnCompleted(), turn),
        ]
    async with open_jsonl_store(home.path, state_dir=home.path / "state") as store:
        for seq, (event, of) in enumerate(events):
            new = NewEvent(event.type, encode_event(event), event.v, encode_members("test:1", of))
            await store.append(THREAD, [new], expected_version=seq, at_us=1, durable=False)
    return THREAD


async def paged(client: Client, method: str, **params: object) -> list[list[Json]]:
    """All pages of a list."""
    pages: list[list[Json]] = []
    cursor = None
    while cursor is not None or not pages:
        page = await client.call(method, cursor=cursor, **params)
        pages.append(page["data"])
        cursor = page["nextCursor"]
    return pages


@pytest.mark.slow
@trio_test
async def test_more_images_than_one_answer_may_have_are_in_its_pages(home: Home) -> None:
    async with scripted_model([OK] * 6) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            for content in LARGE:
                asked = [picture(content), *typed("look")]
                turn = await client.call("turn/start", threadId=thread, input=asked)
                await client.turn_ended(turn["turn"]["id"])
            whole = [url_of(content) for content in LARGE]
            for method, params in (
                ("thread/read", {"includeTurns": True}),
                ("thread/resume", {}),
                ("thread/fork", {}),
            ):
                answer = await client.call(method, threadId=thread, **params)
                urls = [part["url"] for part in shown(answer["thread"])]
                assert [url for url in urls if url.startswith("data:")] == whole[1:], method
                assert urls[0].startswith("codexd-blob:")
            turns = await paged(
                client, "thread/turns/list", threadId=thread, sortDirection="asc", itemsView="full"
            )
            items = await paged(client, "thread/items/list", threadId=thread)
            of_turns = [items_of({"turns": page}) for page in turns]
            of_items = [[entry["item"] for entry in page] for page in items]
            for pages in (of_turns, of_items):
                assert len(pages) > 2
                parts = [shown({"turns": [{"items": page}]}) for page in pages]
                assert [part["url"] for page in parts for part in page] == whole
                assert sum(len(page) for page in pages) == 12
            last = await client.call("thread/resume", threadId=thread, initialTurnsPage={})
            assert len(shown({"turns": last["initialTurnsPage"]["data"]})) == 1


@pytest.mark.slow
@trio_test
async def test_more_text_than_one_answer_may_have_is_refused_with_a_sentence_or_paged(
    home: Home,
) -> None:
    times = ANSWER_BYTES_MAX // DEAR_BYTES + 1
    thread = await write_dear(home, times)
    home.launch(program=PROGRAM).wait_said(READY)
    async with connected(home.socket) as client:
        for method, params in (
            ("thread/read", {"includeTurns": True}),
            ("thread/resume", {}),
            ("thread/fork", {}),
        ):
            refusal = await client.refused(method, threadId=thread, **params)
            assert refusal.data["code"] == "answer_too_large"
            assert str(ANSWER_BYTES_MAX) in refusal.message
            assert "thread/turns/list" in refusal.message
        fork = refusal.message.partition("it is thread ")[2].partition(";")[0]
        turns = await paged(client, "thread/turns/list", threadId=fork)
        assert sum(map(len, turns)) == times
        assert max(map(len, turns)) == PAGE_BYTES_MAX // DEAR_BYTES
        items = await paged(client, "thread/items/list", threadId=thread)
        assert sum(map(len, items)) == times
        records, after = 0, 0
        while after is not None:
            page = await client.call("thread/log/read", threadId=thread, after=after)
            assert len(page["records"]) <= 3 * (PAGE_BYTES_MAX // DEAR_BYTES + 1)
            records, after = records + len(page["records"]), page["nextAfter"]
        assert records > 3 * times
        resumed = await client.call("thread/resume", threadId=thread, excludeTurns=True)
        assert resumed["thread"]["turns"] == []


@pytest.mark.slow
@pytest.mark.parametrize("framing", FRAMINGS)
@trio_test
async def test_a_client_that_says_no_more_gets_all_its_answers(
    home: Home, framing: Framing
) -> None:
    thread = await write_dear(home, 8)
    home.start()
    async with connected(home.socket, framing) as client:
        client.stop_reading()
        asked = [
            await client.post("thread/read", threadId=thread, includeTurns=True) for _ in range(4)
        ]
        named = await client.post("thread/name/set", threadId=thread, name="at the end")
        await client.say_no_more()
        client.read_on()
        for request in asked:
            answer = await client.answered(request)
            said = [item["content"][0]["text"] for item in items_of(answer["thread"])]
            assert said == [DEAR] * 8
        await client.answered(named)
        await client.until(lambda: client.closed, "the end of the connection")


@trio_test
async def test_a_request_without_a_newline_is_answered_when_the_client_sends_no_more(
    daemon: Daemon,
) -> None:
    async with connected(daemon.home.socket) as client:
        await client.send_bytes(b'{"id":"last","method":"thread/loaded/list"}')
        await client.say_no_more()
        assert "data" in await client.answered("last")  # type: ignore[arg-type]
    async with connected(daemon.home.socket) as client:
        await client.send_bytes(b'{"id":"last","method":"thread/loa')
        await client.say_no_more()
        with pytest.raises(Refused, match="unreadable JSON"):
            await client.answered("last")  # type: ignore[arg-type]


@pytest.mark.slow
@trio_test
async def test_a_client_that_asks_for_much_and_never_reads_costs_a_few_answers(home: Home) -> None:
    thread = await write_dear(home, 8)
    daemon = home.launch(program=PROGRAM)
    daemon.wait_said(READY)
    async with connected(home.socket) as client, AsyncExitStack() as mutes:
        await client.call("thread/read", threadId=thread, includeTurns=True)
        for framing in FRAMINGS:
            before = daemon.resident_bytes()
            mute = await mutes.enter_async_context(connected(home.socket, framing))
            mute.stop_reading()
            asked = [
                await mute.post("thread/read", threadId=thread, includeTurns=True)
                for _ in range(REQUESTS_UNDER_WAY_MAX)
            ]
            for _ in range(5):
                await client.call("thread/read", threadId=thread)
                await client.call("thread/turns/list", threadId=thread, limit=1)
            assert daemon.resident_bytes(most=True) - before < 10 * ANSWER_BYTES_MAX
            mute.read_on()
            first = await mute.answered(asked[0])
            assert len(first["thread"]["turns"]) == 8
            mute.stop_reading()
        assert daemon.stop() == 0


@trio_test
async def test_a_client_that_reads_only_after_all_its_requests_gets_one_answer_to_each(
    daemon: Daemon,
) -> None:
    asked = 4 * UNREAD_BYTES_MAX // 150
    wire = b"".join(
        b'{"id":%d,"method":"thread/loaded/list"}\n' % n for n in range(1000, 1000 + asked)
    )
    async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as mute:
        async with trio.open_nursery() as nursery:
            mute.stop_reading()
            nursery.start_soon(mute.send_bytes, wire)
            for _ in range(50):
                await client.call("thread/loaded/list")
            mute.read_on()
        for request in range(1000, 1000 + asked):
            with suppress(Refused):  # Too many at once.
                await mute.answered(request)


@trio_test
async def test_all_connections_together_are_bounded() -> None:
    everybody, much = AllUnread(bytes_max=3_500_000), bytes(2_000_000)
    with ExitStack() as stack:
        pairs = [socketpair() for _ in range(3)]
        for end in [end for pair in pairs for end in pair]:
            stack.enter_context(end).setblocking(False)
        first, second, third = (Outbox(here, everybody) for here, _ in pairs)
        first.write(much)
        second.write(bytes(500_000))
        pairs[0][1].recv(1 << 20)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.flush)  # It reads on, so the second stands still longer.
            await first.wait_moved()
            third.write(much)
            nursery.cancel_scope.cancel()
        with pytest.raises(Unread, match="all connections together"):
            await second.flush()
        assert first.unread_bytes > 0
        assert second.unread_bytes == 0
        third.end("enough")
        first.write(bytes(500_000))
        assert first.unread_bytes > 500_000
        for client in (first, third):
            client.close()


@trio_test
async def test_a_flooded_daemon_stops_on_a_signal(home: Home) -> None:
    daemon = home.start()

    async def flood(wire: bytes) -> None:
        with suppress(trio.BrokenResourceError):
            async with connected(home.socket) as client:
                client.stop_reading()
                while True:
                    await client.send_bytes(wire)

    async with trio.open_nursery() as nursery:
        for wire in (
            b"x" * 100_000,
            b"{}\n" * 10_000,
            b'{"id":"of a flood","method":"thread/list"}\n' * 1000,
        ):
            nursery.start_soon(flood, wire)
        async with connected(home.socket) as client:
            for _ in range(20):
                await client.call("thread/loaded/list")
            daemon.terminate()
            assert await daemon.ended() == 0
        nursery.cancel_scope.cancel()

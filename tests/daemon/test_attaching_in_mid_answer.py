"""A client that attaches late, or resumes, ends with the same text as a client from the start."""

from __future__ import annotations

import pytest
import trio

from codexd.models.scripted.scripts import Say, Think
from codexd.models.scripted.server import scripted_model
from daemon_client import CURSOR, FRAMINGS, Client, Framing, connected
from daemon_house import Daemon
from daemon_screen import answers, said_so_far, streamed
from paused_model import Held, Script, held_model
from trio_test import trio_test

WORDS = tuple(f"word {n}, é {n} " for n in range(40))
TEXT = "".join(WORDS)


@pytest.mark.parametrize("framing", FRAMINGS)
@trio_test
async def test_a_terminal_that_attaches_in_mid_answer_gets_all_of_it(
    daemon: Daemon, framing: Framing
) -> None:
    async with held_model([Held(Say(WORDS), after=17)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket, framing) as first:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "hello")
            await first.until(lambda: said_so_far(first) == "".join(WORDS[:17]))
            async with connected(daemon.home.socket, framing) as second:
                resumed = await second.call("thread/resume", threadId=thread)
                assert resumed["thread"]["status"] == {"type": "active", "activeFlags": []}
                assert resumed["thread"]["turns"][-1]["status"] == "inProgress"
                await second.until(lambda: said_so_far(second) == "".join(WORDS[:17]))
                model.resume()
                for client in (first, second):
                    assert (await client.turn_ended(turn))["status"] == "completed"
                    assert answers(client) == [TEXT]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("seen", [0, 5, 17, 40])
@trio_test
async def test_a_terminal_whose_connection_was_cut_continues_where_it_was(
    daemon: Daemon, framing: Framing, seen: int
) -> None:
    async with held_model([Held(Say(WORDS), after=seen)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket, framing, codexd=CURSOR) as first:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "hello")
            await first.until(lambda: said_so_far(first) == "".join(WORDS[:seen]))
            await model.holding.wait()
            if seen == 0:
                await first.until_notified("turn/started")
            after = cursor(first)
            await first.cut()
        model.resume()
        async with connected(daemon.home.socket, framing, codexd=CURSOR) as again:
            again.notified += first.notified
            await again.call("thread/resume", threadId=thread, excludeTurns=True, after=after)
            await again.turn_ended(turn)
            assert answers(again) == [TEXT]
            assert [message.params["item"]["type"] for message in again.of("item/completed")] == [
                "userMessage",
                "agentMessage",
            ]


@trio_test
async def test_a_client_that_resumes_long_after_the_end_gets_the_rest_at_once(
    daemon: Daemon,
) -> None:
    async with held_model([Held(Say(WORDS), after=20), Say(("second",)), Say(("third",))]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as other, connected(socket, codexd=CURSOR) as first:
            thread = await first.start_thread()
            await other.call("thread/resume", threadId=thread)
            await first.start_turn(thread, "hello")
            await first.until(lambda: said_so_far(first) == "".join(WORDS[:20]))
            after = cursor(first)
            await first.cut()
            model.resume()
            await other.until_notified("turn/completed")
            await other.run_turn(thread, "and")
            last = await other.start_turn(thread, "and then")
            await other.turn_ended(last)
            async with connected(socket, codexd=CURSOR) as again:
                again.notified += first.notified
                await again.call("thread/resume", threadId=thread, excludeTurns=True, after=after)
                await again.turn_ended(last)
                assert answers(again) == [TEXT, "second", "third"]
                assert told_items(again) == told_items(other)


@trio_test
async def test_a_client_that_was_away_gets_the_inputs_that_were_queued_before(
    daemon: Daemon,
) -> None:
    replies: Script = [Held(Say(("one",)), after=1), Held(Say(("two",)), after=1), Say(("three",))]
    async with held_model(replies) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as other, connected(socket, codexd=CURSOR) as first:
            thread = await first.start_thread()
            await other.call("thread/resume", threadId=thread)
            await first.start_turn(thread, "first")
            await first.until(lambda: said_so_far(first) == "one")
            await first.start_turn(thread, "second")
            last = await first.start_turn(thread, "third")
            model.resume()
            await first.until(lambda: said_so_far(first) == "onetwo")
            after = cursor(first)
            await first.cut()
            model.resume()
            await other.turn_ended(last)
            async with connected(socket, codexd=CURSOR) as again:
                again.notified += first.notified
                await again.call("thread/resume", threadId=thread, excludeTurns=True, after=after)
                await again.turn_ended(last)
                assert told_items(again) == told_items(other)
                assert len([i for i in told_items(again) if i[0] == "userMessage"]) == 3


@trio_test
async def test_offsets_count_the_bytes_of_the_text_so_far(daemon: Daemon) -> None:
    async with scripted_model([Say(WORDS)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket, codexd=CURSOR) as client:
            await client.run_turn(await client.start_thread(), "hello")
            size = 0
            for message in client.of("item/agentMessage/delta"):
                size += len(message.params["delta"].encode())
                assert message.offset == size
            seqs = [message.seq for message in client.notified if message.seq is not None]
            assert seqs == sorted(seqs)


@trio_test
async def test_a_late_client_gets_reasoning_too(daemon: Daemon) -> None:
    thoughts = ("let me ", "see")
    async with held_model([Held((Think(thoughts), Say(WORDS)), after=3)]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as first, connected(socket) as second:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "hello")
            await first.until(lambda: said_so_far(first) == WORDS[0])
            await second.call("thread/resume", threadId=thread)
            model.resume()
            await first.turn_ended(turn)
            await second.turn_ended(turn)
            assert answers(first) == answers(second) == [TEXT]
            (reasoning,) = [
                message.params["item"]
                for message in first.of("item/completed")
                if message.params["item"]["type"] == "reasoning"
            ]
            assert reasoning["summary"] == ["let me see"]
            assert streamed(first, reasoning["id"]) == "let me see"


@pytest.mark.slow
@trio_test
async def test_a_reader_that_stops_for_a_while_gets_everything_and_costs_no_memory(
    daemon: Daemon,
) -> None:
    prompt = "say 8000 64"
    async with scripted_model() as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as fast, connected(socket) as slow:
            thread = await fast.start_thread()
            await slow.call("thread/resume", threadId=thread)
            await fast.run_turn(thread, "say 300 64")
            slow.stop_reading()
            before = daemon.resident_bytes()
            turn = await fast.start_turn(thread, prompt)
            await fast.turn_ended(turn)
            grown = daemon.resident_bytes() - before
            slow.read_on()
            await slow.turn_ended(turn)
            assert answers(slow) == answers(fast)
            # Half a megabyte of text, told in 3 MB of notifications, of which a socket holds a small part.
            assert len(answers(slow)[-1]) == 8000 * 64
            assert grown < 40 << 20, f"{grown >> 20} MiB more"
            joined = len(slow.of("item/agentMessage/delta"))
            assert joined < len(fast.of("item/agentMessage/delta")) / 2


@pytest.mark.slow
@trio_test
async def test_two_hundred_followers_hear_the_same(daemon: Daemon) -> None:
    async with held_model([Held(Say(WORDS), after=1)]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as first, trio.open_nursery() as nursery:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "hello")
            await first.until(lambda: said_so_far(first) == WORDS[0])
            ended: list[list[str]] = []

            async def follow(framing: Framing, task_status: trio.TaskStatus[None]) -> None:
                async with connected(socket, framing) as client:
                    await client.call("thread/resume", threadId=thread)
                    task_status.started()
                    await client.turn_ended(turn)
                    ended.append(answers(client))

            async def begin(
                framing: Framing, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
            ) -> None:
                await follow(framing, task_status)

            for number in range(200):
                await nursery.start(begin, FRAMINGS[number % 2])
            model.resume()
            await first.turn_ended(turn)
        assert ended == [[TEXT]] * 200


def cursor(client: Client) -> dict[str, object]:
    """What a frontend remembers: the last seq, and how much it has of each open item."""
    open_items: dict[str, int] = {}
    for message in client.notified:
        if message.offset is not None:
            open_items[message.params["itemId"]] = message.offset
        elif message.method == "item/completed":
            open_items.pop(message.params["item"]["id"], None)
    return {"seq": client.seq, "items": open_items}


def told_items(client: Client) -> list[tuple[str, str]]:
    return [
        (message.params["item"]["type"], message.params["item"]["id"])
        for message in client.of("item/completed")
    ]

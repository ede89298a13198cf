"""Turns are reverted and restored: for the model, for lists and pages, for screens, and after a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import CURSOR, Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import texts_of
from paused_model import Held, held_model
from trio_test import trio_test

REPLIES = [Say((f"{n}!",)) for n in range(9)]


async def turns_of(client: Client, thread: str, count: int, first: int = 0) -> list[str]:
    """So many turns, asked "0?", "1?", …"""
    prompts = [f"{n}?" for n in range(first, first + count)]
    return [(await client.run_turn(thread, prompt))["id"] for prompt in prompts]


async def said(client: Client, thread: str) -> list[str]:
    answer = await client.call("thread/read", threadId=thread, includeTurns=True)
    return texts_of(answer["thread"])


def inputs(model: ScriptedModel) -> list[list[Json]]:
    """The input of each request."""
    return [json.loads(request.body)["input"] for request in model.requests]


def plain(items: list[Json]) -> list[str]:
    """What people and models said in a request."""
    texts = [part["text"] for item in items for part in item.get("content") or ()]
    return [text for text in texts if not text.startswith("<")]


@trio_test
async def test_the_next_request_begins_with_that_of_the_turn_that_is_left(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 3)
            answer = await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            assert answer["turns"] == 2
            assert answer["thread"]["turns"] == []
            assert await said(client, thread) == ["> 0?", "0!"]
            await client.run_turn(thread, "other?")
            first, *_, last = inputs(model)
            assert last[: len(first)] == first
            assert plain(last) == ["0?", "0!", "other?"]
            # Where it works is told again: what was told may have been taken back.
            told = [str(item).count("<cwd>") for item in last]
            assert sum(told) == 2
            assert await said(client, thread) == ["> 0?", "0!", "> other?", "3!"]


@trio_test
async def test_reverted_turns_are_restored_in_their_place(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 3)
            await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            await client.run_turn(thread, "other?")
            answer = await client.call("thread/revert/undo", threadId=thread)
            assert answer["turns"] == 2
            whole = ["> 0?", "0!", "> 1?", "1!", "> 2?", "2!", "> other?", "3!"]
            assert await said(client, thread) == whole
            await client.run_turn(thread, "on?")
            texts = [line.removeprefix("> ") for line in whole]
            assert plain(inputs(model)[-1]) == [*texts, "on?"]
            again = await client.refused("thread/revert/undo", threadId=thread)
            assert again.data["code"] == "nothing_taken_back"


@trio_test
async def test_a_whole_thread_may_be_reverted_and_lists_show_its_new_preview(
    daemon: Daemon,
) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            (turn,) = await turns_of(client, thread, 1)
            answer = await client.call("thread/revert", threadId=thread, beforeTurnId=turn)
            assert answer["thread"]["preview"] == ""
            assert await said(client, thread) == []
            await client.run_turn(thread, "other?")
            assert plain(inputs(model)[-1]) == ["other?"]
            read = await client.call("thread/read", threadId=thread)
            assert read["thread"]["preview"] == "other?"
            answer = await client.call("thread/revert/undo", threadId=thread)
            assert answer["thread"]["preview"] == "0?"


@trio_test
async def test_followers_are_notified(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with (
            connected(daemon.home.socket) as client,
            connected(daemon.home.socket, codexd=CURSOR) as other,
        ):
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 2)
            await other.call("thread/resume", threadId=thread, excludeTurns=True)
            await client.call("thread/revert", threadId=thread, beforeTurnId=turns[0])
            note = await other.until_notified("thread/reverted", threadId=thread)
            assert note.params == {"threadId": thread, "turns": 2, "beforeTurnId": turns[0]}
            await client.call("thread/revert/undo", threadId=thread)
            note = await other.until_notified("thread/reverted", times=2, threadId=thread)
            assert note.params == {"threadId": thread, "turns": 2, "beforeTurnId": None}
            # Who was away meanwhile hears of both in their places.
            away = await client.call("thread/log/read", threadId=thread)
            seq = next(r["seq"] for r in away["records"] if r["type"] == "history.reverted") - 1
            async with connected(daemon.home.socket, codexd=CURSOR) as back:
                await back.call("thread/resume", threadId=thread, after={"seq": seq, "items": {}})
                await back.until_notified("thread/reverted", times=2, threadId=thread)
                # Each has its event's number, or the one in front where more of the event follows.
                assert [message.seq for message in back.of("thread/reverted")] == [seq, seq + 1]
                await back.until(lambda: back.seq == seq + 2, "the rest of the second one")


@trio_test
async def test_a_thread_in_memory_goes_back_as_well(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(ephemeral=True)
            turns = await turns_of(client, thread, 2)
            await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            assert await said(client, thread) == ["> 0?", "0!"]
            await client.run_turn(thread, "other?")
            assert plain(inputs(model)[-1]) == ["0?", "0!", "other?"]


@trio_test
async def test_pages_skip_reverted_turns(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 4)
            within = await page(client, thread, limit=2, sortDirection="asc")
            answer = await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            turns[1:] = await turns_of(client, thread, 2, first=7)
            for direction in ("asc", "desc"):
                expected = turns if direction == "asc" else turns[::-1]
                ids: list[str] = []
                cursor = None
                while not ids or cursor is not None:
                    found = await page(
                        client, thread, limit=1, sortDirection=direction, cursor=cursor
                    )
                    ids += [turn["id"] for turn in found["data"]]
                    cursor = found["nextCursor"]
                assert ids == expected
            # Cursors from before it are still good, whichever way they lead.
            onwards = await page(client, thread, sortDirection="asc", cursor=within["nextCursor"])
            assert [onward["id"] for onward in onwards["data"]] == turns[1:]
            back = await page(client, thread, cursor=answer["turnsBackwardsCursor"])
            assert [turn["id"] for turn in back["data"]] == turns[:1]
            items = await client.call("thread/items/list", threadId=thread, sortDirection="desc")
            assert len(items["data"]) == 6
            oldest = await client.call(
                "thread/items/list",
                threadId=thread,
                sortDirection="desc",
                cursor=answer["itemsBackwardsCursor"],
            )
            assert len(oldest["data"]) == 2


async def page(client: Client, thread: str, **params: object) -> Json:
    return await client.call("thread/turns/list", threadId=thread, **params)


@trio_test
async def test_a_record_of_a_reverted_turn_is_named_as_such(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 2)
            log = await client.call("thread/log/read", threadId=thread)
            begun = [r["seq"] for r in log["records"] if r["type"] == "turn.started"]
            await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            refused = await client.refused("thread/turns/list", threadId=thread, atSeq=begun[1])
            assert refused.data["code"] == "turn_taken_back"
            assert len((await page(client, thread, atSeq=begun[0], limit=1))["data"]) == 1
            # The log has it all.
            after = await client.call("thread/log/read", threadId=thread)
            assert after["records"][: len(log["records"])] == log["records"]
            assert after["records"][-1]["type"] == "history.reverted"


@trio_test
async def test_a_fork_may_begin_at_a_reverted_turn(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 3)
            await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            rescued = await client.call("thread/fork", threadId=thread, lastTurnId=turns[1])
            assert texts_of(rescued["thread"]) == ["> 0?", "0!", "> 1?", "1!"]
            plain_fork = await client.call("thread/fork", threadId=thread)
            assert texts_of(plain_fork["thread"]) == ["> 0?", "0!"]
            # A fork has what its parent had, and may bring back what was taken from that.
            child = plain_fork["thread"]["id"]
            await client.call("thread/revert/undo", threadId=child)
            assert len(await said(client, child)) == 6
            assert len(await said(client, thread)) == 2


@trio_test
async def test_it_is_refused_while_a_turn_runs_and_for_turns_that_are_not_there(
    daemon: Daemon,
) -> None:
    async with held_model([Say(("a",)), Held(Say(("b", "c")), after=1)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            (turn,) = await turns_of(client, thread, 1)
            running = await client.start_turn(thread, "1?")
            await model.holding.wait()
            for before in (turn, running):
                refused = await client.refused(
                    "thread/revert", threadId=thread, beforeTurnId=before
                )
                assert refused.data["code"] == "turn_in_progress"
                assert "interrupt it first" in refused.message
            model.resume()
            await client.turn_ended(running)
            refused = await client.refused("thread/revert", threadId=thread, beforeTurnId=thread)
            assert refused.data["code"] == "turn_not_found"
            await client.call("thread/revert", threadId=thread, beforeTurnId=running)
            refused = await client.refused("thread/revert", threadId=thread, beforeTurnId=running)
            assert refused.data["code"] == "turn_not_found"


@pytest.mark.parametrize("undone", [False, True])
@trio_test
async def test_killed_right_after_it_nothing_is_another(home: Home, undone: bool) -> None:
    async with scripted_model(REPLIES) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 3)
            await client.call("thread/revert", threadId=thread, beforeTurnId=turns[1])
            if undone:
                await turns_of(client, thread, 1, first=6)
                await client.call("thread/revert/undo", threadId=thread)
            expected = await said(client, thread)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            assert await said(client, thread) == expected
            resumed = await client.call("thread/resume", threadId=thread)
            assert texts_of(resumed["thread"]) == expected
            await client.run_turn(thread, "on?")
            texts = [line.removeprefix("> ") for line in expected]
            assert plain(inputs(model)[-1]) == [*texts, "on?"]
            assert inputs(model)[-1][:2] == inputs(model)[0][:2]


@trio_test
async def test_reverted_turns_are_found_and_marked(home: Home) -> None:
    async with scripted_model(REPLIES) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "a pear?")
            turn = (await client.run_turn(thread, "a plum?"))["id"]
            await client.call("thread/revert", threadId=thread, beforeTurnId=turn)
            for word, taken in (("pear", False), ("plum", True)):
                found = await client.call("thread/search", searchTerm=word, hits=True)
                (hit,) = found["data"][0]["hits"]
                assert hit.get("takenBack", False) is taken


def records(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@trio_test
async def test_usage_stays_and_the_window_has_room_again(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = await turns_of(client, thread, 1)
            before = client.of("thread/tokenUsage/updated")[-1].params["tokenUsage"]
            await client.run_turn(thread, "1?" * 4000)
            spent = client.of("thread/tokenUsage/updated")[-1].params["tokenUsage"]
            log = await client.call("thread/log/read", threadId=thread)
            second = [r for r in log["records"] if r["type"] == "turn.started"][1]
            assert turns
            await client.call(
                "thread/revert", threadId=thread, beforeTurnId=second["data"]["turnId"]
            )
            now = client.of("thread/tokenUsage/updated")[-1].params["tokenUsage"]
            assert now["total"] == spent["total"]
            assert now["contextTokens"] <= before["contextTokens"] + 10

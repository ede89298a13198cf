"""Pages of turns and items, in both directions: put together they are the whole, also while it grows."""

from __future__ import annotations

import pytest

from codexd.models.scripted.scripts import Call, Part, Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon
from daemon_screen import items_of
from paused_model import Held, Script, held_model
from trio_test import trio_test

TURNS = 9
ROW: list[Part | Reply] = [
    (Think(("hm",)), Call("shell_command", '{"command":"echo a"}')),
    Say(("done",)),
]


async def nine_turns(client: Client) -> str:
    thread = await client.start_thread()
    for n in range(TURNS):
        await client.run_turn(thread, f"turn {n}")
    return thread


async def pages(client: Client, method: str, **params: object) -> list[list[Json]]:
    """All pages, by their cursors."""
    found: list[list[Json]] = []
    cursor = None
    while True:
        page = await client.call(method, cursor=cursor, **params)
        found.append(page["data"])
        assert len(found) < 100
        if (cursor := page["nextCursor"]) is None:
            return found


def joined(found: list[list[Json]]) -> list[Json]:
    return [entry for page in found for entry in page]


@pytest.mark.parametrize("limit", [1, 2, 4, 9, 100])
@trio_test
async def test_pages_joined_are_the_whole_in_either_direction(daemon: Daemon, limit: int) -> None:
    async with scripted_model(ROW * TURNS) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await nine_turns(client)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            whole = read["thread"]
            up = await pages(
                client,
                "thread/turns/list",
                threadId=thread,
                limit=limit,
                sortDirection="asc",
                itemsView="full",
            )
            assert joined(up) == whole["turns"]
            assert {len(page) for page in up[:-1]} <= {limit}
            down = await pages(
                client, "thread/turns/list", threadId=thread, limit=limit, itemsView="full"
            )
            assert joined(down) == whole["turns"][::-1]
            of_turn = {item["id"]: turn["id"] for turn in whole["turns"] for item in turn["items"]}
            for direction, expected in (
                ("asc", items_of(whole)),
                ("desc", items_of(whole)[::-1]),
                (None, items_of(whole)),
            ):
                entries = joined(
                    await pages(
                        client,
                        "thread/items/list",
                        threadId=thread,
                        limit=limit,
                        sortDirection=direction,
                    )
                )
                assert [entry["item"] for entry in entries] == expected
                assert [entry["turnId"] for entry in entries] == [
                    of_turn[entry["item"]["id"]] for entry in entries
                ]


@trio_test
async def test_the_items_of_one_turn_and_an_item_for_a_cursor(daemon: Daemon) -> None:
    async with scripted_model(ROW * TURNS) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await nine_turns(client)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            turn = read["thread"]["turns"][4]
            params = {"threadId": thread, "turnId": turn["id"]}
            whole = joined(await pages(client, "thread/items/list", **params, limit=2))
            assert [entry["item"] for entry in whole] == turn["items"]
            anchor = {"type": "item", "itemId": turn["items"][1]["id"]}
            later = await client.call("thread/items/list", **params, cursor=anchor)
            assert [entry["item"] for entry in later["data"]] == turn["items"][2:]
            sooner = await client.call(
                "thread/items/list", **params, cursor=anchor, sortDirection="desc"
            )
            assert [entry["item"] for entry in sooner["data"]] == turn["items"][:1]
            none = await client.call("thread/items/list", threadId=thread, turnId="none")
            assert none["data"] == []
            for wrong in ({"threadId": thread, "cursor": anchor}, {**params, "cursor": "x"}):
                assert "cursor" in (await client.refused("thread/items/list", **wrong)).message


@trio_test
async def test_views_of_a_turn_hold_all_some_or_no_items(daemon: Daemon) -> None:
    async with scripted_model(ROW) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            kinds = {}
            for view in ("full", "summary", "notLoaded", None):
                (turn,) = (await client.call("thread/turns/list", threadId=thread, itemsView=view))[
                    "data"
                ]
                kinds[view] = [item["type"] for item in turn["items"]]
            assert kinds["full"] == ["userMessage", "reasoning", "commandExecution", "agentMessage"]
            assert kinds["summary"] == kinds[None] == ["userMessage", "agentMessage"]
            assert kinds["notLoaded"] == []


@trio_test
async def test_cursors_hold_while_the_thread_grows(daemon: Daemon) -> None:
    async with scripted_model([Say(("ok",))] * 12) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await nine_turns(client)
            first = await client.call("thread/turns/list", threadId=thread, limit=4)
            for n in range(3):
                await client.run_turn(thread, f"more {n}")
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            ids = [turn["id"] for turn in read["thread"]["turns"]]
            second = await client.call(
                "thread/turns/list", threadId=thread, limit=4, cursor=first["nextCursor"]
            )
            seen = [turn["id"] for turn in first["data"] + second["data"]]
            assert seen == ids[1:9][::-1]
            # Backwards, the newest turn of the page comes once more, since it may have gone on.
            newer = await client.call(
                "thread/turns/list",
                threadId=thread,
                sortDirection="asc",
                cursor=first["backwardsCursor"],
            )
            assert [turn["id"] for turn in newer["data"]] == ids[8:]


@trio_test
async def test_a_cursor_within_a_turn_gives_the_turn_whole(daemon: Daemon) -> None:
    script: Script = [Say(("one",)), Held(Say(("two ", "parts")), after=1)]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "first")
            turn = await client.start_turn(thread, "second")
            await client.until_notified("item/agentMessage/delta", times=2)
            resumed = await client.call("thread/resume", threadId=thread, excludeTurns=True)
            cursor = resumed["turnsBackwardsCursor"]
            during = await client.call("thread/turns/list", threadId=thread, cursor=cursor)
            assert [turn["status"] for turn in during["data"]] == ["inProgress", "completed"]
            model.resume()
            await client.turn_ended(turn)
            after = await client.call("thread/turns/list", threadId=thread, cursor=cursor)
            whole = await client.call("thread/turns/list", threadId=thread)
            assert after["data"] == whole["data"]
            assert after["data"][0]["items"][-1]["text"] == "two parts"


@trio_test
async def test_turns_that_had_waited_in_the_queue_show_their_prompts(daemon: Daemon) -> None:
    script: Script = [Held(Say(("one",)), after=1), *[Say(("ok",))] * 4]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "prompt 0")
            await model.holding.wait()
            for n in range(1, 5):
                last = await client.start_turn(thread, f"prompt {n}")
            model.resume()
            await client.turn_ended(last)
            expected = [f"prompt {n}" for n in range(5)]
            for direction in ("asc", "desc"):
                found = await pages(
                    client, "thread/turns/list", threadId=thread, limit=1, sortDirection=direction
                )
                prompts = [turn["items"][0]["content"][0]["text"] for turn in joined(found)]
                assert (prompts if direction == "asc" else prompts[::-1]) == expected


@trio_test
async def test_resuming_may_return_a_first_page_of_turns(daemon: Daemon) -> None:
    async with scripted_model([Say(("ok",))] * TURNS) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await nine_turns(client)
            resumed = await client.call(
                "thread/resume",
                threadId=thread,
                excludeTurns=True,
                initialTurnsPage={"limit": 2, "itemsView": "full"},
            )
            listed = await client.call(
                "thread/turns/list", threadId=thread, limit=2, itemsView="full"
            )
            assert resumed["thread"]["turns"] == []
            assert resumed["initialTurnsPage"] == listed

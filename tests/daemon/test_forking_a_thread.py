"""A fork has its parent's past up to a turn, and a future of its own; the parent's file is not touched."""

from __future__ import annotations

import json

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import said_so_far, texts_of
from paused_model import Held, Script, held_model
from trio_test import trio_test


async def three_turns(client: Client) -> tuple[str, list[str]]:
    thread = await client.start_thread()
    return thread, [(await client.run_turn(thread, f"{n}?"))["id"] for n in range(3)]


async def read(client: Client, thread: str) -> Json:
    answer = await client.call("thread/read", threadId=thread, includeTurns=True)
    found: Json = answer["thread"]
    return found


def told_model(body: bytes) -> list[str]:
    """The texts of a request's messages, without the environment."""
    return [
        part["text"]
        for item in json.loads(body)["input"]
        for part in item.get("content") or ()
        if not part["text"].startswith("<")
    ]


@trio_test
async def test_a_fork_continues_from_the_whole_and_leaves_its_parent_as_it_is(
    daemon: Daemon,
) -> None:
    replies = [Say((f"{n}!",)) for n in range(5)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent, turns = await three_turns(client)
            path = daemon.home.path / (await read(client, parent))["path"]
            before = path.read_bytes()
            forked = await client.call("thread/fork", threadId=parent)
            child = forked["thread"]["id"]
            assert forked["thread"]["forkedFromId"] == parent
            assert [turn["id"] for turn in forked["thread"]["turns"]] == turns
            await client.run_turn(child, "3?")
            assert texts_of(await read(client, child))[-4:] == ["> 2?", "2!", "> 3?", "3!"]
            assert told_model(model.requests[-1].body) == ["0?", "0!", "1?", "1!", "2?", "2!", "3?"]
            assert path.read_bytes() == before
            assert len((await read(client, parent))["turns"]) == 3
            assert client.of("thread/started")[-1].params["thread"]["id"] == child
            # And the other way round.
            await client.run_turn(parent, "4?")
            assert "> 4?" not in texts_of(await read(client, child))


@pytest.mark.parametrize(
    ("where", "expected"),
    [("lastTurnId", ["> 0?", "0!", "> 1?", "1!"]), ("beforeTurnId", ["> 0?", "0!"])],
)
@trio_test
async def test_a_fork_at_a_turn(daemon: Daemon, where: str, expected: list[str]) -> None:
    replies = [Say((f"{n}!",)) for n in range(4)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent, turns = await three_turns(client)
            forked = await client.call("thread/fork", threadId=parent, **{where: turns[1]})
            child = forked["thread"]["id"]
            assert texts_of(forked["thread"]) == expected
            await client.run_turn(child, "on")
            assert texts_of(await read(client, child)) == [*expected, "> on", "3!"]
            assert told_model(model.requests[-1].body) == [
                *[text.removeprefix("> ") for text in expected],
                "on",
            ]


@trio_test
async def test_a_fork_before_the_first_turn_is_empty(daemon: Daemon) -> None:
    async with scripted_model([Say(("ok",))] * 4) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent, turns = await three_turns(client)
            forked = await client.call("thread/fork", threadId=parent, beforeTurnId=turns[0])
            assert forked["thread"]["turns"] == []
            await client.run_turn(forked["thread"]["id"], "on")
            assert told_model(model.requests[-1].body) == ["on"]


@pytest.mark.parametrize("where", ["lastTurnId", "beforeTurnId"])
@trio_test
async def test_a_fork_at_a_turn_that_had_waited_in_the_queue(daemon: Daemon, where: str) -> None:
    script: Script = [Held(Say(("0!",)), after=1), Say(("1!",)), Say(("2!",)), Say(("on!",))]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent = await client.start_thread()
            first = await client.start_turn(parent, "0?")
            await model.holding.wait()
            second = await client.start_turn(parent, "1?")
            third = await client.start_turn(parent, "2?", effort="high")
            model.resume()
            await client.turn_ended(third)
            at = {"lastTurnId": first, "beforeTurnId": second}[where]
            forked = await client.call("thread/fork", threadId=parent, **{where: at})
            assert texts_of(forked["thread"]) == ["> 0?", "0!"]
            assert forked["thread"]["turns"][0]["status"] == "completed"
            await client.run_turn(forked["thread"]["id"], "on")
            assert texts_of(await read(client, forked["thread"]["id"])) == [
                "> 0?",
                "0!",
                "> on",
                "on!",
            ]


@trio_test
async def test_a_fork_of_a_fork_survives_a_crash(home: Home) -> None:
    async with scripted_model([Say((f"{n}!",)) for n in range(6)]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            parent, turns = await three_turns(client)
            child = (await client.call("thread/fork", threadId=parent, lastTurnId=turns[1]))[
                "thread"
            ]["id"]
            last = (await client.run_turn(child, "3?"))["id"]
            grandchild = (await client.call("thread/fork", threadId=child, beforeTurnId=last))[
                "thread"
            ]["id"]
            await client.run_turn(grandchild, "4?")
            expected = {thread: texts_of(await read(client, thread)) for thread in (parent, child)}
            assert texts_of(await read(client, grandchild)) == [
                "> 0?", "0!", "> 1?", "1!", "> 4?", "4!",
            ]  # fmt: skip
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            for thread, texts in expected.items():
                assert texts_of(await read(client, thread)) == texts
            await client.call("thread/resume", threadId=grandchild)
            await client.run_turn(grandchild, "5?")
            assert texts_of(await read(client, grandchild))[-2:] == ["> 5?", "5!"]


@trio_test
async def test_a_fork_in_mid_turn_closes_the_turn_and_the_parent_continues(daemon: Daemon) -> None:
    script: Script = [Held(Say(("half ", "whole")), after=1), Say(("forked",))]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent = await client.start_thread()
            turn = await client.start_turn(parent, "hello")
            await client.until(lambda: said_so_far(client) == "half ")
            forked = await client.call("thread/fork", threadId=parent)
            (shown,) = forked["thread"]["turns"]
            assert (shown["id"], shown["status"]) == (turn, "interrupted")
            model.resume()
            await client.turn_ended(turn)
            assert texts_of(await read(client, parent)) == ["> hello", "half whole"]
            child = forked["thread"]["id"]
            done = await client.run_turn(child, "on")
            assert done["status"] == "completed"
            assert texts_of(await read(client, child))[-2:] == ["> on", "forked"]


@trio_test
async def test_where_a_thread_cannot_be_forked(daemon: Daemon) -> None:
    script: Script = [Held(Say(("half ", "whole")), after=1)]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent = await client.start_thread(cwd=str(daemon.home.work))
            turn = await client.start_turn(parent, "hello")
            await client.until(lambda: said_so_far(client) == "half ")
            refusal = await client.refused("thread/fork", threadId=parent, lastTurnId=turn)
            assert refusal.data["code"] == "turn_in_progress"
            refusal = await client.refused("thread/fork", threadId=parent, lastTurnId="nope")
            assert refusal.data["code"] == "turn_not_found"
            both = {"lastTurnId": turn, "beforeTurnId": turn}
            assert "both" in (await client.refused("thread/fork", threadId=parent, **both)).message
            listed = await client.call("thread/list", cwd=str(daemon.home.work))
            assert [thread["id"] for thread in listed["data"]].count(parent) == 1
            await client.call("turn/interrupt", threadId=parent, turnId=turn)


@trio_test
async def test_an_ephemeral_fork_is_a_copy_that_is_nowhere_on_disk(home: Home) -> None:
    async with scripted_model(
        [Say((f"{n}!",)) for n in range(3)] + [Say(("secret",))] * 2
    ) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            parent, turns = await three_turns(client)
            (path,) = home.logs()
            before = path.read_bytes()
            whole = await read(client, parent)
            forked = (await client.call("thread/fork", threadId=parent, ephemeral=True))["thread"]
            child = forked["id"]
            assert (forked["ephemeral"], forked["path"]) == (True, None)
            assert forked["forkedFromId"] == parent
            assert forked["turns"] == whole["turns"]
            await client.run_turn(child, "secret?")
            assert told_model(model.requests[-1].body)[-3:] == ["2?", "2!", "secret?"]
            shown = await read(client, child)
            assert (shown["ephemeral"], shown["path"]) == (True, None)
            assert shown["turns"][:3] == whole["turns"]
            assert texts_of(shown)[-2:] == ["> secret?", "secret"]
            at = (await client.call("thread/fork", threadId=child, lastTurnId=turns[1]))["thread"]
            assert (at["ephemeral"], at["forkedFromId"]) == (True, child)
            assert texts_of(at) == ["> 0?", "0!", "> 1?", "1!"]
            await client.run_turn(at["id"], "secret?")
            listed = await client.call("thread/list")
            assert [thread["id"] for thread in listed["data"]] == [parent]
        assert path.read_bytes() == before
        assert home.logs() == [path]
        assert daemon.stop() == 0
        for file in home.path.rglob("*"):
            assert child not in file.name
            assert not file.is_file() or b"secret" not in file.read_bytes()


@trio_test
async def test_a_durable_fork_is_not_ephemeral(daemon: Daemon) -> None:
    async with scripted_model([Say(("ok",))] * 3) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent, _ = await three_turns(client)
            forked = (await client.call("thread/fork", threadId=parent))["thread"]
            assert forked["ephemeral"] is False
            assert forked["path"] is not None


@pytest.mark.parametrize("ephemeral", [False, True])
@trio_test
async def test_the_keys_of_a_parent_are_not_its_forks(daemon: Daemon, ephemeral: bool) -> None:
    async with scripted_model([Say(("ok",))] * 2) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            parent = await client.start_thread()
            first = (await client.run_turn(parent, "hello", idempotencyKey="k"))["id"]
            forked = await client.call("thread/fork", threadId=parent, ephemeral=ephemeral)
            child = forked["thread"]["id"]
            assert await client.start_turn(parent, "hello", idempotencyKey="k") == first
            again = await client.run_turn(child, "hello", idempotencyKey="k")
            assert again["id"] != first

"""Point 28: a terminal of Codex exits where some of its requests are refused, and loses what was typed. They never are.

Point 7: a compaction and a review on a busy thread end nobody's turn (`test_reviewing_work.py` has the review).
"""

from __future__ import annotations

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from paused_model import Held, Script, held_model
from trio_test import trio_test


def compactions(client: Client, turn: str) -> list[tuple[str, str | None]]:
    """Each begin and end of a compaction's item, in order, with its status."""
    return [
        (note.method, note.params["item"].get("status"))
        for note in client.notified
        if note.params.get("turnId") == turn
        and note.params.get("item", {}).get("type") == "contextCompaction"
    ]


WHOLE = [("item/started", None), ("item/completed", None)]


@trio_test
async def test_28_compacting_an_empty_thread_is_a_turn_that_asks_no_model(daemon: Daemon) -> None:
    async with scripted_model([Say(("hi",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for _ in range(2):
                turn = (await client.call("thread/compact/start", threadId=thread))["turnId"]
                ended = await client.turn_ended(turn)
                assert (ended["status"], compactions(client, turn)) == ("completed", WHOLE)
            assert model.requests == []
            assert (await client.run_turn(thread, "hello"))["status"] == "completed"
            assert client.of("warning") == client.of("thread/compacted") == []


@trio_test
async def test_28_compacting_a_busy_thread_waits_and_several_requests_are_one(
    daemon: Daemon,
) -> None:
    script: Script = [Held(Say(("one", "!")), after=1), Say(("The summary.",)), Say(("two",))]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
            thread = await client.start_thread()
            await other.call("thread/resume", threadId=thread)
            running = await client.start_turn(thread, "hello")
            await model.holding.wait()
            asked = [
                await peer.call("thread/compact/start", threadId=thread)
                for peer in (client, other, client)
            ]
            (turn,) = {answer["turnId"] for answer in asked}
            assert all(answer["queued"] for answer in asked)
            after = await other.start_turn(thread, "and then?")
            model.resume()
            for peer in (client, other):
                for each in (running, turn, after):
                    assert (await peer.turn_ended(each))["status"] == "completed"
                begun = [note.params["turn"]["id"] for note in peer.of("turn/started")]
                assert begun[-2:] == [turn, after]
                assert compactions(peer, turn) == WHOLE
            assert len(model.bodies) == 3


@pytest.mark.slow
@trio_test
async def test_28_what_waits_for_a_busy_thread_survives_a_kill_in_its_place(home: Home) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "say 1")
            running = await client.start_turn(thread, "hang 900")
            await client.until_notified("item/agentMessage/delta", delta="waiting ")
            compacting = (await client.call("thread/compact/start", threadId=thread))["turnId"]
            after = await client.start_turn(thread, "say 2")
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.call("turn/interrupt", threadId=thread, turnId=running)
            for turn in (running, compacting, after):
                await client.turn_ended(turn)
            assert [note.params["turn"]["id"] for note in client.of("turn/completed")] == [
                *(running, compacting, after)
            ]
            assert compactions(client, compacting) == WHOLE


@trio_test
async def test_28_a_thread_begins_in_a_folder_that_was_removed_and_its_commands_fail(
    daemon: Daemon,
) -> None:
    async with scripted_model() as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            for sandbox in ("danger-full-access", "workspace-write"):
                gone = str(daemon.home.root / "removed")
                thread = await client.start_thread(cwd=gone, sandbox=sandbox)
                assert (await client.run_turn(thread, "run echo ran"))["status"] == "completed"
            warned = {note.params["message"] for note in client.of("warning")}
            assert f"There is no directory at {gone}: commands fail until it is there" in warned
            told = [note.params["item"] for note in client.of("item/completed")]
            commands = [item for item in told if item["type"] == "commandExecution"]
            assert [item["status"] for item in commands] == ["failed", "failed"]


@trio_test
async def test_28_what_a_terminal_may_send_is_answered_and_told(daemon: Daemon) -> None:
    """Names, commands and reviews of any shape; and a thread that another client has archived meanwhile."""
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread(cwd=str(daemon.home.work))
        for name in ("", "  ", "x" * 100_000, "a\nb\x1b[31m", "né 名"):
            assert await client.call("thread/name/set", threadId=thread, name=name) == {}
        for command in ("", "  ", "a\0b", "x" * (1 << 21)):
            answer = await client.call("thread/shellCommand", threadId=thread, command=command)
            assert answer == {}
        told = [note.params["message"] for note in client.of("warning")]
        assert [words.partition(":")[0] for words in told] == [
            "The name has 100000 characters; its first 199 are used",
            *["The command was not run"] * 4,
        ]
        targets: list[Json] = [
            {"type": "baseBranch", "branch": "no-such-branch"},
            {"type": "baseBranch", "branch": ""},
            {"type": "commit", "sha": "deadbeef", "title": None},
            {"type": "commit", "sha": "--help"},
            {"type": "custom", "instructions": " "},
        ]
        for target in targets:
            review = await client.call("review/start", threadId=thread, target=target)
            ended = await client.turn_ended(review["turn"]["id"])
            assert (ended["status"], "nothing was reviewed" in ended["error"]["message"]) == (
                "failed",
                True,
            )
        await client.call("thread/archive", threadId=thread)
        assert await client.call("thread/compact/start", threadId=thread) == {}
        assert await client.call("thread/shellCommand", threadId=thread, command="ls") == {}
        refused = await client.refused("thread/compact/start", threadId=thread, idempotencyKey="k")
        assert "archived" in refused.message

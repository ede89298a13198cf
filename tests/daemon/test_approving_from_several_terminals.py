"""Every attached terminal is asked, the first answer counts, and all see the result."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import FRAMINGS, Asked, Client, Framing, connected
from daemon_house import Daemon
from daemon_screen import answers, commands
from trio_test import trio_test


def touching(name: str) -> Reply:
    return (Call("shell_command", f'{{"command":"echo done > {name}; echo told"}}'),)


@pytest.mark.parametrize("framing", FRAMINGS)
@trio_test
async def test_all_clients_are_asked_the_first_answer_counts_and_all_are_notified(
    daemon: Daemon, framing: Framing
) -> None:
    async with scripted_model([touching(f"first-{framing}"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connected(daemon.home.socket, framing))
                for _ in range(3)
            ]
            thread = await clients[0].start_thread(cwd=str(daemon.home.work))
            for client in clients[1:]:
                await client.call("thread/resume", threadId=thread)
            turn = await clients[0].start_turn(thread, "go")
            asked = [await client.until_asked() for client in clients]
            assert asked == [asked[0]] * 3
            assert asked[0].method == "item/commandExecution/requestApproval"
            assert asked[0].params["threadId"] == thread
            assert asked[0].params["turnId"] == turn
            await clients[2].decide(asked[2], "accept")
            await clients[1].until_notified("serverRequest/resolved")
            await clients[1].decide(asked[1], "decline")  # too late
            for client in clients:
                await client.turn_ended(turn)
                await self_consistent(client, asked[0])
                (item,) = commands(client)
                assert (item["status"], item["aggregatedOutput"]) == ("completed", "told\n")
                assert answers(client) == ["ok"]
            assert (daemon.home.work / f"first-{framing}").read_text() == "done\n"


async def self_consistent(client: Client, asked: Asked) -> None:
    """The question was taken away once, before the command ended; nobody was asked anything else."""
    await client.until_notified("serverRequest/resolved", requestId=asked.id)
    assert client.asked == [asked]
    assert len(client.of("serverRequest/resolved")) == 1
    statuses = [message.params["status"] for message in client.of("thread/status/changed")]
    waiting = {"type": "active", "activeFlags": ["waitingOnApproval"]}
    assert statuses.index(waiting) < len(statuses) - 1
    assert statuses[-1] == {"type": "idle"}


@trio_test
async def test_a_client_that_attaches_while_a_question_waits_is_asked_too(daemon: Daemon) -> None:
    async with scripted_model([touching("late"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with connected(socket) as first, connected(socket, "websocket") as second:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "go")
            asked = await first.until_asked()
            resumed = await second.call("thread/resume", threadId=thread)
            assert resumed["thread"]["status"]["activeFlags"] == ["waitingOnApproval"]
            assert await second.until_asked() == asked
            started = await second.until_notified("item/started")
            assert started.params["item"]["type"] == "commandExecution"
            assert started.params["item"]["id"] == asked.params["itemId"]
            await second.decide(asked, "accept")
            for client in (first, second):
                assert (await client.turn_ended(turn))["status"] == "completed"
                assert [item["status"] for item in commands(client)] == ["completed"]


@trio_test
async def test_a_question_waits_when_all_clients_leave_and_is_asked_again(daemon: Daemon) -> None:
    async with scripted_model([touching("alone"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as first:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "go")
            asked = await first.until_asked()
        async with connected(daemon.home.socket) as second:
            await second.call("thread/resume", threadId=thread)
            assert await second.until_asked() == asked
            await second.decide(asked, "accept")
            assert (await second.turn_ended(turn))["status"] == "completed"


@trio_test
async def test_an_error_or_nonsense_for_an_answer_decides_nothing(daemon: Daemon) -> None:
    async with scripted_model([touching("errors"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with connected(socket) as first, connected(socket) as second:
            thread = await first.start_thread()
            await second.call("thread/resume", threadId=thread)
            turn = await first.start_turn(thread, "go")
            asked = await first.until_asked()
            await second.send({"id": asked.id, "error": {"code": -32601, "message": "what?"}})
            await second.send({"id": asked.id, "result": {"decision": "perhaps"}})
            await second.send({"id": asked.id, "result": None})
            await second.send({"id": asked.id + 1000, "result": {"decision": "decline"}})
            await second.send({"id": str(asked.id), "result": {"decision": "decline"}})
            await second.call("thread/loaded/list")  # all of those have been taken
            read = await first.call("thread/read", threadId=thread)
            assert read["thread"]["status"]["activeFlags"] == ["waitingOnApproval"]
            assert not first.of("serverRequest/resolved")
            await first.decide(asked, "accept")
            assert (await first.turn_ended(turn))["status"] == "completed"
            assert [item["status"] for item in commands(first)] == ["completed"]


@trio_test
async def test_a_declined_command_does_not_run_and_the_turn_continues(daemon: Daemon) -> None:
    async with scripted_model([touching("declined"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.decide(await client.until_asked(), "decline")
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert [item["status"] for item in commands(client)] == ["declined"]
            assert not (daemon.home.work / "declined").exists()
            assert b"refused" in model.requests[-1].body


@trio_test
async def test_to_cancel_interrupts_the_turn(daemon: Daemon) -> None:
    async with scripted_model([touching("cancelled")]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.decide(await client.until_asked(), "cancel")
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            assert not (daemon.home.work / "cancelled").exists()


@trio_test
async def test_an_interrupt_takes_the_question_away(daemon: Daemon) -> None:
    async with scripted_model([touching("interrupted")]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            asked = await client.until_asked()
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            await client.until_notified("serverRequest/resolved", requestId=asked.id)
            await client.decide(asked, "accept")
            await client.call("thread/loaded/list")
            assert not (daemon.home.work / "interrupted").exists()


@trio_test
async def test_a_command_accepted_for_the_session_is_not_asked_again(daemon: Daemon) -> None:
    script: list[Part | Reply] = [touching("again"), touching("again"), Say(("ok",))]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.decide(await client.until_asked(), "acceptForSession")
            await client.turn_ended(turn)
            assert len(client.asked) == 1
            assert len(commands(client)) == 2


@trio_test
async def test_a_client_that_resumes_with_a_cursor_gets_open_questions_and_resolved_ones(
    daemon: Daemon,
) -> None:
    script: list[Reply] = [touching("one"), touching("two"), (Say(("ok",)),)]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with connected(socket) as other, connected(socket, codexd={"cursor": True}) as first:
            thread = await first.start_thread()
            await other.call("thread/resume", threadId=thread)
            turn = await first.start_turn(thread, "go")
            asked = await first.until_asked()
            seq = first.seq
            await first.cut()
            await other.decide(await other.until_asked(), "accept")
            second = await other.until_asked(2)
            async with connected(socket, codexd={"cursor": True}) as again:
                await again.call("thread/resume", threadId=thread, after={"seq": seq})
                assert await again.until_asked() == second
                assert [
                    message.params["requestId"] for message in again.of("serverRequest/resolved")
                ] == [asked.id]
                await again.decide(second, "accept")
                assert (await again.turn_ended(turn))["status"] == "completed"
                await other.turn_ended(turn)
                assert len(commands(again)) == 2

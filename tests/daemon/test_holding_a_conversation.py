"""Turns: queued, steered, interrupted, repeated, with settings of their own; and who hears of them."""

from __future__ import annotations

import itertools
import json

import pytest

from codexd.models.scripted.scripts import Call, Hang, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected, typed
from daemon_house import Daemon
from daemon_screen import answers, said_so_far, texts_of
from paused_model import Held, Script, held_model
from trio_test import trio_test

OK = Say(("ok",))


async def texts(client: Client, thread: str) -> list[str]:
    read = await client.call("thread/read", threadId=thread, includeTurns=True)
    return texts_of(read["thread"])


@trio_test
async def test_a_turn_that_waits_has_an_id_of_its_own_and_runs_in_its_order(
    daemon: Daemon,
) -> None:
    script: Script = [Held(Say(("0!",)), after=1), Say(("1!",)), Say(("2!",))]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = [await client.start_turn(thread, f"{n}?") for n in range(3)]
            assert len(set(turns)) == 3
            await model.holding.wait()
            assert await texts(client, thread) == ["> 0?", "0!"]  # the second one streams
            model.resume()
            await client.turn_ended(turns[2])
            assert [note.params["turn"]["id"] for note in client.of("turn/completed")] == turns
            assert await texts(client, thread) == ["> 0?", "0!", "> 1?", "1!", "> 2?", "2!"]


@trio_test
async def test_more_than_may_wait_is_refused(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for n in range(65):
                await client.start_turn(thread, f"{n}")
            refusal = await client.refused("turn/start", threadId=thread, input=typed("more"))
            assert refusal.data["code"] == "queue_full"
            await client.call("thread/archive", threadId=thread)


@trio_test
async def test_steered_input_cuts_the_answer_off_and_the_model_is_asked_again_with_both(
    daemon: Daemon,
) -> None:
    async with held_model([Held(Say(("one", " more")), after=1), Say(("two",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == "one")
            steered = await client.call(
                "turn/steer",
                threadId=thread,
                expectedTurnId=turn,
                input=typed("and this"),
                clientUserMessageId="mine",
            )
            assert steered == {"turnId": turn}
            # The model never goes on with its first answer, which it was not asked to end.
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert len(client.of("turn/completed")) == 1
            assert await texts(client, thread) == ["> hello", "one", "> and this", "two"]
            assert answers(client) == ["one", "two"]
            assert b"and this" not in model.bodies[0]
            said = json.loads(model.bodies[1])["input"][-2:]
            assert [(item["role"], item["content"][0]["text"]) for item in said] == [
                ("assistant", "one"),
                ("user", "and this"),
            ]
            said = [message.params["item"] for message in client.of("item/completed")]
            assert [item["clientId"] for item in said if item["type"] == "userMessage"] == [
                None,
                "mine",
            ]


@trio_test
async def test_only_the_turn_that_runs_can_be_steered_and_an_interrupt_stops_no_other(
    daemon: Daemon,
) -> None:
    async with scripted_model([Hang(("wait",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            idle = await client.refused("turn/interrupt", threadId=thread, turnId="x")
            assert idle.message == "no active turn to interrupt"
            steer = {"threadId": thread, "input": typed("x")}
            idle = await client.refused("turn/steer", **steer, expectedTurnId="x")
            assert idle.message == "no active turn to steer"
            turn = await client.start_turn(thread, "hello")
            queued = await client.start_turn(thread, "next")
            await client.until_notified("item/agentMessage/delta")
            other = await client.refused("turn/steer", **steer, expectedTurnId=queued)
            assert other.message == f"expected active turn id `{queued}` but found `{turn}`"
            await client.refused("turn/steer", threadId=thread, expectedTurnId=turn, input=[])
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            # Once more does nothing to the turn that runs by now.
            again = await client.refused("turn/interrupt", threadId=thread, turnId=turn)
            assert again.code == -32600
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            assert (await client.turn_ended(queued))["status"] == "completed"


@trio_test
async def test_an_interrupt_of_a_turn_that_waits_withdraws_its_prompt(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            withdrawn = await client.start_turn(thread, "not this")
            last = await client.start_turn(thread, "but this")
            await client.until_notified("item/agentMessage/delta")
            answer = await client.call("turn/interrupt", threadId=thread, turnId=withdrawn)
            assert answer == {"withdrawn": True}
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(last))["status"] == "completed"
            assert b"not this" not in model.requests[1].body


@trio_test
async def test_an_interrupt_without_a_turn_id_stops_whichever_runs(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until_notified("item/agentMessage/delta")
            await client.call("turn/interrupt", threadId=thread, turnId="")
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            await client.run_turn(thread, "next")
            assert await texts(client, thread) == ["> hello", "wait", "> next", "ok"]
            assert b"turn_aborted" in model.requests[1].body


@trio_test
async def test_a_repeated_key_does_a_thing_once(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",)), Hang(("steered",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
            thread = await client.start_thread(idempotencyKey="thread-key")
            assert await other.start_thread(idempotencyKey="thread-key") == thread
            turn = await client.start_turn(thread, "hello", idempotencyKey="turn-key")
            assert await other.start_turn(thread, "hello", idempotencyKey="turn-key") == turn
            steer = {"threadId": thread, "expectedTurnId": turn, "input": typed("steered")}
            await client.until_notified("item/agentMessage/delta")
            for _ in range(2):
                await client.call("turn/steer", **steer, idempotencyKey="steer-key")
            for key in ("thread-key", "steer-key"):
                refusal = await client.refused(
                    "turn/start", threadId=thread, input=typed("x"), idempotencyKey=key
                )
                assert "idempotencyKey" in refusal.message
            refusal = await client.refused("turn/steer", **steer, idempotencyKey="turn-key")
            assert "idempotencyKey" in refusal.message
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.turn_ended(turn)
            assert (await texts(client, thread)).count("> steered") == 1
            assert len(client.of("turn/started")) == 1


@trio_test
async def test_two_clients_that_ask_at_once_with_one_key_get_one_thread(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
        asked = [
            (peer, await peer.post("thread/start", idempotencyKey="at-once"))
            for peer in (client, other)
        ]
        threads = {(await asker.answered(n))["thread"]["id"] for asker, n in asked}
        assert len(threads) == 1


@trio_test
async def test_settings_of_a_turn_stay_and_are_sent(daemon: Daemon) -> None:
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
            thread = await client.start_thread()
            await other.call("thread/resume", threadId=thread)
            await client.run_turn(
                thread,
                "hello",
                model="bigger",
                effort="high",
                cwd=str(daemon.home.root),
                approvalPolicy="on-request",
                sandboxPolicy={"type": "readOnly"},
            )
            note = await other.until_notified("thread/settings/updated")
            settings = note.params["threadSettings"]
            assert (settings["model"], settings["effort"]) == ("bigger", "high")
            assert (settings["cwd"], settings["approvalPolicy"]) == (
                str(daemon.home.root),
                "on-request",  # where the sandbox is not enforced, commands are refused
            )
            assert settings["sandboxPolicy"]["type"] == "readOnly"
            await client.run_turn(thread, "same")
            assert len(client.of("thread/settings/updated")) == 1
            assert [json.loads(request.body)["model"] for request in model.requests] == [
                "bigger"
            ] * 2
            resumed = await other.call("thread/resume", threadId=thread, model="smaller")
            assert (resumed["model"], resumed["cwd"]) == ("smaller", str(daemon.home.root))
            assert (await client.until_notified("thread/settings/updated", times=2)).params[
                "threadSettings"
            ]["model"] == "smaller"


@trio_test
async def test_a_client_that_left_gets_nothing_more_and_other_clients_get_the_status_only(
    daemon: Daemon,
) -> None:
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as client, connected(socket) as left, connected(socket) as far:
            thread = await client.start_thread()
            await left.call("thread/resume", threadId=thread)
            for expected in ("unsubscribed", "notSubscribed"):
                answer = await left.call("thread/unsubscribe", threadId=thread)
                assert answer == {"status": expected}
            await client.run_turn(thread, "hello")
            for peer in (left, far):
                status = await peer.until_notified(
                    "thread/status/changed", threadId=thread, status={"type": "idle"}
                )
                assert status.params["status"] == {"type": "idle"}
                heard = {
                    note.method for note in peer.notified if note.params.get("threadId") == thread
                }
                assert heard == {"thread/status/changed", "thread/readState/changed"}
            assert far.of("thread/started")[-1].params["thread"]["id"] == thread
            # A turn may be started without attaching.
            await far.start_turn(thread, "from afar")
            await client.until_notified("turn/completed", times=2)
            assert not far.of("turn/completed")


@trio_test
async def test_a_client_can_opt_out_of_notifications(daemon: Daemon) -> None:
    unwanted = ["item/agentMessage/delta", "thread/tokenUsage/updated"]
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket, optOutNotificationMethods=unwanted) as client:
            await client.run_turn(await client.start_thread(), "hello")
            methods = {note.method for note in client.notified}
            assert not methods & set(unwanted)
            assert "item/completed" in methods


@trio_test
async def test_attaching_twice_changes_nothing(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for _ in range(2):
                await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "hello")
            assert answers(client) == ["ok"]
            assert len(client.of("turn/started")) == 1


@pytest.mark.slow
@trio_test
async def test_thirty_threads_run_beside_each_other(daemon: Daemon) -> None:
    async with scripted_model() as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            threads = [await client.start_thread() for _ in range(30)]
            turns = [
                await client.start_turn(thread, "say 50\nrun echo hi\nsay 20") for thread in threads
            ]
            for turn in turns:
                assert (await client.turn_ended(turn))["status"] == "completed"
            assert len(answers(client)) == 60
            for note in client.of("item/commandExecution/outputDelta"):
                assert note.params["delta"] == "hi\n"


@trio_test
async def test_models_are_listed_in_pages(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        whole = (await client.call("model/list"))["data"]
        assert [model["isDefault"] for model in whole].count(True) == 1
        found, cursor = [], None
        while True:
            page = await client.call("model/list", limit=1, cursor=cursor)
            found += page["data"]
            if (cursor := page["nextCursor"]) is None:
                break
        assert found == whole


@trio_test
async def test_a_call_and_its_output_are_given_back_to_the_model_as_they_were(
    daemon: Daemon,
) -> None:
    call = Call("shell_command", '{"command":"echo hi"}')
    async with scripted_model([call, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            await client.run_turn(thread, "more")
            bodies = [json.loads(request.body) for request in model.requests]
            for before, after in itertools.pairwise(bodies):
                assert after["input"][: len(before["input"])] == before["input"]
            kinds = [item.get("type") for item in bodies[1]["input"]]
            assert kinds[-2:] == ["function_call", "function_call_output"]
            assert "id" not in bodies[1]["input"][-2]
            assert bodies[0]["store"] is False
            assert "hi\n" in bodies[1]["input"][-1]["output"]

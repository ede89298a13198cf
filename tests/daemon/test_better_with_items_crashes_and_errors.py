"""What Codex's own server does badly with items, after a crash and on the wire: points 14 to 28, a test for each.

The points before are in `test_better_with_several_clients.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Call, Cut, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import CURSOR, Json, connected, typed
from daemon_house import Daemon, Home
from daemon_screen import (
    answers,
    begun,
    commands,
    completed,
    items_listed,
    said_so_far,
    streamed,
    texts_of,
)
from paused_model import Held, Script, held_model
from trio_test import trio_test

OK = Say(("ok",))
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
NEWS = {"clients": True, "stopping": True}


def run(command: str, **more: object) -> Reply:
    return (Call("shell_command", json.dumps({"command": command, **more})),)


# Items left open


@trio_test
async def test_14_what_an_interrupt_cuts_off_ends_and_stays(daemon: Daemon) -> None:
    script: Script = [Held(Say(("a", "b")), after=1), run("echo shown; sleep 1000")]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "say")
            await client.until(lambda: said_so_far(client) == "a")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            assert answers(client) == ["a"]
            turn = await client.start_turn(thread, "run")
            await client.until_notified("item/commandExecution/outputDelta")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.turn_ended(turn)
            (command,) = commands(client)
            assert command["aggregatedOutput"] == "shown\n"
            assert sorted(begun(client)) == sorted(completed(client))
            kept = await items_listed(client, thread)
            assert {item["id"] for item in kept} == set(completed(client))


@trio_test
async def test_15_a_cut_answer_leaves_no_open_message(daemon: Daemon) -> None:
    async with scripted_model([Cut(("half ",)), Say(("whole",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            assert sorted(begun(client)) == sorted(completed(client))
            assert answers(client)[-1] == "whole"


@trio_test
async def test_16_early_output_of_a_command_is_streamed(daemon: Daemon, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = f"echo out1; read x < {gate}; echo out2"
    async with scripted_model([run(command), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            first = await client.until_notified("item/commandExecution/outputDelta")
            assert first.params["delta"] == "out1\n"
            gate.write_text("on\n")
            await client.turn_ended(turn)
            (item,) = commands(client)
            assert streamed(client, item["id"]) == item["aggregatedOutput"] == "out1\nout2\n"


@trio_test
async def test_17_a_command_that_fails_at_once_in_its_sandbox_is_shown(daemon: Daemon) -> None:
    async with scripted_model([run("touch here"), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work), sandbox="read-only")
            await client.run_turn(thread, "go")
            (item,) = commands(client)
            assert (item["status"], item["id"] in begun(client)) == ("failed", True)
            assert item["id"] in [kept["id"] for kept in await items_listed(client, thread)]
            assert not (daemon.home.work / "here").exists()


@trio_test
async def test_18_an_approved_command_runs_outside_of_its_sandbox_and_once(daemon: Daemon) -> None:
    outside = {"sandbox_permissions": "require_escalated", "justification": "it must"}
    async with scripted_model([run("echo once >> approved", **outside), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(
                cwd=str(daemon.home.work), sandbox="read-only", approvalPolicy="on-request"
            )
            turn = await client.start_turn(thread, "go")
            await client.decide(await client.until_asked(), "accept")
            await client.turn_ended(turn)
            assert [item["status"] for item in commands(client)] == ["completed"]
            assert (daemon.home.work / "approved").read_text() == "once\n"


@trio_test
async def test_19_a_review_has_one_id_and_leaves_no_other_turn(daemon: Daemon) -> None:
    findings = {
        "findings": [],
        "overall_correctness": "patch is correct",
        "overall_explanation": "fine",
        "overall_confidence_score": 1,
    }
    async with scripted_model([Say((json.dumps(findings),))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            target = {"type": "custom", "instructions": "look"}
            answer = await client.call("review/start", threadId=thread, target=target)
            review = answer["turn"]["id"]
            assert (await client.turn_ended(review))["status"] == "completed"
            begun_turns = [note.params["turn"]["id"] for note in client.of("turn/started")]
            turns = (await client.call("thread/turns/list", threadId=thread))["data"]
            assert begun_turns == [turn["id"] for turn in turns] == [review]


# A crash, and a stop


@pytest.mark.slow
@trio_test
async def test_20_and_21_a_kill_in_mid_turn_loses_nothing_and_clients_find_each_other_again(
    home: Home,
) -> None:
    async with held_model([Held(Say(("a ", "b")), after=1), Say(("on",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket, name="one", codexd=CURSOR) as one:
            thread = await one.start_thread()
            turn = await one.start_turn(thread, "go")
            await one.until(lambda: said_so_far(one) == "a ")
            after = {"seq": one.seq, "items": {}}
            first.kill()
        model.resume()
        home.start()
        async with (
            connected(home.socket, name="one", codexd=CURSOR) as again,
            connected(home.socket, name="two", codexd={**CURSOR, **NEWS}) as other,
        ):
            await other.call("thread/resume", threadId=thread, excludeTurns=True)
            # It says where it was, and is sent what it has missed.
            await again.call("thread/resume", threadId=thread, excludeTurns=True, after=after)
            told = await other.until_notified("thread/clients/changed")
            assert [client["name"] for client in told.params["data"]] == ["two"]
            told = await other.until_notified("thread/clients/changed", times=2)
            assert sorted(client["name"] for client in told.params["data"]) == ["one", "two"]
            assert (await again.turn_ended(turn))["status"] == "completed"
            read = await other.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> go", "a ", "on"]


@pytest.mark.slow
@trio_test
async def test_22_clients_are_told_of_a_stop_which_waits_for_no_turn(home: Home) -> None:
    async with held_model([Held(Say(("a", "b")), after=1), Say(("on",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket, codexd=NEWS) as told, connected(home.socket) as plain:
            thread = await told.start_thread()
            turn = await told.start_turn(thread, "go")
            await model.holding.wait()
            daemon.terminate()
            stopping = await told.until_notified("daemon/stopping")
            assert stopping.params == {"reason": "stop", "secondsMax": 0.0}
            assert await daemon.ended() == 0
            await plain.until(lambda: plain.closed or not plain.of("daemon/stopping"))
            assert plain.of("daemon/stopping") == []
        model.resume()
        # The turn goes on with the next daemon, of whose restart clients are told before it lets go of them.
        home.start()
        async with connected(home.socket, codexd=NEWS) as told:
            await told.call("thread/resume", threadId=thread)
            if not told.of("turn/completed"):
                read = await told.call("thread/read", threadId=thread)
                if read["thread"]["status"]["type"] == "active":
                    await told.turn_ended(turn)
            await told.post("server/restart", waitSeconds=0)
            stopping = await told.until_notified("daemon/stopping")
            assert stopping.params["reason"] == "restart"


@pytest.mark.slow
@trio_test
async def test_23_the_end_of_a_bridges_input_ends_no_turn(daemon: Daemon) -> None:
    async with held_model([Held(Say(("a", "b")), after=1)]) as model:
        daemon.home.use_model(model.base_url)
        socket = str(daemon.home.socket)
        bridge = await trio.lowlevel.open_process(
            [sys.executable, "-m", "codexd_frontends.ctl", "--socket", socket, "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=daemon.home.env,
        )
        assert bridge.stdin is not None
        assert bridge.stdout is not None
        async with bridge.stdin, bridge.stdout, connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            hello = {"clientInfo": {"name": "sdk", "version": "0"}}
            prompt = {"threadId": thread, "input": typed("go")}
            for number, (method, params) in enumerate(
                {"initialize": hello, "turn/start": prompt}.items()
            ):
                line = {"id": number, "method": method, "params": params}
                await bridge.stdin.send_all(json.dumps(line).encode() + b"\n")
            await model.holding.wait()
            await bridge.stdin.aclose()
            assert await bridge.wait() == 0
            model.resume()
            ended = await client.until_notified("turn/completed", threadId=thread)
            assert ended.params["turn"]["status"] == "completed"
            assert answers(client) == ["ab"]


# The protocol


@trio_test
async def test_24_every_message_that_cannot_be_understood_is_answered_shortly(
    daemon: Daemon,
) -> None:
    wires: list[tuple[bytes, int, str]] = [
        (b"{", -32700, "unreadable_json"),
        (b"5", -32600, "not_a_message"),
        (b"[]", -32600, "not_a_message"),
        (b'{"id":null,"method":"thread/list","params":{}}', -32600, "not_a_message"),
        (b'{"id":1.5,"method":"thread/list","params":{}}', -32600, "not_a_message"),
    ]
    async with connected(daemon.home.socket) as client:
        for times, (wire, code, word) in enumerate(wires, 1):
            await client.send_bytes(wire + b"\n")
            await client.until(lambda times=times: len(client.errors) == times)  # type: ignore[misc]
            error = client.errors[-1]
            assert (error["code"], error["data"]["code"]) == (code, word)
        unknown = await client.refused("thread/lisst")
        assert (unknown.code, unknown.data["code"]) == (-32601, "unknown_method")
        wrong = await client.refused("thread/list", limit="many")
        assert (wrong.code, wrong.data["code"]) == (-32602, "invalid_params")
        for error in (*client.errors, {"message": unknown.message}, {"message": wrong.message}):
            assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "method", ["model/list", "permissionProfile/list", "experimentalFeature/list",
               "thread/backgroundTerminals/list", "thread/list"],
)  # fmt: skip
@trio_test
async def test_24_a_cursor_that_is_none_is_an_error_of_the_client(
    daemon: Daemon, method: str
) -> None:
    async with connected(daemon.home.socket) as client:
        for cursor in ("9" * 5000, "-1", "1.5", "٣", "²", "next", ""):
            refusal = await client.refused(method, cursor=cursor)
            assert (refusal.code, refusal.data["code"]) == (-32602, "invalid_params"), cursor


@trio_test
async def test_25_an_overloaded_daemon_says_so_as_the_sdk_reads_it(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        line = b'{"id":%d,"method":"thread/list","params":{}}\n'
        await client.send_bytes(b"".join(line % number for number in range(1000, 2000)))
        await client.until(lambda: len(client._answers) == 1000)
        refused = [answer["error"] for answer in client._answers.values() if "error" in answer]
        assert {error["code"] for error in refused} == {-32001}
        assert refused[0]["data"] == {
            "code": "server_overloaded",
            "codexErrorInfo": "server_overloaded",
        }


@trio_test
async def test_26_events_are_numbered_and_what_was_missed_can_be_asked_for(daemon: Daemon) -> None:
    async with scripted_model([OK, Say(("second",))]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket, codexd=CURSOR) as one, connected(socket) as other:
            thread = await one.start_thread()
            await one.run_turn(thread, "hello")
            numbers = [note.seq for note in one.notified if note.seq is not None]
            assert numbers == sorted(numbers)
            after = {"seq": numbers[-1], "items": {}}
            await one.call("thread/unsubscribe", threadId=thread)
            await other.call("thread/resume", threadId=thread)
            turn = await other.start_turn(thread, "again")
            await other.turn_ended(turn)
            await one.call("thread/resume", threadId=thread, excludeTurns=True, after=after)
            await one.turn_ended(turn)
            assert answers(one) == ["ok", "second"]


@trio_test
async def test_27_one_fact_has_one_code_in_all_methods(daemon: Daemon) -> None:
    prompt = {"input": typed("hello")}
    methods: dict[str, Json] = {
        "thread/clients": {},
        "thread/fork": {},
        "thread/items/list": {},
        "thread/name/set": {"name": "n"},
        "thread/read": {},
        "thread/resume": {},
        "thread/turns/list": {},
        "turn/interrupt": {"turnId": UNKNOWN},
        "turn/start": prompt,
        "turn/steer": {**prompt, "expectedTurnId": UNKNOWN},
    }
    async with connected(daemon.home.socket) as client:
        for method, params in methods.items():
            for thread, code in ((UNKNOWN, "thread_not_found"), ("nonsense", "invalid_thread_id")):
                refusal = await client.refused(method, threadId=thread, **params)
                assert (refusal.code, refusal.data["code"]) == (-32600, code), method


@trio_test
async def test_28_what_a_terminal_dies_of_is_never_refused(daemon: Daemon) -> None:
    async with held_model([Held(Say(("a", "b")), after=1), OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.call("thread/compact/start", threadId=thread)  # an empty one
            await client.call("thread/name/set", threadId=thread, name="named")
            await client.call("thread/shellCommand", threadId=thread, command="echo hello")
            await client.until_notified("turn/completed")
            turn = await client.start_turn(thread, "say")
            await model.holding.wait()
            for method, params in {
                "thread/compact/start": {},
                "thread/shellCommand": {"command": "echo busy"},
                "thread/name/set": {"name": "another"},
            }.items():
                await client.call(method, threadId=thread, **params)
            model.resume()
            assert (await client.turn_ended(turn))["status"] == "completed"
            again = await client.start_thread()  # /new
            assert again != thread

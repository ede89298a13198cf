"""A command that goes on after its answer: one item for every screen, typed into by people, over turns and daemons."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from command_gate import printed, through
from daemon_client import CURSOR, Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Home, is_gone, wait_gone
from trio_test import trio_test

pytestmark = pytest.mark.slow
OK: Reply = (Say(("I see",)),)
# More than the daemon may grow by.
PRINTED_BYTES = 1_000_000_000 if "CODEXD_NIGHTLY" in os.environ else 80_000_000
TYPED = "item/commandExecution/terminalInteraction"


class Script:
    """What the model does, said while it goes on."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def __iter__(self) -> Iterator[Reply]:
        while True:
            yield self.replies.pop(0) if self.replies else OK

    def exec(self, cmd: str, **arguments: object) -> None:
        self.replies.append((Call("exec_command", json.dumps({"cmd": cmd, **arguments})),))

    def write(self, session: str, **arguments: object) -> None:
        asked = {"session_id": int(session), **arguments}
        self.replies.append((Call("write_stdin", json.dumps(asked)),))


def commands(client: Client, method: str) -> list[Json]:
    return [
        note.params
        for note in client.of(method)
        if note.params["item"]["type"] == "commandExecution"
    ]


async def begun(client: Client) -> Json:
    """The item of the session that has begun."""
    await client.until(lambda: bool(commands(client, "item/started")), "a command")
    item: Json = commands(client, "item/started")[-1]["item"]
    return item


async def until_whole(client: Client) -> None:
    await client.until(lambda: bool(commands(client, "item/completed")), "the end of a command")


def answers_in(model: ScriptedModel) -> list[str]:
    """What tools have answered, as the last request has it."""
    items = json.loads(model.requests[-1].body)["input"]
    return [item["output"] for item in items if item.get("type") == "function_call_output"]


async def until_looked_at(home: Home) -> None:
    """Until the model looks at a session that runs; clients are told when the look is over."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not any(b'"kind":"stdin"' in log.read_bytes() for log in home.logs()):
            await trio.testing.wait_all_tasks_blocked(0.02)


async def terminals(client: Client, **params: Any) -> list[Json]:
    found: list[Json] = (await client.call("thread/backgroundTerminals/list", **params))["data"]
    return found


@trio_test
async def test_what_prints_on_and_on_costs_bounded_memory_and_log(home: Home, gate: Path) -> None:
    script = Script()
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            printing = f"yes 0123456789abcdef | head -c {PRINTED_BYTES}; echo the end"
            script.exec(f"read x < {gate}; {printing}", yield_time_ms=250)
            await client.run_turn(thread, "go")
            item = await begun(client)
            before = daemon.resident_bytes()
            script.write(item["processId"], yield_time_ms=300_000)
            turn = await client.start_turn(thread, "look")
            await through(gate, "go")
            assert (await client.turn_ended(turn))["status"] == "completed"
            await until_whole(client)
            ended = commands(client, "item/completed")[-1]["item"]
            assert (ended["status"], ended["exitCode"]) == ("completed", 0)
            assert ended["aggregatedOutput"].endswith("the end\n")
            assert len(ended["aggregatedOutput"]) < 2 << 20
            assert len(printed(client)) < 2 << 20
            assert "the end" in answers_in(model)[-1]
            assert len(model.requests[-1].body) < 100_000
            grown = daemon.resident_bytes(most=True) - before
            assert grown < 64 << 20, f"{grown >> 20} MiB more"
        (log,) = home.logs()
        assert log.stat().st_size < 300_000


@trio_test
async def test_it_is_one_item_that_ends_after_its_turn(home: Home, gate: Path) -> None:
    script = Script()
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client, connected(home.socket) as late:
            thread = await client.start_thread()
            script.exec(f"echo begun; read x < {gate}; echo $x; exit 7", yield_time_ms=250)
            turn = await client.start_turn(thread, "go")
            await client.turn_ended(turn)
            assert "Process running with session ID" in answers_in(model)[0]
            item = await begun(client)
            assert (item["source"], item["status"]) == ("unifiedExecStartup", "inProgress")
            assert not commands(client, "item/completed")
            (listed,) = await terminals(client, threadId=thread)
            assert await terminals(late) == [listed]
            assert (listed["processId"], listed["itemId"]) == (item["processId"], item["id"])
            assert not is_gone(listed["osPid"])
            # Who comes later gets the item and what it has printed; and its turn shows it as it is.
            await late.call("thread/resume", threadId=thread)
            await late.until(lambda: printed(late) == "begun\n")
            page = await late.call("thread/turns/list", threadId=thread, itemsView="full")
            (shown,) = [i for i in page["data"][0]["items"] if i["type"] == "commandExecution"]
            assert shown["status"] == "inProgress"
            second = await client.run_turn(thread, "another turn")
            await through(gate, "more")
            for reader in (client, late):
                await until_whole(reader)
                assert printed(reader) == "begun\nmore\n"
                (ended,) = commands(reader, "item/completed")
                assert (ended["turnId"], ended["item"]["id"]) == (turn, item["id"])
                assert (ended["item"]["exitCode"], ended["item"]["status"]) == (7, "failed")
                assert ended["item"]["aggregatedOutput"] == "begun\nmore\n"
            for turns in (
                (await late.call("thread/turns/list", threadId=thread, itemsView="full"))["data"],
                (await late.call("thread/read", threadId=thread, includeTurns=True))["thread"][
                    "turns"
                ],
            ):
                (first,) = [t for t in turns if t["id"] == turn]
                assert ended["item"] in first["items"]
                (other,) = [t for t in turns if t["id"] == second["id"]]
                assert ended["item"] not in other["items"]
            assert await terminals(late) == []
            # The model collects the end, once.
            script.write(item["processId"])
            await client.run_turn(thread, "and?")
            assert "Process exited with code 7" in answers_in(model)[-1]
            assert answers_in(model)[-1].endswith("Output:\nmore\n")
            script.write(item["processId"])
            await client.run_turn(thread, "and?")
            assert "Unknown session ID" in answers_in(model)[-1]


@trio_test
async def test_two_people_and_the_model_type_and_everybody_sees_it(home: Home) -> None:
    script = Script()
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        home.start()
        async with (
            connected(home.socket, name="ann") as ann,
            connected(home.socket, name="bob", codexd=CURSOR) as bob,
        ):
            thread = await ann.start_thread()
            await bob.call("thread/resume", threadId=thread)
            script.exec("cat", tty=True, yield_time_ms=250)
            await ann.run_turn(thread, "go")
            item = await begun(ann)
            where = {"threadId": thread, "processId": item["processId"]}
            await ann.call("thread/backgroundTerminals/write", **where, chars="from ann\n")
            await bob.call("thread/backgroundTerminals/write", **where, chars="from bob\n")
            secret = "a word that is nowhere written"
            await ann.call(
                "thread/backgroundTerminals/write",
                **where,
                chars=f"stty -echo; {secret}\x15",
                secret=True,
            )
            script.write(item["processId"], chars="from the model\n")
            await ann.run_turn(thread, "type")
            typed = ["from ann\n", "from bob\n", "", "from the model\n"]
            for reader in (ann, bob):
                await reader.until_notified(TYPED, times=len(typed))
                assert [note.params["stdin"] for note in reader.of(TYPED)] == typed
                told = {(n.params["itemId"], n.params["processId"]) for n in reader.of(TYPED)}
                assert told == {(item["id"], item["processId"])}
            assert "from ann\r\nfrom ann\r\n" in answers_in(model)[1]
            records = [json.loads(line) for line in home.logs()[0].read_text().splitlines()]
            by = [r["by"].split(":")[0] for r in records if r["type"] == "tool.stdin_written"]
            assert by == ["ann", "bob", "ann"]
            events = home.logs()[0].read_bytes()
            assert secret.encode() not in b"".join(
                line for line in events.splitlines() if b"stdin_written" in line
            )
            size = {"rows": 10, "cols": 33}
            await ann.call("thread/backgroundTerminals/resize", **where, size=size)
            for wrong in ({"processId": "7"}, {"chars": ""}, {"chars": "x" * 100_000}):
                asked = {**where, "chars": "x", **wrong}
                await ann.refused("thread/backgroundTerminals/write", **asked)
            await ann.refused(
                "thread/backgroundTerminals/resize", **where, size={"rows": 0, "cols": 1}
            )
            ended = await ann.call("thread/backgroundTerminals/terminate", **where)
            assert ended == {"terminated": True}
            await bob.until(lambda: bool(commands(bob, "item/completed")))
            assert commands(bob, "item/completed")[0]["item"]["status"] == "failed"
            again = await ann.call("thread/backgroundTerminals/terminate", **where)
            assert again == {"terminated": False}


@trio_test
async def test_an_interrupt_ends_the_wait_and_not_the_command(home: Home, gate: Path) -> None:
    script = Script()
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            script.exec(f"echo begun; read x < {gate}; echo $x", yield_time_ms=30_000)
            turn = await client.start_turn(thread, "go")
            await client.until(lambda: printed(client) == "begun\n")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            session = (await begun(client))["processId"]
            (listed,) = await terminals(client, threadId=thread)
            script.write(session)
            second = await client.start_turn(thread, "and?")
            await until_looked_at(home)
            await through(gate, "on")
            await client.until(lambda: printed(client) == "begun\non\n")
            await client.turn_ended(second)
            # A look at its output is told as well.
            assert [note.params["stdin"] for note in client.of(TYPED)] == [""]
            await wait_gone(listed["osPid"])
            aborted, collected = answers_in(model)
            assert "aborted by the user" in aborted
            assert session in aborted
            assert collected.endswith("Output:\nbegun\non\n")
            asked = model.requests[-1].body.decode()
            assert f"still run: {session}" in asked


@pytest.mark.parametrize("end", ["killed", "stopped"])
@trio_test
async def test_a_terminal_outlives_the_daemon_and_is_typed_into_afterwards(
    home: Home, end: str
) -> None:
    script = Script()
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket, codexd=CURSOR) as before:
            thread = await before.start_thread()
            prompt = "for n in 1 2 3; do printf 'name? '; read x; echo got $x; done; exit 4"
            script.exec(prompt, tty=True, yield_time_ms=300)
            turn = await before.start_turn(thread, "go")
            await before.turn_ended(turn)
            item = await begun(before)
            # A poll is under way when the daemon goes.
            script.write(item["processId"], chars="ann\n", yield_time_ms=30_000)
            second = await before.start_turn(thread, "type")
            await before.until(lambda: printed(before).count("name? ") == 2)
            first.kill() if end == "killed" else first.terminate()
            await first.ended()
        home.start()
        async with connected(home.socket, codexd=CURSOR) as after, connected(home.socket) as late:
            (listed,) = await terminals(late)
            assert listed["processId"] == item["processId"]
            place = {"seq": before.seq, "items": {item["id"]: len(printed(before).encode())}}
            await after.call("thread/resume", threadId=thread, after=place)
            where = {"threadId": thread, "processId": item["processId"]}
            await late.call("thread/resume", threadId=thread)
            await late.call("thread/backgroundTerminals/write", **where, chars="bob\n")
            await after.until(lambda: "name? " in printed(after))
            script.write(item["processId"], chars="eve\n")
            await after.turn_ended(second)
            await after.run_turn(thread, "type on")
            whole = "".join([f"name? {name}\r\ngot {name}\r\n" for name in ("ann", "bob", "eve")])
            assert {note.params["turnId"] for note in late.of(TYPED)} == {turn}
            await after.until(lambda: bool(commands(after, "item/completed")))
            assert printed(before) + printed(after) == whole
            assert commands(after, "item/started") == []
            (ended,) = commands(after, "item/completed")
            assert (ended["turnId"], ended["item"]["exitCode"]) == (turn, 4)
            assert ended["item"]["aggregatedOutput"] == whole
        # The model was given each piece once, and what was typed twice is asked about.
        given = "".join(text.partition("\nOutput:\n")[2] for text in answers_in(model))
        assert given.replace(MAYBE, "") == whole
        assert "Process exited with code 4" in answers_in(model)[-1]


MAYBE = "Warning: the daemon was restarted while this was written: it may have been, or not.\n"


@pytest.mark.parametrize("how", ["archive", "delete", "clean"])
@trio_test
async def test_it_ends_with_its_thread(home: Home, how: str) -> None:
    script = Script()
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            script.exec("sleep 1000 & sleep 1000", yield_time_ms=250)
            await client.run_turn(thread, "go")
            (listed,) = await terminals(client)
            method = "thread/backgroundTerminals/clean" if how == "clean" else f"thread/{how}"
            await client.call(method, threadId=thread)
            await wait_gone(listed["osPid"])
            assert await terminals(client) == []

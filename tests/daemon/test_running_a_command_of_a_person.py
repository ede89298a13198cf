"""A person's own command in a thread (`!command` of Codex's terminal): beside any turn, as the person, through any crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Hang, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from command_gate import printed, through
from daemon_client import Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Home, wait_gone
from daemon_screen import items_of
from paused_model import Held, Script, held_model
from trio_test import trio_test

OK: Reply = (Say(("I see",)),)
NEVER = 2_000  # seconds: longer than any test


def ends(client: Client) -> list[Json]:
    notes = [note.params for note in client.of("item/completed")]
    return [note for note in notes if note["item"]["type"] == "commandExecution"]


async def shell(client: Client, thread: str, command: str, **params: object) -> Json:
    return await client.call("thread/shellCommand", threadId=thread, command=command, **params)


async def terminals(client: Client, thread: str, count: int) -> list[Json]:
    """The commands that run, once so many have a process."""
    found: list[Json] = []
    with trio.fail_after(PATIENCE_SECONDS):
        while len([row for row in found if row["processId"]]) < count:
            await trio.testing.wait_all_tasks_blocked(0.01)
            answer = await client.call("thread/backgroundTerminals/list", threadId=thread)
            found = answer["data"]
    return found


async def until_ended(client: Client, times: int = 1) -> Json:
    await client.until(lambda: len(ends(client)) >= times, "the end of a command")
    item: Json = ends(client)[-1]["item"]
    return item


def told(model: ScriptedModel) -> list[str]:
    """What the newest request says of commands that people have run."""
    items = json.loads(model.requests[-1].body)["input"]
    texts = [
        part.get("text", "")
        for item in items
        if item.get("type") == "message"
        for part in item["content"]
    ]
    return [text for text in texts if text.startswith("<user_shell_command>")]


@trio_test
async def test_it_is_a_turn_of_its_own_where_none_runs(home: Home) -> None:
    async with scripted_model([OK]) as model:
        # The policy asks about everything, and its sandbox may only read; neither counts for a person.
        home.use_model(model.base_url, approval="untrusted")
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.root), sandbox="read-only")
            line = "printf 'one\\ntwo\\n'; touch made; echo ${NO_COLOR-not set}; exit 3"
            assert await shell(client, thread, line) == {}
            note = await client.until_notified("turn/completed")
            told_of = [
                (method, item.get("source"))
                for method, item in (
                    (note.method, note.params.get("item", {})) for note in client.notified
                )
                if method.startswith(("turn/", "item/started", "item/completed"))
            ]
            assert told_of == [
                ("turn/started", None),
                ("item/started", "userShell"),
                ("item/completed", "userShell"),
                ("turn/completed", None),
            ]
            ended = note.params["turn"]
            assert (ended["status"], ended["items"], ended["itemsView"]) == (
                "completed",
                [],
                "notLoaded",
            )
            item = ends(client)[0]["item"]
            output = "one\ntwo\nnot set\n"
            assert (item["exitCode"], item["status"], item["processId"]) == (3, "failed", None)
            assert item["aggregatedOutput"] == printed(client) == output
            assert (home.root / "made").exists()
            assert not client.asked
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert items_of(read["thread"]) == [item]
            await client.run_turn(thread, "what was that?")
        (message,) = told(model)
        seconds = item["durationMs"] / 1000
        assert message == (
            f"<user_shell_command>\n<command>\n{line}\n</command>\n<result>\nExit code: 3\n"
            f"Duration: {seconds:.4f} seconds\nOutput:\n{output}\n</result>\n</user_shell_command>"
        )


@trio_test
async def test_beside_a_turn_it_belongs_to_it_and_neither_waits_for_the_other(
    home: Home, gate: Path
) -> None:
    script: Script = [Held(Say(("a", "b")), after=1), Say(("c",))]
    async with held_model(script) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await model.holding.wait()
            assert await shell(client, thread, f"echo begun; read x < {gate}; echo $x") == {}
            await client.until(lambda: printed(client) == "begun\n")
            model.resume()
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert not ends(client)
            listed = await terminals(client, thread, 1)
            assert [(row["command"], row["processId"]) for row in listed] == [
                (f"echo begun; read x < {gate}; echo $x", f"p{listed[0]['osPid']}")
            ]
            # A second one is ended by a person, by its id.
            await shell(client, thread, f"sleep {NEVER}", idempotencyKey="k")
            await client.until(lambda: len(client.of("item/started")) >= 4)
            (second,) = [row for row in await terminals(client, thread, 2) if row not in listed]
            end = {"threadId": thread, "processId": second["processId"]}
            answer = await client.call("thread/backgroundTerminals/terminate", **end)
            assert answer == {"terminated": True}
            assert (await until_ended(client))["exitCode"] is None
            await through(gate, "done")
            assert (await until_ended(client, 2))["aggregatedOutput"] == "begun\ndone\n"
            assert ends(client)[-1]["turnId"] == turn
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            outputs = [item.get("aggregatedOutput") for item in read["thread"]["turns"][0]["items"]]
            assert outputs == [None, "begun\ndone\n", None]


@trio_test
async def test_an_interrupt_ends_it_and_what_it_printed_stays(home: Home, gate: Path) -> None:
    async with scripted_model([OK, (Hang(("wait",)),), OK]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            line = f"echo begun; sh -c 'echo $$; exec sleep {NEVER}' & wait"
            answer = await shell(client, thread, line, idempotencyKey="one")
            again = await shell(client, thread, line, idempotencyKey="one")
            assert answer == again
            await client.until(lambda: printed(client).count("\n") == 2)
            pid = int(printed(client).split()[1])
            await client.call("turn/interrupt", threadId=thread, turnId=answer["turnId"])
            ended = await client.turn_ended(answer["turnId"])
            assert ended["status"] == "interrupted"
            item = await until_ended(client)
            assert (item["status"], item["aggregatedOutput"]) == ("failed", f"begun\n{pid}\n")
            await wait_gone(pid)
            await client.run_turn(thread, "and now?")
            assert [message.splitlines()[-5:-2] for message in told(model)] == [
                ["begun", str(pid), "command aborted by user"]
            ]
            # One that was begun within a turn of the model ends with that.
            turn = await client.start_turn(thread, "hang")
            await client.until_notified("item/agentMessage/delta", times=2)
            await shell(client, thread, f"sleep {NEVER}")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.turn_ended(turn)
            assert (await until_ended(client, 2))["exitCode"] is None


@pytest.mark.slow
@trio_test
async def test_it_goes_on_while_the_daemon_is_dead(home: Home, gate: Path) -> None:
    async with scripted_model([OK]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await shell(client, thread, f"echo begun; read x < {gate}; echo $x; exit 4")
            await client.until(lambda: printed(client) == "begun\n")
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await through(gate, "whole")
            item = await until_ended(client)
            assert (item["exitCode"], item["aggregatedOutput"]) == (4, "begun\nwhole\n")
            await client.until_notified("turn/completed")
            await client.run_turn(thread, "and?")
        assert [message.count("Exit code: 4\n") for message in told(model)] == [1]
        assert not list(home.path.glob("state/processes/*"))


@trio_test
async def test_where_it_cannot_be_run_the_client_is_told_and_its_request_is_answered(
    home: Home,
) -> None:
    async with scripted_model([]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.root))
            await shell(client, thread, "exit 0")
            await client.until_notified("turn/completed")
            await client.call("thread/archive", threadId=thread)
            assert await shell(client, thread, "touch made") == {}
            warned = await client.until_notified("warning")
            assert "is archived" in warned.params["message"]
            refused = await client.refused(
                "thread/shellCommand", threadId=thread, command="touch made", idempotencyKey="k"
            )
            assert "is archived" in refused.message
            assert await shell(client, thread, " ") == {}
            warned = await client.until_notified("warning", times=2)
            assert "expected a shell line" in warned.params["message"]
            await client.refused(
                "thread/shellCommand", threadId=thread, command=" ", idempotencyKey="e"
            )
            assert not (home.root / "made").exists()


@trio_test
async def test_its_time_may_be_limited(home: Home) -> None:
    async with scripted_model([]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await shell(client, thread, f"sleep {NEVER}", timeoutMs=0)
            item = await until_ended(client)
            assert (item["exitCode"], item["aggregatedOutput"]) == (
                124,
                "command timed out after 0 ms\n",
            )

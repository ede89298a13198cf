"""A command goes on while the daemon is dead: the next one takes its whole output and its true end, and no screen sees a seam."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from codexd.exec.leftovers import COMMAND_MARK, home_mark
from codexd.keeper.session import session_of
from codexd.keeper.tree import marked
from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from command_gate import printed, through
from daemon_client import CURSOR, Client, connected
from daemon_house import Home, is_gone, wait_gone
from daemon_screen import items_of
from trio_test import trio_test

OK = Say(("I see",))
SECRET = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"


def run(command: str, **arguments: object) -> Reply:
    return (Call("shell_command", json.dumps({"command": command, **arguments})),)


def completed(client: Client) -> list[dict[str, object]]:
    items = [note.params["item"] for note in client.of("item/completed")]
    return [item for item in items if item["type"] == "commandExecution"]


def leaders_left(home: Home, thread: str) -> list[int]:
    """The commands of a thread that run."""
    mark = f"{COMMAND_MARK}={home_mark(str(home.path))}/{thread}/".encode()
    return [pid for pid in marked(mark) if session_of(pid) == pid]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["killed", "stopped"])
@pytest.mark.parametrize("when", ["before it ends", "after it has ended"])
@trio_test
async def test_it_is_whole_for_the_model_and_for_every_screen(
    home: Home, gate: Path, end: str, when: str
) -> None:
    command = f"echo begun; read x < {gate}; echo $x; printf 'two \\303\\244\\n'; read x < {gate}2; seq 1 5000; exit 7"
    second = Path(f"{gate}2")
    os.mkfifo(second)
    whole = "begun\none\ntwo ä\n" + "".join(f"{number}\n" for number in range(1, 5001))
    async with scripted_model([run(command), OK]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket, codexd=CURSOR) as before, connected(home.socket) as plain:
            thread = await before.start_thread()
            turn = await before.start_turn(thread, "go")
            await plain.call("thread/resume", threadId=thread)
            await through(gate, "one")
            await before.until(lambda: printed(before) == "begun\none\ntwo ä\n")
            first.kill() if end == "killed" else first.terminate()
            await first.ended()
        assert leaders_left(home, thread)
        if when == "after it has ended":
            await through(second, "two")
            for leader in leaders_left(home, thread):
                await wait_gone(leader)
        home.start()
        (item_id,) = {
            note.params["itemId"] for note in before.of("item/commandExecution/outputDelta")
        }
        async with (
            connected(home.socket, codexd=CURSOR) as returned,
            connected(home.socket) as late,
        ):
            after = {"seq": before.seq, "items": {item_id: len(printed(before).encode())}}
            # One comes back with its place, one attaches anew while it runs or after it.
            await returned.call("thread/resume", threadId=thread, after=after)
            resumed = await late.call("thread/resume", threadId=thread)
            if when == "before it ends":
                assert resumed["thread"]["status"]["type"] == "active"
                await through(second, "two")
                await late.turn_ended(turn)
                assert printed(late) == whole
            await returned.turn_ended(turn)
            assert printed(before) + printed(returned) == whole
            (item,) = completed(returned)
            assert (item["exitCode"], item["status"], item["aggregatedOutput"]) == (
                7,
                "failed",
                whole,
            )
            begun = [
                note for note in returned.of("item/started") if note.params["item"]["id"] == item_id
            ]
            assert begun == []
            read = await late.call("thread/read", threadId=thread, includeTurns=True)
            assert [found for found in items_of(read["thread"]) if found["id"] == item_id] == [item]
        asked = model.requests[-1].body
        assert b"Exit code: 7" in asked
        assert "two ä".encode() in asked or b"two \\u00e4" in asked
        assert b"5000\\n" in asked
        assert b"restart" not in asked
        assert not list(home.path.glob("state/processes/*"))


@trio_test
async def test_a_secret_that_is_cut_by_the_crash_reaches_no_screen_and_no_log(
    home: Home, gate: Path
) -> None:
    half = len(SECRET) // 2
    command = f"printf 'a {SECRET[:half]}'; read x < {gate}; echo '{SECRET[half:]} b'"
    async with scripted_model([run(command), OK]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await through(gate, "on")
            await client.turn_ended(turn)
            assert SECRET[half:] not in printed(client)
            assert SECRET[:half] not in printed(client)
            assert str(completed(client)[0]["aggregatedOutput"]).endswith(" b\n")
        assert SECRET.encode() not in b"".join(path.read_bytes() for path in home.logs())


@pytest.mark.slow
@trio_test
async def test_its_time_counts_from_its_start(home: Home) -> None:
    async with scripted_model([run("echo begun; sleep 1000", timeout_ms=1500), OK]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turn)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            (item,) = [
                item for item in items_of(read["thread"]) if item["type"] == "commandExecution"
            ]
            assert (item["exitCode"], item["aggregatedOutput"]) == (124, "begun\n")
            # All of the time before the crash is in it, and no second one was given.
            assert 1500 <= int(item["durationMs"]) < 60_000
        assert b"timed out after 1500 ms" in model.requests[-1].body


@pytest.mark.slow
@trio_test
async def test_one_that_nobody_wants_any_more_is_ended(home: Home) -> None:
    async with scripted_model([run("echo $$; exec sleep 1000")] * 2) as model:
        home.use_model(model.base_url)
        first = home.start()
        pids = []
        async with connected(home.socket) as client:
            for is_ephemeral in (True, False):
                thread = (await client.call("thread/start", ephemeral=is_ephemeral))["thread"]["id"]
                await client.start_turn(thread, "go")
                note = await client.until_notified(
                    "item/commandExecution/outputDelta", threadId=thread
                )
                pids.append(int(note.params["delta"]))
            first.kill()
        assert not any(map(is_gone, pids))
        # An ephemeral thread is gone with its daemon; the other one's turn is interrupted by this setting.
        home.use_model(model.base_url, more='on_restart = "interrupt"')
        home.start()
        for pid in pids:
            await wait_gone(pid)


@trio_test
async def test_a_killed_keeper_loses_its_commands_and_nothing_else(home: Home) -> None:
    command = "echo $$; sleep 1000 & echo $!; wait"
    async with scripted_model([run(command), run("echo again"), OK]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until(lambda: printed(client).count("\n") == 2)
            pids = [int(word) for word in printed(client).split()]
            os.kill(home.keeper, signal.SIGKILL)
            assert (await client.turn_ended(turn))["status"] == "completed"
            lost, again = completed(client)
            assert (lost["status"], lost["aggregatedOutput"]) == (
                "failed",
                "".join(f"{pid}\n" for pid in pids),
            )
            assert again["aggregatedOutput"] == "again\n"
            for pid in pids:
                await wait_gone(pid)
        assert b"the process that owns all commands died" in model.requests[1].body


@trio_test
async def test_an_archived_threads_command_ends(home: Home) -> None:
    async with scripted_model([run("echo $$; setsid sleep 1000 & echo $!; wait")]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "go")
            await client.until(lambda: printed(client).count("\n") == 2)
            await client.call("thread/archive", threadId=thread)
            for word in printed(client).split():
                await wait_gone(int(word))

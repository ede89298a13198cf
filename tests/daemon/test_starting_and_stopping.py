"""One daemon for each home: how it starts, what it leaves alone, and how it stops."""

from __future__ import annotations

import json
import os
import socket

import pytest
import trio

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Home, is_gone, wait_gone
from daemon_screen import items_of, said_so_far, texts_of
from paused_model import Held, held_model
from trio_test import trio_test

OK = Say(("ok",))


def run(command: str) -> Reply:
    return (Call("shell_command", json.dumps({"command": command})),)


@trio_test
async def test_a_second_daemon_is_refused_and_the_first_continues(home: Home) -> None:
    first = home.start_anew()
    second = home.launch()
    assert second.wait() == 75
    assert second.said(f"process {first.pid}")
    elsewhere = home.launch("--listen", f"unix://{home.root}/other.sock")
    assert elsewhere.wait() == 75
    async with connected(home.socket) as client:
        assert (await client.call("server/status"))["pid"] == first.pid


@trio_test
async def test_the_socket_of_a_dead_daemon_is_replaced(home: Home) -> None:
    home.start_anew().kill()
    assert home.socket.is_socket()
    home.start_anew()
    async with connected(home.socket) as client:
        await client.call("server/status")


def test_a_socket_that_answers_is_not_replaced(home: Home) -> None:
    path = home.root / "s"
    with socket.socket(socket.AF_UNIX) as somebody:
        somebody.bind(str(path))
        somebody.listen()
        refused = home.launch("--listen", f"unix://{path}")
        assert refused.wait() == 75
        assert path.is_socket()


def test_a_file_in_the_place_of_the_socket_is_left_alone(home: Home) -> None:
    path = home.root / "notes.txt"
    path.write_text("precious")
    refused = home.launch("--listen", f"unix://{path}")
    assert refused.wait() == 2
    assert refused.said(str(path))
    assert path.read_text() == "precious"


@trio_test
async def test_a_path_that_is_too_long_for_a_socket_gets_a_link(home: Home) -> None:
    path = home.root / ("long" * 30) / "codexd.sock"
    daemon = home.start_anew("--listen", f"unix://{path}")
    assert path.is_symlink()
    async with connected(path.readlink()) as client:
        assert (await client.call("server/status"))["socket"] == str(path)
    assert daemon.stop() == 0
    assert not path.is_symlink()


def test_a_signal_as_soon_as_it_answers_stops_it_cleanly(home: Home) -> None:
    assert home.start_anew().stop() == 0
    assert not home.socket.exists()
    assert home.processes() == []


@trio_test
async def test_a_command_goes_on_while_the_daemon_stops_and_starts(home: Home) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    command = f"echo begun; read x < {gate}; head -c 100000 /dev/zero"
    async with scripted_model([run(f"{command} | tr '\\0' x; echo the end"), OK, OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            daemon.terminate()
            assert await daemon.ended() == 0
        assert not home.socket.exists()
        home.start_anew()
        async with connected(home.socket) as client:
            await trio.to_thread.run_sync(gate.write_text, "go on\n")
            item = await finished(client, thread, turn)
            assert (item["status"], item["exitCode"]) == ("completed", 0)
            text = str(item["aggregatedOutput"])
            assert text.startswith("begun\nx")
            assert text.endswith("x" * 100 + "the end\n")
        assert b"restart" not in model.requests[-1].body


async def finished(client: Client, thread: str, turn: str) -> dict[str, object]:
    """The one command of a turn that goes on by itself, once that has ended."""
    resumed = await client.call("thread/resume", threadId=thread)
    if resumed["thread"]["status"]["type"] == "active":
        await client.turn_ended(turn)
    read = await client.call("thread/read", threadId=thread, includeTurns=True)
    assert read["thread"]["turns"][0]["status"] == "completed"
    (item,) = [item for item in items_of(read["thread"]) if item["type"] == "commandExecution"]
    return item


@trio_test
async def test_where_the_keeper_is_stopped_too_nothing_is_left(home: Home) -> None:
    async with scripted_model([run("echo $$; sleep 1000"), OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            note = await client.until_notified("item/commandExecution/outputDelta")
            pid = int(note.params["delta"])
            daemon.terminate()
            assert await daemon.ended() == 0
        assert not is_gone(pid)
        await home.end_keeper()
        await wait_gone(pid)
        assert home.processes() == []
        home.start_anew()
        async with connected(home.socket) as client:
            assert (await finished(client, thread, turn))["status"] == "failed"
        assert b"interrupted by a restart" in model.requests[-1].body


@trio_test
async def test_stopped_in_mid_answer_it_continues_after_the_next_start(home: Home) -> None:
    async with held_model([Held(Say(("one ", "two ")), after=1), Say(("again",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until(lambda: said_so_far(client) == "one ")
            daemon.terminate()
            assert await daemon.ended() == 0
        home.start_anew()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turn)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> go", "one ", "again"]


@pytest.mark.slow
@trio_test
async def test_nothing_is_left_of_a_daemon_that_had_much_to_do(home: Home) -> None:
    async with scripted_model(lambda body: run("echo x; sleep 1000 & sleep 1000")) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        async with connected(home.socket) as client, trio.open_nursery() as nursery:
            for _ in range(8):
                thread = await client.start_thread()
                nursery.start_soon(client.start_turn, thread, "go")
            await client.until_notified("item/commandExecution/outputDelta", times=8)
            daemon.terminate()
            assert await daemon.ended() == 0
        assert len(home.processes()) >= 16
        await home.end_keeper()
        assert home.processes() == []

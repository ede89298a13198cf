"""The disk is full: nothing is lost and nothing dies. Requests are refused, and followers are notified."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected, typed
from daemon_house import Home
from daemon_screen import answers, said_so_far, texts_of
from paused_model import Held, held_model
from small_disk import SmallDisk, small_disk
from trio_test import trio_test

# Half of them is longer than what the last page of a file may still have room for: 4 KiB.
WORDS = tuple(f"word {n} {'x' * 500} " for n in range(100))
HALF = "".join(WORDS[:9])


# A file on a full disk still takes what its last page has room for. The shortest record has more bytes than this.
PAGE_BYTES = 4096
SHORTER_THAN_A_RECORD = 100


@pytest.fixture
def disk(home: Home) -> Iterator[SmallDisk]:
    """The home is on a small disk of its own."""
    with small_disk(home.path) as disk:
        yield disk
        home.end_daemons()


async def until_stalled(client: Client, thread: str) -> Json:
    """Wait until the client is told that the thread waits for space."""
    return (await client.until_notified("error", threadId=thread, willRetry=True)).params


async def until_over(client: Client, thread: str) -> None:
    """Wait until the client is told that it does so no more."""
    await client.until_notified("warning", threadId=thread)


def size_of_log(home: Home) -> int:
    (log,) = home.path.glob("threads/*/*/*/*.jsonl")
    return log.stat().st_size


async def fill_last_page(client: Client, thread: str, home: Home) -> None:
    """Append records until the last page of the log has no room for another."""
    before = size_of_log(home)
    await client.call("thread/name/set", threadId=thread, name="100")
    record = size_of_log(home) - before
    for number in range(101, 400):
        left = -size_of_log(home) % PAGE_BYTES
        if left < SHORTER_THAN_A_RECORD:
            return
        more = "x" * min(50, max(0, left - record))
        await client.call("thread/name/set", threadId=thread, name=f"{number}{more}")
    raise AssertionError("expected to come to the end of a page")


@trio_test
async def test_a_turn_in_flight_waits_for_space_and_continues(home: Home, disk: SmallDisk) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("next",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread = await client.start_thread()
            await other.call("thread/resume", threadId=thread)
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            disk.fill()
            model.resume()
            told = await until_stalled(client, thread)
            assert told["turnId"] == turn
            assert "disk is full" in told["error"]["message"]
            await until_stalled(other, thread)
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert found["turns"][0]["status"] == "inProgress"
            async with connected(home.socket) as late:
                await late.call("thread/resume", threadId=thread)
                await until_stalled(late, thread)
            disk.free()
            for peer in (client, other):
                await until_over(peer, thread)
                assert (await peer.turn_ended(turn))["status"] == "completed"
                assert answers(peer) == ["".join(WORDS)]
                assert len(peer.of("error")) == len(peer.of("warning")) == 1
            await client.run_turn(thread, "on")
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert texts_of(found) == ["> hello", "".join(WORDS), "> on", "next"]


@trio_test
async def test_a_request_is_refused_at_once_and_has_changed_nothing(
    home: Home, disk: SmallDisk
) -> None:
    long = "word " * 2000
    async with scripted_model([Say(("one",)), Say(("two",)), Say(("three",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "a")
            before = [(log, log.read_bytes()) for log in home.logs()]
            requests: list[tuple[str, Json]] = [
                ("turn/start", {"threadId": thread, "input": typed(long)}),
                ("thread/start", {"baseInstructions": long}),
                ("thread/fork", {"threadId": thread}),
            ]
            for method, params in requests:
                disk.fill()  # Each time: files of the turn are removed after its end.
                refusal = await client.refused(method, **params)
                assert refusal.data["code"] == "disk_full", refusal.message
                assert "No space left on device" in refusal.message
            assert [(log, log.read_bytes()) for log in home.logs()] == before
            listed = await client.call("thread/list")
            assert [entry["id"] for entry in listed["data"]] == [thread]
            disk.free()
            await client.run_turn(thread, "b")
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.run_turn(fork, "c")
            found = (await client.call("thread/read", threadId=fork, includeTurns=True))["thread"]
            assert texts_of(found) == ["> a", "one", "> b", "two", "> c", "three"]
            # What was refused was not told to the model either.
            assert long.encode() not in b"".join(request.body for request in model.requests)
            assert not client.of("error")


@trio_test
async def test_a_command_that_prints_on_runs_to_its_end_and_nothing_of_it_is_lost(
    home: Home, disk: SmallDisk
) -> None:
    line = "x" * 99
    command = f"echo begun; until test -e go; do sleep 0.01; done; yes {line} | head -n 600"
    call = Call("shell_command", json.dumps({"command": command, "timeout_ms": 60_000}))
    async with scripted_model([call, Say(("done",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            # It runs: from here on its output waits for space, at the keeper and in the log.
            await client.until_notified("item/commandExecution/outputDelta", threadId=thread)
            await fill_last_page(client, thread, home)
            disk.fill()
            home.work.joinpath("go").touch()
            await until_stalled(client, thread)
            disk.free()
            assert (await client.turn_ended(turn))["status"] == "completed"
            shown = "".join(
                str(note.params["delta"]) for note in client.of("item/commandExecution/outputDelta")
            )
            assert shown == "begun\n" + f"{line}\n" * 600
            (item,) = [
                message.params["item"]
                for message in client.of("item/completed")
                if message.params["item"]["type"] == "commandExecution"
            ]
            assert item["exitCode"] == 0
            (blob,) = home.path.glob("blobs/*/*")
            assert blob.read_text() == shown


@trio_test
async def test_an_interrupt_stops_what_runs_and_is_recorded_when_there_is_space(
    home: Home, disk: SmallDisk
) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("next",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            await fill_last_page(client, thread, home)
            disk.fill()
            refusal = await client.refused("turn/interrupt", threadId=thread, turnId=turn)
            assert refusal.data["code"] == "disk_full"
            assert "what ran is stopped" in refusal.message
            await until_stalled(client, thread)
            disk.free()
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            await until_over(client, thread)
            assert answers(client) == [HALF]
            await client.run_turn(thread, "on")
            assert len(model.bodies) == 2


@trio_test
async def test_a_daemon_that_starts_on_a_full_disk_reads_and_recovers_when_there_is_space(
    home: Home, disk: SmallDisk
) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("again",)), Say(("next",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            first.kill()
        (log,) = home.logs()
        log.write_bytes(whole := log.read_bytes())
        disk.fill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await until_stalled(client, thread)
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert texts_of(found)[0] == "> hello"
            assert log.read_bytes() == whole
            disk.free()
            await until_over(client, thread)
            assert (await client.turn_ended(turn))["status"] == "completed"
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert texts_of(found) == ["> hello", HALF, "again"]

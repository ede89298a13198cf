"""A daemon that starts resumes all accepted work without a client; but not a thread with which it dies."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from builders import FIRST_TURN
from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd.runtime.take_over import RESUMED_AT_ONCE
from daemon_client import Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from daemon_screen import said_so_far, texts_of
from indexing import LogFile, stream
from paused_model import Held, held_model
from trio_test import trio_test

WORDS = tuple(f"word {n} " for n in range(20))
PROMPTS = ("a", "b", "c", "d")


async def ended(client: Client, thread: str, turns: list[str]) -> Json:
    """The thread once all of its turns have ended, though nobody attaches to it."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            answer: Json = await client.call("thread/read", threadId=thread, includeTurns=True)
            found: Json = answer["thread"]
            known = [turn["id"] for turn in found["turns"]]
            if known == turns and all(turn["status"] == "completed" for turn in found["turns"]):
                return found


async def asked(client: Client) -> tuple[str, list[str]]:
    """A thread with prompts that wait for one another."""
    thread = await client.start_thread()
    return thread, [await client.start_turn(thread, text) for text in PROMPTS]


@pytest.mark.parametrize("turn", range(3))
@trio_test
async def test_killed_between_two_turns_the_next_runs_without_a_client(
    home: Home, turn: int
) -> None:
    async with scripted_model([Say((f"answer {n}",)) for n in range(20)]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread, turns = await asked(client)
            # What is heard first is the turn's end, while the next one's beginning is being written.
            await client.until(lambda: len(client.of("turn/completed")) > turn)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            found = await ended(client, thread, turns)
            assert [text for text in texts_of(found) if text[:2] == "> "] == [
                f"> {text}" for text in PROMPTS
            ]


@pytest.mark.parametrize("seed", range(6))
@trio_test
async def test_killed_anywhere_all_accepted_input_runs_without_a_client(
    home: Home, seed: int
) -> None:
    chance = random.Random(seed)

    def reply() -> Reply:
        return (Say(WORDS[:5]), Call("shell_command", '{"command":"echo ran"}'))

    replies = [answer for _ in range(40) for answer in (reply(), (Say(WORDS[:3]),))]
    async with scripted_model(replies, gap_seconds=0.0003) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread, turns = await asked(client)
        for _ in range(3):
            heard = chance.randrange(1, 60)
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread, excludeTurns=True)
                with trio.move_on_after(0.2):  # It may have nothing more to say.
                    await client.until(lambda c=client, n=heard: len(c.notified) >= n)  # type: ignore[misc]
                daemon.kill()
            daemon = home.start()
        async with connected(home.socket) as client:
            await ended(client, thread, turns)


@pytest.mark.parametrize("lost", ["all of it", "the marks"])
@trio_test
async def test_without_the_state_folder_accepted_input_runs_too(home: Home, lost: str) -> None:
    async with held_model([Held(Say(WORDS), after=9), *[Say(("x",))] * 9]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread, turns = await asked(client)
            await client.until(lambda: "word 8" in said_so_far(client))
            first.kill()
        state = home.path / "state"
        shutil.rmtree(state if lost == "all of it" else state / "unfinished")
        put_there = LogFile(home.path, stream(1)).add(*FIRST_TURN)
        whole = put_there.path.read_bytes()
        home.start()
        async with connected(home.socket) as client:
            await ended(client, thread, turns)
        # What somebody else wrote is older, so it was come by before: it waits until it is asked for.
        assert put_there.path.read_bytes() == whole


@contextmanager
def dying_of(home: Home, path: Path) -> Iterator[None]:
    """A daemon that dies as soon as it opens this file: it is started, and its death is waited for."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        pytest.skip("strace is not installed here")
    with subprocess.Popen(
        [
            *("strace", "-f", "-o", "/dev/null", "-P", str(path), "-e", "trace=openat"),
            *("-e", "inject=openat:signal=SIGKILL", sys.executable, "-m", "codexd"),
        ],
        env=home.env,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(PATIENCE_SECONDS)
            yield
        finally:
            process.kill()


def deaths(home: Home, log: LogFile) -> int:
    return len(home.path.joinpath("state", "unfinished", log.name).read_bytes())


async def troubles(client: Client) -> dict[str, Json]:
    status = await client.call("server/status")
    return {trouble["threadId"]: trouble for trouble in status["troubles"]}


@trio_test
async def test_a_thread_that_stopped_its_daemon_twice_is_left_alone_at_the_third_start(
    home: Home,
) -> None:
    deadly, *others = [
        LogFile(home.path, stream(number)).add(*FIRST_TURN)
        for number in range(1, RESUMED_AT_ONCE + 3)
    ]
    for log in (deadly, *others):
        mark = home.path / "state" / "unfinished" / log.name
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    home.use_model("http://127.0.0.1:9/v1", provider="p")
    (home.path / "drafts" / deadly.name).mkdir(parents=True)
    draft = home.path / "drafts" / deadly.name / "0001-item-1"
    draft.write_bytes(b'{"itemId":"d","kind":"message","startedMs":1}\n["text",0,"so far"]\n')
    for _ in range(2):
        with dying_of(home, draft):
            pass
    assert deaths(home, deadly) == 2
    assert all(deaths(home, log) < 2 for log in others if exists(home, log))
    third = home.start()
    async with connected(home.socket) as client:
        third.wait_said(f"thread {deadly.name} is left alone")
        found = await troubles(client)
        assert set(found) == {deadly.name}
        assert "stopped 2 times" in found[deadly.name]["reason"]
        assert f"codexctl attach {deadly.name}" in found[deadly.name]["mend"]
        listed = await client.call("thread/list", limit=100)
        (shown,) = [thread for thread in listed["data"] if thread["id"] == deadly.name]
        assert f"codexctl attach {deadly.name}" in shown["trouble"]
        # It can be read, and a person who asks for it has it tried again.
        read = await client.call("thread/read", threadId=deadly.name, includeTurns=True)
        assert "> go" in texts_of(read["thread"])
        # A client that comes back by itself does not.
        refusal = await client.refused("thread/resume", threadId=deadly.name, after={"seq": 1})
        assert refusal.data["code"] == "thread_left_alone"
        await client.call("thread/resume", threadId=deadly.name)
        assert await troubles(client) == {}
    assert third.stop() == 0


def exists(home: Home, log: LogFile) -> bool:
    return home.path.joinpath("state", "unfinished", log.name).exists()


@trio_test
async def test_a_daemon_that_was_stopped_or_killed_later_is_no_death_of_its_threads(
    home: Home,
) -> None:
    async with held_model([Held(Say(WORDS), after=9)] * 9) as model:
        home.use_model(model.base_url)
        daemon: Daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await model.wait_asked(1)
            for end in (Daemon.kill, Daemon.stop, Daemon.kill, Daemon.stop):
                end(daemon)
                asked_before = len(model.bodies)
                daemon = home.start()
                await model.wait_asked(asked_before + 1)
        async with connected(home.socket) as client:
            assert await troubles(client) == {}
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert [turn["id"] for turn in read["thread"]["turns"]] == [turn]

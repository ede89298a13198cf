"""A thread that is opened from a snapshot continues as the thread that was closed: the same request, to the byte."""

from __future__ import annotations

import json
import shutil

from codexd.core.values.ids import ThreadId
from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from codexd.runtime.snapshots.writer import INDEX
from codexd_eventstore.operations.jsonl import open_jsonl_store
from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test

TURNS = 20


async def has_snapshot(home: Home, thread: str) -> bool:
    async with open_jsonl_store(home.path, state_dir=home.path / "state") as store:
        return await store.snapshot(ThreadId(thread), INDEX) is not None


@trio_test
async def test_the_next_request_is_the_same_with_and_without_a_snapshot(home: Home) -> None:
    async with scripted_model(lambda body: (Say(("an answer",)),)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            for n in range(TURNS):
                await client.run_turn(thread, f"turn {n}")
        assert daemon.stop() == 0
        assert await has_snapshot(home, thread)
        bodies = []
        for keeps in (True, False):
            if not keeps:
                shutil.rmtree(home.path / "state")
            daemon = home.start()
            async with connected(home.socket) as client:
                resumed = await client.call("thread/resume", threadId=thread)
                assert len(resumed["thread"]["turns"]) == TURNS
                forked = await client.call("thread/fork", threadId=thread, excludeTurns=True)
                await client.run_turn(forked["thread"]["id"], "and on")
                bodies.append(json.loads(model.requests[-1].body)["input"])
            daemon.kill()
        assert bodies[0] == bodies[1]
        assert len(bodies[0]) == 2 * TURNS + 2


@trio_test
async def test_a_fork_at_an_earlier_turn_has_no_later_turns(home: Home) -> None:
    async with scripted_model(lambda body: (Say(("an answer",)),)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turns = [(await client.run_turn(thread, f"turn {n}"))["id"] for n in range(TURNS)]
        assert daemon.stop() == 0
        home.start()
        async with connected(home.socket) as client:
            for at, params in ((4, {"lastTurnId": turns[4]}), (9, {"beforeTurnId": turns[10]})):
                forked = (await client.call("thread/fork", threadId=thread, **params))["thread"]
                assert [turn["id"] for turn in forked["turns"]] == turns[: at + 1]
                await client.run_turn(forked["id"], "and on")
                assert len(json.loads(model.requests[-1].body)["input"]) == 2 * at + 4

"""SIGKILL while a log is scrubbed, deleted, exported or imported: it is as before or done, never between."""

from __future__ import annotations

import json
import os
import random

import pytest

from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Home
from trio_test import trio_test

# Each takes two starts of the daemon. `CODEXD_NIGHTLY=1` has more of them.
ROUNDS = 12 if os.environ.get("CODEXD_NIGHTLY") else 3


async def records(client: Client, thread: str) -> list[Json]:
    """All records of a thread."""
    found: list[Json] = []
    after: int | None = 0
    while after is not None:
        page = await client.call("thread/log/read", threadId=thread, after=after)
        found += page["records"]
        after = page["nextAfter"]
    return found


async def killed_under(home: Home, chance: random.Random, method: str, **params: object) -> None:
    """Start a daemon, ask it for this, and kill it some answers later."""
    daemon = home.start()
    async with connected(home.socket) as client:
        await client.post(method, **params)
        for _ in range(chance.randrange(4)):
            await client.call("server/status")
        daemon.kill()


@pytest.mark.slow
@trio_test
async def test_a_thread_that_was_being_scrubbed_is_whole_and_can_be_scrubbed_again(
    home: Home,
) -> None:
    chance = random.Random(5)
    words = [f"secret{n:02}" for n in range(ROUNDS)]
    async with scripted_model() as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, " ".join(words))
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.run_turn(fork, " ".join(words))
            before = {thread_id: await records(client, thread_id) for thread_id in (thread, fork)}
        home.end_daemons()
        for word in words:
            await killed_under(home, chance, "thread/scrub", threadId=thread, patterns=[word])
            home.start()
            async with connected(home.socket) as client:
                for thread_id, old in before.items():
                    now = await records(client, thread_id)
                    assert [(r["seq"], r["type"], r["at"]) for r in now] == [
                        (r["seq"], r["type"], r["at"]) for r in old
                    ]
                await client.call("thread/scrub", threadId=thread, patterns=[word])
                assert not [log for log in home.logs() if word.encode() in log.read_bytes()]
            home.end_daemons()
        home.start()
        async with connected(home.socket) as client:
            for thread_id in (thread, fork):
                await client.call("thread/resume", threadId=thread_id)
                assert (await client.run_turn(thread_id, "say 1"))["status"] == "completed"


@pytest.mark.slow
@trio_test
async def test_a_thread_that_was_being_deleted_or_moved_is_there_whole_or_not(
    home: Home,
) -> None:
    chance = random.Random(6)
    package = str(home.work / "package")
    async with scripted_model() as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "run head -c 50000 /dev/zero")
            before = await records(client, thread)
            await client.call("thread/export", threadId=thread, path=package)
        home.end_daemons()
        deeds: list[tuple[str, Json]] = [
            ("thread/delete", {"threadId": thread}),
            ("thread/import", {"paths": [package]}),
            ("thread/export", {"threadId": thread, "path": package, "force": True}),
        ]
        for number in range(ROUNDS):
            method, params = deeds[number % len(deeds)]
            await killed_under(home, chance, method, **params)
            home.start()
            async with connected(home.socket) as client:
                listed = [entry["id"] for entry in (await client.call("thread/list"))["data"]]
                if thread not in listed:
                    await client.call("thread/import", paths=[package])
                assert await records(client, thread) == before
                if (
                    method == "thread/export"
                ):  # What is to be replaced stays until the new one is whole.
                    await client.call("thread/delete", threadId=thread)
                    await client.call("thread/import", paths=[package])
            home.end_daemons()
        (log,) = home.logs()
        assert [json.loads(line) for line in log.read_bytes().splitlines()] == before

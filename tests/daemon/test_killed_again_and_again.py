"""SIGKILL at any moment under the load of four clients, round after round: all acknowledged records are there.

Notifications have the numbers of their records in the log, and records of a log never change,
byte for byte. The moments are drawn, so a failing round is named by its seed. `CODEXD_NIGHTLY=1` runs two
hundred rounds.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.server import scripted_model
from codexd_eventstore.operations.jsonl import open_jsonl_store
from daemon_client import CURSOR, Client, Json, Refused, connected, typed
from daemon_house import PATIENCE_SECONDS, Home
from trio_test import trio_test

CLIENTS = 4
NIGHTLY = "CODEXD_NIGHTLY" in os.environ
ROUNDS = 20 if NIGHTLY else 10
SEEDS = 10 if NIGHTLY else 1
# In all four a few turns' worth of messages: some rounds end before anybody is attached.
MESSAGES_MAX = 160


class Crowd:
    """Four clients, what they were told, and what the logs held."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home, self.chance = home, random.Random(seed)
        self.threads: list[str | None] = [None] * CLIENTS
        self.notified: dict[str, int] = {}  # the last number acknowledged, by thread
        self.turns: dict[str, str] = {}  # every turn acknowledged, and its thread
        self.aside: dict[str, bool | None] = {}  # whether archived; None while that is asked for
        self.logs: dict[str, bytes] = {}
        self._clients: list[Client] = []
        self._before = 0
        self._death = trio.Event()

    async def live_and_die(self) -> None:
        """One round."""
        daemon = self.home.start()
        self._clients, self._death = [], trio.Event()
        deadly = self.chance.randrange(1, MESSAGES_MAX)
        seeds = [self.chance.random() for _ in range(CLIENTS)]
        async with trio.open_nursery() as nursery:
            for number, seed in enumerate(seeds):
                nursery.start_soon(self._client, number, random.Random(seed), deadly)
            with trio.fail_after(PATIENCE_SECONDS):
                await self._death.wait()
            daemon.kill()
        for client in self._clients:
            for message in client.notified:
                thread = message.params.get("threadId")
                if thread is not None and message.seq is not None:
                    self.notified[thread] = max(self.notified.get(thread, 0), message.seq)
        self.look()

    def look(self) -> None:
        """Read the logs as the dead daemon left them."""
        found = {path.name.removesuffix(".jsonl"): path for path in self.home.logs()}
        for thread, seq in self.notified.items():
            assert thread in found, f"thread {thread} is gone"
            self._look_at(thread, found[thread], seq)
        for turn, thread in self.turns.items():
            assert turn.encode() in self.logs[thread], f"turn {turn} of {thread} is gone"

    def _look_at(self, thread: str, path: Path, acknowledged: int) -> None:
        whole = path.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        before = self.logs.get(thread, b"")
        assert whole.startswith(before), f"thread {thread}: what was in its log has changed"
        self.logs[thread] = whole
        numbers = [json.loads(line)["seq"] for line in whole.splitlines()]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[-1] >= acknowledged, f"thread {thread}: {acknowledged} was acknowledged"
        aside = self.aside.get(thread)
        if aside is not None:
            assert ("archived" in path.parts) == aside, f"thread {thread}: {path}"

    async def _client(self, number: int, chance: random.Random, deadly: int) -> None:
        async with connected(self.home.socket, codexd=CURSOR) as client:
            self._clients.append(client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._use, client, number, chance)
                await client.until(
                    lambda: (
                        client.closed
                        or sum(len(client.notified) for client in self._clients) >= deadly
                    ),
                    "the moment to die",
                )
                self._death.set()
                await client.until(lambda: client.closed, "the daemon's death")
                nursery.cancel_scope.cancel()

    async def _use(self, client: Client, number: int, chance: random.Random) -> None:
        # What is asked of a daemon that dies is answered by nobody.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, Died):
            thread = await self._own(client, number)
            while True:
                deed = chance.choices((self._talk, self._fork, self._put_aside), (3, 2, 2))[0]
                await deed(client, thread)

    async def _own(self, client: Client, number: int) -> str:
        """The client's thread, followed."""
        thread = self.threads[number]
        if thread is None:
            thread = str((await asked(client, "thread/start"))["thread"]["id"])
            self.threads[number] = thread
            self.notified[thread] = 1
            return thread
        if self.aside.get(thread, False) is not False:
            await self._bring_back(client, thread)
        await asked(client, "thread/resume", threadId=thread, excludeTurns=True)
        return thread

    async def _talk(self, client: Client, thread: str) -> None:
        prompt = typed("think 2\nsay 4\nrun echo out\nsay 2")
        answer = await asked(client, "turn/start", threadId=thread, input=prompt)
        turn = answer["turn"]["id"]
        self.turns[turn] = thread
        with dying(client):
            await client.turn_ended(turn)

    async def _fork(self, client: Client, thread: str) -> None:
        answer = await asked(client, "thread/fork", threadId=thread, excludeTurns=True)
        child = str(answer["thread"]["id"])
        self.notified[child] = answer["seq"]
        await self._talk(client, child)

    async def _put_aside(self, client: Client, thread: str) -> None:
        self.aside[thread] = None
        await asked(client, "thread/archive", threadId=thread)
        self.aside[thread] = True
        await self._bring_back(client, thread)
        await asked(client, "thread/resume", threadId=thread, excludeTurns=True)

    async def _bring_back(self, client: Client, thread: str) -> None:
        self.aside[thread] = None
        with suppress(Refused):  # The daemon died before it had begun to put it aside.
            await asked(client, "thread/unarchive", threadId=thread)
        self.aside[thread] = False


class Died(Exception):
    """The daemon died under a request."""


@contextmanager
def dying(client: Client) -> Iterator[None]:
    """What is waited for in vain since the daemon has died raises Died."""
    try:
        yield
    except AssertionError:
        if client.closed:
            raise Died from None
        raise


async def asked(client: Client, method: str, **params: object) -> Json:
    """The answer to a request. Raises: Died, Refused."""
    with dying(client):
        return await client.call(method, **params)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
@trio_test
async def test_acknowledged_records_are_there_after_every_death(home: Home, seed: int) -> None:
    crowd = Crowd(home, seed)
    async with scripted_model() as model:
        home.use_model(model.base_url)
        for number in range(ROUNDS):
            try:
                await crowd.live_and_die()
            except BaseException as error:
                error.add_note(f"in round {number}")
                raise
    records = sum(log.count(b"\n") for log in crowd.logs.values())
    async with open_jsonl_store(home.path, state_dir=home.path / "state") as store:
        for thread in crowd.logs:
            assert (await store.verify(thread)).damage is None
    print(
        f"killed: {ROUNDS} times; {len(crowd.turns)} turns and {records} records in "
        f"{len(crowd.logs)} threads, every one there"
    )

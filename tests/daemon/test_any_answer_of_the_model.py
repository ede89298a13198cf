"""Recorded answers with bytes changed, lost and added, on both APIs: every turn ends, and the thread continues."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Raw, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from trio_test import trio_test

CASSETTES = Path(__file__).parent.parent / "models" / "cassettes"
FOLDERS = {"chat": CASSETTES / "chat", "responses": CASSETTES}
TURNS = 2_000 if "CODEXD_NIGHTLY" in os.environ else 15


class Malformed:
    """Answers that were damaged on the way, each differently, and the same ones every time."""

    def __init__(self, folder: Path) -> None:
        self.over = False
        self._recorded = [path.read_bytes() for path in sorted(folder.glob("*.sse"))]
        self._chance = random.Random(20261121)

    def answer(self, body: bytes) -> Reply:
        """The next one; a good one when all that was to be tried is over."""
        if self.over:
            return (Say(("Fine.",)),)
        stream = self._chance.choice(self._recorded)
        for _ in range(self._chance.randrange(4)):
            at, lost = self._chance.randrange(len(stream)), self._chance.choice((0, 1, 2, 40))
            stream = (
                stream[:at]
                + self._chance.randbytes(self._chance.randrange(3))
                + stream[at + lost :]
            )
        return (Raw(stream),)


@pytest.mark.slow
@pytest.mark.parametrize("api", FOLDERS)
@trio_test
async def test_every_turn_ends_and_the_thread_continues(daemon: Daemon, api: str) -> None:
    malformed = Malformed(FOLDERS[api])
    async with scripted_model(malformed.answer) as model:
        daemon.home.use_model(
            model.base_url,
            provider="local",
            provider_more=f'wire_api = "{api}"\nstream_max_retries = 0\nrequest_max_retries = 0',
        )
        async with connected(daemon.home.socket) as client:
            client.law.is_told_wrong_deltas = True  # Bytes of deltas are changed, too.
            thread = await client.start_thread()
            for number in range(TURNS):
                ended = await client.run_turn(thread, f"Turn {number}.")
                assert ended["status"] in ("completed", "failed"), ended
                assert (ended["error"] is not None) == (ended["status"] == "failed")
            malformed.over = True
            assert (await client.run_turn(thread, "And now?"))["status"] == "completed"
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert len(read["thread"]["turns"]) == TURNS + 1

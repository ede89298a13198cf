"""One of many followers hardly reads while very much happens: it costs the others nothing, and misses nothing.

`CODEXD_NIGHTLY=1` makes it 100 followers and a longer answer, and holds the speed to its bound; otherwise
the numbers are small, and the speed, which other work on the machine decides, is only printed.
"""

from __future__ import annotations

import json
import os
import time

import pytest
import trio

from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import PATIENCE_SECONDS, Home
from daemon_screen import answers
from trio_test import trio_test

NIGHTLY = bool(os.environ.get("CODEXD_NIGHTLY"))
FOLLOWERS = 100 if NIGHTLY else 20
DELTAS = 20_000 if NIGHTLY else 4_000
# What one that does not read may cost; its due is 4 MB, or 20.
GROWTH_BYTES_MAX = 16 * 1024 * 1024
SPEED_MIN = 0.9


class Drain:
    """A follower that reads and throws away: a hundred of them are to cost the test little."""

    def __init__(self) -> None:
        self.ended = 0  # turns
        self._news = trio.Event()

    async def run(self, home: Home, thread: str, task_status: trio.TaskStatus[None]) -> None:
        async with await trio.open_unix_socket(home.socket) as stream:
            client = {"name": "drain", "version": "0"}
            for number, (method, params) in enumerate(
                [
                    ("initialize", {"clientInfo": client}),
                    ("thread/resume", {"threadId": thread, "excludeTurns": True}),
                ]
            ):
                line = json.dumps({"id": number, "method": method, "params": params})
                await stream.send_all(line.encode() + b"\n")
            tail, attached = b"", False
            while chunk := await stream.receive_some(1 << 18):
                tail = tail[-100:] + chunk
                if not attached and b'"id":1,' in tail:
                    attached = True
                    task_status.started()
                if b'"method":"turn/completed"' in tail:
                    self.ended, tail = self.ended + 1, b""
                    self._news.set()
                    self._news = trio.Event()

    async def until_ended(self, turns: int) -> None:
        while self.ended < turns:
            await self._news.wait()


@pytest.mark.slow
@trio_test
async def test_a_slow_follower_costs_a_number_and_gets_everything_in_the_end(
    home: Home,
) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as slow, trio.open_nursery() as nursery:
            thread = await slow.start_thread()
            drains = [Drain() for _ in range(FOLLOWERS - 1)]
            for drain in drains:
                await nursery.start(drain.run, home, thread)
            async with connected(home.socket, name="asks") as asks:
                turns = 0

                async def seconds() -> float:
                    nonlocal turns
                    turns += 1
                    begin = time.perf_counter()
                    await asks.start_turn(thread, f"say {DELTAS} 64")
                    with trio.fail_after(4 * PATIENCE_SECONDS):
                        for drain in drains:
                            await drain.until_ended(turns)
                    return time.perf_counter() - begin

                await seconds()  # Everything is imported and warm.
                rounds = range(3 if NIGHTLY else 1)
                without = min([await seconds() for _ in rounds])
                before = daemon.resident_bytes()
                slow.stop_reading()
                beside = min([await seconds() for _ in rounds])
                growth = daemon.resident_bytes() - before
                slow.read_on()
                await slow.until_notified("turn/completed", times=turns)
            assert all(len(text) == DELTAS * 64 for text in answers(slow))
            assert len(answers(slow)) == turns
            nursery.cancel_scope.cancel()
        print(
            f"{FOLLOWERS} followers, one of which does not read: {without / beside:.2f} of the speed "
            f"without it, {growth / 1024:.0f} KiB more memory"
        )
        assert growth < GROWTH_BYTES_MAX
        assert not NIGHTLY or without / beside >= SPEED_MIN

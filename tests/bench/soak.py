"""Whether the daemon's memory stays flat: turns in many threads, which are forked, read, put aside and left.

    PYTHONPATH=tests:tests/support python -m bench.soak TURNS [STEPS]

The real daemon with a scripted model; at each step it prints how many threads are loaded and how much memory the
daemon holds. Threads are let go a minute after they were left: the first minutes fill what is held at this pace, and a
faster machine holds more of them.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from itertools import count

import trio

from bench.scale import scaled
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from model_process import model_process

# Connections that work at the same time.
WORKERS = scaled(4, 1)
TURNS_OF_A_THREAD = scaled(12, 2)
# Threads after which a worker connects anew, as terminals come and go.
THREADS_OF_A_CONNECTION = 25
# Earlier threads that are looked at again.
KEPT = 500


class Soak:
    """What has been done so far."""

    def __init__(self, daemon: Daemon, turns: int, steps: int) -> None:
        self._daemon, self._wanted, self._step = daemon, turns, max(turns // steps, 1)
        self.turns, self.threads = 0, 0
        self._left: deque[str] = deque(maxlen=KEPT)  # not put aside
        self._aside: deque[str] = deque(maxlen=KEPT)
        self._kinds = count()
        self._began = time.monotonic()

    @property
    def is_done(self) -> bool:
        """Whether it was enough."""
        return self.turns >= self._wanted

    async def work(self) -> None:
        """One worker, from connection to connection."""
        while not self.is_done:
            async with connected(self._daemon.home.socket) as client:
                for _ in range(THREADS_OF_A_CONNECTION):
                    if self.is_done:
                        return
                    await self._thread(client)
                    client.notified.clear()
                    client.results.clear()

    async def _thread(self, client: Client) -> None:
        thread, kind = await client.start_thread(), next(self._kinds) % 4
        self.threads += 1
        for _ in range(TURNS_OF_A_THREAD):
            await self._turn(client, thread)
        await client.call("thread/name/set", threadId=thread, name=f"thread {self.threads}")
        match kind:
            case 0:
                await self._put_aside(client, thread)
            case 1 | 2:
                await client.call("thread/unsubscribe", threadId=thread)
                self._left.append(thread)
            case _:
                fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
                self.threads += 1
                await self._turn(client, fork)
                await client.call("thread/unsubscribe", threadId=thread)
                await self._put_aside(client, fork)
        for old in (self._left, self._aside):
            if old:
                await self._look(client, old[0])
                old.rotate(7)
        await client.call("thread/list")

    async def _turn(self, client: Client, thread: str) -> None:
        ended = await client.run_turn(thread, "think 2\nsay 20")
        assert ended["status"] == "completed", ended
        self.turns += 1
        if not self.turns % self._step:
            status = await client.call("server/status")
            print(self._row(status["threads"]["loaded"]), flush=True)

    async def _put_aside(self, client: Client, thread: str) -> None:
        await client.call("thread/archive", threadId=thread)
        self._aside.append(thread)

    async def _look(self, client: Client, thread: str) -> None:
        await client.call("thread/read", threadId=thread, includeTurns=True)
        await client.call("thread/turns/list", threadId=thread, limit=3)

    def _row(self, loaded: int) -> str:
        mib = self._daemon.resident_bytes() / (1 << 20)
        took = time.monotonic() - self._began
        done = f"{self.turns:>8} turns  {self.threads:>7} threads  {loaded:>5} loaded"
        return f"{done}  {mib:>7.1f} MiB  {took:>7.0f} s"


async def soak(daemon: Daemon, turns: int, steps: int) -> None:
    """Run it."""
    measured = Soak(daemon, turns, steps)
    async with trio.open_nursery() as nursery:
        for _ in range(WORKERS):
            nursery.start_soon(measured.work)


def main() -> None:
    """Soak, with a model that is a process of its own."""
    turns, steps = int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 20
    with Home() as home, model_process() as base_url:
        home.use_model(base_url)
        trio.run(soak, home.start(), turns, steps)


if __name__ == "__main__":
    main()

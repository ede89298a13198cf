"""No descriptors, or files that may not grow: the daemon waits and continues to serve, and names the cause."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon, Home
from daemon_screen import answers, said_so_far
from paused_model import Held, held_model
from trio_test import trio_test

WORDS = tuple(f"word {n} {'x' * 500} " for n in range(100))
HALF = "".join(WORDS[:9])
DESCRIPTORS = 64

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="limits of another process are set on Linux only"
)


@contextmanager
def limited(daemon: Daemon, what: int, soft: int) -> Iterator[None]:
    """The daemon may have no more than this, for as long as the context lasts."""
    before = resource.prlimit(daemon.pid, what)
    resource.prlimit(daemon.pid, what, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, what, before)


@trio_test
async def test_a_file_that_may_not_grow_is_not_called_a_full_disk(home: Home) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("next",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            (log,) = home.logs()
            with limited(daemon, resource.RLIMIT_FSIZE, log.stat().st_size + 10):
                model.resume()
                told = (
                    await client.until_notified("error", threadId=thread, willRetry=True)
                ).params
                assert "disk is full" not in told["error"]["message"]
                assert "may not be larger" in told["error"]["additionalDetails"]
                refusal = await client.refused("thread/start", baseInstructions="x" * 10_000)
                assert refusal.data["code"] == "storage_busy"
            await client.until_notified("warning", threadId=thread)
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert answers(client) == ["".join(WORDS)]


@trio_test
async def test_a_daemon_without_descriptors_waits_and_serves_on(home: Home) -> None:
    async with scripted_model([Say(("one",))] * 8) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, AsyncExitStack() as crowd:
            thread = await client.start_thread()
            await client.run_turn(thread, "a")
            with limited(daemon, resource.RLIMIT_NOFILE, DESCRIPTORS):
                for _ in range(2 * DESCRIPTORS):
                    try:
                        await crowd.enter_async_context(connected(home.socket, initialize=False))
                    except OSError:
                        break  # The kernel keeps no more of them waiting.
                daemon.wait_said("no file descriptor is left")
                turn = await client.start_turn(thread, "b")
                # Whatever comes of it, it comes to an end, and nothing else does.
                await client.until(lambda: len(client.of("turn/completed")) == 2 or client.closed)
                assert not client.closed
                await crowd.aclose()
                await client.run_turn(thread, "c")
                assert turn in {note.params["turn"]["id"] for note in client.of("turn/completed")}
            async with connected(home.socket) as other:
                await other.run_turn(await other.start_thread(), "d")
        assert daemon.stop() == 0


@trio_test
async def test_the_daemon_takes_as_many_descriptors_as_it_may_have(home: Home) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        daemon = home.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found, _ = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    assert found >= wanted

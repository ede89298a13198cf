"""The disk fails: its thread takes no more writes and says why; it can be read, and all others continue.

The failure is real to the daemon: strace answers its calls with EIO. The kernel's promise is broken with the
first failed sync, so that thread's file is not written until a client asks for the thread again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected, typed
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from daemon_screen import said_so_far, texts_of
from paused_model import Held, held_model
from trio_test import trio_test

WORDS = tuple(f"word {n} " for n in range(20))
HALF = "".join(WORDS[:9])


@contextmanager
def failing(daemon: Daemon, call: str, *, path: str) -> Iterator[None]:
    """Every such call of the daemon on this file fails with EIO, for as long as the context lasts."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        pytest.skip("strace is not installed here")
    argv = ["strace", "-f", "-p", str(daemon.pid), "-P", path, "-o", "/dev/null"]
    tracer = subprocess.Popen(
        [*argv, "-e", f"trace={call}", "-e", f"inject={call}:error=EIO"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()  # It says when it has taken hold of the process.
        if "attached" not in said:
            pytest.skip(f"strace cannot attach here: {said}{tracer.stderr.read()}")
        yield
    finally:
        tracer.terminate()
        tracer.communicate(timeout=PATIENCE_SECONDS)


@trio_test
async def test_a_failed_sync_stops_its_thread_and_no_other(home: Home) -> None:
    async with scripted_model([Say(("one",)), Say(("two",)), Say(("three",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread, beside = await client.start_thread(), await other.start_thread()
            await other.call("thread/resume", threadId=thread)
            path = str(next(log for log in home.logs() if thread in log.name))
            with failing(daemon, "fdatasync", path=path):
                refusal = await client.refused("turn/start", threadId=thread, input=typed("a"))
                assert refusal.data["code"] == "storage_failed"
                assert "could not be synced" in refusal.message
                for peer in (client, other):
                    note = await peer.until_notified("error", threadId=thread, willRetry=False)
                    assert "stopped" in note.params["error"]["message"]
                    assert "Input/output error" in note.params["error"]["additionalDetails"]
                    await peer.until_notified(
                        "thread/status/changed", threadId=thread, status={"type": "systemError"}
                    )
                await client.call("thread/read", threadId=thread, includeTurns=True)
                await other.run_turn(beside, "b")
                await client.refused("turn/start", threadId=thread, input=typed("c"))
            # The disk is well again, and the thread is asked for anew.
            await client.call("thread/resume", threadId=thread)
            await client.until_notified("warning", threadId=thread)
            await client.run_turn(thread, "d")
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert "> d" in texts_of(found)


@trio_test
async def test_a_turn_whose_disk_fails_continues_at_the_next_resume(home: Home) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("again",)), Say(("again",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            (log,) = home.logs()
            with failing(daemon, "fdatasync", path=str(log)):
                model.resume()
                await client.until_notified("error", threadId=thread, willRetry=False)
                found = await client.call("thread/read", threadId=thread, includeTurns=True)
                assert texts_of(found["thread"])[:1] == ["> hello"]
            before = len(model.bodies)
            await client.call("thread/resume", threadId=thread)
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert len(model.bodies) <= before + 1
            assert said_so_far(client).startswith(HALF)
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert texts_of(found)[0] == "> hello"

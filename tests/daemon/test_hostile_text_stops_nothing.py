"""A text that was made to be slow to read is read, from any sender; the daemon answers meanwhile."""

from __future__ import annotations

import json
import sys

import pytest
import trio

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from daemon_screen import items_of
from trio_test import trio_test

pytestmark = pytest.mark.slow

KEY = "-----BEGIN PRIVATE KEY-----"
HOSTILE = {
    "escaped line ends": KEY + "\\n" * 40,
    "header-like lines": KEY + "\n" + "X-A: b\n" * 40,
    "header-like lines, escaped": KEY + "\\n" + "X-A: b\\n" * 40,
    "base64 in front of a key": "A" * 78_000 + " PRIVATE KEY",
    "dots and an address": "." * 128_000 + " a@b",
    "names of secrets": "password " * 10_000 + "PASSWORD=12345678",
}
LONG = KEY + "\n"


@trio_test
async def test_it_is_printed_and_said_and_asked_and_the_turn_ends(home: Home) -> None:
    replies: list[Reply | Say] = []
    for nth, text in enumerate(HOSTILE.values()):
        home.work.joinpath(f"hostile{nth}").write_text(text)
        call = Call("shell_command", json.dumps({"command": f"cat hostile{nth}"}))
        replies += [(call,), Say((text[:1000], text[1000:] or "."))]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            for text in HOSTILE.values():
                await client.run_turn(thread, text)
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert len(found["thread"]["turns"]) == len(HOSTILE)
            assert len(items_of(found["thread"])) == 3 * len(HOSTILE)
        daemon.kill()
        again = home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
        assert again.stop() == 0


@pytest.mark.parametrize("way", ["SIGTERM", "codexctl stop"])
@trio_test
async def test_it_stops_while_megabytes_of_it_are_looked_through(home: Home, way: str) -> None:
    pieces = (LONG * 2_000,) * 60  # 3.4 MB, of which every line begins a key
    async with scripted_model([Say(pieces)]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "go")
            await client.until_notified("item/agentMessage/delta", times=20)
            assert (await client.call("server/status"))["version"]
            if way == "SIGTERM":
                daemon.terminate()
                assert await daemon.ended() == 0
            else:
                stop = [sys.executable, "-P", "-m", "codexd_frontends.ctl", "stop"]
                done = await trio.run_process(stop, env=home.env, cwd=home.work, check=False)
                assert done.returncode == 0
                assert await daemon.ended() == 0

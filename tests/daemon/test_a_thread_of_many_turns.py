"""A long thread: what it costs to hold, to attach to and to continue. Figures are printed, sizes asserted."""

from __future__ import annotations

import itertools
import json
import os
import time

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from daemon_screen import said_so_far
from trio_test import trio_test

TURNS = 1000 if "CODEXD_NIGHTLY" in os.environ else 200


@pytest.mark.slow
@trio_test
async def test_a_turn_of_a_long_thread_costs_as_much_as_any_turn(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = (Say(("some words of an answer " * 20,)),)
    sizes: list[int] = []

    def answer(body: bytes) -> tuple[Say, ...]:
        sizes.append(len(body))
        return reply

    async with scripted_model(answer) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        unwanted = ["item/agentMessage/delta"]  # the client is not what is measured here
        async with connected(home.socket, optOutNotificationMethods=unwanted) as client:
            thread = await client.start_thread()
            for n in range(TURNS):
                await client.run_turn(thread, f"turn {n}")
                client.notified.clear()
        # The history that is sent grows by the turn's own items, and by nothing else.
        steps = {after - before for before, after in itertools.pairwise(sizes[1:])}
        assert max(steps) - min(steps) <= 4
        (log,) = home.logs()
        records = [json.loads(line) for line in log.read_bytes().splitlines()]
        calls = [record for record in records if record["type"] == "model.call_started"]
        assert len(calls) == TURNS
        assert len(json.dumps(calls[-1])) < len(json.dumps(calls[1])) + 40
        per_turn = len(log.read_bytes()) / TURNS
        assert per_turn < 8000
        daemon.kill()
        daemon = home.start()
        async with connected(home.socket) as client:
            empty = daemon.resident_bytes()
            began = time.perf_counter()
            resumed = await client.call("thread/resume", threadId=thread, excludeTurns=True)
            attached = time.perf_counter() - began
            assert resumed["thread"]["turns"] == []
            held = daemon.resident_bytes() - empty
            began = time.perf_counter()
            page = await client.call("thread/turns/list", threadId=thread, limit=25)
            paged = time.perf_counter() - began
            assert len(page["data"]) == 25
            whole = await client.call("thread/resume", threadId=thread)
            assert len(whole["thread"]["turns"]) == TURNS
            await client.run_turn(thread, "one more")
            assert said_so_far(client) == "".join(reply[0].deltas)
        assert held < 64 << 20
        with capsys.disabled():
            print(
                f"\n{TURNS} turns, {log.stat().st_size >> 10} KiB of log: attached in "
                f"{attached * 1000:.0f} ms, a page of 25 in {paged * 1000:.1f} ms, "
                f"{held / (1 << 20):.1f} MiB held; the last request had {sizes[-1] >> 10} KiB"
            )

"""Hooks with a real daemon: added and read by codexctl, missing no event through deaths, with `notify` beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import PATIENCE_SECONDS, Home
from trio_test import trio_test

pytestmark = pytest.mark.slow
CODEXCTL = str(Path(sys.executable).with_name("codexctl"))


async def codexctl(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    return await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [CODEXCTL, "--socket", str(home.socket), *words],
            env=home.env,
            cwd=home.root,
            capture_output=True,
            text=True,
            check=False,
        )
    )


def lines_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def until_lines(file: Path, count: int) -> list[Any]:
    """The JSON documents in a file, as soon as there are so many."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            if len(lines := lines_of(file)) >= count:
                return lines
            await trio.testing.wait_all_tasks_blocked(0.02)


@trio_test
async def test_a_hook_misses_no_event_and_gets_none_twice_though_daemon_and_command_die(
    home: Home,
) -> None:
    told, gate, notified = home.root / "told", home.root / "gate", home.root / "notified"
    # It waits for the gate the first time, until the daemon is killed; then it fails until there is a gate.
    script = f"test -e {gate} || exec sleep 1000; cat >> {told}"
    async with scripted_model(lambda _: (Say(("hello",)),)) as model:
        notify = f'notify = ["sh", "-c", "echo \\"$1\\" >> {notified}", "x"]'
        home.use_model(model.base_url, more=notify)
        daemon = home.start()
        added = await codexctl(home, "on", "done", "--name", "log", "--", "sh", "-c", script)
        assert "log runs for turn.completed, turn.failed" in added.stdout
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "one")
            await client.run_turn(thread, "two")
        await until_lines(notified, 2)
        daemon.kill()
        home.kill_keeper()
        gate.touch()
        home.start()
        first, second = await until_lines(told, 2)
        assert [first["turn"]["inputMessages"], second["turn"]["inputMessages"]] == [
            ["one"],
            ["two"],
        ]
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "three")
        (*_, third) = await until_lines(told, 3)
        assert third["thread"]["id"] == thread
        assert len(await until_lines(notified, 3)) == 3
        receipts = json.loads((await codexctl(home, "hooks", "receipts", "log", "--json")).stdout)
        assert [receipt["outcome"] for receipt in receipts["data"]].count("done") == 3
        assert "done" in (await codexctl(home, "hooks", "receipts")).stdout
        assert (await codexctl(home, "hooks", "dead", "log")).stdout == "nothing was given up\n"
        again = await codexctl(home, "on", "done", "--name", "log", "--since", "1h", "--replay")
        assert again.returncode == 0, again.stderr
        told_again = (await until_lines(told, 6))[3:]
        assert [event["event"]["seq"] for event in told_again] == [
            event["event"]["seq"] for event in (first, second, third)
        ]
        assert (await codexctl(home, "hooks", "remove", "log")).returncode == 0
        listed = await codexctl(home, "hooks", "list")
        assert listed.stdout.startswith("there are no hooks")
        refused = await codexctl(home, "on", "turn.complet", "--", "true")
        assert refused.returncode != 0
        assert "did you mean 'turn.completed'?" in refused.stderr

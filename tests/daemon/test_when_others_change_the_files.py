"""Another program changes a log under the running daemon: that thread stops with the reason, and no other does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from codexd.models.scripted.server import scripted_model
from daemon_client import connected, typed
from daemon_house import Daemon
from daemon_screen import texts_of
from trio_test import trio_test


def replaced(log: Path) -> None:
    """As a sync tool does it: the same bytes in another file of the same name."""
    other = log.with_suffix(".new")
    shutil.copy(log, other)
    other.rename(log)


def taken_away(log: Path) -> None:
    log.rename(log.with_suffix(".away"))


def cut(log: Path) -> None:
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 1)


def written_to(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"# a note of mine\n")


@pytest.mark.parametrize("meddle", [replaced, taken_away, cut, written_to])
@trio_test
async def test_a_log_that_others_change_stops_its_thread_and_all_hear_why(
    daemon: Daemon, meddle: Callable[[Path], None]
) -> None:
    home = daemon.home
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread, beside = await client.start_thread(), await other.start_thread()
            await other.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "say 1")
            (log,) = [path for path in home.logs() if thread in path.name]
            whole = log.read_bytes()
            meddle(log)
            refusal = await client.refused("turn/start", threadId=thread, input=typed("lost?"))
            assert refusal.data["code"] == "storage_failed"
            assert str(log) in refusal.message
            assert "replaced, cut or extended" in refusal.message
            for peer in (client, other):
                note = await peer.until_notified("error", threadId=thread, willRetry=False)
                assert str(log) in note.params["error"]["additionalDetails"]
            assert (await other.run_turn(beside, "say 1"))["status"] == "completed"
            # Put back as it was, it goes on where it was.
            log.write_bytes(whole)
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "say 2")
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert [text for text in texts_of(found) if text.startswith("> ")] == [
                "> say 1",
                "> say 2",
            ]


@trio_test
async def test_a_turn_whose_log_is_removed_stops_and_others_continue(daemon: Daemon) -> None:
    home = daemon.home
    home.work.joinpath("go").unlink(missing_ok=True)
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            beside = await client.start_thread()
            turn = await client.start_turn(thread, "run until test -e go; do sleep 0.01; done")
            await client.until_notified("item/started", threadId=thread, times=2)
            (log,) = [path for path in home.logs() if thread in path.name]
            away = log.with_suffix(".away")
            log.rename(away)
            home.work.joinpath("go").touch()
            await client.until_notified("error", threadId=thread, willRetry=False)
            await client.run_turn(beside, "say 1")
            away.rename(log)
            resumed = await client.call("thread/resume", threadId=thread)
            assert [turn["id"] for turn in resumed["thread"]["turns"]] == [turn]
            assert (await client.turn_ended(turn))["status"] == "completed"

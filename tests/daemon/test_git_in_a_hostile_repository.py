"""The daemon runs git unasked where the repository can start nothing by it, and asks where it could."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from daemon_screen import completed
from hostile_repositories import clean_filter, fsmonitor, made, run_in_an_ordinary_shell
from trio_test import trio_test

OK = Say(("ok",))
STATUS = Call("shell_command", json.dumps({"command": "git status --short; echo told"}))


@pytest.mark.slow
@trio_test
async def test_git_features_that_can_be_switched_off_are_and_no_person_is_asked(
    daemon: Daemon, tmp_path: Path
) -> None:
    repo = made(tmp_path)
    fsmonitor(repo)
    run_in_an_ordinary_shell(repo, "git status")
    assert repo.marker.exists()
    repo.marker.unlink()
    async with scripted_model([STATUS, OK]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url, approval="on-request")
        thread = await client.start_thread(cwd=str(repo.folder))
        await client.run_turn(thread, "go")
        (item,) = [
            item for item in completed(client).values() if item["type"] == "commandExecution"
        ]
        assert item["aggregatedOutput"].endswith("told\n")
        assert client.asked == []
    assert not repo.marker.exists()


@pytest.mark.slow
@trio_test
async def test_other_git_commands_are_asked_about_and_run_once_a_person_agrees(
    daemon: Daemon, tmp_path: Path
) -> None:
    repo = made(tmp_path)
    clean_filter(repo)
    async with scripted_model([STATUS, OK]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url, approval="untrusted")
        thread = await client.start_thread(cwd=str(repo.folder))
        turn = await client.start_turn(thread, "go")
        asked = await client.until_asked()
        assert "Its repository sets filter.clean" in asked.params["reason"]
        assert not repo.marker.exists()
        await client.decide(asked, "accept")
        await client.turn_ended(turn)
    assert repo.marker.exists()

"""Models that were trained to give a program and its arguments have the tool `shell` for it."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from daemon_screen import completed
from trio_test import trio_test

PATCH = "*** Begin Patch\n*** Add File: made\n+it's $HOME\n*** End Patch\n"


def words(*command: str) -> Call:
    return Call("shell", json.dumps({"command": command}))


@trio_test
async def test_its_commands_run_and_its_patches_are_patches(daemon: Daemon) -> None:
    replies: list[Part | Reply] = [
        words("printf", "%s", "$HOME *"),
        words("no-such-program"),
        words("sh", "-lc", "echo one | wc -l"),
        words("apply_patch", PATCH),
        Say(("done",)),
    ]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            folder = daemon.home.work / "words"
            folder.mkdir()
            thread = await client.start_thread(model="gpt-4o", cwd=str(folder))
            ended = await client.turn_ended(await client.start_turn(thread, "go"))
            assert ended["status"] == "completed"
            offered = {tool["name"] for tool in json.loads(model.requests[0].body)["tools"]}
            assert "shell" in offered
            assert "shell_command" not in offered
            ran = [i for i in completed(client).values() if i["type"] == "commandExecution"]
            assert [(i["commandActions"][0]["command"], i["exitCode"]) for i in ran] == [
                ("printf %s '$HOME *'", 0),
                ("no-such-program", 127),
                ("echo one | wc -l", 0),
            ]
            assert ran[0]["aggregatedOutput"] == "$HOME *"
            assert ran[1]["aggregatedOutput"].startswith("command not found: no-such-program")
            assert (folder / "made").read_text() == "it's $HOME\n"

"""Daemon and keeper die while a command runs: the next daemon ends the command's processes, recorded or not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codexd.exec.leftovers import COMMAND_MARK, home_mark
from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home, is_gone, wait_gone
from trio_test import trio_test

# What a command leaves, after it has written the pids of what goes on, and how it goes on itself.
COMMANDS = {
    "the command itself goes on": ("echo $$ > pids", "exec sleep 1000"),
    "its leader is gone": ("sleep 1000 & sleep 1000 & jobs -p > pids", "exit 0"),
    "a child has a session of its own": ("setsid sleep 1000 & echo $! > pids", "exit 0"),
    "a child has an empty environment": (
        "sleep 1000 & echo $! > pids; env -i /bin/sleep 1000 & echo $! >> pids",
        "exit 0",
    ),
    "a child has both, and no parent": (
        "env -i setsid -f sh -c 'echo $$ > pids; exec /bin/sleep 1000'; until [ -s pids ]; do :; done",
        "exit 0",
    ),
    "a child forks again and again": (
        "(while :; do sleep 0.001 & wait; done) & echo $! > pids",
        "exit 0",
    ),
}
# They are let go once neither a daemon nor a keeper is there.
DYING = "%s; echo $$ > leader; echo ready; while [ ! -e ../go ]; do sleep 0.01; done; %s"


def running(command: str) -> Reply:
    arguments = '{"command":"' + command.replace('"', '\\"') + '"}'
    return (Call("shell_command", arguments),)


def pids_in(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def forget(folder: Path) -> None:
    """As if the daemon had died before it could note a pid."""
    for path in folder.glob("*"):
        path.unlink()


@pytest.mark.parametrize("noted", ["noted", "not noted"])
@trio_test
async def test_a_process_that_continues_is_ended_before_the_thread_is_resumed(
    home: Home, noted: str
) -> None:
    scripts = [running(DYING % parts) for parts in COMMANDS.values()]
    async with scripted_model([*scripts, *[Say(("I see",))] * len(scripts)]) as model:
        home.use_model(model.base_url)
        first = home.start()
        folders: dict[str, Path] = {}
        async with connected(home.socket) as client:
            for what in COMMANDS:
                folder = home.work / what
                folder.mkdir()
                thread = await client.start_thread(cwd=str(folder))
                folders[thread] = folder
                await client.start_turn(thread, "go")
                await client.until_notified("item/commandExecution/outputDelta", threadId=thread)
            first.kill()
        home.kill_keeper()
        home.work.joinpath("go").touch()
        for (_, then), folder in zip(COMMANDS.values(), folders.values(), strict=True):
            if then == "exit 0":
                (leader,) = pids_in(folder / "leader")
                await wait_gone(leader)
        left = {thread: pids_in(folder / "pids") for thread, folder in folders.items()}
        assert all(left.values())
        if noted == "not noted":
            forget(home.path / "state" / "processes")
        second = home.start()
        async with connected(home.socket) as client:
            for thread, pids in left.items():
                # The model was told that it was interrupted only once nothing of it ran any more.
                resumed = await client.call("thread/resume", threadId=thread)
                assert all(is_gone(pid) for pid in pids), folders[thread].name
                if resumed["thread"]["status"]["type"] == "active":
                    await client.until_notified("turn/completed", threadId=thread)
            bodies = [request.body for request in model.requests[len(scripts) :]]
            assert [b"interrupted by a restart" in body for body in bodies] == [True] * len(scripts)
        assert second.stop() == 0
    assert home.processes() == []


@contextmanager
def sleeping(**env: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        ["sleep", "1000"], env=os.environ | env, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@trio_test
async def test_nothing_is_ended_that_has_not_the_mark_of_this_home(home: Home) -> None:
    ours, others = home_mark(str(home.path)), home_mark("/somewhere/else")
    with (
        sleeping(CODEXD_COMMAND=f"{ours}/t") as left,
        sleeping(CODEXD_COMMAND=f"{others}/t") as of_another_home,
        sleeping(CODEXD_COMMAND=f"x{ours}/t") as of_nobody,
        sleeping(MY_CODEXD_COMMAND=f"{ours}/t") as of_another_variable,
        sleeping() as unmarked,
    ):
        # A command may have started the daemon that takes over: it does not end itself.
        daemon = home.start_anew(CODEXD_COMMAND=f"{ours}/t")
        await wait_gone(left.pid)
        async with connected(home.socket) as client:
            await client.start_thread()  # No thread is there before all that is to be ended is.
        for process in (of_another_home, of_nobody, of_another_variable, unmarked):
            assert process.poll() is None
        assert daemon.stop() == 0


@trio_test
async def test_a_command_has_the_mark_of_its_home_and_thread(home: Home) -> None:
    async with scripted_model([running(f"echo ${COMMAND_MARK} > mark"), Say(("done",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            await client.run_turn(thread, "go")
    mark = home.work.joinpath("mark").read_text().strip()
    assert mark.startswith(f"{home_mark(str(home.path))}/{thread}/")

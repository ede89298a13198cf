"""A daemon dies under a command: whatever of the command goes on is ended by the next one, recorded or not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd.tools.leftovers import COMMAND_MARK, home_mark
from daemon_client import connected
from daemon_house import Home, is_gone, wait_gone
from trio_test import trio_test

# Each ends its parent, the daemon, as a crash would, after it has written the pids of what goes on.
COMMANDS = {
    "the command itself goes on": "echo $$ > pids; kill -9 $PPID; exec sleep 1000",
    "its leader is gone": "sleep 1000 & sleep 1000 & jobs -p > pids; kill -9 $PPID; exit 0",
    "a child has a session of its own": (
        "setsid sleep 1000 & echo $! > pids; kill -9 $PPID; sleep 0.01; exit 0"
    ),
    "a child has an empty environment": (
        "sleep 1000 & echo $! > pids; env -i /bin/sleep 1000 & echo $! >> pids; kill -9 $PPID; exit 0"
    ),
    "a child forks again and again": (
        "(while :; do sleep 0.001 & wait; done) & echo $! > pids; kill -9 $PPID; exit 0"
    ),
}


def running(command: str) -> Reply:
    arguments = '{"command":"' + command.replace('"', '\\"') + '"}'
    return (Call("shell_command", arguments),)


def pids_of(home: Home) -> list[int]:
    return [int(word) for word in home.work.joinpath("pids").read_text().split()]


def forget(folder: Path) -> None:
    """As if the daemon had died before it could note a pid."""
    for path in folder.glob("*"):
        path.unlink()


@pytest.mark.parametrize("noted", ["noted", "not noted"])
@pytest.mark.parametrize("what", COMMANDS)
@trio_test
async def test_what_goes_on_is_ended_before_the_thread_is_taken_up(
    home: Home, what: str, noted: str
) -> None:
    async with scripted_model([running(COMMANDS[what]), Say(("I see",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            await client.start_turn(thread, "go")
            await first.ended()
        left = pids_of(home)
        assert left
        if noted == "not noted":
            forget(home.path / "state" / "processes")
        second = home.start()
        async with connected(home.socket) as client:
            # The model was told that it was interrupted only once nothing of it ran any more.
            resumed = await client.call("thread/resume", threadId=thread)
            assert all(is_gone(pid) for pid in left)
            if resumed["thread"]["status"]["type"] == "active":
                await client.until_notified("turn/completed")
            assert b"interrupted by a restart" in model.requests[1].body
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
        daemon = home.start(CODEXD_COMMAND=f"{ours}/t")
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
    assert mark == f"{home_mark(str(home.path))}/{thread}"

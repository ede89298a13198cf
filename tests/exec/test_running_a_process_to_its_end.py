"""A program runs, its output comes as it is written, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from codexd.exec.leftovers import kill_leftover
from codexd.exec.ports import Command, NotStarted
from codexd.keeper.session import session_lives, start_time
from kept import SHARED_KEEPER
from screen import Screen
from trio_test import trio_test

ENVIRONMENT = {"PATH": os.environ["PATH"]}


async def run_to_end(
    argv: tuple[str, ...], *, cwd: str, env: Mapping[str, str], sink: Screen
) -> int:
    """As a tool does: its output to a screen, its end awaited; where that is given up, it is ended."""
    command = Command(process_id="p", owner="t", argv=argv, cwd=cwd, env=env)
    process = await SHARED_KEEPER.start(command)
    sink.started(process.pid, process.start_time)
    output = process.output()
    try:
        async for piece in output:
            sink.output(piece.data)
        return await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            await process.end()
            rest = b"".join([piece.data async for piece in output])
            await process.release()
        sink.chunks.append(rest)


async def run(line: str, screen: Screen, cwd: str = "/") -> int:
    return await run_to_end(("/bin/sh", "-c", line), cwd=cwd, env=ENVIRONMENT, sink=screen)


def pids_in(text: str) -> list[int]:
    return [int(word) for word in text.split() if word.isdigit()]


def acting(pid: int) -> bool:
    """Whether a process is there and no zombie that waits for somebody else to reap it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@trio_test
async def test_output_and_errors_are_in_the_order_of_writing() -> None:
    screen = Screen()
    await run("echo one; echo two >&2; echo three; echo four >&2", screen)
    assert screen.text == "one\ntwo\nthree\nfour\n"


@trio_test
async def test_the_exit_code_is_the_programs_own() -> None:
    assert [await run(f"exit {code}", Screen()) for code in (0, 1, 42)] == [0, 1, 42]


@trio_test
async def test_a_program_that_a_signal_ended_has_128_and_its_number_as_code() -> None:
    assert await run("kill -KILL $$", Screen()) == 128 + signal.SIGKILL


@trio_test
async def test_output_comes_while_the_program_runs() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "echo ready; sleep 60", screen)
        await screen.wait_for("ready")
        nursery.cancel_scope.cancel()


@trio_test
async def test_the_input_is_empty() -> None:
    screen = Screen()
    assert await run("cat; read line || echo none", screen) == 0
    assert screen.text == "none\n"


@trio_test
async def test_folder_and_environment_are_those_asked_for() -> None:
    screen = Screen()
    await run_to_end(
        ("/bin/sh", "-c", 'pwd; echo "$ONLY"; echo "${HOME-no home}"'),
        cwd="/usr",
        env={"ONLY": "this"},
        sink=screen,
    )
    assert screen.text == "/usr\nthis\nno home\n"


@trio_test
async def test_it_reports_its_process_and_start_time() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "echo $$; sleep 60", screen)
        await screen.wait_for("\n")
        pid = int(screen.text)
        assert screen.processes == [(pid, start_time(pid))]
        assert start_time(pid)
        nursery.cancel_scope.cancel()


@trio_test
async def test_cancelling_ends_the_leader_and_what_it_started() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "sleep 60 & echo $$ $! ready; wait", screen)
        await screen.wait_for("ready")
        nursery.cancel_scope.cancel()
    leader, child = pids_in(screen.text)
    assert not acting(leader)
    assert not acting(child)


@trio_test
async def test_a_call_that_is_cancelled_before_it_began_is_never_started() -> None:
    screen = Screen()
    with trio.CancelScope() as scope:
        scope.cancel()
        await run("echo hello", screen)
    assert screen.processes == []


@trio_test
async def test_a_program_may_clean_up_when_it_is_cancelled_and_its_last_output_is_kept() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            run, "trap 'echo bye; exit 3' TERM; (echo ready; sleep 60) & wait", screen
        )
        await screen.wait_for("ready")
        nursery.cancel_scope.cancel()
    assert screen.text == "ready\nbye\n"


@pytest.mark.slow
@trio_test
async def test_a_process_that_ignores_the_signal_is_killed_with_its_grandchildren() -> None:
    screen = Screen()
    stubborn = (
        "trap '' TERM; (trap '' TERM; sleep 60; sleep 60) & echo $$ $! ready; sleep 60; sleep 60"
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, stubborn, screen)
        await screen.wait_for("ready")
        nursery.cancel_scope.cancel()
    leader, grandchild = pids_in(screen.text)
    assert not acting(leader)
    assert not acting(grandchild)
    assert not session_lives(leader)


@trio_test
async def test_a_process_in_a_group_of_its_own_is_ended_too() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        # The program `timeout` leaves its caller's group, so that it can signal its own.
        nursery.start_soon(run, "timeout 60 sh -c 'echo $$ ready; sleep 60'; echo after", screen)
        await screen.wait_for("ready")
        nursery.cancel_scope.cancel()
    (child,) = pids_in(screen.text)
    assert not acting(child)


@trio_test
async def test_a_background_child_that_holds_the_output_is_ended_with_the_leader() -> None:
    screen = Screen()
    with trio.fail_after(2):
        assert await run("sleep 60 & echo $!", screen) == 0
    assert not acting(int(screen.text))


@trio_test
async def test_a_background_child_without_the_output_is_ended_too() -> None:
    screen = Screen()
    assert await run("sleep 60 >/dev/null 2>&1 & echo $!", screen) == 0
    assert not acting(int(screen.text))


@trio_test
async def test_output_before_the_end_is_complete_though_a_child_holds_the_pipe() -> None:
    screen = Screen()
    await run("head -c 200000 /dev/zero | tr '\\0' x; sleep 60 &", screen)
    assert screen.text == "x" * 200_000


@trio_test
async def test_no_zombie_is_left() -> None:
    screen = Screen()
    await run("echo $$", screen)
    with pytest.raises(ProcessLookupError):
        os.kill(int(screen.text), 0)


@trio_test
async def test_no_file_stays_open() -> None:
    await run("true", Screen())
    before = os.listdir("/dev/fd")
    await run("echo some; sleep 60 &", Screen())
    with trio.move_on_after(0.01):
        await run("sleep 60", Screen())
    with pytest.raises(NotStarted):
        await run("true", Screen(), cwd="/nowhere/at/all")
    assert os.listdir("/dev/fd") == before


@trio_test
async def test_a_folder_that_is_gone_is_an_error_and_nothing_is_run(tmp_path: Path) -> None:
    screen = Screen()
    with pytest.raises(NotStarted, match="does not exist"):
        await run("echo hello", screen, cwd=str(tmp_path / "gone"))
    assert (screen.processes, screen.chunks) == ([], [])


@trio_test
async def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotStarted, match="No such file or directory"):
        await run_to_end(("/no/such/program",), cwd="/", env=ENVIRONMENT, sink=Screen())


@trio_test
async def test_an_argument_that_no_system_takes_is_an_error() -> None:
    with pytest.raises(NotStarted, match="null byte"):
        await run("echo \0", Screen())


@trio_test
async def test_a_screen_that_breaks_does_not_keep_the_program_alive() -> None:
    class Broken(Screen):
        def output(self, chunk: bytes) -> None:
            super().output(chunk)
            raise RuntimeError("the screen broke")

    screen = Broken()
    with pytest.raises(RuntimeError, match="the screen broke"):
        await run("echo $$; exec sleep 60", screen)
    assert not acting(int(screen.text))


@trio_test
async def test_a_flood_leaves_room_for_others() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        screen = Screen()
        await run("head -c 20000000 /dev/zero", screen)
        nursery.cancel_scope.cancel()
    assert sum(map(len, screen.chunks)) == 20_000_000
    assert turns >= len(screen.chunks) // 2


@trio_test
async def test_a_dead_daemons_command_is_killed_by_pid_and_start_time() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "trap '' TERM; sleep 60 & echo $! ready; wait", screen)
        await screen.wait_for("ready")
        ((pid, started),) = screen.processes
        assert kill_leftover(pid, started)
    (child,) = pids_in(screen.text)
    assert not acting(pid)
    assert not acting(child)


@trio_test
async def test_a_stranger_with_the_same_pid_is_left_alone() -> None:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "echo ready; sleep 60", screen)
        await screen.wait_for("ready")
        ((pid, started),) = screen.processes
        assert not kill_leftover(pid, started + "0")
        assert not kill_leftover(pid, "")
        assert acting(pid)
        nursery.cancel_scope.cancel()


def test_a_leftover_that_has_ended_is_nothing_to_kill() -> None:
    assert not kill_leftover(2**22 + 1, "12345")


def test_a_process_that_leads_no_group_is_never_a_leftover() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert not kill_leftover(child.pid, start_time(child.pid))
        assert acting(child.pid)
        child.kill()

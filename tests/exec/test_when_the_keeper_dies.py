"""The keeper dies: all that it owned ends, callers hear of it, and the next use starts another."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from codexd.exec.keeper_client import KeeperProcesses, OtherKeeper
from codexd.exec.link import Link
from codexd.exec.ports import KeeperLost, NotStarted
from codexd.keeper import start as keeper_start
from codexd.keeper import wire
from kept import ENVIRONMENT, acting, keeping, line, printed, until_printed, visiting
from trio_test import trio_test

# Everything that gets away from a parent: a background process, a session of its own, an empty environment, all of it.
FAMILY = (
    "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; env -i /bin/sleep 1000 & echo $!; "
    "(setsid env -i /bin/sleep 1000 & echo $!); "
    "env -i setsid -f /bin/sh -c 'echo $$; exec /bin/sleep 1000 >/dev/null' | cat; echo $$ ready; wait"
)


def guard_of(processes: KeeperProcesses) -> int:
    stat = Path(f"/proc/{processes.keeper_pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


async def wait_ended(*pids: int) -> None:
    while any(map(acting, pids)):
        await trio.lowlevel.checkpoint()


@trio_test
async def test_a_killed_keeper_takes_all_that_it_owned_along(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(FAMILY))
        await until_printed(running, b"ready")
        text = (await anext(running.output())).data
        pids = [int(word) for word in text.split() if word.isdigit()]
        assert len(pids) == 6
        first = processes.keeper_pid
        os.kill(first, signal.SIGKILL)
        # The caller is told what was printed, and then that the rest is not known.
        pieces = running.output()
        assert (await anext(pieces)).data == text
        with pytest.raises(KeeperLost):
            await anext(pieces)
        with pytest.raises(KeeperLost):
            await running.wait()
        with pytest.raises(KeeperLost):
            await running.write(b"x")
        await wait_ended(*pids)
        await running.end()
        await running.release()
        assert await processes.find(running.process_id) is None
        assert await printed(await processes.start(line("echo again"))) == b"again\n"
        assert processes.keeper_pid != first


@pytest.mark.slow
@trio_test
async def test_without_a_daemon_it_takes_them_along_as_well(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(FAMILY))
        text = await until_printed(running, b"ready")
        keeper = processes.keeper_pid
    # The context has ended the keeper; this one is nobody's.
    async with visiting(tmp_path) as processes:
        running = await processes.start(line(FAMILY))
        text = await until_printed(running, b"ready")
        assert processes.keeper_pid != keeper
        keeper = processes.keeper_pid
    os.kill(keeper, signal.SIGKILL)
    await wait_ended(*[int(word) for word in text.split() if word.isdigit()])


@trio_test
async def test_after_a_kill_of_keeper_and_guard_the_next_start_ends_what_is_left(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(FAMILY))
        text = await until_printed(running, b"ready")
        pids = [int(word) for word in text.split() if word.isdigit()]
        os.kill(guard_of(processes), signal.SIGKILL)
        os.kill(processes.keeper_pid, signal.SIGKILL)
        with pytest.raises(KeeperLost):
            await running.wait()
        # It was said only when nothing of it was left.
        assert not any(map(acting, pids))


@trio_test
async def test_a_guard_that_dies_alone_is_not_missed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line("echo ready; read x; echo $x", input="pipe"))
        await until_printed(running, b"ready")
        os.kill(guard_of(processes), signal.SIGKILL)
        await running.write(b"on\n")
        assert await printed(running) == b"ready\non\n"


@trio_test
async def test_a_keeper_that_is_told_to_end_ends_all_it_owns(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(
            line("trap 'echo bye; exit 4' TERM; echo ready; read x", input="pipe")
        )
        await until_printed(running, b"ready")
        os.kill(processes.keeper_pid, signal.SIGTERM)
        assert await running.wait() == 4
        assert await printed(running) == b"ready\nbye\n"


@pytest.mark.slow
@trio_test
async def test_a_keeper_without_anything_to_keep_ends(tmp_path: Path) -> None:
    async with visiting(tmp_path) as processes:
        running = await processes.start(line("true"))
        await running.wait()
        await running.release()
        keeper = processes.keeper_pid
    await wait_ended(keeper)
    assert [path.name for path in (tmp_path / "keeper").iterdir() if path.is_file()] == ["lock"]


@trio_test
async def test_a_connection_that_is_lost_loses_no_process(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line("echo ready; read x; echo $x; exit 6", input="pipe"))
        await until_printed(running, b"ready")
        link = running.link
        link.tell(b"no such request")  # so that the keeper hangs up
        await link.over.wait()
        while running.link is link:
            await trio.lowlevel.checkpoint()
        await running.write(b"on\n")
        assert (await printed(running), await running.wait()) == (b"ready\non\n", 6)


@trio_test
async def test_bytes_that_are_no_request_end_a_connection_and_nothing_else(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        await (await processes.start(line("true", "p"))).wait()
        path = str(tmp_path / "keeper" / "socket")
        nonsense = (
            b"GET / HTTP/1.1\r\n\r\n",
            wire.pack(),
            wire.pack(b"1", b"start", b"command", b"x"),
            wire.pack(b"1", b"resize", b"p", b"many", b"more"),
            wire.pack(b"1", b"find"),
            b"\xff" * 64,
            wire.pack(b"1", b"write", b"p", b"x")[:-1],
        )
        for data in nonsense:
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                stranger.sendall(data)
                stranger.shutdown(socket.SHUT_WR)
                await trio.to_thread.run_sync(_read_all, stranger)
        assert await processes.find("p") is not None


def _read_all(sock: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: sock.recv(1000), b""))
    except ConnectionResetError:  # It was closed before all was read.
        return b""


REFUSED = 9


def asked_as(user: int, path: str) -> int:
    """How many bytes a process of a user reads at most one of; REFUSED where it cannot connect."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setgroups([])
            os.setuid(user)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                code = len(stranger.recv(1))
        except PermissionError:
            code = REFUSED
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@trio_test
async def test_another_user_is_not_talked_to(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        await (await processes.start(line("true"))).wait()
        path = str(tmp_path / "keeper" / "socket")
        assert asked_as(65534, path) == REFUSED
        # Even where the folders would let it pass.
        for folder in [tmp_path, *tmp_path.parents, tmp_path / "keeper"]:
            if folder.owner() == "root" and folder.stat().st_mode & 0o001 == 0:
                folder.chmod(0o711)
        os.chmod(path, 0o666)
        assert asked_as(65534, path) == 0
        assert asked_as(0, path) == 1


@trio_test
async def test_a_connection_that_is_closed_before_it_is_served_is_over_at_once() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        link = Link(ours, lambda _: None)
        link.tell(b"forget", b"p")
        link.close()
        await link.serve()
        assert link.is_over
        with pytest.raises(KeeperLost):
            await link.ask(b"owned")


@trio_test
async def test_a_keeper_without_a_descriptor_waits_and_accepts_later(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        await processes.start(line("exec sleep 1000"))
        keeper = processes.keeper_pid
        limits = resource.prlimit(keeper, resource.RLIMIT_NOFILE)
        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (0, limits[1]))
        with socket.socket(socket.AF_UNIX) as other:
            before = waits_of(keeper)
            other.connect(str(tmp_path / "keeper" / "socket"))
            while waits_of(keeper) < before + 3:  # It tries, and sleeps between.
                await trio.lowlevel.checkpoint()
            resource.prlimit(keeper, resource.RLIMIT_NOFILE, limits)
            assert wire.NAME in other.recv(999)


def waits_of(pid: int) -> int:
    """How often a process has waited, rather than being made to."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:\t")[2].split()[0])


@trio_test
async def test_a_keeper_of_another_version_is_named_and_left_alone(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        folder = tmp_path / "keeper"
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(folder / "socket"))
            other.listen()
            other.setblocking(False)

            async def greet() -> None:
                await trio.lowlevel.wait_readable(other)
                peer, _ = other.accept()
                with peer:
                    peer.sendall(wire.pack(b"0", b"0", b"hello", wire.NAME, b"999", b"1"))
                    await trio.lowlevel.wait_readable(peer)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(greet)
                with pytest.raises(
                    OtherKeeper, match="found one of another codexd with version 999"
                ):
                    await processes.start(line("true"))


@trio_test
async def test_a_keeper_that_cannot_start_is_an_error_with_its_reason(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        (tmp_path / "keeper" / "lock").mkdir()
        with pytest.raises(NotStarted, match=r"the keeper could not be started: .*Is a directory"):
            await processes.start(line("true"))


def test_it_imports_the_standard_library_and_itself_alone() -> None:
    root = Path(keeper_start.__file__).parents[2]
    program = f"import sys; sys.path.append({str(root)!r}); import codexd.keeper.start; print(*sys.modules)"
    argv = [sys.executable, "-I", "-S", "-c", program]
    printed = subprocess.run(
        argv, capture_output=True, text=True, check=True, env=ENVIRONMENT
    ).stdout
    ours = {name for name in printed.split() if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in ours if not name.startswith("codexd.keeper")} == {"__main__", "codexd"}
    heavy = {"asyncio", "trio", "msgspec", "json", "subprocess", "re", "typing", "logging"}
    assert not heavy & set(printed.split())

"""A server talks to the daemon through pipes of its own, and ends with the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from codexd.exec.keeper_client import KeeperProcesses
from codexd.exec.ports import ServerProcess
from kept import acting, keeping, line, visiting
from trio_test import trio_test


async def answer_of(server: ServerProcess, asked: bytes) -> bytes:
    os.write(server.input_fd, asked)
    await trio.lowlevel.wait_readable(server.output_fd)
    return os.read(server.output_fd, 1000)


def close(server: ServerProcess) -> None:
    os.close(server.input_fd)
    os.close(server.output_fd)


@trio_test
async def test_it_is_talked_to_directly_and_its_errors_are_kept(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        server = await processes.start_server(line("echo complaint >&2; cat; exit 3"))
        assert await answer_of(server, b"ping") == b"ping"
        assert not os.get_inheritable(server.input_fd)
        assert not os.get_blocking(server.output_fd)
        assert [owned.pid for owned in await processes.owned()] == [server.pid]
        close(server)
        assert await server.wait() == 3
        assert server.errors() == "complaint\n"
        await server.end()
        assert await processes.owned() == []


@trio_test
async def test_only_the_end_of_many_complaints_is_kept(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        server = await processes.start_server(line("head -c 1000000 /dev/zero >&2; echo last >&2"))
        await server.wait()
        close(server)
        assert server.errors().endswith("\0last\n")
        assert len(server.errors()) == 128 << 10


@trio_test
async def test_to_end_it_ends_what_it_started(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        server = await processes.start_server(line("sleep 1000 & echo $!; wait"))
        child = int(await answer_of(server, b""))
        close(server)
        await server.end()
        assert not acting(child)
        assert not acting(server.pid)


@pytest.mark.slow
@trio_test
async def test_it_ends_with_the_daemon_by_itself_or_by_the_keeper(tmp_path: Path) -> None:
    async def started(processes: KeeperProcesses, text: str) -> ServerProcess:
        server = await processes.start_server(line(text))
        await answer_of(server, b"")
        return server

    async with keeping(tmp_path):
        async with visiting(tmp_path) as daemon:
            polite = await started(daemon, f"echo ready; cat; echo ended > {tmp_path}/polite")
            stubborn = await started(daemon, "echo ready; exec sleep 1000")
            command = await daemon.start(line("sleep 1000"))
            # As a daemon that is killed: its ends of the pipes close with it.
            close(polite)
            close(stubborn)
        while acting(polite.pid) or acting(stubborn.pid):
            await trio.lowlevel.checkpoint()
        assert (tmp_path / "polite").read_text() == "ended\n"
        assert acting(command.pid)
        async with visiting(tmp_path) as daemon:
            assert [owned.pid for owned in await daemon.owned()] == [command.pid]

r"""A keeper of a test's own, which is ended with the test, and commands for it.

async with keeping(tmp_path) as processes:
    running = await processes.start(line("echo hello"))
    assert await printed(running) == b"hello\n"
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from codexd.exec.keeper_client import KeeperProcesses, keeper_of
from codexd.exec.leftovers import home_mark
from codexd.exec.ports import Command, Owned, Running, ServerProcess

ENVIRONMENT = {"PATH": os.environ["PATH"]}
_numbers = itertools.count(1)


@asynccontextmanager
async def keeping(home: Path) -> AsyncIterator[KeeperProcesses]:
    """The processes of a home, as a daemon sees them; the keeper and all it owns end with the context."""
    async with visiting(home) as processes:
        try:
            yield processes
        finally:
            with trio.CancelScope(shield=True):
                await processes.stop()


@asynccontextmanager
async def visiting(home: Path) -> AsyncIterator[KeeperProcesses]:
    """The same for a daemon that leaves, and its processes with the keeper."""
    async with keeper_of(home / "keeper", home_mark(str(home))) as processes:
        yield processes


def line(text: str, process_id: str = "", **more: Any) -> Command:
    """A shell line."""
    return Command(
        process_id=process_id or f"p{next(_numbers)}",
        owner="t",
        argv=("/bin/sh", "-c", text),
        **{"cwd": "/", "env": ENVIRONMENT, **more},
    )


async def printed(running: Running) -> bytes:
    """All that a process prints."""
    return b"".join([piece.data async for piece in running.output()])


async def until_printed(running: Running, text: bytes) -> bytes:
    """What a process has printed once it has printed a text."""
    read = b""
    async for piece in running.output():
        read += piece.data
        if text in read:
            return read
    raise AssertionError(f"it ended, and printed {read!r}")


def acting(pid: int) -> bool:
    """Whether a process is there and no zombie that waits for somebody else to reap it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


class SharedKeeper:
    """One keeper for all tests of a process, behind any of its runs of trio. It implements `Processes`.

    Each start gets an id of its own, since tests of a tool use one call again and again.
    """

    def __init__(self) -> None:
        self._home: Path | None = None
        self._here = trio.lowlevel.RunVar[KeeperProcesses]("keeper")

    def _processes(self) -> KeeperProcesses:
        try:
            return self._here.get()
        except LookupError:
            pass
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="cx-", dir="/tmp"))
            atexit.register(self._end, self._home)
        processes = KeeperProcesses(self._home / "keeper", home_mark(str(self._home)))
        trio.lowlevel.spawn_system_task(processes.serve)
        self._here.set(processes)
        return processes

    def _end(self, home: Path) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((home / "keeper" / "lock").read_text()), signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)

    async def start(self, command: Command, *, is_looked_at: bool = False) -> Running:
        return await self._processes().start(_with_own_id(command), is_looked_at=is_looked_at)

    async def start_server(self, command: Command) -> ServerProcess:
        return await self._processes().start_server(_with_own_id(command))

    async def find(self, process_id: str) -> Running | None:
        return await self._processes().find(process_id)

    async def owned(self) -> list[Owned]:
        return await self._processes().owned()

    async def forget(self, process_id: str) -> None:
        await self._processes().forget(process_id)


def _with_own_id(command: Command) -> Command:
    return replace(command, process_id=f"{command.process_id}-{next(_numbers)}")


SHARED_KEEPER = SharedKeeper()

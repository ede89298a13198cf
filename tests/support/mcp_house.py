"""MCP servers without a daemon: started by the test itself, with a person who answers as the test says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio
import trio.testing

from codexd.config.keys import Config
from codexd.config.mcp_table import McpServerTable
from codexd.exec.ports import Command, NotStarted
from codexd.mcp.connection import Answered, Asked
from codexd.mcp.credentials import Logins
from codexd.mcp.process import ServerWays
from codexd.mcp.servers import OfferedTool, Servers, Update
from daemon_house import PATIENCE_SECONDS

SUPPORT = Path(__file__).parent


class LocalServer:
    """A process of a server that the test itself owns."""

    def __init__(self, command: Command) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        ours, self.output_fd = os.pipe(), -1
        theirs = os.pipe()
        try:
            self.process = subprocess.Popen(
                list(command.argv),
                cwd=command.cwd,
                env=dict(command.env),
                stdin=ours[0],
                stdout=theirs[1],
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            for fd in (ours[1], theirs[0]):
                os.close(fd)
            self._errors.close()
            raise NotStarted(error.strerror or str(error)) from error
        finally:
            os.close(ours[0])
            os.close(theirs[1])
        self.input_fd, self.output_fd = ours[1], theirs[0]
        for fd in (self.input_fd, self.output_fd):
            os.set_blocking(fd, False)
        self.process_id, self.pid, self.start_time = command.process_id, self.process.pid, ""
        self.ended = False

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    async def wait(self) -> int:
        return await trio.to_thread.run_sync(self.process.wait)

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self._errors.close()
        self.ended = True


class Person:
    """Who is asked, and shown how far calls are."""

    def __init__(self, answer: Answered | None = None) -> None:
        self.answer_with, self.asked, self.shown = answer, list[Asked](), list[str]()
        self.was_asked = trio.Event()
        self.tasks: list[str] = []

    def progress(self, message: str) -> None:
        self.shown.append(message)

    async def keep_task(self, task_id: str) -> None:
        self.tasks.append(task_id)
        await trio.lowlevel.checkpoint()

    def is_awaited(self) -> bool:
        return False

    async def ask(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        self.was_asked.set()
        if self.answer_with is None:
            await trio.sleep_forever()
        assert self.answer_with is not None
        return self.answer_with


class McpHouse:
    """The servers of a config, and what they offer."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.config, self.folder = Config(), folder
        self.started: list[LocalServer] = []
        self.updates: list[Update] = []
        self.offered: tuple[OfferedTool, ...] = ()
        self.secrets: list[str] = []
        self.logins = Logins(folder / "logins")
        self._changed = trio.Event()
        own = {"PATH": os.environ["PATH"], "HOME": str(folder), **(env or {})}

        async def login() -> Mapping[str, str]:
            return own

        async def start(command: Command) -> LocalServer:
            self.started.append(LocalServer(command))
            return self.started[-1]

        numbers = iter(range(1000))
        ways = ServerWays(
            start,
            login,
            own,
            str(folder),
            lambda: str(next(numbers)),
            self.logins,
            self.secrets.append,
        )
        self.servers = Servers(lambda: self.config, ways, self._told)
        self.servers.offerings = (self,)

    def configure(self, **tables: McpServerTable) -> None:
        """The servers that config.toml has from now on."""
        self.config = Config(mcp_servers=tables)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Servers]:
        """The connections, for as long as the context lasts."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.servers.run)
            await trio.testing.wait_all_tasks_blocked()
            yield self.servers
            nursery.cancel_scope.cancel()
        assert all(server.ended for server in self.started)

    def offer(self, tools: tuple[OfferedTool, ...]) -> None:
        self.offered = tools
        self._ring()

    def _told(self, update: Update) -> None:
        self.updates.append(update)
        self._ring()

    def _ring(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def changed(self) -> None:
        """Wait until a state or the tools have changed once more."""
        await self._changed.wait()

    @property
    def names(self) -> list[str]:
        """The names by which models call the tools."""
        return [offered.name for offered in self.offered]


def pipe_server(mode: str, **members: Any) -> McpServerTable:
    """A server of `pipe_server.py`."""
    script = str(SUPPORT / "pipe_server.py")
    return McpServerTable(command=sys.executable, args=("-I", "-S", script, mode), **members)


def sdk_server(**members: Any) -> McpServerTable:
    """The server with the official SDK, over stdio."""
    return McpServerTable(command=sys.executable, args=(str(SUPPORT / "sdk_server.py"),), **members)


async def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port: int = listener.socket.getsockname()[1]
        return port


@asynccontextmanager
async def over_http(
    *command: str, port: int, env: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """A server over HTTP on a port, until it is killed."""
    process = await trio.lowlevel.open_process(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.testing.wait_all_tasks_blocked(0.02)
        yield
    finally:
        process.kill()
        await process.wait()

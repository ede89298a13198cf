"""What a running tool leaves its output with, for tests: all of it, and events to wait for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from codexd.core.values.ids import ProcessId
from codexd.core.values.tool_actions import ToolResult


class Screen:
    """Keeps everything; `wait_for` sleeps until a text has come."""

    def __init__(self) -> None:
        self.processes: list[tuple[int, str]] = []
        self.chunks: list[bytes] = []
        self._more = trio.Event()

    @property
    def text(self) -> str:
        return b"".join(self.chunks).decode()

    def started(self, pid: int, start_time: str) -> None:
        self.processes.append((pid, start_time))

    def output(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self._more.set()
        self._more = trio.Event()

    def afterwards(self, then: Callable[[], Awaitable[None]]) -> None: ...

    async def answer(self, process: ProcessId, result: ToolResult) -> None:
        raise AssertionError("this tool leaves no process running")

    async def wait_for(self, text: str) -> None:
        while text not in self.text:
            await self._more.wait()

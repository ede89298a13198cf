r"""One conversation that uses exec_command and write_stdin, with a keeper and without a daemon.

async with conversation() as talk:
    text = await talk.exec("cat", tty=True, yield_time_ms=250)
    text = await talk.write(session_in(text), chars="hello\n")
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.values.ids import ProcessId, TurnId
from codexd.core.values.tool_actions import BadCall, ExecCommand, ToolResult, WriteStdin
from codexd.sessions.exec_command import ExecTool
from codexd.sessions.registry import Sessions
from codexd.sessions.write_stdin import WriteStdinTool
from codexd.tools.registry import CallContext, EndedSession
from codexd.tools.shell import Shell
from fixed_environment import FixedEnvironment
from kept import SHARED_KEEPER
from screen import Screen

_calls = itertools.count(1)


ENVIRONMENT = FixedEnvironment({"PATH": os.environ["PATH"], "TERM": "xterm", "NAME": "value"})


class Answered(Screen):
    """A call's screen, which keeps its answers as well."""

    def __init__(self) -> None:
        super().__init__()
        self.release: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self.answer_given: ToolResult | None = None
        self.end: ToolResult | None = None
        self.is_answered, self.is_over = trio.Event(), trio.Event()

    def afterwards(self, then: Callable[[], Awaitable[None]]) -> None:
        self.release = then

    async def answer(self, process: ProcessId, result: ToolResult) -> None:
        await trio.lowlevel.checkpoint()
        self.answer_given = result
        self.is_answered.set()


class Log:
    """What the log of the conversation says of its sessions."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}

    def runs(self, session: str) -> bool:
        return False

    def collected(self, session: str) -> int | None:
        return self.given.get(session)

    def turn_of(self, session: str) -> TurnId | None:
        return None

    async def ended(self, session: str) -> EndedSession | None:
        await trio.lowlevel.checkpoint()
        return None


class Conversation:
    """One thread, and the calls of its model."""

    def __init__(self, nursery: trio.Nursery, sessions: Sessions, thread: str = "t") -> None:
        self._nursery, self._thread = nursery, thread
        self.sessions, self.log = sessions, Log()
        shell = Shell(ENVIRONMENT, "/bin/sh", SHARED_KEEPER)
        self.tool, self.stdin = ExecTool(shell, sessions), WriteStdinTool(sessions)
        self.screens: dict[str, Answered] = {}  # by session

    def context(self) -> CallContext:
        return CallContext(
            cwd="/", thread_id=self._thread, call_id=f"c{next(_calls)}", sessions=self.log
        )

    def read(self, cmd: str, **arguments: object) -> ExecCommand:
        action = self.tool.read_call(_json(cmd=cmd, **arguments), self.context())
        assert isinstance(action, ExecCommand), action
        return action

    async def exec(self, cmd: str, **arguments: object) -> str:
        """Run a command; what the model is told."""
        return (await self.result(self.read(cmd, **arguments))).model_text

    async def result(self, action: ExecCommand) -> ToolResult:
        """The answer to a call: the command has ended, or goes on."""
        screen = self.screens[action.session] = Answered()
        self._nursery.start_soon(self._perform, action, screen)
        await screen.is_answered.wait()
        answer = screen.answer_given or screen.end
        assert answer is not None
        if answer.collected_bytes is not None:
            self.log.given[action.session] = answer.collected_bytes
        return answer

    async def _perform(self, action: ExecCommand, screen: Answered) -> None:
        try:
            screen.end = await self.tool.perform(action, self.context(), screen)
        finally:
            screen.is_answered.set()
            screen.is_over.set()
            with trio.CancelScope(shield=True):
                await screen.release()

    async def write(self, session: str | int, *, context: Any = None, **arguments: object) -> str:
        """Write to a session; what the model is told."""
        action = self.stdin.read_call(_json(session_id=int(session), **arguments), self.context())
        if isinstance(action, BadCall):
            return action.reason
        return (await self.collect(action)).model_text

    async def collect(self, action: WriteStdin) -> ToolResult:
        result = await self.stdin.perform(action, self.context(), Screen())
        if result.collected_bytes is not None:
            self.log.given[action.session] = result.collected_bytes
        return result

    async def look(self, session: str) -> str:
        """A poll that does not wait for as long as models must."""
        action = self.stdin.read_call(_json(session_id=int(session)), self.context())
        assert isinstance(action, WriteStdin)
        return (await self.collect(replace(action, yield_ms=1))).model_text


def _json(**arguments: object) -> str:
    return msgspec.json.encode(arguments).decode()


def session_in(text: str) -> str:
    """The session that an answer names."""
    found = re.search(r"^Process running with session ID (\d+)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def output_in(text: str) -> str:
    """The output in an answer."""
    return text.partition("\nOutput:\n")[2]


@asynccontextmanager
async def conversation() -> AsyncIterator[Conversation]:
    """A conversation, whose sessions end with the context."""
    async with trio.open_nursery() as nursery:
        yield Conversation(nursery, Sessions())
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def two_conversations() -> AsyncIterator[tuple[Conversation, Conversation]]:
    """Two, of one daemon."""
    async with trio.open_nursery() as nursery:
        sessions = Sessions()
        yield Conversation(nursery, sessions), Conversation(nursery, sessions, "u")
        nursery.cancel_scope.cancel()

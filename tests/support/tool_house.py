"""A daemon without its socket, for one tool: a thread, a model that calls the tool, and a client that follows."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from codexd.core import commands as c
from codexd.core.events.record import Recorded, decode_record
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Traits
from codexd.core.values.model_output import (
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ModelToolCall,
    ResponseStarted,
)
from codexd.core.values.settings import Settings
from codexd.models.client import ModelRequest, ModelStream, RetryBudget
from codexd.protocol.wire.framing import Lines
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.effects.perform import perform
from codexd.runtime.supervisor import Supervisor
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame, Questions, Reader
from codexd.server.feed.outbox import AllUnread, Outbox
from codexd.server.feed.reviews import RunningReviews
from codexd.tools.registry import Registry, Tool
from codexd_eventstore.memory.store import MemoryStore

THREAD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60")
SETTINGS = Settings("/work", "m", "p", approval_policy="untrusted", sandbox="read-only")


class Model:
    """It calls a tool once, and then has nothing to say."""

    budget = RetryBudget(0, 0)

    def __init__(self, tool: str, arguments: str) -> None:
        members = {"type": "function_call", "call_id": "c", "name": tool, "arguments": arguments}
        item, made = msgspec.Raw(msgspec.json.encode(members)), ModelToolCall("c", tool, arguments)
        self._call = ModelItemDone(ItemId("fc"), "call", item, made)
        self.requests: list[ModelRequest] = []

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelStream]:
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        yield Answer([self._call] if len(self.requests) == 1 else [])


class Answer:
    """All of an answer in one read."""

    def __init__(self, items: list[ModelItemDone]) -> None:
        ended = ModelResponseDone(None, None)
        self._left: list[list[ModelEvent]] = [[ResponseStarted(None, {}), *items, ended]]

    async def receive(self) -> list[ModelEvent]:
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else []


class Connected:
    """Whoever is connected, as the feed knows them."""

    any = True
    reviews = RunningReviews(lambda thread_id: None)

    def tell(self, frame: Frame, thread_id: ThreadId) -> None: ...

    def forget(self, thread_id: ThreadId) -> None: ...


class House:
    """A daemon without its socket: a thread, the model that it asks, and one client that follows."""

    def __init__(self, folder: Path, tool: Tool[Any], arguments: str) -> None:
        self.model, self.store = Model(tool.name, arguments), MemoryStore()
        self._folder, self.tool = folder, tool

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[ThreadActor, socket.socket]]:
        """The thread, loaded or new, and what its client can read; at the end it dies."""
        world = World(
            store=self.store,
            client=lambda provider, turn_id: self.model,
            traits=lambda name: Traits(),
            registry=Registry(self.tool),
            unfinished=UnfinishedFiles(self._folder / "unfinished"),
            processes=ProcessFiles(self._folder / "processes"),
            instructions="Be brief.",
        )
        feed = Feed(THREAD, Connected(), Questions(0), lambda: 0)
        supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
        here, there = socket.socketpair()
        there.setblocking(False)
        here.setblocking(False)
        with here, there:
            async with trio.open_nursery() as nursery:
                await nursery.start(supervisor.run)
                if self.model.requests:
                    thread = await supervisor.load(THREAD)
                else:
                    begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
                    thread = await supervisor.start(THREAD, begin, by=None, key=None)
                feed.follow(Reader(Lines(), lines=True), Outbox(here, AllUnread()))
                yield thread, there
                nursery.cancel_scope.cancel()

    async def records(self) -> list[Recorded]:
        return [decode_record(record.line) for record in await self.store.read(THREAD, limit=500)]


async def ask(thread: ThreadActor) -> None:
    """Ask for a turn, and wait until the model has called its tool."""
    await thread.submit(
        c.StartTurn(turn_id=TurnId("t1"), item_id=ItemId("u1"), content=(TextInput("go"),))
    )
    while thread.state.turn is not None and not thread.state.turn.open_calls:
        await trio.lowlevel.checkpoint()


async def settled(thread: ThreadActor) -> None:
    """Wait for the turn's end."""
    while thread.state.turn is not None:
        await trio.lowlevel.checkpoint()


def read_all(there: socket.socket) -> list[bytes]:
    """The messages that the client was sent."""
    read = b""
    try:
        while chunk := there.recv(65536):
            read += chunk
    except BlockingIOError:
        pass
    return read.splitlines()

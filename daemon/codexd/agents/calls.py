"""Performs the calls of a model on other threads. A call that is performed again, after a crash, does nothing twice. I/O."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.agents.looser import is_looser
from codexd.agents.words import LIST_MAX, labelled, last_words, words_of
from codexd.config.keys import ThreadsTable
from codexd.core import commands as c
from codexd.core.events.events import InvalidEvent
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId, TurnId, uuid7
from codexd.core.values.items import AgentState, TextInput
from codexd.core.values.thread_calls import Spawned, ThreadCall
from codexd.core.values.tool_actions import ToolResult
from codexd.projections.summary import Summary
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.supervisor import Supervisor, ThreadGone
from codexd.tools.registry import CallContext
from codexd_eventstore.store import NotFound, StoreError

# A thread whose actor crashed is loaded again: how long a wait relies on the one that it has.
LOOK_SECONDS: Final = 30.0
# Of Codex, for a thread that an agent started.
SUBAGENT: Final = "subagent"

Told = dict[str, Any]
# Threads that were used last, whose name or text has this.
Listed = Callable[[str, int], Awaitable[Sequence[tuple[ThreadId, Summary]]]]


class ThreadProblem(Exception):
    """A call cannot be carried out; the text is for the model."""


class ThreadCalls:
    """The calls of all threads."""

    def __init__(
        self,
        threads: Callable[[], Supervisor],
        listed: Listed,
        announce: Callable[[ThreadActor], None],
        table: Callable[[], ThreadsTable],
    ) -> None:
        self._threads, self._listed, self._announce, self._table = threads, listed, announce, table
        self._spawning = trio.Lock()  # A count of threads holds until the next one has started.
        self._waits: dict[tuple[ThreadId, str], tuple[ThreadId, ...]] = {}

    def new_id(self) -> ThreadId:
        """The id of a thread that is to be started; the call keeps it."""
        return ThreadId(uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)) >> 6))

    async def perform(self, action: ThreadCall, context: CallContext) -> ToolResult:
        """Carry it out; what cannot be done is a result for the model."""
        try:
            told = await self._told(action, context)
        except ThreadProblem as problem:
            return ToolResult("failed", f"{problem}")
        except c.Rejected as refusal:
            return ToolResult("failed", f"{refusal.message}")
        except (StoreError, InvalidEvent, ThreadGone) as error:
            return ToolResult("failed", f"the other thread cannot be worked with: {error}")
        except (trio.BrokenResourceError, trio.EndOfChannel):
            return ToolResult(
                "failed", "the other thread ended meanwhile; whether it took this is unknown."
            )
        text = msgspec.json.encode(told).decode()
        return ToolResult("completed", text, text)

    async def _told(self, action: ThreadCall, context: CallContext) -> Told:
        match action.tool:
            case "spawnAgent":
                return await self._spawn(action, context)
            case "sendInput":
                return await self._send(action, context)
            case "wait":
                return await self._wait(action, context)
            case "listAgents":
                return await self._list(action)
            case "readAgent":
                thread = await self._load(action.threads[0])
                return {**self._row(thread), "messages": await words_of(thread)}
            case "interruptAgent":
                thread = await self._load(action.threads[0])
                await thread.submit(c.InterruptTurn(), by=_by(action))
                return self._row(thread)

    async def _load(self, thread_id: ThreadId) -> ThreadActor:
        threads = self._threads()
        if threads.is_deadly(thread_id):
            raise ThreadProblem(f"thread {thread_id} has stopped the daemon, and is left alone.")
        try:
            thread = await threads.load(thread_id)
        except NotFound as error:
            raise ThreadProblem(f"there is no thread {thread_id}. Nothing was done.") from error
        if thread.state.reviews is not None:
            raise ThreadProblem(f"thread {thread_id} is a review, a part of another thread.")
        return thread

    def _sender(self, action: ThreadCall) -> ThreadActor:
        sender = self._threads().loaded(action.sender)
        if sender is None or sender.state.in_force is None:
            raise ThreadProblem("the thread that called has ended. Nothing was done.")
        return sender

    async def _spawn(self, action: ThreadCall, context: CallContext) -> Told:
        (child_id,) = action.threads
        async with self._spawning:
            try:
                child = await self._threads().load(child_id)
            except NotFound:
                child = await self._begin(child_id, action, context)
        await self._prompt(child, action, context)
        return self._row(child)

    async def _begin(
        self, child_id: ThreadId, action: ThreadCall, context: CallContext
    ) -> ThreadActor:
        sender, table = self._sender(action), self._table()
        settings, spawned = sender.state.in_force, sender.state.spawned
        assert settings is not None
        depth = 1 if spawned is None else spawned.depth + 1
        if depth > table.max_depth:
            raise ThreadProblem(
                f"threads are started {table.max_depth} deep at most, by `threads.max_depth` of config.toml, and this "
                f"would be {depth}: no thread was started. Do the work yourself."
            )
        running = sum(
            other.state.spawned is not None
            and other.state.spawned.thread_id == action.sender
            and _is_busy(other.state)
            for other in self._threads().threads
        )
        if running >= table.max_children:
            raise ThreadProblem(
                f"{running} threads that this one has started run, as many as `threads.max_children` of config.toml "
                "allows: no thread was started. Wait for one of them."
            )
        begin = c.StartThread(
            settings=replace(settings, model=action.model or settings.model),
            originator="codexd",
            daemon_version=sender.world.version,
            developer_instructions=sender.state.developer_instructions,
            ephemeral=sender.state.ephemeral,
            history_mode="paginated",
            thread_source=SUBAGENT,
            source="vscode",
            spawned=Spawned(action.sender, TurnId(context.turn_id), depth),
        )
        child = await self._threads().start(child_id, begin, by=_by(action), key=None)
        self._announce(child)
        return child

    async def _send(self, action: ThreadCall, context: CallContext) -> Told:
        thread = await self._load(action.threads[0])
        own, other = self._sender(action).state.in_force, thread.state.in_force
        assert own is not None
        if other is None or is_looser(other, own):
            raise ThreadProblem(
                f"thread {thread.thread_id} may do more than this one, so this one may not tell it what to do. "
                "Nothing was sent. Ask the person to do it."
            )
        turn = thread.state.turn
        if action.steer and turn is not None:
            steer = c.SteerTurn(
                expected_turn=turn.turn_id,
                item_id=ItemId(thread.world.new_id()),
                content=(TextInput(labelled(action)),),
            )
            await thread.submit(steer, by=_by(action), key=f"thread call {context.call_id}")
            return {**self._row(thread), "delivery": "steered"}
        return {**self._row(thread), "delivery": await self._prompt(thread, action, context)}

    async def _prompt(self, thread: ThreadActor, action: ThreadCall, context: CallContext) -> str:
        """Start a turn, now or later; once for each call."""
        turn_id = TurnId(thread.world.new_id())
        start = c.StartTurn(
            turn_id=turn_id,
            item_id=ItemId(thread.world.new_id()),
            content=(TextInput(labelled(action)),),
        )
        await thread.submit(start, by=_by(action), key=f"thread call {context.call_id}")
        waits = any(queued.turn_id == turn_id for queued in thread.state.queue)
        return "queued" if waits else "started"

    async def _wait(self, action: ThreadCall, context: CallContext) -> Told:
        mark = (action.sender, context.call_id)
        for target in action.threads:
            if self._waits_for(target, action.sender):
                raise ThreadProblem(
                    f"thread {target} waits for this one, so neither would go on. Nothing was waited for."
                )
            await self._load(target)
        self._waits[mark] = action.threads
        try:
            with trio.move_on_after(action.timeout_ms / 1000) as bound:
                async with trio.open_nursery() as nursery:
                    for target in action.threads:
                        nursery.start_soon(self._until_idle, target, nursery.cancel_scope)
        finally:
            del self._waits[mark]
        agents: dict[str, AgentState] = {}
        for target in action.threads:
            try:
                agents[target] = await last_words(await self._load(target))
            except ThreadProblem as problem:
                agents[target] = AgentState("notFound", f"{problem}")
        return {"agents": agents, "timed_out": bound.cancelled_caught}

    def _waits_for(self, waiting: ThreadId, target: ThreadId) -> bool:
        """Whether a thread waits for another one, or for a thread that does."""
        seen, left = {waiting}, [waiting]
        while left:
            one = left.pop()
            for (waiter, _), targets in self._waits.items():
                if waiter != one:
                    continue
                if target in targets:
                    return True
                left += [other for other in targets if other not in seen]
                seen.update(targets)
        return False

    async def _until_idle(self, target: ThreadId, found: trio.CancelScope) -> None:
        while True:
            try:
                thread = await self._load(target)
            except (ThreadProblem, StoreError, InvalidEvent, ThreadGone):
                break  # It is gone, or cannot be read: that is an answer.
            with trio.move_on_after(LOOK_SECONDS):
                await thread.until(lambda state: not _is_busy(state))
                break
        found.cancel()

    async def _list(self, action: ThreadCall) -> Told:
        """Threads that were used last; their texts are in `preview`."""
        rows: list[Told] = []
        for thread_id, summary in await self._listed(action.search, LIST_MAX):
            if thread_id == action.sender or summary.settings is None:
                continue
            loaded = self._threads().loaded(thread_id)
            is_busy = summary.running if loaded is None else _is_busy(loaded.state)
            rows.append(
                {
                    "id": thread_id,
                    "name": summary.name,
                    "preview": summary.preview,
                    "cwd": summary.settings.cwd,
                    "is_running": is_busy,
                    "started_by": summary.parent,
                }
            )
        return {"threads": rows}

    def _row(self, thread: ThreadActor) -> Told:
        state = thread.state
        status = AgentState("running" if _is_busy(state) else "completed")
        return {"id": thread.thread_id, "agents": {thread.thread_id: status}}


def _by(action: ThreadCall) -> str:
    """Who did it, in the records of the other thread."""
    return f"thread {action.sender}"


def _is_busy(state: ThreadState) -> bool:
    return state.turn is not None or bool(state.queue) or bool(state.waiting)

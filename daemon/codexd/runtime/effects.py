"""Performs one due effect and reports what came of it.

An effect decides nothing: it turns what the world does into reports, and its own failures too.
"""

from __future__ import annotations

import logging
from typing import assert_never

import msgspec
import trio

from codexd.core import commands as c
from codexd.core.calls import ToolResult
from codexd.core.due import AwaitRetry, CallModel, Effect, RunTool
from codexd.core.events import CallName, or_nothing
from codexd.core.ids import CallId, ItemId
from codexd.core.items import TurnError
from codexd.core.settings import Settings
from codexd.models.client import (
    ItemCompleted,
    ItemStarted,
    ModelError,
    ModelEvent,
    ModelRequest,
    ReasoningDelta,
    ResponseCompleted,
    ResponseStarted,
    RetryBudget,
    TextDelta,
)
from codexd.runtime.actor import ThreadActor
from codexd.runtime.drafts import OUTPUT_INLINE_BYTES_MAX, ends_of
from codexd.tools.registry import CallContext

log = logging.getLogger(__name__)

# The wait before the first retry, doubled each time: the original's figures, so providers see no change.
BACKOFF_FIRST_MS = 200
# No wait is longer, or a person would rather know than wait.
BACKOFF_MS_MAX = 30_000


async def perform(effect: Effect, thread: ThreadActor) -> None:
    """Do what is due, to its end. Its failures become reports."""
    match effect:
        case CallModel():
            await ModelCalling(effect, thread).run()
        case AwaitRetry():
            await trio.sleep(effect.after_ms / 1000)
            await thread.submit(c.RetryModelCall(call_id=effect.call_id, attempt=effect.attempt))
        case RunTool():
            await ToolRunning(effect.call_id, thread).run()
        case _:
            assert_never(effect)


class ModelCalling:
    """One attempt of one request to the model."""

    def __init__(self, effect: CallModel, thread: ThreadActor) -> None:
        self._effect, self._thread = effect, thread
        self._started_us = thread.world.now_us()
        self._answer = ResponseStarted(None, {})
        self._item_started: dict[ItemId, int] = {}
        self._seen: list[c.FinishedItem | c.FinishedCall] = []

    async def run(self) -> None:
        """Send it and follow the answer; reports how it ended."""
        budget = RetryBudget()
        try:
            client = self._thread.world.client(self._settings.provider)
            budget = client.budget
            async with client.stream(self._request()) as stream:
                while batch := await stream.receive():
                    await self._take(batch)
        except ModelError as error:
            await self._report_failure(error, budget)
        except Exception:
            # One effect is one of the places where whatever goes wrong is turned into a record.
            log.exception("thread %s: a model call crashed", self._thread.thread_id)
            await self._report_failure(_CRASHED, budget)

    @property
    def _settings(self) -> Settings:
        turn = self._thread.state.turn
        assert turn is not None
        return turn.settings

    def _request(self) -> ModelRequest:
        thread, settings = self._thread, self._settings
        traits = thread.world.traits(settings.model)
        assert thread.state.turn is not None
        return ModelRequest(
            model=settings.model,
            instructions=thread.instructions,
            input=tuple(thread.history.items),
            tools=thread.world.registry.declarations,
            cache_key=thread.thread_id,
            effort=settings.effort if traits.effort else None,
            summary=settings.summary if traits.summary else None,
            verbosity=settings.verbosity if traits.verbosity else None,
            output_schema=thread.state.turn.output_schema,
            parallel_tool_calls=traits.parallel_tool_calls,
        )

    async def _take(self, batch: list[ModelEvent]) -> None:
        """One network read: text goes to drafts at once, whole items to the log in one append."""
        at = 0
        while at < len(batch):
            event = batch[at]
            if isinstance(event, TextDelta | ReasoningDelta):
                await self._flush()
                at = self._take_text(batch, at)
                continue
            await self._take_one(event)
            at += 1
        await self._flush()

    async def _take_one(self, event: ModelEvent) -> None:
        match event:
            case ResponseStarted():
                self._answer = event
            case ItemStarted():
                await self._flush()
                at_ms = self._thread.world.now_us() // 1000
                self._item_started[event.item_id] = at_ms
                self._thread.streaming.open_item(event.item_id, event.kind, at_ms)
            case ItemCompleted():
                self._seen.append(self._finished(event))
            case ResponseCompleted():
                self._seen.append(self._ended(event))
            case TextDelta() | ReasoningDelta():
                raise AssertionError("text is taken in runs")
            case _:
                assert_never(event)

    def _take_text(self, batch: list[ModelEvent], at: int) -> int:
        """Take a run of deltas of one part as one piece of work; the index behind it."""
        first = batch[at]
        pieces: list[str] = []
        if isinstance(first, TextDelta):
            while at < len(batch):
                event = batch[at]
                if not isinstance(event, TextDelta) or event.item_id != first.item_id:
                    break
                pieces.append(event.text)
                at += 1
            self._thread.streaming.add_text(first.item_id, "text", 0, pieces)
            return at
        assert isinstance(first, ReasoningDelta)
        while at < len(batch):
            event = batch[at]
            if not isinstance(event, ReasoningDelta) or (
                (event.item_id, event.part, event.index) != (first.item_id, first.part, first.index)
            ):
                break
            pieces.append(event.text)
            at += 1
        self._thread.streaming.add_text(first.item_id, first.part, first.index, pieces)
        return at

    async def _flush(self) -> None:
        if not self._seen:
            return
        seen, self._seen = tuple(self._seen), []
        await self._thread.submit(
            c.ReportModel(call_id=self._effect.call_id, attempt=self._effect.attempt, seen=seen)
        )

    def _finished(self, event: ItemCompleted) -> c.FinishedItem:
        call = None
        if event.call is not None:
            made, thread = event.call, self._thread
            context = CallContext(self._settings.cwd, thread.thread_id, made.call_id)
            action = thread.world.registry.read_call(made.name, made.arguments, context)
            call = c.MadeCall(CallName(CallId(made.call_id), made.name, made.custom), action)
        started = self._item_started.pop(event.item_id, None)
        return c.FinishedItem(event.item_id, event.kind, event.item, started, call)

    def _ended(self, event: ResponseCompleted) -> c.FinishedCall:
        return c.FinishedCall(
            duration_ms=(self._thread.world.now_us() - self._started_us) // 1000,
            response_id=event.response_id,
            request_id=self._answer.request_id,
            usage=or_nothing(event.usage),
            rate_limits=self._answer.rate_limits,
            incomplete=event.incomplete,
        )

    async def _report_failure(self, error: ModelError, budget: RetryBudget) -> None:
        thread = self._thread
        turn = thread.state.turn
        call = turn.call if turn is not None else None
        if call is None:
            return
        at_request = error.at == "request"
        failures = call.request_failures if at_request else call.stream_failures
        after_ms = error.after_ms
        if after_ms is None:
            wait_ms = BACKOFF_FIRST_MS * 2**failures * thread.world.jitter()
            after_ms = min(int(wait_ms), BACKOFF_MS_MAX)
        await thread.submit(
            c.ReportModelFailure(
                call_id=self._effect.call_id,
                attempt=self._effect.attempt,
                error=TurnError(error.message, error.info, error.details),
                at=error.at,
                retry=error.retry,
                after_ms=after_ms,
                attempts_max=budget.request_max_retries
                if at_request
                else budget.stream_max_retries,
                rate_limits=error.rate_limits or None,
            )
        )


_CRASHED = ModelError(
    "the daemon failed while it followed the model's answer; its log says where",
    info="internalServerError",
    at="stream",
    retry=False,
)


class ToolRunning:
    """One tool call that may run. It is the tool's output sink, too."""

    def __init__(self, call_id: CallId, thread: ThreadActor) -> None:
        self._call_id, self._thread = call_id, thread
        self._pid: tuple[int, str] | None = None
        self._spawned = trio.Event()

    def started(self, pid: int, start_time: str) -> None:
        """The process runs: its pid goes to the log, and to where the next daemon would look for it."""
        self._pid = (pid, start_time)
        self._thread.world.processes.add(pid, start_time)
        self._spawned.set()

    def output(self, chunk: bytes) -> None:
        """Output came."""
        self._thread.streaming.add_output(self._call_id, chunk)

    async def run(self) -> None:
        """Run it to its end and report its result."""
        try:
            await self._run()
        finally:
            # Behind the report: a daemon that stops waits for this, and is not to lose the result.
            if self._pid is not None:
                self._thread.world.processes.remove(self._pid[0])

    async def _run(self) -> None:
        thread = self._thread
        turn = thread.state.turn
        assert turn is not None
        call = next(call for call in turn.open_calls if call.call_id == self._call_id)
        assert call.action is not None
        thread.streaming.open_output(self._call_id)
        context = CallContext(turn.settings.cwd, thread.thread_id, self._call_id)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._report_pid)
                result = await thread.world.registry.performer.perform(call.action, context, self)
                nursery.cancel_scope.cancel()
        except Exception:
            # One effect is one of the places where whatever goes wrong is turned into a record.
            log.exception("thread %s: a tool crashed", thread.thread_id)
            text = "the tool failed inside the daemon; nothing is known of its result"
            result = ToolResult("failed", text, text)
        await thread.submit(
            c.ReportToolEnded(call_id=self._call_id, result=await self._kept(result))
        )

    async def _report_pid(self) -> None:
        await self._spawned.wait()
        assert self._pid is not None
        pid, start_time = self._pid
        await self._thread.submit(
            c.ReportSpawned(call_id=self._call_id, pid=pid, start_time=start_time)
        )

    async def _kept(self, result: ToolResult) -> ToolResult:
        """The result as its event carries it: a large output as a blob, with its ends inline."""
        if result.output_bytes <= OUTPUT_INLINE_BYTES_MAX:
            return result
        output = self._thread.streaming.outputs.get(self._call_id)
        if output is None:
            return result
        ref = await output.keep()
        return msgspec.structs.replace(result, output=ends_of(result.output), blob=ref.sha256)

"""A thread of hundreds of turns in a small window compacts itself again and again, and continues.

`CODEXD_NIGHTLY=1` makes it thousands.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from codexd.core import commands as c
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.record import decode_record
from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Limits, Traits
from codexd.core.values.model_output import (
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ModelToolCall,
    ResponseStarted,
)
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.models.client import ModelError, ModelRequest, ModelStream, RetryBudget
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.lookups import LookupSource
from codexd.runtime.actor.ports import World
from codexd.runtime.effects.perform import perform
from codexd.runtime.supervisor import Supervisor
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame, Questions
from codexd.server.feed.reviews import RunningReviews
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd_eventstore.memory.store import MemoryStore
from trio_test import trio_test

THREAD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60")
SETTINGS = Settings("/w", "m", "p", approval_policy="never", sandbox="danger-full-access")
WINDOW = 20_000
LIMITS = Limits(WINDOW, WINDOW * 95 // 100, WINDOW * 90 // 100)
NIGHTLY = "CODEXD_NIGHTLY" in os.environ
TURNS = 3000 if NIGHTLY else 300
PINS_MAX = 4
_json = msgspec.json.Encoder().encode


class Item(msgspec.Struct):
    type: str
    call_id: str = ""


class Model:
    """Answers like one with a window: it counts what it is sent, and objects to what makes no sense."""

    budget = RetryBudget(0, 0)

    def __init__(self) -> None:
        self.summaries = 0
        self.refusals = 0
        self.calls = 0
        self.last_words = ""
        self.pinned: list[bytes] = []
        self._before: tuple[bytes, ...] = ()
        self._compacted = False

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelStream]:
        tokens = sum(len(item) for item in request.input) // 4
        asks_for_summary = COMPACTION_PROMPT.encode()[:20] in request.input[-1]
        if tokens > WINDOW:
            self.refusals += 1
            raise ModelError("too long", info="contextWindowExceeded", at="request", retry=False)
        self._check_calls(request)
        if asks_for_summary:
            assert request.tools == ()
            self.summaries += 1
            self._before = ()
            yield Answer(
                self._message(f"Summary {self.summaries}: " + "what was done. " * 60), tokens
            )
            return
        self._check_history(request)
        self._before = request.input
        yield Answer(self._next(), tokens)

    def _check_history(self, request: ModelRequest) -> None:
        assert request.input[: len(self._before)] == self._before
        assert any(self.last_words.encode() in item for item in request.input)
        for item in self.pinned:
            assert request.input.count(item) == 1

    def _check_calls(self, request: ModelRequest) -> None:
        open_calls: set[str] = set()
        answered: set[str] = set()
        for item in (msgspec.json.decode(item, type=Item) for item in request.input):
            if item.type == "function_call":
                assert item.call_id not in open_calls | answered
                open_calls.add(item.call_id)
            elif item.type == "function_call_output":
                open_calls.remove(item.call_id)
                answered.add(item.call_id)
        assert not open_calls

    def _next(self) -> ModelItemDone:
        """A call now and then, and else an answer."""
        self.calls += 1
        if self.calls % 2 == 0:
            return self._message(f"Answer {self.calls}. " + "words and words " * (self.calls % 90))
        call = f"c{self.calls}"
        members = {"type": "function_call", "call_id": call, "name": "look", "arguments": "{}"}
        made = ModelToolCall(call, "look", "{}")
        return ModelItemDone(ItemId(f"fc_{call}"), "call", msgspec.Raw(_json(members)), made)

    def _message(self, words: str) -> ModelItemDone:
        content = [{"type": "output_text", "text": words}]
        members = {"type": "message", "role": "assistant", "content": content}
        return ModelItemDone(
            ItemId(f"m{self.calls}/{self.summaries}"), "message", msgspec.Raw(_json(members))
        )


class Answer:
    """One item, and what it cost."""

    def __init__(self, item: ModelItemDone, tokens: int) -> None:
        total = tokens + len(item.item) // 4
        usage = msgspec.Raw(_json({"input_tokens": tokens, "total_tokens": total}))
        ended = ModelResponseDone(None, usage)
        self._left: list[list[ModelEvent]] = [[ResponseStarted(None, {}), item, ended]]

    async def receive(self) -> list[ModelEvent]:
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else []


class Look:
    """A tool whose answers are long now and then."""

    name, declaration = "look", b'{"type":"function","name":"look"}'

    def __init__(self) -> None:
        self.count = 0

    def offered(self, traits: Traits, thread: ThreadState) -> bytes:
        return self.declaration

    def read_call(self, arguments: str, context: CallContext) -> RunCommand:
        return RunCommand("look", ("look",), "/w", 1000)

    async def perform(
        self, action: RunCommand, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        await trio.lowlevel.checkpoint()
        self.count += 1
        words = f"listing {self.count}\n" + "a line of it\n" * (self.count * 37 % 400)
        return ToolResult("completed", words, words, 0, 1)


class Nobody:
    any = False
    reviews = RunningReviews(lambda thread_id: None)

    def tell(self, frame: Frame, thread_id: ThreadId) -> None: ...

    def forget(self, thread_id: ThreadId) -> None: ...


def a_world(folder: Path, model: Model) -> World:
    look = Look()
    return World(
        store=MemoryStore(),
        client=lambda provider, turn_id: model,
        traits=lambda name: Traits(),
        registry=Registry(look),
        unfinished=UnfinishedFiles(folder / "unfinished"),
        processes=ProcessFiles(folder / "processes"),
        instructions="Be brief.",
        lookups=LookupSource(limits=lambda settings: LIMITS),
    )


async def ask(thread: ThreadActor, n: int, words: str) -> None:
    await thread.submit(
        c.StartTurn(turn_id=TurnId(f"t{n}"), item_id=ItemId(f"u{n}"), content=(TextInput(words),))
    )
    await settled(thread)


async def settled(thread: ThreadActor) -> None:
    """Wait until nothing is under way."""
    while not thread.idle:
        await trio.lowlevel.checkpoint()


async def pin_last(thread: ThreadActor, model: Model) -> None:
    """Pin the newest message of a person."""
    words = thread.folds.history.compaction_keep.words[-1]
    item = next(
        item for item in reversed(thread.folds.history.items) if model.last_words.encode() in item
    )
    model.pinned.append(item)
    await thread.submit(c.PinRecord(seq=words.seq, items=(msgspec.Raw(item),)))


@pytest.mark.slow
@trio_test
async def test_it_fits_has_all_pins_and_the_last_words_and_answers_each_call_once(
    tmp_path: Path,
) -> None:
    model = Model()
    world = a_world(tmp_path, model)
    feed = Feed(THREAD, Nobody(), Questions(0), lambda: 0)
    supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
        thread = await supervisor.start(THREAD, begin, by=None, key=None)
        for n in range(1, TURNS + 1):
            model.last_words = f"question {n}: " + "please " * (n * 53 % 200)
            await ask(thread, n, model.last_words)
            assert not thread.state.failed
            if n % 70 == 0 and len(model.pinned) < PINS_MAX:
                await pin_last(thread, model)
            if n % 60 == 0:  # It goes on from a snapshot, or from its log.
                await thread.submit(c.CompactThread(turn_id=TurnId(f"k{n}")))
                await settled(thread)
                await supervisor.unload(THREAD)
                thread = await supervisor.load(THREAD)
        records = [
            decode_record(record.line)
            for after in range(0, thread.version, 500)
            for record in await world.store.read(THREAD, after=after, limit=500)
        ]
        nursery.cancel_scope.cancel()
    done = [record.event for record in records if isinstance(record.event, HistoryCompacted)]
    assert len(done) == model.summaries > 10
    assert [event.window for event in done] == [*range(1, len(done) + 1)]
    assert all((event.tokens_after or 0) < (event.tokens_before or 0) for event in done)
    assert all(event.pins == tuple(sorted(event.pins)) for event in done)
    assert len(done[-1].pins) == len(model.pinned) == PINS_MAX
    assert model.refusals == 0

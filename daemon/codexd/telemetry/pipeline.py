"""One signal's way from the log to its collector: records, folded and encoded in batches, which are sent until taken.

Law: nothing waits here but positions. A collector that does not answer costs a worker that holds one page of records;
the rest stays in the log, and is sent when the collector is back, also after a restart of the daemon.
"""

from __future__ import annotations

import logging
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import trio

from codexd.core.events import events as e
from codexd.core.events.events import InvalidEvent
from codexd.core.events.record import Recorded, decode_record
from codexd.machine.pacing import Steps
from codexd.telemetry.collectors.destination import Destination
from codexd.telemetry.collectors.otlp import Encoder
from codexd.telemetry.collectors.sender import NotTaken, Sender
from codexd.telemetry.signals.aggregation import Totals, added_up
from codexd.telemetry.signals.conversation import Conversation
from codexd.telemetry.signals.items import Item, LogEvent, Measurement, Span
from codexd_eventstore.consumers import Consumed, Consumer
from codexd_eventstore.event_log import Record
from codexd_eventstore.reading import records_back

if TYPE_CHECKING:
    from google.protobuf.message import Message

log = logging.getLogger(__name__)

# The pauses before a request is sent again, doubled each time; a person who starts a collector need not wait long.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
# A request that a collector fails at, without a word of whose fault it is, is given up after so many attempts: some
# five minutes. Else one that it cannot read would hold up all that follow.
POISON_ATTEMPTS_MAX: Final = 10
# Threads whose state is in memory; that of another is read from its log again, back to the beginning of its turn.
CONVERSATIONS_MAX: Final = 256
# The text of items in one request: collectors take 4 MiB over gRPC. A single larger item goes alone.
REQUEST_CHARACTERS_MAX: Final = 1024 * 1024


class Maker(Protocol):
    """Makes items of a record, which comes with the state of its thread before it."""

    def of(self, conversation: Conversation, recorded: Recorded) -> Sequence[Item]:
        """The items of one record."""


class Pipeline:
    """One signal of one store."""

    def __init__(
        self,
        store: Consumed,
        destination: Destination,
        encoder: Encoder,
        maker: Callable[[], Maker],
        *,
        since_ms: int,
        delta: bool,
        open_sender: Callable[[Destination], Awaitable[Sender]],
    ) -> None:
        """`delta`: metrics are sent as what was added since the last request. `open_sender` raises NotTaken."""
        self._store, self._destination, self._encoder = store, destination, encoder
        self._maker, self._since_ms, self._delta = maker, since_ms, delta
        self._open_sender = open_sender
        self._sender: Sender | None = None
        self._sending = trio.Lock()
        self._conversations: OrderedDict[str, Conversation] = OrderedDict()
        self._totals: Totals = {}
        self._totals_ms = time.time_ns() // 1_000_000
        self.sent = 0  # items that the collector took
        self.dropped = 0  # items that it refused
        self.problem: str | None = None  # why the last request was not taken
        self._failed = trio.Event()  # a request was not taken
        self.consumer = Consumer(
            store,
            f"otel.{destination.signal}",
            self._handle,
            gather_s=destination.delay_s,
            since_us=since_ms * 1000,
        )

    @property
    def destination(self) -> Destination:
        """Where it sends."""
        return self._destination

    async def run(self) -> None:
        """Send until it is cancelled."""
        try:
            await self.consumer.run()
        finally:
            if self._sender is not None:
                with trio.move_on_after(1, shield=True):
                    await self._sender.aclose()

    async def flush(self) -> None:
        """Return when all that is in the log is sent; at once where the collector does not answer."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_failed, nursery.cancel_scope)
            await self.consumer.wait_idle()
            nursery.cancel_scope.cancel()

    async def _until_failed(self, flushing: trio.CancelScope) -> None:
        if self.problem is None:
            await self._failed.wait()
        flushing.cancel()

    async def _handle(self, stream: str, page: Sequence[Record]) -> None:
        try:
            conversation = await self._conversation(stream, page[0].seq)
            maker, steps = self._maker(), Steps()
            items: list[Item] = []
            for record in page:
                recorded = _decoded(record)
                if recorded is not None:
                    if recorded.at_ms >= self._since_ms:
                        items += maker.of(conversation, recorded)
                    conversation.apply(recorded)
                if steps.is_over:
                    await steps.next()
            for batch in _batches(items, self._destination.batch_items):
                await self._deliver(batch)
        except BaseException:
            # What was folded is not handled: the fold begins again with the next attempt.
            self._conversations.pop(stream, None)
            raise

    async def _conversation(self, stream: str, first_seq: int) -> Conversation:
        """The state of a thread before a record."""
        known = self._conversations.pop(stream, None)
        if known is None:
            known = Conversation(stream)
            for record in await self._before(stream, first_seq):
                recorded = _decoded(record)
                if recorded is not None:
                    known.apply(recorded)
        self._conversations[stream] = known
        if len(self._conversations) > CONVERSATIONS_MAX:
            self._conversations.popitem(last=False)
        return known

    async def _before(self, stream: str, first_seq: int) -> list[Record]:
        """The records that the state depends on: the thread's first, and those of its turn and its queue."""
        if first_seq == 1:
            return []
        found: list[Record] = []
        async for record in records_back(self._store, stream, before=first_seq):
            found.append(record)
            if record.type == e.TurnStarted.type:
                break
        found.reverse()
        first = await self._store.read(stream, after=0, limit=1)
        return found if found and found[0].seq == 1 else [*first, *found]

    async def _deliver(self, items: Sequence[Item]) -> None:
        """Send items until the collector has taken or refused them."""
        async with self._sending:
            totals = self._totals
            measured = [item for item in items if isinstance(item, Measurement)]
            if measured:
                totals = added_up({} if self._delta else totals, measured)
            request = await trio.to_thread.run_sync(partial(self._request, items, totals))
            attempts = 0
            while True:
                try:
                    rejected, reason = await self._send(request)
                except NotTaken as error:
                    attempts += 1
                    self._note(str(error))
                    gives_up = error.may_be_poison and attempts >= POISON_ATTEMPTS_MAX
                    if error.refused or gives_up:
                        self._drop(len(items), str(error))
                        break
                    await trio.sleep(_pause(attempts, error.after_s))
                else:
                    self._note(None)
                    self.sent += max(len(items) - rejected, 0)
                    if rejected:
                        self._drop(min(rejected, len(items)), reason)
                    break
            if measured:
                self._totals = {} if self._delta else totals
                self._totals_ms = time.time_ns() // 1_000_000 if self._delta else self._totals_ms

    def _request(self, items: Sequence[Item], totals: Totals) -> Message:
        encoder = self._encoder
        match self._destination.signal:
            case "logs":
                return encoder.logs([item for item in items if isinstance(item, LogEvent)])
            case "traces":
                return encoder.traces([item for item in items if isinstance(item, Span)])
            case "metrics":
                now_ms = time.time_ns() // 1_000_000
                return encoder.metrics(totals, self._totals_ms, now_ms, delta=self._delta)

    async def _send(self, request: Message) -> tuple[int, str]:
        if self._sender is None:
            self._sender = await self._open_sender(self._destination)
        return await self._sender.send(request)

    def _note(self, problem: str | None) -> None:
        """Log once that a collector does not take anything, and once that it does again."""
        signal = self._destination.signal
        if problem is not None and self.problem is None:
            log.warning(
                "telemetry: %s are not sent, and stay in the logs of threads: %s",
                signal,
                problem,
            )
        if problem is None and self.problem is not None:
            log.info("telemetry: %s are sent again", signal)
        self.problem = problem
        if problem is not None:
            self._failed.set()
            self._failed = trio.Event()

    def _drop(self, count: int, reason: str) -> None:
        self.dropped += count
        self.problem = None  # The next request may well be taken.
        signal = self._destination.signal
        log.warning("telemetry: %d of %s were refused, and are lost: %s", count, signal, reason)


def _pause(attempts: int, asked_s: float | None) -> float:
    pause = min(FIRST_PAUSE_S * 2 ** (attempts - 1), LONGEST_PAUSE_S)
    # Not all daemons of a house at once.
    return asked_s if asked_s is not None else pause * random.uniform(0.8, 1.2)  # noqa: S311


def _decoded(record: Record) -> Recorded | None:
    try:
        return decode_record(record.line)
    except InvalidEvent:
        return (
            None  # Another stream than a thread's, or a record that no reader of threads can read.
        )


def _batches(items: Sequence[Item], items_max: int) -> list[list[Item]]:
    """The items in groups that collectors take at once."""
    batches: list[list[Item]] = []
    room = 0
    for item in items:
        size = sum(len(value) for value in item.attributes.values() if isinstance(value, str))
        if not batches or size > room or len(batches[-1]) >= items_max:
            batches.append([])
            room = REQUEST_CHARACTERS_MAX
        batches[-1].append(item)
        room -= size
    return batches

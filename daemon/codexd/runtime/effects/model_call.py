"""One attempt of one request to the model: its output goes to drafts, and as reports to the thread."""

from __future__ import annotations

import logging
from itertools import groupby, takewhile
from typing import assert_never

import msgspec
import trio
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.decide.compaction import TOO_LONG
from codexd.core.events.events import ToolCallRef
from codexd.core.state.due import CallModel
from codexd.core.state.window import json_bytes
from codexd.core.values.exchange import Exchange
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import TurnError
from codexd.core.values.limits import Traits
from codexd.core.values.model_output import (
    ItemStarted,
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ReasoningDelta,
    ResponseStarted,
    TextDelta,
)
from codexd.core.values.request_size import RequestSize
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import BadCall, ToolAction
from codexd.core.values.truncate import tokens_of
from codexd.models.client import ModelError, ModelRequest, RetryBudget
from codexd.models.exchange.notes import ExchangeNotes
from codexd.projections.clients.deltas import TextPart
from codexd.projections.model.images import images_in, newest_images, print_of
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.summary_request import asked, compacts, question, shorter
from codexd.tools.registry import CallContext
from codexd_eventstore.store import Refused

log = logging.getLogger(__name__)

# The wait before the first retry, doubled each time: Codex's figures, so providers see no change.
BACKOFF_FIRST_MS = 200
# No wait is longer, or a person would rather know than wait.
BACKOFF_MS_MAX = 30_000
# The model's answer to a call that it makes while it is asked for a title.
NO_TOOLS = "there are no tools here: answer with the title alone"
# Text that is looked through for secrets, kept and shown in one step of the event loop: 2 to 5 ms.
TEXT_CHARACTERS_MAX = 64 * 1024
# Items in one append: a largest item takes some 20 ms to be encoded, sealed and published.
APPEND_BYTES_MAX = 512 * 1024


class ModelCalling:
    """One attempt of one request to the model."""

    def __init__(self, effect: CallModel, thread: ThreadActor) -> None:
        self._effect, self._thread = effect, thread
        self._started = trio.current_time()
        self._answer = ResponseStarted(None, {})
        self._item_started: dict[ItemId, int] = {}
        self._seen: list[c.ModelDone] = []
        self._seen_bytes = 0
        self._notes: ExchangeNotes | None = None

    async def run(self) -> None:
        """Send it and follow the answer; reports how it ended."""
        budget = RetryBudget()
        if not self._is_due:
            return
        try:
            client = self._thread.world.client(self._settings.provider, self._turn_id)
            if self._makes_title:
                client = self._thread.world.titles.among(client)
            budget = client.budget
            await self._thread.restore()
            problem = await self._thread.world.tools_ready()
            if problem is not None:
                raise ModelError(problem, info="other")
            if not self._is_due:
                return
            self._notes = self._new_notes()
            traits = self._thread.world.traits(self._settings.model)
            request = await self._with_images(self._request(traits), traits)
            if not self._is_due:
                return
            async with client.stream(request) as stream:
                while batch := await stream.receive():
                    await self._take(batch)
        except ModelError as error:
            await self._report_failure(error, budget)
        except Refused as refused:
            # Most likely it is too large with what follows from it, though it was not by itself.
            log.warning(
                "thread %s: an answer was not recorded: %s", self._thread.thread_id, refused
            )
            await self._report_failure(_not_recorded(refused), budget)
        except Exception:
            # An effect is one of the places where any exception becomes a record.
            log.exception("thread %s: a model call crashed", self._thread.thread_id)
            await self._report_failure(_CRASHED, budget)

    @property
    def _is_due(self) -> bool:
        """Whether the thread still waits for this attempt. Its cancellation comes at the next checkpoint."""
        turn = self._thread.state.turn
        call = turn.call if turn is not None else None
        waited = (call.call_id, call.attempt, call.status) if call is not None else None
        return waited == (self._effect.call_id, self._effect.attempt, "running")

    @property
    def _turn_id(self) -> str:
        turn = self._thread.state.turn
        return turn.turn_id if turn is not None else ""

    def _note_limits(self, headers: dict[str, str]) -> None:
        if headers:
            self._thread.world.limits_seen(self._settings.provider, self._turn_id, headers)

    @property
    def _settings(self) -> Settings:
        turn = self._thread.state.turn
        assert turn is not None
        return asked(turn)[0]

    @property
    def _makes_title(self) -> bool:
        return self._thread.summary.makes_title

    @property
    def _compacts(self) -> bool:
        return compacts(self._thread.state.turn)

    @property
    def _items(self) -> tuple[bytes, ...]:
        """The history as the model that is asked may have it."""
        settings = self._settings
        return self._thread.folds.history.for_whom(settings.model, settings.provider)

    def _new_notes(self) -> ExchangeNotes | None:
        thread, effect, turn = self._thread, self._effect, self._thread.state.turn
        assert turn is not None
        return thread.world.notes_of(thread.thread_id, turn, effect.call_id, effect.attempt)

    def _request(self, traits: Traits) -> ModelRequest:
        thread, turn = self._thread, self._thread.state.turn
        assert turn is not None
        settings, tuning = asked(turn)
        summarising = compacts(turn)
        items = self._items
        return ModelRequest(
            model=settings.model,
            instructions=thread.instructions,
            input=question(turn, items, thread.folds.history.compaction_keep)
            if summarising
            else items,
            tools=()
            if summarising or self._makes_title
            else thread.world.registry.offered(traits, thread.state),
            cache_key=thread.thread_id,
            reasons=traits.reasons,
            effort=tuning.effort,
            summary=tuning.summary,
            verbosity=tuning.verbosity,
            service_tier=tuning.service_tier,
            output_schema=None if summarising else turn.output_schema,
            parallel_tool_calls=traits.parallel_tool_calls,
            notes=self._notes,
        )

    async def _with_images(self, request: ModelRequest, traits: Traits) -> ModelRequest:
        """The request with the images that its items name, as far as the model and its provider take them."""
        world, settings = self._thread.world, self._settings
        items = await world.images.for_model(
            request.input,
            self._thread.folds.history.refused_by(settings.model, settings.provider),
            reads_images=traits.images,
        )
        return replace(request, input=items)

    async def _take(self, batch: list[ModelEvent]) -> None:
        """One network read: text goes to drafts at once, whole items to the log in one append."""
        if self._compacts:  # A summary is not shown while it is written.
            batch = [event for event in batch if isinstance(event, _WHOLE)]
        for part_key, run in groupby(batch, _part_key):
            if not self._is_due:
                break
            if part_key is not None:
                await self._flush()
                deltas = (event for event in run if isinstance(event, TextDelta | ReasoningDelta))
                await self._add_text(part_key, [delta.text for delta in deltas])
                continue
            for event in takewhile(lambda _: self._is_due, run):
                await self._take_one(event)
                if self._seen_bytes > APPEND_BYTES_MAX:
                    await self._flush()
        await self._flush()

    async def _add_text(self, part_key: _PartKey, pieces: list[str]) -> None:
        """Text into its draft, as long as the thread waits for it; what is long, in steps."""
        steps = _steps_of(pieces)
        self._thread.streaming.add_text(*part_key, steps[0])
        for step in steps[1:]:
            await trio.lowlevel.checkpoint()
            if not self._is_due:
                return
            self._thread.streaming.add_text(*part_key, step)

    async def _take_one(self, event: ModelEvent) -> None:
        match event:
            case ResponseStarted():
                self._answer = event
                self._note_limits(event.rate_limits)
            case ItemStarted():
                await self._flush()
                at_ms = self._thread.now_us // 1000
                self._item_started[event.item_id] = at_ms
                self._thread.streaming.open_item(event.item_id, event.kind, at_ms)
            case ModelItemDone():
                self._seen.append(await self._finished(event))
                self._seen_bytes += len(bytes(event.item))
            case ModelResponseDone():
                self._seen.append(self._ended(event))
            case TextDelta() | ReasoningDelta():
                raise AssertionError("text is taken in runs")
            case _:
                assert_never(event)

    async def _flush(self) -> None:
        if not self._seen:
            return
        seen, self._seen, self._seen_bytes = tuple(self._seen), [], 0
        await self._thread.report(
            c.ReportModel(call_id=self._effect.call_id, attempt=self._effect.attempt, seen=seen)
        )

    async def _finished(self, event: ModelItemDone) -> c.ModelDone:
        done = replace(event, started_ms=self._item_started.pop(event.item_id, None))
        if event.call is None or self._compacts:
            return done
        made, thread = event.call, self._thread
        if self._makes_title:
            own = CallId(thread.world.new_id())
            ref = ToolCallRef(own, made.name, made.custom, made.call_id)
            return c.ToolCallDone(done, ref, BadCall(reason=NO_TOOLS))
        # The model may give two calls one id, or a message's: questions, decisions, runs and items
        # use our own ids.
        own = CallId(thread.world.new_id())
        settings, registry = self._settings, thread.world.registry
        context = CallContext(
            settings.cwd, thread.thread_id, own, features_off=settings.features_off
        )
        declared = thread.state.dynamic_tools
        action = registry.read_call(made.name, made.arguments, context, made.namespace, declared)
        if settings.has_environment:  # Else it is refused, and no file is looked at for it.
            action = await registry.prepare(action, self._earlier_actions)
        return c.ToolCallDone(done, ToolCallRef(own, made.name, made.custom, made.call_id), action)

    @property
    def _earlier_actions(self) -> list[ToolAction]:
        """The actions of the turn's open calls, and of those that are about to be reported."""
        turn = self._thread.state.turn
        open_calls = [] if turn is None else [call.action for call in turn.open_calls]
        about = [seen.action for seen in self._seen if isinstance(seen, c.ToolCallDone)]
        return [action for action in (*open_calls, *about) if action is not None]

    def _ended(self, event: ModelResponseDone) -> ModelResponseDone:
        return replace(
            event,
            duration_ms=round((trio.current_time() - self._started) * 1000),
            request_id=self._answer.request_id,
            rate_limits=self._answer.rate_limits,
            exchange=self._exchange,
        )

    @property
    def _exchange(self) -> Exchange | None:
        return self._notes.facts() if self._notes is not None else None

    async def _report_failure(self, error: ModelError, budget: RetryBudget) -> None:
        thread = self._thread
        turn = thread.state.turn
        call = turn.call if turn is not None else None
        if turn is None or call is None:
            return
        self._note_limits(error.rate_limits)
        at_request = error.at == "request"
        too_long = error.info == TOO_LONG
        failures = call.request_failures if at_request else call.stream_failures
        after_ms = error.after_ms
        if after_ms is None:
            wait_ms = BACKOFF_FIRST_MS * 2**failures * thread.world.jitter()
            after_ms = min(int(wait_ms), BACKOFF_MS_MAX)
        await thread.report(
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
                shorter=shorter(turn, self._items) if too_long and call.compacts else None,
                size=self._size() if too_long else None,
                images=self._images_refused(error),
                asked=(self._settings.model, self._settings.provider),
                exchange=self._exchange,
            )
        )

    def _size(self) -> RequestSize | None:
        """The size of the request's parts, while its items are in memory."""
        if self._thread.folds.history.evicted:
            return None
        request = self._request(self._thread.world.traits(self._settings.model))
        return RequestSize(
            tokens_of(len(request.instructions.encode())),
            tokens_of(sum(map(len, request.tools))),
            tokens_of(sum(json_bytes(msgspec.Raw(item)) for item in request.input)),
        )

    def _images_refused(self, error: ModelError) -> tuple[str, ...]:
        """The images to leave out where the request failed for its images, and all where that did not help.

        First the newest, which no request has had; of too many, the older ones, which the model has seen.
        """
        if not error.about_images or self._thread.folds.history.evicted:
            return ()
        settings, items = self._settings, self._items
        if not self._thread.world.traits(settings.model).images:
            return ()
        known = self._thread.folds.history.refused_by(settings.model, settings.provider)
        newest = () if self._compacts else newest_images(items)  # a summary needs no pictures
        every = images_in(items)
        first = (
            [image for image in every if image not in newest] if error.too_many_images else newest
        )
        for images in (first, every):
            found = dict.fromkeys(print_of(image) for image in images)
            refused = tuple([image for image in found if image not in known])
            if refused:
                return refused
        return ()


_CRASHED = ModelError(
    "the daemon failed while it followed the model's answer; its log says where",
    info="internalServerError",
    at="stream",
    retry=False,
)


def _not_recorded(refused: Refused) -> ModelError:
    return ModelError(
        f"the model's answer cannot be recorded, and is not kept: {refused}",
        info="other",
        at="stream",
        retry=False,
    )


# The events of a stream that are used where its deltas are not shown.
_WHOLE = (ResponseStarted, ModelItemDone, ModelResponseDone)
_PartKey = tuple[ItemId, TextPart, int]


def _part_key(event: ModelEvent) -> _PartKey | None:
    """The text that a delta continues; None for other events."""
    match event:
        case TextDelta():
            return event.item_id, "text", 0
        case ReasoningDelta():
            return event.item_id, event.part, event.index
        case _:
            return None


def _steps_of(pieces: list[str]) -> list[list[str]]:
    """The pieces in groups for one step of the event loop; a longer piece is cut."""
    if sum(map(len, pieces)) <= TEXT_CHARACTERS_MAX:
        return [pieces]
    steps: list[list[str]] = []
    room = 0
    for piece in pieces:
        for at in range(0, len(piece), TEXT_CHARACTERS_MAX):
            part = piece[at : at + TEXT_CHARACTERS_MAX]
            if len(part) > room:
                steps.append([])
                room = TEXT_CHARACTERS_MAX
            steps[-1].append(part)
            room -= len(part)
    return steps

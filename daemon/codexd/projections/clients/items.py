"""Events -> items on a screen: which items begin and which are complete, with each event.

The only place that turns events into `ThreadItem`s, for live notifications and for replays alike, so that
both show the same. It holds only open items.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import copy

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.prompts.review_results import answer_item
from codexd.core.state.processes import OpenProcess
from codexd.core.values.ids import CallId, ItemId, ProcessId, TurnId
from codexd.core.values.images import as_shown, names_of
from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    ContextCompaction,
    EnteredReviewMode,
    ExitedReviewMode,
    ThreadItem,
    UserInput,
    UserMessage,
)
from codexd.core.values.provider_items import (
    NO_MESSAGE,
    NO_REASONING,
    CallItem,
    MessageItem,
    ReasoningItem,
    WebSearchItem,
    read_item,
)
from codexd.core.values.tool_actions import (
    PersonCommand,
    ReachHost,
    SessionCall,
    ToolAction,
    ToolResult,
    UpdatePlan,
    WriteStdin,
)
from codexd.projections.clients.model_items import messages_of, reasoning_of
from codexd.projections.clients.searches import cut_search, web_search
from codexd.projections.clients.tool_items import OpenTool, ToolItem, begun, ended


class ItemStarted(msgspec.Struct, frozen=True, gc=False):
    """An item appears."""

    item: ThreadItem


class ItemDone(msgspec.Struct, frozen=True, gc=False):
    """An item is complete. A client that did not get its start gets that first."""

    item: ThreadItem
    begun: bool = False  # whether a `ItemStarted` for it came out of this fold before
    turn_id: TurnId | None = None  # of an item that was left open; None: the running turn


class ItemLeft(msgspec.Struct, frozen=True, gc=False):
    """The item's process is the thread's, and not a call's: it stays open, beyond its turn too."""

    item: ThreadItem


class Typed(msgspec.Struct, frozen=True, gc=False):
    """A model or a person wrote to a session; a model that writes nothing looked at its output."""

    of: SessionCall
    session: str
    chars: str


ItemChange = ItemStarted | ItemDone | ItemLeft | Typed


class ItemProjection:
    """The fold over one thread, or over one turn of it: only the items of processes cross a turn's border."""

    def __init__(self) -> None:
        self._queued: dict[ItemId, e.InputQueued] = {}
        self._steered: list[tuple[e.TurnSteered, int]] = []  # the model has yet to see it; and when
        self._tools: dict[CallId, OpenTool] = {}  # those without an answer
        # Those whose process goes on, and their turns.
        self._left: dict[ProcessId, tuple[OpenTool, TurnId]] = {}
        self._turn_id, self._plans = TurnId(""), False  # of the running turn; it is in plan mode
        # The compaction under way. Where it comes to nothing its end says so: no screen may show the history as
        # shortened.
        self.compaction: ContextCompaction | None = None

    def start_at(self, queue: Iterable[e.InputQueued], processes: Iterable[OpenProcess]) -> None:
        self._queued = {queued.item_id: queued for queued in queue}
        for process in processes:
            call = process.call
            if call.action is not None and process.turn_id is not None:
                tool = begun(OpenTool(call.call_id, call.name), call.action, call.spawned_ms or 0)
                self._left[process.process] = tool, process.turn_id

    def copy(self) -> ItemProjection:
        """A copy that does not change when this object does."""
        copied = copy(self)
        copied._queued, copied._tools = dict(self._queued), dict(self._tools)
        copied._left = dict(self._left)
        copied._steered = list(self._steered)
        return copied

    @property
    def open_tools(self) -> list[ToolItem]:
        """The tool calls that have begun, and have no answer yet."""
        return [tool.item for tool in self._tools.values() if tool.item is not None]

    @property
    def left_open(self) -> list[ToolItem]:
        """The items whose process goes on after its call's answer."""
        return [tool.item for tool, _ in self._left.values() if tool.item is not None]

    def apply(self, recorded: Recorded) -> list[ItemChange]:
        event, at_ms = recorded.event, recorded.at_ms
        match event:  # The events of every turn come first, since each case is a check.
            case e.ItemCompleted():
                return self._item(event, at_ms)
            case e.ModelCallEnded():
                pass
            case e.InputQueued():
                self._queued[event.item_id] = event
            case e.TurnStarted():
                self._turn_id, self._plans = event.turn_id, event.settings.plans
                return self._inputs(event, at_ms)
            case e.InputWithdrawn():
                self._queued.pop(event.item_id, None)
            case e.TurnSteered():
                self._steered.append((event, at_ms))
            case e.CompactionStarted():
                self.compaction = ContextCompaction(id=event.item_id, started_at_ms=at_ms)
                return [ItemStarted(self.compaction)]
            case e.ModelCallStarted():  # A request for a summary does not contain steered input.
                return self._taken_in() if event.purpose != "compact" else []
            case e.CompactionFailed():
                return self._not_compacted(event, at_ms)
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                return [*self._not_compacted(event, at_ms), *self._taken_in()]
            case e.ItemCut():
                return _cut(event, at_ms, plans=self._plans)
            case e.HistoryCompacted():
                return [self._compacted(event, at_ms)]
            case e.ReviewEntered() | e.ReviewExited():
                return _mark(event, at_ms)
            case e.ThreadForked():
                self._queued.clear()
                return self.lose(at_ms)
            case e.ThreadTakenIn():
                return self.lose(at_ms)
            case _:
                return self._of_tools(recorded)
        return []

    def _of_tools(self, recorded: Recorded) -> list[ItemChange]:
        event, at_ms = recorded.event, recorded.at_ms
        match event:
            case e.ToolStarted(action=PersonCommand()) if event.again is not None:
                return []  # It has begun before, maybe in a turn before these records.
            case e.ApprovalRequested() | e.ToolStarted():
                return self._begun(event.call_id, event.action, at_ms)
            case e.ToolSpawned():
                self._spawned(event)
            case e.PlanChanged():
                return self._begun(event.call_id, UpdatePlan(event.plan, event.explanation), at_ms)
            case e.ToolEnded():
                return self._ended(event, at_ms, recorded.seq)
            case e.ProcessEnded():
                return self._process_ended(event, at_ms, recorded.seq)
            case e.StdinWritten():
                return [Typed(event.of, event.process, event.chars)]
        return []

    def images_shown_by(self, event: e.Event | e.Unknown) -> list[str]:
        """The images that the event is about to show, as they are named."""
        match event:
            case e.TurnStarted():
                queued = [self._queued[i].content for i in event.inputs if i in self._queued]
                return [name for content in queued for name in names_of(content)]
            case e.ModelCallStarted() | e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                return [name for said, _ in self._steered for name in names_of(said.content)]
            case _:
                return []

    def _compacted(self, event: e.HistoryCompacted, at_ms: int) -> ItemChange:
        begun, self.compaction = self.compaction, None
        if begun is not None and begun.id == event.item_id:
            return ItemDone(replace(begun, completed_at_ms=at_ms), begun=True)
        return ItemDone(
            ContextCompaction(id=event.item_id, started_at_ms=at_ms, completed_at_ms=at_ms)
        )

    def _not_compacted(self, event: e.Event, at_ms: int) -> list[ItemChange]:
        """The end of a compaction that has changed nothing."""
        begun, self.compaction = self.compaction, None
        if begun is None:
            return []
        done = replace(begun, completed_at_ms=at_ms)
        if isinstance(event, e.CompactionFailed):
            done = replace(done, status="failed")
        elif not isinstance(event, e.TurnCompleted):  # Else there was nothing to compact.
            done = replace(done, status="interrupted")
        return [ItemDone(done, begun=True)]

    def _inputs(self, event: e.TurnStarted, at_ms: int) -> list[ItemChange]:
        shown: list[ItemChange] = []
        for item_id in event.inputs:
            queued = self._queued.pop(item_id, None)
            if queued is not None:
                shown += _said(item_id, queued.client_id, queued.content, at_ms)
        return shown

    def _taken_in(self) -> list[ItemChange]:
        """Input that was steered while the model answered: shown where the model gets it."""
        shown: list[ItemChange] = []
        for event, at_ms in self._steered:
            shown += _said(event.item_id, event.client_id, event.content, at_ms)
        self._steered.clear()
        return shown

    def _item(self, event: e.ItemCompleted, at_ms: int) -> list[ItemChange]:
        item = read_item(event.item)
        if event.kind == "message":
            message = item if isinstance(item, MessageItem) else NO_MESSAGE
            shown = messages_of(event, at_ms, message.text, message.phase, plans=self._plans)
            return [ItemDone(each) for each in shown]
        if event.kind == "reasoning":
            thought = item if isinstance(item, ReasoningItem) else NO_REASONING
            return [
                ItemDone(reasoning_of(event, at_ms, thought.summary_texts, thought.content_texts))
            ]
        if isinstance(item, WebSearchItem):
            return [ItemDone(web_search(event, item, at_ms))]
        if event.call is not None:
            call_id = event.call.call_id
            given = item.given if isinstance(item, CallItem) else ""
            self._tools[call_id] = OpenTool(call_id, event.call.name, given)
        return []

    def _begun(self, call_id: CallId, action: ToolAction, at_ms: int) -> list[ItemChange]:
        if isinstance(action, PersonCommand):
            return self._begun_by_person(call_id, action, at_ms)
        tool = self._tools.get(call_id) or OpenTool(call_id)
        # A question about a host is one of a call that has begun.
        if tool.item is not None or isinstance(action, ReachHost):
            return []
        tool = self._tools[call_id] = begun(tool, action, at_ms)
        return [] if tool.item is None else [ItemStarted(tool.item)]

    def _begun_by_person(
        self, call_id: CallId, action: PersonCommand, at_ms: int
    ) -> list[ItemChange]:
        """It is a process from its start."""
        if ProcessId(call_id) in self._left:
            return []
        tool = begun(OpenTool(call_id), action, at_ms)
        self._left[ProcessId(call_id)] = tool, self._turn_id
        return [] if tool.item is None else [ItemStarted(tool.item), ItemLeft(tool.item)]

    def _spawned(self, event: e.ToolSpawned) -> None:
        tool = self._tools.get(event.call_id)
        if tool is not None and isinstance(tool.item, CommandExecution):
            started_ms = tool.item.started_at_ms if event.at_ms is None else event.at_ms
            process_id = tool.item.process_id or str(event.pid)
            item = replace(tool.item, process_id=process_id, started_at_ms=started_ms)
            self._tools[event.call_id] = replace(tool, item=item)

    def _ended(self, event: e.ToolEnded, at_ms: int, seq: int) -> list[ItemChange]:
        tool = self._tools.pop(event.call_id, None) or OpenTool(event.call_id)
        if event.process is not None:
            self._left[event.process] = tool, self._turn_id
            return [] if tool.item is None else [ItemLeft(tool.item)]
        action = tool.action
        if isinstance(action, WriteStdin) and action.of is not None:
            written = event.result.status == "completed"
            return [Typed(action.of, action.session, action.chars)] if written else []
        item = _whole(tool, event.result, at_ms, seq)
        return [] if item is None else [ItemDone(item, begun=tool.item is not None)]

    def _process_ended(self, event: e.ProcessEnded, at_ms: int, seq: int) -> list[ItemChange]:
        left = self._left.pop(event.process, None)
        if left is not None:
            return _left_ended(*left, event.result, at_ms, seq)
        if event.of is None or event.action is None:
            return []
        tool = begun(OpenTool(event.of.call_id), event.action, event.started_ms or at_ms)
        return _left_ended(tool, event.of.turn_id, event.result, at_ms, seq)

    def lose(self, at_ms: int, among: Collection[ItemId] | None = None) -> list[ItemChange]:
        """The records before are those of another thread, whose processes are not this thread's: of these items, or of
        all, they have ended.
        """
        lost = {
            process: left
            for process, left in self._left.items()
            if among is None or ItemId(left[0].call_id) in among
        }
        for process in lost:
            del self._left[process]
        gone = ToolResult("aborted", "")
        return [change for left in lost.values() for change in _left_ended(*left, gone, at_ms, 0)]


def _whole(tool: OpenTool, result: ToolResult, at_ms: int, seq: int) -> ThreadItem | None:
    """The item of a call that is over; the event at `seq` says so."""
    item = ended(tool, result, at_ms)
    if isinstance(item, CommandExecution) and result.blob is not None:
        return replace(item, output_seq=seq)
    return item


def _left_ended(
    tool: OpenTool, turn_id: TurnId, result: ToolResult, at_ms: int, seq: int
) -> list[ItemChange]:
    """The item of a process that has ended. Its start is in the log before, so whoever gets this has got that."""
    item = _whole(tool, result, at_ms, seq)
    return [] if item is None else [ItemDone(item, begun=True, turn_id=turn_id)]


def _mark(event: e.ReviewEntered | e.ReviewExited, at_ms: int) -> list[ItemChange]:
    """The item that marks a review's begin or end; at the end also the agent message with the result."""
    item_id, review = event.item_id, event.review
    if isinstance(event, e.ReviewEntered):
        return [
            ItemDone(
                EnteredReviewMode(
                    id=item_id, review=review, started_at_ms=at_ms, completed_at_ms=at_ms
                )
            )
        ]
    output = msgspec.UNSET if event.output is None else event.output
    exited = ExitedReviewMode(
        id=item_id, review=review, output=output, started_at_ms=at_ms, completed_at_ms=at_ms
    )
    if event.told is None:
        return [ItemDone(exited)]
    answer = AgentMessage(
        id=answer_item(item_id), text=review, started_at_ms=at_ms, completed_at_ms=at_ms
    )
    return [ItemDone(exited), ItemDone(answer)]


def _said(
    item_id: ItemId, client_id: str | None, content: tuple[UserInput, ...], at_ms: int
) -> list[ItemChange]:
    shown = tuple([as_shown(part) for part in content])
    item = UserMessage(id=item_id, client_id=client_id, content=shown, started_at_ms=at_ms)
    return [ItemStarted(item), ItemDone(replace(item, completed_at_ms=at_ms), begun=True)]


def _cut(event: e.ItemCut, at_ms: int, *, plans: bool) -> list[ItemChange]:
    if event.kind == "message":
        shown = messages_of(event, at_ms, event.text, "partial_answer", plans=plans)
        return [ItemDone(item) for item in shown]
    if event.kind == "reasoning":
        return [ItemDone(reasoning_of(event, at_ms, event.summary, event.content))]
    # Of the other items only a search is shown while it streams.
    return [ItemDone(cut_search(event, at_ms))]

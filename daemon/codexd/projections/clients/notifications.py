"""One event -> a few notifications.

The fold holds what is open in the running turn, and nothing stays open across turns: so a replay that
starts at a turn's first event gives the same notifications as the live run.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import msgspec

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.policy.action_kinds import request_for
from codexd.core.state.state import ThreadState
from codexd.core.values.goals import Goal
from codexd.core.values.ids import ApprovalId, ItemId, ThreadId, TurnId
from codexd.core.values.items import AgentMessage, FileChange, FileUpdate, ThreadItem, TurnError
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ToolAction
from codexd.projections.clients.beside_turns import BesideTurns
from codexd.projections.clients.deltas import (
    Outgoing,
    ServerNotification,
    Texts,
    item_started,
    terminal_interaction,
)
from codexd.projections.clients.goals import goal_updated, told_of_goal
from codexd.projections.clients.items import (
    ItemChange,
    ItemLeft,
    ItemProjection,
    ItemStarted,
    Typed,
)
from codexd.projections.clients.patch_diffs import git_diff, with_changes
from codexd.projections.clients.wire_settings import active, thread_settings
from codexd.projections.usage.rate_limits import read_limits
from codexd.projections.usage.totals import Usage
from codexd.protocol import notifications as n
from codexd.protocol.account import AccountRateLimitsUpdatedNotification
from codexd.protocol.clients import DecidedBy
from codexd.protocol.threads import Active, Idle, InError, NotLoaded, ThreadStatus
from codexd.protocol.turns import Turn, TurnStatus
from codexd.protocol.usage import ThreadTokenUsage, TokenUsageBreakdown

# The warning for prompts that still waited when a thread is archived.
WITHDRAWN = "{} that waited for a turn will not run: the thread was archived."
# The warning to followers: nothing that they show has changed.
COMPACTION_UNDONE = "a compaction was undone: the model's history has the items before it again"


class ApprovalAsked(msgspec.Struct, frozen=True, gc=False):
    """All followers are asked for approval."""

    approval_id: ApprovalId
    item_id: ItemId
    turn_id: TurnId
    action: ToolAction  # as the log has it, or as it would run
    reason: str  # the daemon's own
    asked_hash: str | None  # of the action, as it was recorded
    at_ms: int
    hidden: bool = False  # the log has a placeholder for a secret
    asked_in: ThreadId | None = None  # the thread that waits, where that is a reviewer's
    proposed_rule: tuple[str, ...] | None = None  # the beginning of commands that may be allowed


class ApprovalResolved(msgspec.Struct, frozen=True, gc=False):
    """The question needs no answer any more."""

    approval_id: ApprovalId
    decided: DecidedBy | None = None  # None: nobody decided, the turn ended


ServerMessage = ServerNotification | ApprovalAsked | ApprovalResolved


class ClientProjection:
    """The fold of one thread."""

    def __init__(self, thread_id: ThreadId, usage: Usage | None) -> None:
        """`usage` is the thread's usage before the first event; None: no notifications of usage."""
        self._thread_id, self._usage = thread_id, usage
        self._screen = ItemProjection()
        self.texts = Texts(thread_id, TurnId(""))
        self.asks: dict[ApprovalId, ApprovalAsked] = {}
        self.turn_id: TurnId = TurnId("")
        self._turn_started_ms = 0
        self._settings: Settings | None = None
        self._last_message: AgentMessage | None = None
        self._changed: Sequence[FileUpdate] = ()  # by the patches of the turn
        self._plan: n.TurnPlanUpdatedNotification | None = None  # of the turn
        self.review: e.ReviewEntered | None = None  # that runs
        self._beside = BesideTurns(thread_id)
        self._goal: Goal | None = None

    def apply(self, recorded: Recorded) -> list[ServerMessage]:
        """The notifications of an event. The ends of items come first, the starts last."""
        event, at_ms = recorded.event, recorded.at_ms
        messages: list[ServerMessage] = [*self._beside.apply(event, busy=bool(self.turn_id))]
        match event:
            case e.TurnStarted():
                messages += self._turn_started(event, at_ms)
            case e.ApprovalRequested():
                asked = [*(asks.action for asks in self.asks.values()), event.action]
                messages.append(self._status(active(asked)))
            case _:
                pass
        for shown in self._screen.apply(recorded):
            messages += self._shown(shown)
        self._goal, told = told_of_goal(self._thread_id, self.turn_id, self._goal, event)
        messages += told
        if isinstance(event, e.ReviewEntered):
            self.review = event
        elif isinstance(event, e.ReviewExited):
            self.review = self._last_message = (
                None  # The last message was the reviewer's, not this thread's.
            )
        if self._usage is not None:
            used, self._usage = self._usage, self._usage.after(event)
            if self._usage.last is not used.last:
                messages.append(self.token_usage())
        match event:
            case e.ModelCallEnded() | e.ModelCallFailed():
                messages += self._call_ended(event, recorded.at_ms)
            case e.ApprovalRequested():
                messages += self._approval_requested(event, at_ms)
            case e.ApprovalDecided():
                messages += self._approval_decided(event, recorded.by)
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                messages += self._turn_ended(event, at_ms)
            case _:
                messages += self._of_thread(event)
        return messages

    def _of_thread(self, event: e.Event | e.Unknown) -> list[ServerMessage]:
        thread_id = self._thread_id
        match event:
            case e.ThreadStarted():
                self._settings = event.settings
            case e.SettingsChanged():
                return self._settings_changed(event)
            case e.PlanChanged():
                return self._planned(event)
            case e.ThreadRenamed():
                renamed = n.ThreadNameUpdatedNotification(
                    thread_id=thread_id, thread_name=event.name
                )
                return [Outgoing("thread/name/updated", renamed, to_all=True)]
            case e.HistoryCompacted():
                return self._compacted(event)
            case e.HistoryReverted():
                return self._reverted(event.turns, event.before_turn)
            case e.HistoryRevertUndone():
                return self._reverted(event.turns, None)
            case e.HistoryCompactionUndone():
                return [Outgoing("warning", n.WarningNotification(COMPACTION_UNDONE, thread_id))]
            case e.ThreadArchived():
                return self._archived()
            case e.ThreadUnarchived():
                back = n.ThreadUnarchivedNotification(thread_id=thread_id)
                return [Outgoing("thread/unarchived", back, to_all=True)]
            case e.ThreadWarned():
                return [Outgoing("warning", n.WarningNotification(event.message, thread_id))]
            case _:
                pass
        return []

    def _planned(self, event: e.PlanChanged) -> list[ServerMessage]:
        self._plan = n.TurnPlanUpdatedNotification(
            thread_id=self._thread_id,
            turn_id=self.turn_id,
            explanation=event.explanation,
            plan=event.plan,
        )
        return [Outgoing("turn/plan/updated", self._plan)]

    def _archived(self) -> list[ServerMessage]:
        gone = n.ThreadArchivedNotification(thread_id=self._thread_id)
        messages: list[ServerMessage] = []
        withdrawn = len(self._beside.withdrawn)
        if withdrawn:
            words = WITHDRAWN.format("A prompt" if withdrawn == 1 else f"{withdrawn} prompts")
            messages.append(Outgoing("warning", n.WarningNotification(words, self._thread_id)))
        return [
            *messages,
            self._status(NotLoaded()),
            Outgoing("thread/archived", gone, to_all=True),
        ]

    def _compacted(self, event: e.HistoryCompacted) -> list[ServerMessage]:
        params = n.ContextCompactedNotification(thread_id=self._thread_id, turn_id=self.turn_id)
        often = f"{event.window} times" if event.window > 1 else "once"
        warning = (
            f"The conversation has been compacted {often} by now. Each time the model keeps less of it, and "
            "answers become less exact: for another task, start a new thread."
        )
        return [
            Outgoing("thread/compacted", params),
            Outgoing("warning", n.WarningNotification(warning, self._thread_id)),
        ]

    def _reverted(self, turns: int, before: TurnId | None) -> list[ServerMessage]:
        params = n.ThreadRevertedNotification(
            thread_id=self._thread_id, turns=turns, before_turn_id=before
        )
        # An earlier failure is no longer the thread's status.
        return [Outgoing("thread/reverted", params), self._status(Idle())]

    def open_items(self) -> list[ServerMessage]:
        """The running turn for a new follower: its plan, its diff, and the starts of the open items."""
        compaction = self._screen.compaction
        items: list[ThreadItem] = [*self._screen.open_tools]
        if compaction is not None:
            items.append(compaction)
        so_far: list[ServerMessage] = [self._diff()] if self._changed else []
        if self._goal is not None:
            so_far.append(goal_updated(self._thread_id, self.turn_id, self._goal))
        if self._plan is not None:
            so_far.append(Outgoing("turn/plan/updated", self._plan))
        items += self._screen.left_open
        return so_far + [
            item_started(item, self._thread_id, self.texts.turn_of(item.id)) for item in items
        ]

    def images_shown_by(self, event: e.Event | e.Unknown) -> list[str]:
        """The images that the event is about to show, as they are named."""
        return self._screen.images_shown_by(event)

    def start_at(self, state: ThreadState, turn_so_far: Sequence[Recorded]) -> None:
        """Set the projection to a loaded thread's state, without notifications."""
        self._settings = state.settings
        self._screen.start_at(state.queue, state.processes)
        for process in state.processes:
            if process.turn_id is not None:
                self.texts.leave_open(ItemId(process.call.call_id), process.turn_id)
        usage, self._usage = self._usage, None  # What was used is counted already.
        for recorded in turn_so_far:
            self.apply(recorded)
        self._usage, self._goal = usage, state.goal
        self._beside.start_at(state)

    def copy(self) -> ClientProjection:
        """A copy that does not change when this object does."""
        copied = copy(self)
        copied._screen, copied.texts = self._screen.copy(), self.texts.copy()
        copied._beside = self._beside.copy()
        copied.asks = dict(self.asks)
        return copied

    def _shown(self, shown: ItemChange) -> list[ServerNotification]:
        if isinstance(shown, ItemStarted):
            self.texts.begun_again(shown.item.id)
            return [item_started(shown.item, self._thread_id, self.turn_id)]
        if isinstance(shown, Typed):
            return [terminal_interaction(self._thread_id, shown.of, shown.session, shown.chars)]
        if isinstance(shown, ItemLeft):
            self.texts.leave_open(shown.item.id, self.turn_id)
            return []
        if shown.turn_id is not None:
            self.texts.leave_open(shown.item.id, shown.turn_id)
        if isinstance(shown.item, AgentMessage):
            self._last_message = shown.item
        at_ms = shown.item.completed_at_ms or 0
        messages = self.texts.completed(shown.item, at_ms, begun=shown.begun)
        if isinstance(shown.item, FileChange) and shown.item.status == "completed":
            self._changed = with_changes(self._changed, shown.item.changes)
            messages.append(self._diff())
        return messages

    def _diff(self) -> Outgoing:
        cwd = "/" if self._settings is None else self._settings.cwd
        params = n.TurnDiffUpdatedNotification(
            thread_id=self._thread_id, turn_id=self.turn_id, diff=git_diff(self._changed, cwd)
        )
        return Outgoing("turn/diff/updated", params)

    def _turn_started(self, event: e.TurnStarted, at_ms: int) -> list[ServerMessage]:
        self.turn_id, self._turn_started_ms = event.turn_id, at_ms
        self._changed, self._plan = (), None
        self.texts = self.texts.next_turn(event.turn_id, plans=event.settings.plans)
        self._settings, self._last_message = event.settings, None
        turn = Turn(
            id=event.turn_id,
            root_turn_id=event.turn_id,
            status="inProgress",
            started_at=at_ms // 1000,
        )
        params = n.TurnStartedNotification(thread_id=self._thread_id, turn=turn)
        return [self._status(Active()), Outgoing("turn/started", params)]

    def _turn_ended(
        self, event: e.TurnCompleted | e.TurnInterrupted | e.TurnFailed, at_ms: int
    ) -> list[ServerMessage]:
        status: TurnStatus = "completed" if isinstance(event, e.TurnCompleted) else "interrupted"
        messages: list[ServerMessage] = [ApprovalResolved(approval_id) for approval_id in self.asks]
        self.asks.clear()
        error = None
        if isinstance(event, e.TurnFailed):
            status, error = "failed", event.error
            messages += [self._status(InError()), self._error(error, will_retry=False)]
        else:
            messages.append(self._status(Idle()))
        last = self._last_message
        turn = Turn(
            id=self.turn_id,
            root_turn_id=self.turn_id,
            items=(last,) if last is not None and status == "completed" else (),
            items_view="summary" if last is not None and status == "completed" else "notLoaded",
            status=status,
            error=error,
            started_at=self._turn_started_ms // 1000,
            completed_at=at_ms // 1000,
            duration_ms=at_ms - self._turn_started_ms,
        )
        params = n.TurnCompletedNotification(thread_id=self._thread_id, turn=turn)
        messages.append(Outgoing("turn/completed", params))
        self.turn_id, self._changed, self._plan = TurnId(""), (), None
        return messages

    def _call_ended(
        self, event: e.ModelCallEnded | e.ModelCallFailed, at_ms: int
    ) -> list[ServerMessage]:
        messages: list[ServerMessage] = []
        for limits in read_limits(event.rate_limits or {}, at_ms):
            params = AccountRateLimitsUpdatedNotification(limits)
            messages.append(Outgoing("account/rateLimits/updated", params, to_all=True))
        if isinstance(event, e.ModelCallFailed) and event.will_retry:
            messages.append(self._error(event.error, will_retry=True))
        return messages

    @property
    def tells_usage(self) -> bool:
        return self._usage is not None

    def token_usage(self) -> Outgoing:
        assert self._usage is not None
        used = self._usage
        params = n.ThreadTokenUsageUpdatedNotification(
            thread_id=self._thread_id, turn_id=used.turn_id, token_usage=token_usage(used)
        )
        return Outgoing("thread/tokenUsage/updated", params)

    def _approval_requested(self, event: e.ApprovalRequested, at_ms: int) -> list[ServerMessage]:
        if request_for(event.action) is None:  # Another version has asked; recovery ends the call.
            return []
        asks = self.asks[event.approval_id] = ApprovalAsked(
            event.approval_id,
            ItemId(event.call_id),
            self.turn_id,
            event.action,
            event.reason,
            event.action_hash,
            at_ms,
            proposed_rule=event.proposed_rule,
        )
        return [asks]

    def _approval_decided(self, event: e.ApprovalDecided, by: str | None) -> list[ServerMessage]:
        if self.asks.pop(event.approval_id, None) is None:
            return []
        decided = DecidedBy(event.decision, by, note=event.note)
        status = self._status(active(asks.action for asks in self.asks.values()))
        return [ApprovalResolved(event.approval_id, decided), status]

    def _settings_changed(self, event: e.SettingsChanged) -> list[ServerMessage]:
        if self._settings is None:
            return []
        self._settings = event.change.applied(self._settings)
        params = n.ThreadSettingsUpdatedNotification(
            thread_id=self._thread_id, thread_settings=thread_settings(self._settings)
        )
        return [Outgoing("thread/settings/updated", params)]

    def _status(self, status: ThreadStatus) -> Outgoing:
        params = n.ThreadStatusChangedNotification(thread_id=self._thread_id, status=status)
        return Outgoing("thread/status/changed", params, to_all=True)

    def _error(self, error: TurnError, *, will_retry: bool) -> Outgoing:
        params = n.ErrorNotification(error, will_retry, self._thread_id, self.turn_id)
        return Outgoing("error", params)


def token_usage(used: Usage) -> ThreadTokenUsage:
    """A thread's usage in wire format."""
    total, last = (
        TokenUsageBreakdown(*msgspec.structs.astuple(tokens)) for tokens in (used.total, used.last)
    )
    window = used.window
    return ThreadTokenUsage(total, last, window.limit, window.context_tokens, window.percent_left)

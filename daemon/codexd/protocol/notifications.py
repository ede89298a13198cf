"""The daemon's notifications: a struct for each, and their encoders.

Law: a notification is encoded once for all its receivers. Deltas, of which there are hundreds a
second, have all parts but their text encoded in advance.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.items import PlanStep, ThreadItem, TurnError
from codexd.core.values.settings import ApprovalPolicy
from codexd.protocol import account, goals, mcp
from codexd.protocol.clients import (
    CLIENTS_CHANGED,
    STOPPING,
    DaemonStoppingNotification,
    DecidedBy,
    ThreadClientsChangedNotification,
)
from codexd.protocol.commands import CommandExecOutputDeltaNotification
from codexd.protocol.config import ConfigWarningNotification
from codexd.protocol.fs import FsChangedNotification
from codexd.protocol.fuzzy_search import (
    FuzzyFileSearchSessionCompletedNotification,
    FuzzyFileSearchSessionUpdatedNotification,
)
from codexd.protocol.policies import ActivePermissionProfile, SandboxPolicy
from codexd.protocol.read_state import ThreadReadStateChangedNotification
from codexd.protocol.searching import ThreadSearchPartialNotification
from codexd.protocol.threads import Environment, Thread, ThreadStatus
from codexd.protocol.transfer import IMPORT_PROGRESS, ThreadImportProgressNotification
from codexd.protocol.turns import CollaborationMode, Turn
from codexd.protocol.usage import ThreadTokenUsage
from codexd.protocol.wire.request_ids import RequestId

Raw = msgspec.Raw


class _OfThread(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    thread_id: str


class _OfTurn(_OfThread, frozen=True, kw_only=True):
    turn_id: str


class _OfItem(_OfTurn, frozen=True, kw_only=True):
    item_id: str


class ThreadStartedNotification(msgspec.Struct, frozen=True):
    """A thread was started or forked."""

    thread: Thread


class ThreadStatusChangedNotification(_OfThread, frozen=True, kw_only=True):
    """The status of a thread changed."""

    status: ThreadStatus


class ThreadClosedNotification(_OfThread, frozen=True, kw_only=True):
    """A thread was unloaded."""


class ThreadArchivedNotification(_OfThread, frozen=True, kw_only=True):
    """A thread was archived."""


class ThreadDeletedNotification(_OfThread, frozen=True, kw_only=True):
    """A thread was deleted."""


class ThreadUnarchivedNotification(_OfThread, frozen=True, kw_only=True):
    """A thread was unarchived."""


class ThreadNameUpdatedNotification(_OfThread, frozen=True, kw_only=True):
    """A thread was renamed."""

    thread_name: str | None


class ThreadRevertedNotification(_OfThread, frozen=True, kw_only=True):
    """Turns of a thread were reverted or restored: a frontend that shows them reads them again.

    Codex sends only the thread's id; with the other members a frontend need not read the turns again.
    """

    turns: int  # how many
    before_turn_id: str | None = None  # this and later turns are reverted; null: turns are restored


class ThreadSettings(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The settings of a thread, as attached clients receive them."""

    cwd: str
    environments: tuple[Environment, ...] | None = None
    approval_policy: ApprovalPolicy
    approvals_reviewer: Literal["user"] = "user"
    sandbox_policy: SandboxPolicy
    active_permission_profile: ActivePermissionProfile | None = None
    model: str
    model_provider: str
    service_tier: str | None = None
    effort: str | None = None
    summary: str | None = None
    collaboration_mode: CollaborationMode


class ThreadSettingsUpdatedNotification(_OfThread, frozen=True, kw_only=True):
    """The settings of a thread changed."""

    thread_settings: ThreadSettings


class ThreadTokenUsageUpdatedNotification(_OfTurn, frozen=True, kw_only=True):
    """A response used tokens."""

    token_usage: ThreadTokenUsage


class ThreadQueueChangedNotification(_OfThread, frozen=True, kw_only=True):
    """Input was queued, withdrawn, or used by a turn."""


class TurnStartedNotification(_OfThread, frozen=True, kw_only=True):
    """A turn started."""

    turn: Turn


class TurnCompletedNotification(_OfThread, frozen=True, kw_only=True):
    """A turn ended: completed, interrupted or failed."""

    turn: Turn


class ItemStartedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """An item started."""

    item: ThreadItem | Raw
    thread_id: str
    turn_id: str
    started_at_ms: int


class ItemCompletedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """An item is complete; its content replaces that of its deltas."""

    item: ThreadItem | Raw
    thread_id: str
    turn_id: str
    completed_at_ms: int


class AgentMessageDeltaNotification(_OfItem, frozen=True, kw_only=True):
    """More text of a message of the model."""

    delta: str


class PlanDeltaNotification(_OfItem, frozen=True, kw_only=True):
    """More of a proposed plan."""

    delta: str


class ReasoningSummaryPartAddedNotification(_OfItem, frozen=True, kw_only=True):
    """A part of a reasoning summary begins."""

    summary_index: int


class ReasoningSummaryTextDeltaNotification(_OfItem, frozen=True, kw_only=True):
    """More of a part of a reasoning summary."""

    summary_index: int
    delta: str


class ReasoningTextDeltaNotification(_OfItem, frozen=True, kw_only=True):
    """More of the reasoning itself."""

    content_index: int
    delta: str


class CommandExecutionOutputDeltaNotification(_OfItem, frozen=True, kw_only=True):
    """More output of a command."""

    delta: str


class TerminalInteractionNotification(_OfItem, frozen=True, kw_only=True):
    """A model or a person wrote to a command that runs."""

    process_id: str
    stdin: str  # empty: a model looked at its output, or what was written is a secret


class ErrorNotification(msgspec.Struct, frozen=True, rename="camel"):
    """A request to the model failed."""

    error: TurnError
    will_retry: bool
    thread_id: str
    turn_id: str


class WarningNotification(msgspec.Struct, frozen=True, rename="camel"):
    """A warning for a person; without a thread, it is about the daemon."""

    message: str
    thread_id: str | None = None


class ContextCompactedNotification(_OfThread, frozen=True, kw_only=True):
    """The model's history was compacted. Newer clients use the item `contextCompaction` instead."""

    turn_id: str


class TurnDiffUpdatedNotification(_OfTurn, frozen=True, kw_only=True):
    """The patches of a turn so far."""

    diff: str  # in the form of `git diff`


class TurnPlanUpdatedNotification(_OfTurn, frozen=True, kw_only=True):
    """The model has another plan for the turn."""

    explanation: str | None = None
    plan: tuple[PlanStep, ...]


class ServerRequestResolvedNotification(_OfThread, frozen=True, kw_only=True):
    """A question was answered or withdrawn: clients remove it."""

    request_id: RequestId
    codexd: DecidedBy | msgspec.UnsetType = msgspec.UNSET  # codexd only; UNSET: nobody decided


NOTIFICATIONS: dict[str, type[msgspec.Struct]] = {
    account.LOGIN_COMPLETED: account.AccountLoginCompletedNotification,
    "account/rateLimits/updated": account.AccountRateLimitsUpdatedNotification,
    account.ACCOUNT_UPDATED: account.AccountUpdatedNotification,
    "command/exec/outputDelta": CommandExecOutputDeltaNotification,
    "configWarning": ConfigWarningNotification,
    STOPPING: DaemonStoppingNotification,
    "error": ErrorNotification,
    "fs/changed": FsChangedNotification,
    "fuzzyFileSearch/sessionCompleted": FuzzyFileSearchSessionCompletedNotification,
    "fuzzyFileSearch/sessionUpdated": FuzzyFileSearchSessionUpdatedNotification,
    "item/agentMessage/delta": AgentMessageDeltaNotification,
    "item/commandExecution/outputDelta": CommandExecutionOutputDeltaNotification,
    "item/commandExecution/terminalInteraction": TerminalInteractionNotification,
    "item/completed": ItemCompletedNotification,
    "item/mcpToolCall/progress": mcp.McpToolCallProgressNotification,
    "item/plan/delta": PlanDeltaNotification,
    "item/reasoning/summaryPartAdded": ReasoningSummaryPartAddedNotification,
    "item/reasoning/summaryTextDelta": ReasoningSummaryTextDeltaNotification,
    "item/reasoning/textDelta": ReasoningTextDeltaNotification,
    "item/started": ItemStartedNotification,
    "mcpServer/oauthLogin/completed": mcp.McpServerOauthLoginCompletedNotification,
    "mcpServer/startupStatus/updated": mcp.McpServerStatusUpdatedNotification,
    "serverRequest/resolved": ServerRequestResolvedNotification,
    "thread/archived": ThreadArchivedNotification,
    CLIENTS_CHANGED: ThreadClientsChangedNotification,
    "thread/closed": ThreadClosedNotification,
    "thread/compacted": ContextCompactedNotification,
    "thread/deleted": ThreadDeletedNotification,
    goals.GOAL_CLEARED: goals.ThreadGoalClearedNotification,
    goals.GOAL_UPDATED: goals.ThreadGoalUpdatedNotification,
    IMPORT_PROGRESS: ThreadImportProgressNotification,
    "thread/name/updated": ThreadNameUpdatedNotification,
    "thread/queue/changed": ThreadQueueChangedNotification,
    "thread/readState/changed": ThreadReadStateChangedNotification,
    "thread/reverted": ThreadRevertedNotification,
    "thread/search/partial": ThreadSearchPartialNotification,
    "thread/settings/updated": ThreadSettingsUpdatedNotification,
    "thread/started": ThreadStartedNotification,
    "thread/status/changed": ThreadStatusChangedNotification,
    "thread/tokenUsage/updated": ThreadTokenUsageUpdatedNotification,
    "thread/unarchived": ThreadUnarchivedNotification,
    "turn/completed": TurnCompletedNotification,
    "turn/diff/updated": TurnDiffUpdatedNotification,
    "turn/plan/updated": TurnPlanUpdatedNotification,
    "turn/started": TurnStartedNotification,
    "warning": WarningNotification,
}

_encoder = msgspec.json.Encoder()


def encode_notification(method: str, params: msgspec.Struct, emitted_at_ms: int) -> bytes:
    """The whole message. `method` is one of ours, so it needs no escaping."""
    return b'{"method":"%b","params":%b,"emittedAtMs":%d}' % (
        method.encode(),
        _encoder.encode(params),
        emitted_at_ms,
    )


class DeltaEncoder:
    """Encodes the deltas of one item (or of one part of its reasoning), well under 1 µs each."""

    def __init__(
        self,
        method: str,
        thread_id: str,
        turn_id: str,
        item_id: str,
        *,
        summary_index: int | None = None,
        content_index: int | None = None,
    ) -> None:
        params = {"threadId": thread_id, "turnId": turn_id, "itemId": item_id}
        indexes = {"summaryIndex": summary_index, "contentIndex": content_index}
        given = {name: index for name, index in indexes.items() if index is not None}
        ready = _encoder.encode(params | given)[:-1]
        self._before = b'{"method":"%b","params":%b,"delta":' % (method.encode(), ready)
        # The encoded time of the last delta: deltas of one network read have the same time.
        self._at_ms, self._ending = 0, b'},"emittedAtMs":0}'

    def encode(self, delta: str, emitted_at_ms: int) -> bytes:
        if emitted_at_ms != self._at_ms:
            self._at_ms, self._ending = emitted_at_ms, b'},"emittedAtMs":%d}' % emitted_at_ms
        return b"%b%b%b" % (self._before, _encoder.encode(delta), self._ending)


def with_seq(body: bytes, seq: int, offset: int | None = None) -> bytes:
    """The same notification for a client that asked for cursors.

    `seq` is the event that caused it; `offset`, for deltas, the bytes of the item's text after the delta.
    """
    if offset is None:
        return b'%b,"seq":%d}' % (body[:-1], seq)
    return b'%b,"seq":%d,"offset":%d}' % (body[:-1], seq, offset)

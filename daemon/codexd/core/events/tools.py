"""Events of tool calls: approvals, starts and results."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from codexd.core.events.base import Fact
from codexd.core.policy.action_kinds import KINDS, decode_action
from codexd.core.values.ids import ApprovalId, CallId, ProcessId
from codexd.core.values.items import PlanStep
from codexd.core.values.tool_actions import (
    Answers,
    Decision,
    HostDecision,
    Permissions,
    SessionCall,
    ToolAction,
    ToolResult,
    UnreadAction,
)

if TYPE_CHECKING:
    Action = ToolAction
else:
    # Actions of these kinds are decoded at once; others by `decode_present`, in steps.
    Action = functools.reduce(
        operator.or_, (row.action for row in KINDS.values() if row.action is not UnreadAction)
    )


class ApprovalRequested(Fact, frozen=True):
    """A tool call waits for a person; or, where its action is `network`, a connection of a call that runs."""

    type = "approval.requested"
    approval_id: ApprovalId
    call_id: CallId
    action: Action
    reason: str  # the daemon's own reason; the model's is in the action
    policy: str
    action_hash: str | None = None  # of the exact action, without placeholders for its secrets
    # The beginning of commands that an answer may allow for ever.
    proposed_rule: tuple[str, ...] | None = None
    # The call ran in its sandbox, with this result: the question is whether it runs once more, without.
    first: ToolResult | None = None


class ApprovalDecided(Fact, frozen=True):
    """An approval was decided; the record's `by` says by which client."""

    type = "approval.decided"
    approval_id: ApprovalId
    decision: Decision
    note: str | None = None  # the reason, if a rule and not a person decided
    rule: tuple[str, ...] | None = None  # the beginning of commands that is allowed for ever
    instead: str | None = None  # what the person wants done instead, as the model receives it
    granted: Permissions | None = None  # of the permissions that were asked for; None: all
    host_rule: HostDecision | None = None  # what is to hold for the host for ever
    answers: Answers | None = None  # to the questions of the model


class GrantsRevoked(Fact, frozen=True):
    """What was allowed for the rest of the thread is asked about again."""

    type = "grants.revoked"
    keys: tuple[str, ...]


class ToolStarted(Fact, frozen=True):
    """A tool is about to run."""

    type = "tool.started"
    call_id: CallId
    action: Action
    # It runs without a question because it only reads: programs that a folder could start are switched off.
    guarded: bool = False
    again: Literal["repeat", "adopt"] | None = None  # set when a restart resumes a call that ran


class ToolSpawned(Fact, frozen=True):
    """The tool's process has started. Pid and start time together identify it after a restart."""

    type = "tool.spawned"
    barrier = False
    call_id: CallId
    pid: int
    start_time: str
    at_ms: int | None = None  # when, Unix; None: as the record says


class ToolTaskCreated(Fact, frozen=True):
    """The server of a call goes on with it as a task, which is asked for its result, by the next daemon too."""

    type = "tool.task_created"
    call_id: CallId
    task: str  # its id, which the server gave it


class ToolEnded(Fact, frozen=True):
    """A tool call has its result."""

    type = "tool.ended"
    call_id: CallId
    result: ToolResult
    process: ProcessId | None = None  # the process that it left running


class StdinWritten(Fact, frozen=True):
    """A person is about to write to a session; the record's `by` says from which client.

    What a model writes is in the action of its call.
    """

    type = "tool.stdin_written"
    process: ProcessId
    of: SessionCall
    chars: str = ""
    hidden: bool = False  # a secret: what was written is not recorded


class ProcessEnded(Fact, frozen=True):
    """A process that had gone on after its call's answer is over.

    The call that began it is repeated for readers that begin after it.
    """

    type = "process.ended"
    process: ProcessId
    result: ToolResult
    of: SessionCall | None = None
    action: Action | None = None
    started_ms: int | None = None  # Unix


class OutputKept(Fact, frozen=True):
    """All that a call had printed that ended without a result; its end has the first and the last part."""

    type = "output.kept"
    barrier = False
    call_id: CallId
    blob: str  # sha256 of the output
    output_bytes: int  # how many were printed


class PlanChanged(Fact, frozen=True):
    """The model has another plan: the whole of it, in place of the one before."""

    type = "plan.changed"
    barrier = False
    call_id: CallId
    plan: tuple[PlanStep, ...]
    explanation: str | None = None


AnyFact = TypeVar("AnyFact", bound=Fact)
_SOME_ACTION = {"kind": "bad", "reason": ""}


def decode_present(kind: type[AnyFact], data: msgspec.Raw | bytes) -> AnyFact:
    """Read an event of the present version, with any action. Raises: MsgspecError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        if not issubclass(kind, ApprovalRequested | ToolStarted | ProcessEnded):
            raise
    # The action is of a kind that the table does not have, or did not have when this module was loaded.
    members = msgspec.json.decode(data, type=dict[str, object])
    action = decode_action(members.get("action"))
    event = msgspec.convert(members | {"action": _SOME_ACTION}, kind)
    return msgspec.structs.replace(event, action=action)

"""Events about tool calls: who allowed them, that they began, and what they answered."""

from __future__ import annotations

from typing import Literal

from codexd.core.events.base import Fact
from codexd.core.values.ids import ApprovalId, CallId, ProcessId
from codexd.core.values.tool_actions import Decision, ToolAction, ToolResult


class ApprovalRequested(Fact, frozen=True):
    """A tool call waits for a person."""

    type = "approval.requested"
    approval_id: ApprovalId
    call_id: CallId
    action: ToolAction
    reason: str  # the daemon's own; the model's words stand in the action
    policy: str
    action_hash: str | None = None  # of the exact action, which the log may show with a stand-in


class ApprovalDecided(Fact, frozen=True):
    """Somebody answered; the record's `by` says who."""

    type = "approval.decided"
    approval_id: ApprovalId
    decision: Decision
    note: str | None = None  # why it was decided so, where that is not the person's own word


class ToolStarted(Fact, frozen=True):
    """A tool is about to run."""

    type = "tool.started"
    call_id: CallId
    action: ToolAction
    # Nobody was asked, because it only reads: what a folder could have it start is switched off.
    guarded: bool = False
    again: Literal["repeat", "adopt"] | None = None  # what a restart makes of a call that ran


class ToolSpawned(Fact, frozen=True):
    """Its process runs. Pid and start time together name it beyond a restart."""

    type = "tool.spawned"
    barrier = False
    call_id: CallId
    pid: int
    start_time: str


class ToolEnded(Fact, frozen=True):
    """A tool call has its answer."""

    type = "tool.ended"
    call_id: CallId
    result: ToolResult
    process: ProcessId | None = None  # what it started goes on as this one


class ProcessEnded(Fact, frozen=True):
    """A process that had gone on after its call's answer is over."""

    type = "process.ended"
    process: ProcessId
    result: ToolResult

"""Events of tool calls: approvals, starts and results."""

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
    reason: str  # the daemon's own reason; the model's is in the action
    policy: str
    action_hash: str | None = (
        None  # of the exact action, in which the log may have placeholders for secrets
    )


class ApprovalDecided(Fact, frozen=True):
    """An approval was decided; the record's `by` says by which client."""

    type = "approval.decided"
    approval_id: ApprovalId
    decision: Decision
    note: str | None = None  # the reason, if a rule and not a person decided


class ToolStarted(Fact, frozen=True):
    """A tool is about to run."""

    type = "tool.started"
    call_id: CallId
    action: ToolAction
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


class ToolEnded(Fact, frozen=True):
    """A tool call has its result."""

    type = "tool.ended"
    call_id: CallId
    result: ToolResult
    process: ProcessId | None = None  # what it started goes on as this one


class ProcessEnded(Fact, frozen=True):
    """A process that had gone on after its call's answer is over."""

    type = "process.ended"
    process: ProcessId
    result: ToolResult

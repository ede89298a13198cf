"""The daemon's requests to its clients, and how their answers are decoded.

Law: only a valid decision decides. If a client answers with an error, or with a value that was not offered,
the question stays open for the other clients.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.core.values.items import UnknownAction
from codexd.protocol.wire.complaints import complaint
from codexd.protocol.wire.rpc import ClientReply

COMMAND_APPROVAL: Final = "item/commandExecution/requestApproval"
FILE_CHANGE_APPROVAL: Final = "item/fileChange/requestApproval"

Decision = Literal["accept", "acceptForSession", "decline", "cancel"]
# Without Codex's amendment of rules: codexd writes no rules for later.
OFFERED: tuple[Decision, ...] = ("accept", "acceptForSession", "decline", "cancel")


class AskedByCodexd(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Members that Codex's request does not have."""

    approval_id: str
    action_hash: str  # of the action that would run; an answer that repeats it is to this action
    reason: str  # the daemon's own reason only
    model_says: str | None = None  # the model's reason, on one line
    diff: str | None = None  # what a patch would change, in the form of `git diff`


class CommandApprovalParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Ask whether a command may run."""

    kind: Literal["command"] = "command"
    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    environment_id: str | None = "local"
    reason: str | None = None  # the daemon's reason, then the model's, marked as such
    command: str | None = None
    cwd: str | None = None
    command_actions: tuple[UnknownAction, ...] | None = None
    available_decisions: tuple[Decision, ...] = OFFERED
    codexd: AskedByCodexd | msgspec.UnsetType = msgspec.UNSET


class FileChangeApprovalParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Ask whether a patch may be applied; the item has the diffs."""

    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    reason: str | None = None
    grant_root: str | None = None
    codexd: AskedByCodexd | msgspec.UnsetType = msgspec.UNSET


class _Amendment(msgspec.Struct, frozen=True):
    execpolicy_amendment: tuple[str, ...]


class _Amended(msgspec.Struct, frozen=True, rename="camel"):
    accept_with_execpolicy_amendment: _Amendment


class _CommandApprovalResponse(msgspec.Struct, frozen=True, rename="camel"):
    decision: Decision | _Amended
    approval_id: str | None = None
    action_hash: str | None = None


class CommandApprovalResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer of codexd's own frontends."""

    decision: Decision
    approval_id: str | None = None
    action_hash: str | None = None


class Decided(msgspec.Struct, frozen=True):
    """A client's decision."""

    decision: Decision
    # The prefix that the client wanted to allow for ever; only the present command is accepted.
    amendment: tuple[str, ...] | None = None
    # The action that the client says that it answers; None if it does not say.
    approval_id: str | None = None
    action_hash: str | None = None


class Undecided(msgspec.Struct, frozen=True):
    """A client answered without a decision."""

    reason: str


def read_decision(answer: ClientReply) -> Decided | Undecided:
    """The decision in a client's answer to a command approval."""
    if answer.error is not None:
        return Undecided(
            f"the client answered with error {answer.error.code}: {answer.error.message}"
        )
    try:
        read = msgspec.json.decode(answer.result, type=_CommandApprovalResponse)
    except msgspec.ValidationError as error:
        return Undecided(f"unreadable decision: {complaint(error, _CommandApprovalResponse)}")
    decision, amendment = read.decision, None
    if isinstance(decision, _Amended):
        amendment = decision.accept_with_execpolicy_amendment.execpolicy_amendment
        decision = "accept"
    return Decided(decision, amendment, read.approval_id, read.action_hash)

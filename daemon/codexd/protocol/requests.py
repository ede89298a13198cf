"""What the daemon asks of its clients, and how their answers are read.

The law: only a decision that can be read decides. An error for an answer, or a word that nobody offered,
is the affair of the client that sent it: the question stays open for the others.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.core.values.items import UnknownAction
from codexd.protocol.wire.complaints import complaint
from codexd.protocol.wire.rpc import ClientReply

COMMAND_APPROVAL: Final = "item/commandExecution/requestApproval"

Decision = Literal["accept", "acceptForSession", "decline", "cancel"]
# Without the amendment of the original's rules: codexd writes no rules for later.
OFFERED: tuple[Decision, ...] = ("accept", "acceptForSession", "decline", "cancel")


class AskedByCodexd(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the original's question has no members for."""

    approval_id: str
    action_hash: str  # of what would run; an answer that gives it back is one to this action
    reason: str  # the daemon's own words alone
    model_says: str | None = None  # the model's, on one line


class CommandApprovalParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """May this command run?"""

    kind: Literal["command"] = "command"
    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    environment_id: str | None = "local"
    reason: str | None = None  # the daemon's own, and then the model's as such
    command: str | None = None
    cwd: str | None = None
    command_actions: tuple[UnknownAction, ...] | None = None
    available_decisions: tuple[Decision, ...] = OFFERED
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
    """The answer of a frontend of ours."""

    decision: Decision
    approval_id: str | None = None
    action_hash: str | None = None


class Decided(msgspec.Struct, frozen=True):
    """A client decided."""

    decision: Decision
    # The words of a prefix that the client would have allowed for ever; the command at hand is accepted.
    amendment: tuple[str, ...] | None = None
    # What the client says that it answers; None where it does not say.
    approval_id: str | None = None
    action_hash: str | None = None


class Undecided(msgspec.Struct, frozen=True):
    """A client answered, and nothing was decided by it."""

    reason: str


def read_decision(answer: ClientReply) -> Decided | Undecided:
    """What a client's answer to a command approval says."""
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

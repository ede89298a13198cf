"""What the daemon asks of its clients, and how their answers are read.

The law: only a decision that can be read decides. An error for an answer, or a word that nobody offered,
is the affair of the client that sent it: the question stays open for the others.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.items import UnknownAction
from codexd.protocol.complaints import complaint
from codexd.protocol.rpc import Answer

COMMAND_APPROVAL = "item/commandExecution/requestApproval"

Decision = Literal["accept", "acceptForSession", "decline", "cancel"]
# Without the amendment of the original's rules: codexd writes no rules for later.
OFFERED: tuple[Decision, ...] = ("accept", "acceptForSession", "decline", "cancel")


class CommandApprovalParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """May this command run?"""

    kind: Literal["command"] = "command"
    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    environment_id: str | None = "local"
    reason: str | None = None  # the model's own
    command: str | None = None
    cwd: str | None = None
    command_actions: tuple[UnknownAction, ...] | None = None
    available_decisions: tuple[Decision, ...] = OFFERED


class _Amendment(msgspec.Struct, frozen=True):
    execpolicy_amendment: tuple[str, ...]


class _Amended(msgspec.Struct, frozen=True, rename="camel"):
    accept_with_execpolicy_amendment: _Amendment


class _CommandApprovalResponse(msgspec.Struct, frozen=True):
    decision: Decision | _Amended


class CommandApprovalResponse(msgspec.Struct, frozen=True):
    """The answer of a frontend of ours."""

    decision: Decision


class Decided(msgspec.Struct, frozen=True):
    """A client decided."""

    decision: Decision
    # The words of a prefix that the client would have allowed for ever; the command at hand is accepted.
    amendment: tuple[str, ...] | None = None


class Undecided(msgspec.Struct, frozen=True):
    """A client answered, and nothing was decided by it."""

    reason: str


def read_decision(answer: Answer) -> Decided | Undecided:
    """What a client's answer to a command approval says."""
    if answer.error is not None:
        return Undecided(
            f"the client answered with error {answer.error.code}: {answer.error.message}"
        )
    try:
        decision = msgspec.json.decode(answer.result, type=_CommandApprovalResponse).decision
    except msgspec.ValidationError as error:
        return Undecided(f"unreadable decision: {complaint(error, _CommandApprovalResponse)}")
    if isinstance(decision, _Amended):
        return Decided("accept", decision.accept_with_execpolicy_amendment.execpolicy_amendment)
    return Decided(decision)

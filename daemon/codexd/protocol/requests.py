"""The daemon's requests to its clients, and how their answers are decoded.

Law: only a valid decision decides. If a client answers with an error, or with a value that was not offered,
the question stays open for the other clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from codexd.core.values.items import UnknownAction
from codexd.protocol.dynamic_tools import TOOL_CALL, ToolCallParams, ToolCallResponse
from codexd.protocol.mcp import ELICITATION, ElicitationResponse
from codexd.protocol.user_input import (
    USER_INPUT,
    UserInputAnswer,
    UserInputParams,
    UserInputResponse,
)
from codexd.protocol.wire.complaints import complaint
from codexd.protocol.wire.rpc import ClientReply

COMMAND_APPROVAL: Final = "item/commandExecution/requestApproval"
FILE_CHANGE_APPROVAL: Final = "item/fileChange/requestApproval"
PERMISSIONS_APPROVAL: Final = "item/permissions/requestApproval"

Decision = Literal["accept", "acceptForSession", "decline", "cancel"]
NetworkProtocol = Literal["http", "https", "socks5Tcp"]


class Amendment(msgspec.Struct, frozen=True):
    """The beginning of commands that are to be allowed for ever."""

    execpolicy_amendment: tuple[str, ...]


class NetworkPolicyAmendment(msgspec.Struct, frozen=True):
    """A host that is to be allowed, or denied, for ever."""

    action: Literal["allow", "deny"]
    host: str


class NetworkAmendment(msgspec.Struct, frozen=True):
    """The same within a decision."""

    network_policy_amendment: NetworkPolicyAmendment


class DecisionWithRule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Decide, and add a rule: exactly one of these."""

    # Accept, and allow the commands that begin so.
    accept_with_execpolicy_amendment: Amendment | msgspec.UnsetType = msgspec.UNSET
    # Accept or decline a connection, and do the same with all later ones to its host.
    apply_network_policy_amendment: NetworkAmendment | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        members = (self.accept_with_execpolicy_amendment, self.apply_network_policy_amendment)
        if members.count(msgspec.UNSET) != 1:
            raise ValueError("expected one amendment")


OFFERED: tuple[Decision | DecisionWithRule, ...] = (
    "accept",
    "acceptForSession",
    "decline",
    "cancel",
)


def offered(
    decisions: tuple[Decision, ...], *with_rules: DecisionWithRule
) -> tuple[Decision | DecisionWithRule, ...]:
    """The decisions that clients may present; those with rules stand before the refusals, as Codex has it."""
    at = next(
        (n for n, word in enumerate(decisions) if word in ("decline", "cancel")), len(decisions)
    )
    return (*decisions[:at], *with_rules, *decisions[at:])


class NetworkApprovalContext(msgspec.Struct, frozen=True):
    """What a command connects to."""

    host: str
    protocol: NetworkProtocol


class AskedByCodexd(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Members that Codex's request does not have."""

    approval_id: str
    action_hash: str  # of the action that would run; an answer that repeats it is to this action
    reason: str  # the daemon's own reason only
    model_says: str | None = None  # the model's reason, on one line
    diff: str | None = None  # what a patch would change, in the form of `git diff`
    call: str | None = None  # which tool of an MCP server would be called, and with which arguments


class CommandApprovalParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Ask whether a command may run."""

    kind: Literal["command"] = "command"
    thread_id: str
    turn_id: str
    item_id: str
    # Where several questions belong to one item: which this is.
    approval_id: str | msgspec.UnsetType = msgspec.UNSET
    started_at_ms: int
    environment_id: str | None = "local"
    reason: str | None = None  # the daemon's reason, then the model's, marked as such
    command: str | None = None
    cwd: str | None = None
    command_actions: tuple[UnknownAction, ...] | None = None
    # Where a command that runs connects to a host that is not in the list of domains.
    network_approval_context: NetworkApprovalContext | msgspec.UnsetType = msgspec.UNSET
    proposed_network_policy_amendments: tuple[NetworkPolicyAmendment, ...] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    # The words of the rule that a decision may add; left out where there is none.
    proposed_execpolicy_amendment: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    available_decisions: tuple[Decision | DecisionWithRule, ...] = OFFERED
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


class ElicitationParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A question of an MCP server to a person; or the daemon's own, whether a tool of the server may be called.

    The daemon's own has `codexd`, and in `_meta` what Codex's clients show of the call.
    """

    thread_id: str
    turn_id: str | None
    server_name: str
    mode: Literal["form", "url"] = "form"
    message: str
    requested_schema: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # of the answer's content
    url: str | msgspec.UnsetType = msgspec.UNSET
    elicitation_id: str | msgspec.UnsetType = msgspec.UNSET
    meta: msgspec.Raw | None = msgspec.field(default=None, name="_meta")
    item_id: str | msgspec.UnsetType = msgspec.UNSET
    codexd: AskedByCodexd | msgspec.UnsetType = msgspec.UNSET


class _Persist(msgspec.Struct, frozen=True):
    persist: str | None = None


class _ElicitationDecision(msgspec.Struct, frozen=True, rename="camel"):
    action: Literal["accept", "decline", "cancel"]
    meta: _Persist | None = msgspec.field(default=None, name="_meta")
    decision: Decision | None = None  # of codexd's own frontends
    approval_id: str | None = None
    action_hash: str | None = None
    instead: str | None = None

    def decided(self) -> Decided:
        """Codex's clients end a call by `cancel`, and their turn goes on."""
        persists = self.meta is not None and self.meta.persist in ("session", "always")
        own: Decision = "decline"
        if self.action == "accept":
            own = "acceptForSession" if persists else "accept"
        return Decided(
            self.decision or own, None, self.approval_id, self.action_hash, self.instead or None
        )


class FileSystemPermissions(msgspec.Struct, frozen=True):
    """Folders that commands may write in."""

    write: tuple[str, ...] | None = None


class NetworkPermissions(msgspec.Struct, frozen=True):
    """Whether commands may use the network."""

    enabled: bool | None = None


class PermissionProfile(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What commands may do beyond their sandbox."""

    network: NetworkPermissions | None = None
    file_system: FileSystemPermissions | None = None


class PermissionsApprovalParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Ask whether commands may do more than their sandbox allows."""

    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    environment_id: str | None = "local"
    cwd: str
    reason: str | None = None
    permissions: PermissionProfile
    codexd: AskedByCodexd | msgspec.UnsetType = msgspec.UNSET


class PermissionsApprovalResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What is granted of it: nothing is a refusal."""

    permissions: PermissionProfile
    scope: Literal["turn", "session"] = "turn"
    decision: Decision | None = None  # of codexd's own frontends: `cancel` stops the turn
    approval_id: str | None = None
    action_hash: str | None = None
    instead: str | None = None


class _CommandApprovalResponse(msgspec.Struct, frozen=True, rename="camel"):
    decision: Decision | DecisionWithRule
    approval_id: str | None = None
    action_hash: str | None = None
    instead: str | None = None


class CommandApprovalResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer of codexd's own frontends."""

    decision: Decision | DecisionWithRule
    approval_id: str | None = None
    action_hash: str | None = None
    instead: str | None = (
        None  # with a refusal: what the model is to do instead, in the person's words
    )


# The daemon's requests: the params, and the result that a client answers.
SERVER_REQUESTS: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    COMMAND_APPROVAL: (CommandApprovalParams, CommandApprovalResponse),
    FILE_CHANGE_APPROVAL: (FileChangeApprovalParams, CommandApprovalResponse),
    PERMISSIONS_APPROVAL: (PermissionsApprovalParams, PermissionsApprovalResponse),
    ELICITATION: (ElicitationParams, ElicitationResponse),
    USER_INPUT: (UserInputParams, UserInputResponse),
    TOOL_CALL: (ToolCallParams, ToolCallResponse),
}


class Decided(msgspec.Struct, frozen=True):
    """A client's decision."""

    decision: Decision
    # The beginning of commands that the client wants to allow for ever.
    amendment: tuple[str, ...] | None = None
    # The action that the client says that it answers; None if it does not say.
    approval_id: str | None = None
    action_hash: str | None = None
    instead: str | None = None  # the person's words for the model, with a refusal
    # The host that the client wants to allow or deny for ever.
    host: NetworkPolicyAmendment | None = None
    granted: PermissionProfile | None = None  # of the permissions that were asked for
    answers: Mapping[str, UserInputAnswer] | None = None  # to questions of the model


class Undecided(msgspec.Struct, frozen=True):
    """A client answered without a decision."""

    reason: str


def read_decision(answer: ClientReply, method: str = COMMAND_APPROVAL) -> Decided | Undecided:
    """The decision in a client's answer to an approval that was asked for by this method."""
    if answer.error is not None:
        return Undecided(
            f"the client answered with error {answer.error.code}: {answer.error.message}"
        )
    if method == ELICITATION:
        try:
            return msgspec.json.decode(answer.result, type=_ElicitationDecision).decided()
        except msgspec.ValidationError as error:
            return Undecided(f"unreadable decision: {complaint(error, _ElicitationDecision)}")
    if method == USER_INPUT:
        return _answered(answer)
    asks_permissions = method == PERMISSIONS_APPROVAL
    try:
        if asks_permissions:
            return _granted(msgspec.json.decode(answer.result, type=PermissionsApprovalResponse))
        return _decided(msgspec.json.decode(answer.result, type=_CommandApprovalResponse))
    except msgspec.ValidationError as error:
        kind = PermissionsApprovalResponse if asks_permissions else _CommandApprovalResponse
        return Undecided(f"unreadable decision: {complaint(error, kind)}")


def _answered(answer: ClientReply) -> Decided | Undecided:
    try:
        read = msgspec.json.decode(answer.result, type=UserInputResponse)
    except msgspec.ValidationError as error:
        return Undecided(f"unreadable answers: {complaint(error, UserInputResponse)}")
    refuses: Decision = "cancel" if read.decision == "cancel" else "decline"
    if read.decision in ("decline", "cancel"):
        return Decided(refuses, None, read.approval_id, read.action_hash)
    return Decided("accept", None, read.approval_id, read.action_hash, answers=read.answers)


def _granted(read: PermissionsApprovalResponse) -> Decided:
    given, decision = read.permissions, read.decision
    if decision is None:
        network = given.network is not None and bool(given.network.enabled)
        folders = given.file_system is not None and bool(given.file_system.write)
        decision = "decline"
        if network or folders:
            decision = "accept" if read.scope == "turn" else "acceptForSession"
    return Decided(
        decision,
        approval_id=read.approval_id,
        action_hash=read.action_hash,
        instead=read.instead or None,
        granted=given,
    )


def _decided(read: _CommandApprovalResponse) -> Decided:
    decision, prefix, host = read.decision, None, None
    if isinstance(decision, DecisionWithRule):
        for_commands = decision.accept_with_execpolicy_amendment
        for_host = decision.apply_network_policy_amendment
        decision = "accept"
        if isinstance(for_commands, Amendment):
            prefix = for_commands.execpolicy_amendment
        if isinstance(for_host, NetworkAmendment):
            host = for_host.network_policy_amendment
            decision = "accept" if host.action == "allow" else "decline"
    return Decided(decision, prefix, read.approval_id, read.action_hash, read.instead or None, host)

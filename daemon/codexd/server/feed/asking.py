"""An approval request: exactly what would run, and which words are the model's.

The log may hide a secret in a command; an approval request shows it, since it shows what runs. So the
action is taken from the thread's own memory, and its hash is part of the request and of the answer.
Foreign text is bounded and escaped, so that it cannot change how the text beside it is shown.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from codexd.core.policy.action_kinds import ApprovalRequest, kind_of
from codexd.core.policy.approval import action_hash, not_as_asked
from codexd.core.policy.command_rules import LEAVES_SANDBOX, NOT_KNOWN_HARMLESS
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import host_question
from codexd.core.values.foreign_json import decode_foreign
from codexd.core.values.ids import ThreadId
from codexd.core.values.items import UnknownAction
from codexd.core.values.redacted import find_stand_in
from codexd.core.values.tool_actions import (
    ApplyPatch,
    AskPermissions,
    AskPerson,
    McpToolCall,
    ReachHost,
    RunCommand,
    ToolAction,
    without_words,
)
from codexd.projections.clients.notifications import ApprovalAsked
from codexd.projections.clients.patch_diffs import git_diff
from codexd.projections.clients.tool_items import file_updates
from codexd.projections.quoting import quoted
from codexd.protocol.display.visible import visible_line, visible_text
from codexd.protocol.mcp import ELICITATION
from codexd.protocol.requests import (
    COMMAND_APPROVAL,
    FILE_CHANGE_APPROVAL,
    PERMISSIONS_APPROVAL,
    Amendment,
    AskedByCodexd,
    CommandApprovalParams,
    DecisionWithRule,
    ElicitationParams,
    FileChangeApprovalParams,
    FileSystemPermissions,
    NetworkAmendment,
    NetworkApprovalContext,
    NetworkPermissions,
    NetworkPolicyAmendment,
    PermissionProfile,
    PermissionsApprovalParams,
    offered,
)
from codexd.protocol.user_input import (
    USER_INPUT,
    UserInputOption,
    UserInputOwn,
    UserInputParams,
    UserInputQuestion,
)

# The daemon's own sentences are shorter.
REASON_CHARACTERS_MAX = 200
# Two or three rows of a terminal: a reason fits, and pushes nothing off it.
MODEL_SAYS_CHARACTERS_MAX = 200
# As many: a folder is known by its beginning.
PLACE_CHARACTERS_MAX = 240
# The names of a server and of its tool, within a sentence.
NAME_CHARACTERS_MAX = 128

HIDDEN = "Part of it looks like a secret and is hidden in the log; this is what will be done."
LOST = "Part of it looked like a secret, was not stored, and is lost: it will not run, with any answer."
MODEL_SAYS = "the model says: "


def as_asked(asks: ApprovalAsked, state: ThreadState | None) -> ApprovalAsked:
    """The question with the action that would run, out of the state of the thread that waits."""
    turn = state.turn if state is not None else None
    host = host_question(turn, asks.approval_id)
    if host is not None:
        return replace(asks, action=host.action, hidden=asks.action != host.action)
    for call in turn.open_calls if turn is not None else ():
        if call.approval_id == asks.approval_id and call.action is not None:
            hidden = without_words(asks.action) != without_words(call.action)
            return replace(asks, action=call.action, hidden=hidden)
    return asks


def question_params(asks: ApprovalAsked, thread_id: ThreadId | str) -> CommandApprovalParams:
    """The parameters of `item/commandExecution/requestApproval`, by which any action can be asked about."""
    action, reason, says = asks.action, _own_reason(asks), _said_by_model(asks.action)
    kind, prefix = kind_of(action), _proposed_rule(asks)
    if isinstance(action, ReachHost):
        return _host_params(asks, thread_id, action)
    line = visible_text(kind.line(action))
    command, cwd = line, None
    if isinstance(action, RunCommand):
        command, cwd = quoted(action.argv), visible_line(action.cwd, PLACE_CHARACTERS_MAX)
    return CommandApprovalParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.item_id,
        started_at_ms=asks.at_ms,
        reason=reason if says is None else f"{reason} — {MODEL_SAYS}{says}",
        command=command,
        cwd=cwd,
        command_actions=(UnknownAction(line),),
        proposed_execpolicy_amendment=prefix or msgspec.UNSET,
        available_decisions=offered(
            kind.approval.answers,
            *([DecisionWithRule(Amendment(prefix))] if prefix is not None else []),
        ),
        codexd=AskedByCodexd(
            approval_id=asks.approval_id,
            action_hash=action_hash(action),
            reason=reason,
            model_says=says,
        ),
    )


def _host_params(
    asks: ApprovalAsked, thread_id: ThreadId | str, action: ReachHost
) -> CommandApprovalParams:
    """The parameters of a question about a host, which the command of the item connects to."""
    rules = (
        NetworkPolicyAmendment("allow", action.host),
        NetworkPolicyAmendment("deny", action.host),
    )
    line = kind_of(action).line(action)
    return CommandApprovalParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.item_id,
        approval_id=asks.approval_id,
        started_at_ms=asks.at_ms,
        reason=_own_reason(asks),
        command=f"network-access {line}",
        command_actions=(UnknownAction(line),),
        network_approval_context=NetworkApprovalContext(action.host, action.protocol),
        proposed_network_policy_amendments=rules,
        available_decisions=offered(
            kind_of(action).approval.answers,
            *[DecisionWithRule(msgspec.UNSET, NetworkAmendment(rule)) for rule in rules],
        ),
        codexd=AskedByCodexd(
            approval_id=asks.approval_id,
            action_hash=action_hash(action),
            reason=_own_reason(asks),
        ),
    )


def file_change_params(asks: ApprovalAsked, thread_id: ThreadId | str) -> FileChangeApprovalParams:
    """The parameters of `item/fileChange/requestApproval`."""
    reason, action = _own_reason(asks), asks.action
    assert isinstance(action, ApplyPatch)
    return FileChangeApprovalParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.item_id,
        started_at_ms=asks.at_ms,
        reason=reason,
        codexd=AskedByCodexd(
            approval_id=asks.approval_id,
            action_hash=action_hash(action),
            reason=reason,
            diff=visible_text(git_diff(file_updates(action.files), action.cwd)),
        ),
    )


def permissions_params(asks: ApprovalAsked, thread_id: ThreadId | str) -> PermissionsApprovalParams:
    """The parameters of `item/permissions/requestApproval`: the folders are named exactly, since an answer repeats
    them.
    """
    reason, action, says = _own_reason(asks), asks.action, _said_by_model(asks.action)
    assert isinstance(action, AskPermissions)
    wanted = action.permissions
    return PermissionsApprovalParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.item_id,
        started_at_ms=asks.at_ms,
        cwd=visible_line(action.cwd, PLACE_CHARACTERS_MAX),
        reason=reason if says is None else f"{reason} — {MODEL_SAYS}{says}",
        permissions=PermissionProfile(
            NetworkPermissions(True) if wanted.network else None,
            FileSystemPermissions(wanted.write) if wanted.write else None,
        ),
        codexd=AskedByCodexd(
            approval_id=asks.approval_id,
            action_hash=action_hash(action),
            reason=reason,
            model_says=says,
        ),
    )


def mcp_call_params(asks: ApprovalAsked, thread_id: ThreadId | str) -> ElicitationParams:
    """The parameters of `mcpServer/elicitation/request` that ask about a call, as Codex's clients read them."""
    reason, action = _own_reason(asks), asks.action
    assert isinstance(action, McpToolCall)
    server = visible_line(action.server, NAME_CHARACTERS_MAX)
    tool = visible_line(action.tool, NAME_CHARACTERS_MAX)
    arguments = _arguments(action.arguments)
    return ElicitationParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        server_name=server,
        message=f'Allow the {server} MCP server to run tool "{tool}"?',
        requested_schema=msgspec.Raw(b'{"type":"object","properties":{}}'),
        meta=msgspec.Raw(
            msgspec.json.encode(
                {
                    "codex_approval_kind": "mcp_tool_call",
                    "persist": "session",
                    "tool_title": action.title,
                    "tool_params": arguments,
                    "tool_params_display": [
                        {"name": name, "display_name": name, "value": value}
                        for name, value in arguments.items()
                    ],
                }
            )
        ),
        item_id=asks.item_id,
        codexd=AskedByCodexd(
            approval_id=asks.approval_id,
            action_hash=action_hash(action),
            reason=reason,
            call=visible_text(kind_of(action).line(action)),
        ),
    )


def user_input_params(asks: ApprovalAsked, thread_id: ThreadId | str) -> UserInputParams:
    """The parameters of `item/tool/requestUserInput`: the ids are exact, since an answer repeats them."""
    action = asks.action
    assert isinstance(action, AskPerson)
    return UserInputParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.item_id,
        questions=tuple(
            UserInputQuestion(
                id=question.id,
                header=visible_line(question.header, NAME_CHARACTERS_MAX),
                question=visible_text(question.question),
                options=tuple(
                    UserInputOption(visible_text(each.label), visible_text(each.description))
                    for each in question.options
                )
                or None,
            )
            for question in action.questions
        ),
        codexd=UserInputOwn(asks.approval_id, action_hash(action)),
    )


def _arguments(encoded: str) -> dict[str, object]:
    """The arguments of a call with every invisible character in them written out."""
    shown = _visible(decode_foreign(encoded))
    return shown if isinstance(shown, dict) else {}


def _visible(value: object) -> object:
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(name): _visible(inner) for name, inner in value.items()}
    return [_visible(inner) for inner in value] if isinstance(value, list) else value


# The parameters of a request.
Params = (
    CommandApprovalParams
    | FileChangeApprovalParams
    | PermissionsApprovalParams
    | ElicitationParams
    | UserInputParams
)
# By the server request that a kind of action is asked about with.
PARAMS: dict[ApprovalRequest, Callable[[ApprovalAsked, ThreadId | str], Params]] = {
    COMMAND_APPROVAL: question_params,
    FILE_CHANGE_APPROVAL: file_change_params,
    PERMISSIONS_APPROVAL: permissions_params,
    ELICITATION: mcp_call_params,
    USER_INPUT: user_input_params,
}


def _own_reason(asks: ApprovalAsked) -> str:
    """Why the daemon asks, and whether the log shows the command as it is."""
    action, reason = asks.action, asks.reason
    # So it was recorded by versions before there was a hash.
    if isinstance(action, RunCommand) and reason == action.justification:
        reason = LEAVES_SANDBOX if action.escalated else NOT_KNOWN_HARMLESS
    reason = visible_line(reason, REASON_CHARACTERS_MAX)
    if not_as_asked(action, asks.asked_hash) is not None:
        return f"{reason} {LOST}"
    return f"{reason} {HIDDEN}" if asks.hidden else reason


def _proposed_rule(asks: ApprovalAsked) -> tuple[str, ...] | None:
    """The words of the rule that an answer may add, unless a secret was among them."""
    prefix = asks.proposed_rule
    return None if prefix is None or find_stand_in(" ".join(prefix)) is not None else prefix


def _said_by_model(action: ToolAction) -> str | None:
    words = " ".join((action.justification or "").split())
    return visible_line(words, MODEL_SAYS_CHARACTERS_MAX) if words else None

"""The table of action kinds: a row for each struct in `values/tool_actions.py`, with everything specific to it.

A row says how the action is approved, which item shows it, how it is searched, and what happens to it after a crash.
An action without a row, or one that needs an approval for which there is no request, is refused with a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from codexd.core.policy import (
    command_rules,
    mcp_rules,
    patch_rules,
    permission_rules,
)
from codexd.core.policy.environment_rules import profile_refusal
from codexd.core.policy.looked_up import LookedUp
from codexd.core.rules import host_rules, question_rules, thread_rules
from codexd.core.values.ids import ProcessId
from codexd.core.values.settings import Settings
from codexd.core.values.thread_calls import ThreadCall
from codexd.core.values.tool_actions import (
    ApplyPatch,
    AskPermissions,
    AskPerson,
    BadCall,
    Decision,
    DynamicToolCall,
    ExecCommand,
    GoalAction,
    McpToolCall,
    PersonCommand,
    ReachHost,
    RunCommand,
    ToolAction,
    UnreadAction,
    UpdatePlan,
    ViewImage,
    WriteStdin,
    without_words,
)

A = TypeVar("A", bound=ToolAction)

# The requests by which a server asks its clients; `server/feed/asking.py` makes the params of each.
ApprovalRequest = Literal[
    "item/commandExecution/requestApproval",
    "item/fileChange/requestApproval",
    "mcpServer/elicitation/request",
    "item/permissions/requestApproval",
    "item/tool/requestUserInput",
]
# The items that show a tool call to clients; `projections/clients/tool_items.py` makes them.
ToolItemType = Literal[
    "commandExecution",
    "fileChange",
    "imageView",
    "mcpToolCall",
    "dynamicToolCall",
    "collabAgentToolCall",
]
# What happens to a call that ran when the daemon died: it is performed again; or adopted, since it may still
# run; or its result is unknown, and the model receives that as the answer.
AfterCrash = Literal["repeat", "adopt", "declare unknown"]
ALL_DECISIONS: Final[tuple[Decision, ...]] = ("accept", "acceptForSession", "decline", "cancel")
NO_RULES_FOR_IT: Final = "is for an action for which there are no rules"
UNREAD: Final = (
    "not run: this version of codexd has no such action, and cannot say what the call would do. "
    "Nothing was done."
)


def _whole(action: ToolAction) -> str:
    return msgspec.json.encode(without_words(action)).decode()


class Approval(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """How an action is approved."""

    # Why a person must allow it, as a sentence of the daemon; None if it may run.
    reason: Callable[[Settings, A, LookedUp], str | None]
    request: ApprovalRequest | None = None  # None: there is no request, so it is refused
    answers: tuple[Decision, ...] = ALL_DECISIONS
    session_key: Callable[[A], str] = _whole  # what "allow it for the session" allows
    # What may be performed.
    permitted: Callable[[Settings, A, LookedUp], A] = lambda _, action, __: action
    # The answer to the model for what may not be done, whoever is asked; None if it may be asked about.
    refusal: Callable[[Settings, A, LookedUp], str | None] = lambda *_: None
    # Whether a rule of the person allows it, or a part of it.
    by_rule: Callable[[A, LookedUp], bool] = lambda *_: False
    # The words of a rule by which it would not be asked about again, and why an answer makes no rule of some words.
    proposal: Callable[[Settings, A, LookedUp], tuple[str, ...] | None] = lambda *_: None
    rule_problem: Callable[[A, tuple[str, ...]], str | None] = lambda *_: NO_RULES_FOR_IT
    # The action without its sandbox, which a person is asked about where it has failed in it; None: nobody is asked.
    outside: Callable[[Settings, A], A | None] = lambda *_: None
    # Without an approval, it is performed so that it cannot start other programs.
    guarded: bool = False
    # The folder whose repository `reason` depends on.
    repository: Callable[[Settings, A], str | None] = lambda *_: None


# It changes nothing, and needs no approval: no question about it is open, so no answer is offered.
NO_APPROVAL: Final[Approval[Any]] = Approval(reason=lambda *_: None, answers=())
_OF_IMAGES: Final[Approval[Any]] = Approval(
    reason=lambda *_: None, answers=(), refusal=profile_refusal
)
_OF_COMMANDS: Final[Approval[Any]] = Approval(
    reason=command_rules.command_reason,
    request="item/commandExecution/requestApproval",
    session_key=command_rules.command_key,
    permitted=command_rules.command_permitted,
    refusal=command_rules.command_refusal,
    by_rule=command_rules.command_by_rule,
    proposal=command_rules.command_proposal,
    rule_problem=command_rules.command_rule_problem,
    outside=command_rules.command_outside,
    guarded=True,
    repository=command_rules.command_repository,
)


class ActionKind(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """Everything that is specific to a kind of action."""

    action: type[A]
    line: Callable[[A], str]  # a description for people, in questions and searches
    after_crash: AfterCrash
    # Whether it is made in the execution environment of its thread; without one it is refused.
    executes: bool = False
    # Actions of the kind that may be made twice: these are repeated.
    may_repeat: Callable[[A], bool] = lambda _: False
    approval: Approval[A] = NO_APPROVAL
    tool: str | None = None  # the tool that performs it; None: the one that the model called
    item: ToolItemType | None = "dynamicToolCall"  # None: a notification of its own shows it
    found_as: Literal["command", "path"] | None = None  # None: no search finds it
    # The answer to the model for an action that cannot be made.
    refusal: Callable[[A], str | None] = lambda _: None
    # The process that goes on where its call is interrupted; None: it ends with its call.
    session: Callable[[A], ProcessId | None] = lambda _: None
    # What it must have for itself, files that it changes for example: of two open calls that need the same, the later
    # is performed after the earlier.
    needs_alone: Callable[[A], frozenset[str]] = lambda _: frozenset()


# By the struct's tag, which is the member `kind` in the log.
KINDS: Final[dict[str, ActionKind[Any]]] = {
    "command": ActionKind(
        action=RunCommand,
        line=lambda action: action.command,
        after_crash="adopt",
        executes=True,
        approval=_OF_COMMANDS,
        item="commandExecution",
        found_as="command",
    ),
    "exec": ActionKind(
        action=ExecCommand,
        line=lambda action: action.command,
        after_crash="adopt",
        executes=True,
        approval=_OF_COMMANDS,
        tool="exec_command",
        item="commandExecution",
        found_as="command",
        session=lambda action: ProcessId(action.session),
    ),
    # The person who asks for it is the one who would be asked.
    "userShell": ActionKind(
        action=PersonCommand,
        line=lambda action: action.command,
        after_crash="adopt",
        tool="shell_command",
        item="commandExecution",
        found_as="command",
    ),
    # Whoever allows a terminal allows what is typed into it: `command_reason` asks before it is there.
    "stdin": ActionKind(
        action=WriteStdin,
        line=lambda action: f"write to session {action.session}: {action.chars!r}",
        after_crash="adopt",
        executes=True,
        item=None,
    ),
    "patch": ActionKind(
        action=ApplyPatch,
        line=patch_rules.patch_line,
        after_crash="adopt",
        executes=True,
        approval=Approval(
            reason=patch_rules.patch_reason,
            refusal=patch_rules.patch_refusal,
            request="item/fileChange/requestApproval",
            session_key=patch_rules.patch_key,
        ),
        tool="apply_patch",
        item="fileChange",
        found_as="path",
        needs_alone=lambda action: frozenset(file.path for file in action.files),
    ),
    "viewImage": ActionKind(
        action=ViewImage,
        line=lambda action: action.path,
        after_crash="repeat",
        executes=True,
        approval=_OF_IMAGES,
        item="imageView",
    ),
    "plan": ActionKind(
        action=UpdatePlan,
        line=lambda action: action.explanation or "a plan",
        after_crash="repeat",
        item=None,
    ),
    "network": ActionKind(
        action=ReachHost,
        line=host_rules.host_line,
        after_crash="declare unknown",
        approval=Approval(
            reason=host_rules.host_reason,
            request="item/commandExecution/requestApproval",
            session_key=host_rules.host_key,
        ),
    ),
    "mcp": ActionKind(
        action=McpToolCall,
        line=mcp_rules.mcp_line,
        after_crash="declare unknown",
        may_repeat=mcp_rules.may_repeat,
        approval=Approval(
            reason=mcp_rules.mcp_reason,
            request="mcpServer/elicitation/request",
            session_key=mcp_rules.mcp_key,
        ),
        tool="mcp",
        item="mcpToolCall",
        found_as="command",
        needs_alone=mcp_rules.needs_alone,
    ),
    # What it does is done once however often it is performed: the new thread and the prompt have their ids.
    "thread": ActionKind(
        action=ThreadCall,
        line=thread_rules.thread_line,
        after_crash="repeat",
        approval=Approval(
            reason=thread_rules.thread_reason,
            refusal=thread_rules.thread_refusal,
            request="item/commandExecution/requestApproval",
            session_key=thread_rules.thread_key,
        ),
        item="collabAgentToolCall",
        found_as="command",
    ),
    # The client that has the tool is the person's own program: nobody is asked.
    "dynamic": ActionKind(
        action=DynamicToolCall,
        line=lambda action: f"{action.tool} {action.arguments}",
        after_crash="repeat",
        tool="dynamic",
        found_as="command",
    ),
    "permissions": ActionKind(
        action=AskPermissions,
        line=permission_rules.permissions_line,
        after_crash="repeat",
        executes=True,
        approval=Approval(
            reason=permission_rules.permissions_reason,
            refusal=permission_rules.permissions_refusal,
            request="item/permissions/requestApproval",
            session_key=permission_rules.permissions_key,
        ),
        tool="request_permissions",
    ),
    "questions": ActionKind(
        action=AskPerson,
        line=question_rules.questions_line,
        after_crash="repeat",
        approval=Approval(
            reason=question_rules.questions_reason,
            refusal=question_rules.questions_refusal,
            request="item/tool/requestUserInput",
            answers=("accept", "decline", "cancel"),
        ),
        tool="request_user_input",
        item=None,
        found_as="command",
    ),
    # It changes the thread, and nothing else: nothing is performed.
    "goal": ActionKind(
        action=GoalAction,
        line=lambda action: action.objective or action.status or "the goal",
        after_crash="repeat",
        item=None,
    ),
    "bad": ActionKind(
        action=BadCall,
        line=lambda action: action.reason,
        after_crash="declare unknown",
        refusal=lambda action: action.reason,
    ),
    "unread": ActionKind(
        action=UnreadAction,
        line=lambda action: action.json,
        after_crash="declare unknown",
        refusal=lambda _: UNREAD,
    ),
}


def kind_of(action: ToolAction) -> ActionKind[Any]:
    """The row of an action."""
    return KINDS.get(str(action.__struct_config__.tag), KINDS["unread"])


def after_crash(action: ToolAction) -> AfterCrash:
    """What happens to a call that ran when the daemon died."""
    kind = kind_of(action)
    return "repeat" if kind.may_repeat(action) else kind.after_crash


def request_for(action: ToolAction) -> ApprovalRequest | None:
    """The request by which clients are asked about an action; None if there is none."""
    return kind_of(action).approval.request


def decode_action(value: object) -> ToolAction:
    """Decode an action from a JSON object. Raises: ValidationError."""
    if not isinstance(value, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{type(value).__name__}`")
    row = KINDS.get(value.get("kind", ""))
    if row is None:
        return UnreadAction(msgspec.json.encode(value).decode())
    action: ToolAction = msgspec.convert(value, row.action)
    return action

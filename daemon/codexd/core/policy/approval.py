"""When a person is asked before a tool call is performed.

The policies: `never` asks about nothing; `on-request` asks when the model wants to leave the sandbox;
`untrusted` asks, besides, about everything that is not known to only read. Where no sandbox is enforced,
every policy but `never` asks as `untrusted` does. What a kind of action is asked about says its row in
`action_kinds.py`.
"""

from __future__ import annotations

from codexd.core.policy.action_kinds import kind_of
from codexd.core.policy.command_rules import NOBODY_LOOKED, GitMayRun
from codexd.core.values.enforced import enforced_policy
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ToolAction


def needs_approval(
    settings: Settings,
    action: ToolAction,
    allowed_for_session: frozenset[str],
    git_may_run: GitMayRun = NOBODY_LOOKED,
) -> str | None:
    """Why a person must allow an action, as a sentence for that person; None where it may go ahead.

    It is always the daemon's own: what the model says of its call stands beside it, and never for it.
    """
    approval = kind_of(action).approval
    if approval is None or session_key(action) in allowed_for_session:
        return None
    if enforced_policy(settings) == "never":
        return None
    return approval.reason(settings, action, git_may_run)


def runs_guarded(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> bool:
    """Whether an action that nobody is asked about goes ahead for no other reason than that it only reads."""
    approval = kind_of(action).approval
    return (
        approval is not None
        and approval.guarded
        and enforced_policy(settings) == "untrusted"
        and session_key(action) not in allowed_for_session
    )


def session_key(action: ToolAction) -> str:
    """What "allow it for the session" allows; "" where nobody is ever asked."""
    approval = kind_of(action).approval
    return "" if approval is None else approval.session_key(action)


def permitted(settings: Settings, action: ToolAction) -> ToolAction:
    """The action as it may be performed under these settings."""
    approval = kind_of(action).approval
    return action if approval is None else approval.permitted(settings, action)


def repository_in_question(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> str | None:
    """The folder whose repository decides whether a person must allow the action; None where none does."""
    approval = kind_of(action).approval
    if approval is None or session_key(action) in allowed_for_session:
        return None
    return approval.repository(settings, action)

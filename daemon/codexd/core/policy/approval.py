"""Which tool calls need the approval of a person.

The policies: `never` never asks; `on-request` asks when the model wants to leave the sandbox;
`untrusted` also asks about everything that is not known to only read. If no sandbox is enforced,
every policy but `never` asks like `untrusted`. The rules for a kind of action are in its row in
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
    """Why a person must allow an action, as a sentence for that person; None if it may run.

    The sentence is always the daemon's own; the model's justification is shown in addition.
    """
    if session_key(action) in allowed_for_session or enforced_policy(settings) == "never":
        return None
    return kind_of(action).approval.reason(settings, action, git_may_run)


def runs_guarded(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> bool:
    """Whether an action runs without approval only because it is known to only read."""
    return (
        kind_of(action).approval.guarded
        and enforced_policy(settings) == "untrusted"
        and session_key(action) not in allowed_for_session
    )


def session_key(action: ToolAction) -> str:
    """What "allow it for the session" allows."""
    return kind_of(action).approval.session_key(action)


def permitted(settings: Settings, action: ToolAction) -> ToolAction:
    """The action as it may be performed under these settings."""
    allowed: ToolAction = kind_of(action).approval.permitted(settings, action)
    return allowed


def repository_in_question(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> str | None:
    """The folder whose repository decides whether the action needs approval; None if none does."""
    if session_key(action) in allowed_for_session:
        return None
    return kind_of(action).approval.repository(settings, action)

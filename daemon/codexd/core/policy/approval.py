"""Which tool calls need the approval of a person, and that exactly the approved action runs.

The policies: `never` never asks; `on-request` asks when the model wants to leave the sandbox;
`untrusted` also asks about everything that is not known to only read. If no sandbox is enforced,
every policy but `never` asks like `untrusted`. The rules for a kind of action are in its row in
`action_kinds.py`. Prefix rules of the person come first: what they forbid is refused under every policy.

The hash of an action covers everything that decides what runs, exactly. `approval.requested` records it, an answer
repeats it, and it is compared once more before the action starts. So secrets may be replaced in
a log: an action that was read from such a log differs from the approved one, and never runs.
"""

from __future__ import annotations

import hashlib

import msgspec

from codexd.core.policy.action_kinds import kind_of
from codexd.core.policy.environment_rules import NO_ENVIRONMENT
from codexd.core.policy.looked_up import NOTHING_LOOKED_UP, LookedUp
from codexd.core.values.enforced import enforced_policy
from codexd.core.values.redacted import find_stand_in
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ToolAction, without_words


def needs_approval(
    settings: Settings,
    action: ToolAction,
    allowed_for_session: frozenset[str],
    looked_up: LookedUp = NOTHING_LOOKED_UP,
) -> str | None:
    """Why a person must allow an action, as a sentence for that person; None if it may run, or is `refused`.

    The sentence is always the daemon's own; the model's justification is shown in addition.
    """
    if session_key(action) in allowed_for_session or enforced_policy(settings) == "never":
        return None
    return kind_of(action).approval.reason(settings, action, looked_up)


def refused(
    settings: Settings, action: ToolAction, looked_up: LookedUp = NOTHING_LOOKED_UP
) -> str | None:
    """The answer to the model for an action that a rule refuses; None if it may run or be asked about."""
    kind = kind_of(action)
    if kind.executes and not settings.has_environment:
        return NO_ENVIRONMENT
    return kind.approval.refusal(settings, action, looked_up)


def proposed_rule(
    settings: Settings, action: ToolAction, looked_up: LookedUp = NOTHING_LOOKED_UP
) -> tuple[str, ...] | None:
    """The words of a rule by which an action like this would not be asked about again."""
    return kind_of(action).approval.proposal(settings, action, looked_up)


def runs_guarded(
    settings: Settings,
    action: ToolAction,
    allowed_for_session: frozenset[str],
    looked_up: LookedUp = NOTHING_LOOKED_UP,
) -> bool:
    """Whether an action runs without approval only because it is known to only read."""
    return (
        kind_of(action).approval.guarded
        and enforced_policy(settings) == "untrusted"
        and session_key(action) not in allowed_for_session
        and not kind_of(action).approval.by_rule(action, looked_up)
    )


def session_key(action: ToolAction) -> str:
    """What "allow it for the session" allows."""
    return kind_of(action).approval.session_key(action)


def permitted(
    settings: Settings, action: ToolAction, looked_up: LookedUp = NOTHING_LOOKED_UP
) -> ToolAction:
    """The action as it may be performed under these settings and rules."""
    allowed: ToolAction = kind_of(action).approval.permitted(settings, action, looked_up)
    return allowed


def repository_in_question(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> str | None:
    """The folder whose repository decides whether the action needs approval; None if none does."""
    if session_key(action) in allowed_for_session:
        return None
    return kind_of(action).approval.repository(settings, action)


def action_hash(action: ToolAction) -> str:
    """The sha256 of what an action does, in hex, without the model's justification."""
    return hashlib.sha256(msgspec.json.encode(without_words(action))).hexdigest()


def not_as_asked(action: ToolAction, asked_hash: str | None) -> str | None:
    """The answer to the model if a call is not the approved call; None if it may run.

    Args:
        asked_hash: the recorded hash of the question; None for calls without a question, and for
            questions of older versions.
    """
    stood_in = stood_in_for(action)
    if stood_in is not None or asked_hash is None:
        return stood_in
    found = action_hash(action)
    if found == asked_hash:
        return None
    return (
        f"not run: a person was asked about an action with the sha256 {asked_hash}, and what would run has "
        f"{found}. Nothing was done. Make the call again, so that it is asked about as it is."
    )


def stood_in_for(action: ToolAction) -> str | None:
    """The answer to the model if a call contains the placeholder of a secret; None if it may run.

    A question may have waited through a restart, after which the action is read from a log without secrets;
    or the model has copied a placeholder from its history.
    """
    # No character of a placeholder is escaped in JSON.
    found = find_stand_in(msgspec.json.encode(without_words(action)).decode())
    if found is None:
        return None
    return (
        f"not run: the call holds {found}, which stands in the log for a secret that was not written down. "
        "Nothing was done. Give the secret another way, for example by the name of an environment variable."
    )

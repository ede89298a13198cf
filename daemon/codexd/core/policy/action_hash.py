"""Ensures that exactly the approved action runs: the hash of an action, and messages for a mismatch.

The hash covers everything that decides what runs, exactly. `approval.requested` records it, an answer
repeats it, and it is compared once more before the action starts. So secrets may be replaced in
a log: an action that was read from such a log differs from the approved one, and never runs.
"""

from __future__ import annotations

import hashlib

import msgspec

from codexd.core.values.redacted import find_stand_in
from codexd.core.values.tool_actions import ToolAction, without_words


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

"""What a person approved is what runs: an action's hash, and what is said where the two differ.

The hash is taken of everything that decides what runs, whole and exact. `approval.requested` records it,
whoever answers names it, and it is compared once more before anything starts. So a secret may be hidden in
a log: what comes back out of that log is another action than the one that was asked about, and never runs.
"""

from __future__ import annotations

import hashlib

import msgspec

from codexd.core.values.redacted import find_stand_in
from codexd.core.values.tool_actions import ToolAction, without_words


def action_hash(action: ToolAction) -> str:
    """The sha256 of what an action does, in hex; the model's words about it are no part of that."""
    return hashlib.sha256(msgspec.json.encode(without_words(action))).hexdigest()


def not_as_asked(action: ToolAction, asked_hash: str | None) -> str | None:
    """What to tell the model of a call that is not the one that was asked about; None where it may run.

    Args:
        asked_hash: as it was recorded with the question; None for what nobody was asked about, and for
            questions of versions that recorded none.
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
    """What to tell the model of a call that names a stand-in where a secret was; None where it may run.

    A question may have waited through a restart, and the log that is gone on from has no secrets; or the
    model has read a stand-in in its history, and takes it for the thing.
    """
    # No character of a stand-in has an escape in JSON.
    found = find_stand_in(msgspec.json.encode(without_words(action)).decode())
    if found is None:
        return None
    return (
        f"not run: the call holds {found}, which stands in the log for a secret that was not written down. "
        "Nothing was done. Give the secret another way, for example by the name of an environment variable."
    )

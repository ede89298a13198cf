"""What a person has allowed for the rest of a thread, for people: grants are read from their keys.

A key is made by the row of an action's kind: a list that begins with the kind, or the whole action.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from codexd.core.policy.permission_rules import lines_of
from codexd.core.values.tool_actions import Permissions

# Enough to name a grant; a thread has some dozens.
ID_CHARACTERS = 12


class Grant(msgspec.Struct, frozen=True):
    """Something that is allowed without a question for the rest of a thread."""

    id: str
    kind: str  # of the action
    line: str  # what is allowed, for people
    folder: str | None = None  # where; None: anywhere


def grants_of(keys: Iterable[str]) -> tuple[Grant, ...]:
    """The grants with these keys, sorted by kind and line."""
    return tuple(sorted(map(_grant, keys), key=lambda grant: (grant.kind, grant.line, grant.id)))


def grant_id(key: str) -> str:
    """By which a grant is named."""
    return hashlib.sha256(key.encode()).hexdigest()[:ID_CHARACTERS]


def _grant(key: str) -> Grant:
    read: Any = msgspec.json.decode(key)
    match read:
        case ["command", str(folder), str(line), bool(escalated), *_]:
            outside = " (outside of the sandbox)" if escalated else ""
            return Grant(grant_id(key), "command", f"{line}{outside}", folder)
        case ["permissions", bool(network), [*folders]]:
            permissions = Permissions(network, tuple(map(str, folders)))
            line = lines_of(permissions).replace("\n", ", ")
            return Grant(grant_id(key), "permissions", line)
        case [str(kind), *rest]:
            return Grant(grant_id(key), kind, " ".join(map(str, rest)))
        case {"kind": str(kind)}:
            return Grant(grant_id(key), kind, key)
        case _:
            return Grant(grant_id(key), "other", key)

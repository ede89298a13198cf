"""Permissions that the model asks for: folders to write in and the network, for its commands in the sandbox.

What is granted widens the sandbox's access for the rest of the turn, or of the thread; protected folders stay so.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.policy.looked_up import LookedUp
from codexd.core.policy.roots import may_write
from codexd.core.values.enforced import enforced_policy, is_confined, network_of, sandbox_wanted
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import AskPermissions, Permissions

WIDENS_SANDBOX: Final = "The model asks for more than the sandbox allows."


def permissions_line(action: AskPermissions) -> str:
    """What is asked for, one thing a line, for people."""
    return lines_of(action.permissions)


def lines_of(permissions: Permissions) -> str:
    """Permissions for people, one a line."""
    network = ["use the network"] if permissions.network else []
    return "\n".join([*network, *(f"write in {folder}" for folder in permissions.write)])


def permissions_reason(settings: Settings, action: AskPermissions, _: LookedUp) -> str | None:
    """Why a person must allow it; None if commands may do all of it anyway."""
    wanted = action.permissions
    if not is_confined(settings):
        return None
    has_network = not wanted.network or network_of(settings) != "off"
    writes = all(
        sandbox_wanted(settings) == "workspace-write"
        and may_write(settings, posixpath.join(folder, "x"))
        for folder in wanted.write
    )
    return None if has_network and writes else WIDENS_SANDBOX


def permissions_refusal(
    settings: Settings, action: AskPermissions, looked_up: LookedUp
) -> str | None:
    """The answer to the model where nobody may be asked, or nothing can be granted; None elsewhere."""
    if permissions_reason(settings, action, looked_up) is None:
        return None
    if enforced_policy(settings) == "never":
        return "not granted: the approval policy is `never`, so nobody is asked."
    if sandbox_wanted(settings) == "read-only" and action.permissions.write:
        return (
            "not granted: in the sandbox `read-only` no folder can be written in. Ask to run the command outside of it, "
            "with `require_escalated`."
        )
    return None


def permissions_key(action: AskPermissions) -> str:
    """The session key, from which `granted_by` reads what it grants."""
    wanted = action.permissions
    return msgspec.json.encode(["permissions", wanted.network, wanted.write]).decode()


def granted_by(keys: Iterable[str]) -> list[Permissions]:
    """What session keys grant, as far as they are of this kind."""
    found = []
    for key in sorted(keys):
        read = msgspec.json.decode(key)
        match read:
            case ["permissions", bool(network), [*folders]]:
                found.append(Permissions(network, tuple(map(str, folders))))
    return found


def widened(settings: Settings, granted: Iterable[Permissions]) -> Settings:
    """The settings with what was granted."""
    access = settings.access
    for permissions in granted:
        roots = dict.fromkeys((*access.writable_roots, *permissions.write))
        network = access.network_access or permissions.network
        access = replace(access, writable_roots=tuple(roots), network_access=network)
    return settings if access == settings.access else replace(settings, access=access)


def within(granted: Permissions, wanted: Permissions) -> Permissions:
    """What a person granted of what was asked for: never more."""
    folders = tuple(folder for folder in wanted.write if folder in granted.write)
    return Permissions(granted.network and wanted.network, folders)


def granted_text(permissions: Permissions, scope: str) -> str:
    """The answer to the model, in the form that Codex has."""
    members: dict[str, object] = {}
    if permissions.network:
        members["network"] = {"enabled": True}
    if permissions.write:
        members["file_system"] = {"write": permissions.write}
    return msgspec.json.encode({"permissions": members, "scope": scope}).decode()

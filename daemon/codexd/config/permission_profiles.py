"""Permission profiles of config.toml, as Codex has them, and the sandbox that each stands for. Pure.

Law: what the sandbox cannot enforce of a profile is never dropped: the profile says it, and its commands are refused.
Source: Codex 0.171, by what it answers for each kind of table.

    UnusableProfile    there is no such profile, or it extends what it cannot
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from codexd.config.keys import Config, FileAccess, PermissionProfileTable
from codexd.core.values.settings import ActiveProfile, SandboxAccess, SandboxMode

READ_ONLY: Final = ":read-only"
WORKSPACE: Final = ":workspace"
FULL_ACCESS: Final = ":danger-full-access"
BUILT_IN: Final = (READ_ONLY, WORKSPACE, FULL_ACCESS)

_ROOTS: Final = ":workspace_roots"
# An older name of the same.
_OLD_ROOTS: Final = ":project_roots"
_ITSELF: Final = "."  # of a table of paths below a place: the place itself

Target = tuple[str, str]  # a place, and the path below it
Rules = Mapping[Target, FileAccess]

# What a table extends has these rules, which the table's own replace one by one.
_EXTENDED: Final[Mapping[str, Rules]] = {
    READ_ONLY: {(":root", _ITSELF): "read"},
    WORKSPACE: {
        (":root", _ITSELF): "read",
        (_ROOTS, _ITSELF): "write",
        (":tmpdir", _ITSELF): "write",
        (":slash_tmp", _ITSELF): "write",
    },
}


class UnusableProfile(Exception):
    """A permission profile cannot be used. The message is a sentence without its end."""


class Permissions(msgspec.Struct, frozen=True):
    """The sandbox that a profile stands for."""

    sandbox: SandboxMode
    access: SandboxAccess
    profile: ActiveProfile


def permissions_of(name: str, config: Config, folder: str) -> Permissions:
    """The permissions of a profile, for a thread in this folder. Raises: UnusableProfile."""
    if name == FULL_ACCESS:
        return Permissions("danger-full-access", SandboxAccess(), ActiveProfile(name))
    if name in _EXTENDED:
        mode: SandboxMode = "read-only" if name == READ_ONLY else "workspace-write"
        return Permissions(mode, SandboxAccess(), ActiveProfile(name))
    chain = tuple(_chain(name, config.permissions))
    rules, roots, network = _merged(chain)
    domains = config.features.proxy.enabled and any(table.network.domains for table in chain)
    return _permissions(
        ActiveProfile(name, chain[0].extends),
        _placed(rules, folder),
        folder,
        tuple(_path(root, folder) for root in roots),
        network=network,
        domains=domains,
    )


def is_usable(name: str, config: Config) -> bool:
    """Whether a thread may have the profile."""
    try:
        permissions_of(name, config, "/")
    except UnusableProfile:
        return False
    return True


def _chain(
    name: str, tables: Mapping[str, PermissionProfileTable]
) -> Iterator[PermissionProfileTable]:
    """The table of a profile, and those that it extends. Raises: UnusableProfile."""
    seen: list[str] = []
    at: str | None = name
    while at is not None and at not in _EXTENDED:
        if at in seen:
            raise UnusableProfile(f"the permission profile `{at}` extends itself")
        if at in BUILT_IN:
            raise UnusableProfile(f"the permission profile `{seen[-1]}` cannot extend `{at}`")
        if at not in tables:
            by = f", which `{seen[-1]}` extends" if seen else ""
            known = ", ".join((*BUILT_IN, *tables))
            raise UnusableProfile(
                f"expected a permission profile, one of {known}; found `{at}`{by}"
            )
        seen.append(at)
        yield tables[at]
        at = tables[at].extends


def _merged(
    chain: tuple[PermissionProfileTable, ...],
) -> tuple[dict[Target, FileAccess], list[str], bool]:
    """The rules, the further workspace roots and the network of a profile."""
    rules = dict(_EXTENDED.get(chain[-1].extends or "", {}))
    roots, network = dict[str, bool](), False
    for table in reversed(chain):
        rules |= dict(_rules(table))
        roots |= table.workspace_roots
        network = network if table.network.enabled is None else table.network.enabled
    return rules, [root for root, holds in roots.items() if holds], network


def _rules(table: PermissionProfileTable) -> Iterator[tuple[Target, FileAccess]]:
    for place, access in table.filesystem.items():
        named = _ROOTS if place == _OLD_ROOTS else place
        if isinstance(access, str):
            yield (named, _ITSELF), access
        elif isinstance(access, Mapping):
            for below, rule in access.items():
                yield (named, below.rstrip("/") or _ITSELF), rule
        # A number is the depth to which patterns are looked for.


def _placed(rules: Rules, folder: str) -> Rules:
    """The rules with absolute paths; the names that begin with a colon stay."""
    placed = dict[Target, FileAccess]()
    for (place, below), access in rules.items():
        if place.startswith(":"):
            placed[place, below] = access
        else:
            placed[_path(os.path.join(os.path.expanduser(place), below), folder), _ITSELF] = access
    return placed


def _path(path: str, folder: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def _permissions(
    profile: ActiveProfile,
    rules: Rules,
    folder: str,
    roots: tuple[str, ...],
    *,
    network: bool,
    domains: bool,
) -> Permissions:
    everywhere = rules.get((":root", _ITSELF))
    if everywhere == "write" and network and not domains and not _less_than(rules, "write"):
        return Permissions("danger-full-access", SandboxAccess(), profile)
    workspace = rules.get((_ROOTS, _ITSELF)) == "write" or everywhere == "write"
    more = tuple(
        place
        for (place, _), access in rules.items()
        if access == "write" and not place.startswith(":")
    )
    mode: SandboxMode = "workspace-write" if workspace or more else "read-only"
    access = SandboxAccess(network_access=network)
    if mode == "workspace-write":
        access = SandboxAccess(
            (*(("/",) if everywhere == "write" else ()), *(roots if workspace else ()), *more),
            network,
            exclude_tmpdir_env_var=rules.get((":tmpdir", _ITSELF)) != "write",
            exclude_slash_tmp=rules.get((":slash_tmp", _ITSELF)) != "write",
        )
    why = _unenforced(rules, access, folder if workspace else None)
    if why is None and domains:
        why = "has a list of domains of its own"
    return Permissions(mode, access, msgspec.structs.replace(profile, unenforced=why))


def _less_than(rules: Rules, access: FileAccess) -> bool:
    return any(found != access for found in rules.values())


def _unenforced(rules: Rules, access: SandboxAccess, workspace: str | None) -> str | None:
    """What the sandbox cannot enforce, as the rest of "the profile …"; None if it enforces all.

    Args:
        workspace: the folder of the thread, if commands may write in it.
    """
    if rules.get((":root", _ITSELF)) not in ("read", "write"):
        return "limits what commands may read"
    if "deny" in rules.values() or "none" in rules.values():
        return "denies paths"
    if any("*" in place + below for place, below in rules):
        return "has patterns of paths"
    if access.writable_roots and workspace is None:
        return "lets commands write, but not in their own folder"
    for (place, below), found in rules.items():
        if place == _ROOTS and below != _ITSELF and (found == "write") == (workspace is None):
            return f"has a rule of its own for {below} in the workspace"
        writable = (*access.writable_roots, *((workspace,) if workspace is not None else ()))
        within = any(_is_within(place, root) for root in writable)
        if found == "read" and within and not place.startswith(":"):
            return f"has a folder in which commands may write, but not in {place}"
    return None


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")

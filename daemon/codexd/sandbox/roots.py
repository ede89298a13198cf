"""What a sandbox shows of the file system: which folders are writable, protected, hidden. I/O: it looks at folders.

Law: a protected or hidden path can't be reached by renaming a folder above it, because every folder on the way there
from a writable root is the point of a mount, which can't be renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from codexd.core.policy.roots import PROTECTED_NAMES, SLASH_TMP
from codexd.core.values.enforced import CannotConfine, Sandbox

# A `.git` file names a folder in one line; a longer one is not git's.
GIT_POINTER_BYTES_MAX: Final = 8192
# Of the kernel: other mounts are made there.
_KERNELS: Final = ("/proc", "/sys", "/dev")
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 (it is made writable only if a person says so)

# Of Codex's home: what a model may be told to read. All else there is hidden: credentials, settings, conversations.
_SHOWN_OF_CODEX: Final = ("skills", "prompts")

Kind = Literal["write", "read", "hide"]


class Mount(msgspec.Struct, frozen=True):
    """A folder or file that is mounted on itself, or covered."""

    path: str
    kind: Kind


class View(msgspec.Struct, frozen=True):
    """The file system and the network of a confined command."""

    mounts: tuple[Mount, ...]  # each after those above it; all else is read-only
    placeholders: tuple[
        str, ...
    ] = ()  # protected names that do not exist: they need a folder to mount on
    everything_writable: bool = False  # the root folder is a writable root
    network: bool = False
    proxied: bool = False  # its network has a port that is handed out to a proxy


def view_of(
    sandbox: Sandbox,
    own_folders: Sequence[str],
    temporary: str | None,
    codex_homes: Sequence[str] = (),
) -> View:
    """The view of a sandbox that is not `danger-full-access`.

    Args:
        own_folders: codexd's, absolute.
        temporary: the value of TMPDIR.
        codex_homes: Codex's folders, absolute.

    Raises:
        CannotConfine: a folder cannot be protected.
    """
    workspaces, temporaries = _writable(sandbox, temporary)
    own = (*own_folders, *codex_homes)
    hidden = {os.path.realpath(folder) for folder in own if os.path.isdir(folder)}
    if any(root in hidden for root in workspaces):
        raise CannotConfine("its folder is codexd's own or Codex's, which no command may see")
    kinds: dict[str, Kind] = dict.fromkeys((*temporaries, *workspaces), "write")
    everything = kinds.pop("/", None) is not None
    if everything:
        kinds["/sys"] = "read"
    roots = [*workspaces, *temporaries]
    for root in roots:
        for path in _protected(root):
            kinds.setdefault(path, "read")
    # A folder of Codex's that a command makes would be believed.
    missing = [*_missing_names(workspaces), *_missing_homes(codex_homes, roots)]
    kinds |= dict.fromkeys(missing, "read")
    kinds |= dict.fromkeys(hidden, "hide")
    kinds |= dict.fromkeys(_shown_of(codex_homes), "read")
    for path in [path for path in hidden if _is_covered(path, kinds)]:
        del kinds[path]  # else the folders between the two would be mounted, and so be seen
    for path in _on_the_way(kinds, roots):
        kinds.setdefault(path, "write")
    ordered = sorted(kinds, key=lambda path: (path.count("/"), path))
    return View(
        mounts=tuple(Mount(path, kinds[path]) for path in ordered),
        placeholders=tuple(dict.fromkeys(missing)),
        everything_writable=everything,
        network=sandbox.access.network_access and not sandbox.domains,
        proxied=sandbox.domains,
    )


def _writable(sandbox: Sandbox, temporary: str | None) -> tuple[list[str], list[str]]:
    """The writable roots that exist: the workspaces, and the temporary folders."""
    if sandbox.mode != "workspace-write":
        return [], []
    access = sandbox.access
    asked = [] if access.exclude_slash_tmp else [SLASH_TMP]
    if temporary and temporary.startswith("/") and not access.exclude_tmpdir_env_var:
        asked.append(temporary)
    workspaces = _real((sandbox.folder, *access.writable_roots))
    return workspaces, [root for root in _real(asked) if root not in workspaces]


def _missing_names(workspaces: Sequence[str]) -> list[str]:
    """The protected names of workspaces that do not exist. At the root of the system, empty folders would protect nothing."""
    paths = [path for root in workspaces if root != "/" for path in _named(root)]
    return [path for path in paths if not os.path.lexists(path)]


def _missing_homes(homes: Sequence[str], roots: Sequence[str]) -> list[str]:
    """Those that do not exist, and that a command could make."""
    found = [os.path.realpath(home) for home in homes if not os.path.lexists(home)]
    within = [home for home in found if _is_within(home, roots)]
    return [home for home in within if os.path.isdir(os.path.dirname(home))]


def _is_within(path: str, roots: Sequence[str]) -> bool:
    return any(path.startswith(f"{root.rstrip('/')}/") for root in roots)


def _is_covered(path: str, kinds: Mapping[str, Kind]) -> bool:
    """Whether the next mount above it hides it: it needs none of its own, which takes bubblewrap half a millisecond."""
    above = path.rpartition("/")[0]
    while above and above not in kinds:
        above = above.rpartition("/")[0]
    return kinds.get(above) == "hide"


def _shown_of(homes: Sequence[str]) -> list[str]:
    places = (
        os.path.join(os.path.realpath(home), name) for home in homes for name in _SHOWN_OF_CODEX
    )
    return [place for place in places if os.path.isdir(place) and not os.path.islink(place)]


def _real(folders: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for folder in folders:
        real = os.path.realpath(folder)
        kernels = any(real == place or real.startswith(f"{place}/") for place in _KERNELS)
        if os.path.isdir(real) and (not kernels or real == _SHARED_MEMORY):
            found[real] = None
    return list(found)


def _named(root: str) -> list[str]:
    return [os.path.join(root, name) for name in PROTECTED_NAMES]


def _protected(root: str) -> list[str]:
    """What exists of a root's protected names, and the folders that a `.git` file leads to."""
    found: list[str] = []
    for path in _named(root):
        if os.path.islink(path):
            raise CannotConfine(
                f"{path} is a symbolic link, which no sandbox can keep from being replaced; with a folder or a file "
                "in its place, commands can run there"
            )
        if os.path.exists(path):
            found.append(path)
        if path.endswith("/.git") and os.path.isfile(path):
            found += _git_folders(path)
    return found


def _git_folders(pointer: str) -> list[str]:
    """The folders of a worktree's or submodule's repository. Source: gitrepository-layout(5)."""
    folder = _named_in(pointer, "gitdir: ")
    if folder is None:
        return []
    common = _named_in(os.path.join(folder, "commondir"), "")
    return [folder] if common is None else [folder, common]


def _named_in(file: str, prefix: str) -> str | None:
    try:
        with Path(file).open("rb") as opened:
            line = os.fsdecode(opened.read(GIT_POINTER_BYTES_MAX)).rstrip("\n")
    except OSError:
        return None
    if not line.startswith(prefix):
        return None
    folder = os.path.realpath(os.path.join(os.path.dirname(file), line.removeprefix(prefix)))
    return folder if os.path.isdir(folder) else None


def _on_the_way(mounted: Iterable[str], roots: Sequence[str]) -> set[str]:
    """The folders between a writable root and a path that is mounted beneath it."""
    between: set[str] = set()
    for path in mounted:
        for root in roots:
            if path != root and path.startswith(f"{root.rstrip('/')}/"):
                # Texts: for each command some sixty folders, of which pathlib makes three times the work.
                folder = path.rpartition("/")[0]
                while len(folder) > len(root):
                    between.add(folder)
                    folder = folder.rpartition("/")[0]
    return between

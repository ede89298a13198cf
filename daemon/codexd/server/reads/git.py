"""The commit, branch and origin of a folder's repository, read from git's own files without a process.

Law: the files are not trusted. No file in the repository makes us read outside of it: no link is followed,
a ref stays below `refs/`, and a folder elsewhere (a worktree's, a submodule's) counts only where it names
this one, or lies where git puts it. The result is an object's id, a branch's name and a URL.
"""

from __future__ import annotations

import os
import re
import stat
from functools import partial
from pathlib import Path
from typing import Final

from codexd.core.events.events import GitHead
from codexd.machine.foreign_files import read_file
from codexd.machine.owners import foreign_owner
from codexd.machine.patience import NoAnswer, patiently
from codexd.protocol.threads import GitInfo

# A ref or a config file of a repository is small; what is larger is not read.
GIT_FILE_BYTES_MAX: Final = 1024 * 1024
# What git refuses in a ref's name (git-check-ref-format(1)), beside the checks of each part.
_NOT_IN_A_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_OBJECT_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF_BYTES_MAX: Final = 4096


class _NoRepository(Exception):
    """There is no repository, or its files are not trusted."""


async def git_head(cwd: str) -> GitHead | None:
    """Commit, branch and origin of the repository that a folder is in; None where it is in none."""
    try:
        return await patiently(cwd, partial(_read_head, Path(cwd)))
    except NoAnswer:
        return None


def git_info(logged: GitHead | None) -> GitInfo | None:
    """A head from a log, for clients; an older version or a foreign file may have put any text there."""
    if logged is None:
        return None
    branch, origin = logged.branch, logged.origin_url
    is_branch = branch is not None and (_is_ref(branch) or _is_ref(f"refs/heads/{branch}"))
    return GitInfo(
        _object_id(logged.sha or ""),
        branch if is_branch else None,
        origin if origin is not None and origin.isprintable() else None,
    )


def _read_head(cwd: Path) -> GitHead | None:
    folder = next(
        (parent for parent in (cwd, *cwd.parents) if os.path.lexists(parent / ".git")), None
    )
    if folder is None:
        return None
    try:
        git = _git_folder(folder)
        common = _common_folder(git)
        head, origin = _head(git), _origin(_text(common, "config"))
        if not head.startswith("ref:"):
            return GitHead(_object_id(head), None, origin)
        ref = head.removeprefix("ref:").strip()
        if not _is_ref(ref):
            return GitHead(None, None, origin)
        return GitHead(_commit(git, common, ref), ref.removeprefix("refs/heads/"), origin)
    except (OSError, ValueError, _NoRepository):
        return None


def _git_folder(folder: Path) -> Path:
    """Where git keeps what it knows of a folder. Raises: _NoRepository, OSError."""
    git = folder / ".git"
    if foreign_owner(git) is not None:
        raise _NoRepository
    if git.is_dir():
        return git
    named = read_file(git, _REF_BYTES_MAX).decode(errors="replace").removeprefix("gitdir:").strip()
    found = Path(os.path.realpath(folder / named))
    is_submodule = any(
        found.is_relative_to(Path(os.path.realpath(above), ".git", "modules"))
        for above in folder.parents
    )
    # The folder of a worktree names its worktree (gitrepository-layout(5)).
    if not is_submodule:
        back = os.path.realpath(found / _text(found, "gitdir").strip())
        if back != os.path.realpath(git):
            raise _NoRepository
    if foreign_owner(found) is not None:
        raise _NoRepository
    return found


def _common_folder(git: Path) -> Path:
    """Where the refs of all worktrees are: two folders up from a worktree's own, and nowhere else."""
    if not os.path.lexists(git / "commondir"):
        return git
    common = Path(os.path.realpath(git / _text(git, "commondir").strip()))
    if common != Path(os.path.realpath(git)).parent.parent or foreign_owner(common) is not None:
        raise _NoRepository
    return common


def _head(git: Path) -> str:
    path = git / "HEAD"
    if path.is_symlink():  # as git wrote it long ago
        return f"ref: {os.readlink(path)}"
    return _text(git, "HEAD").strip()


def _is_ref(ref: str) -> bool:
    parts = ref.split("/")
    return (
        len(ref) <= _REF_BYTES_MAX
        and ref.startswith("refs/")
        and ref.isprintable()
        and not _NOT_IN_A_REF.search(ref)
        and not any(
            not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts
        )
    )


def _commit(git: Path, common: Path, ref: str) -> str | None:
    for place in (git, common):
        try:
            return _object_id(_text(place, ref).strip())
        except OSError:
            continue
    try:
        packed = _text(common, "packed-refs")
    except OSError:
        return None
    for line in packed.splitlines():
        sha, _, name = line.partition(" ")
        if name == ref:
            return _object_id(sha)
    return None


def _object_id(text: str) -> str | None:
    return text if _OBJECT_ID.fullmatch(text) else None


def _origin(config: str) -> str | None:
    """The URL of the remote `origin` (git-config(1)); what has an escape in it is not read."""
    section = ""
    for line in config.splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text
            continue
        key, found, value = text.partition("=")
        if found and section == '[remote "origin"]' and key.strip().lower() == "url":
            return _without_secret(value.strip().strip('"'))
    return None


def _without_secret(url: str) -> str | None:
    """A URL may carry a token before its host."""
    if not url or not url.isprintable():
        return None
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _text(folder: Path, name: str) -> str:
    """A file below a folder, no part of the way to it being a link. Raises: OSError, ValueError."""
    *on_the_way, last = name.split("/")
    for part in on_the_way:
        folder = folder / part
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(folder)
    return read_file(folder / last, GIT_FILE_BYTES_MAX, follow=False).decode(errors="replace")

"""Where a folder's repository stands, read from git's own files: no process is started for it."""

from __future__ import annotations

from pathlib import Path

import trio

from codexd.core.events import GitHead

# A ref or a config file of a repository is small; what is larger is not read.
GIT_FILE_BYTES_MAX = 1024 * 1024


async def git_head(cwd: str) -> GitHead | None:
    """Commit, branch and origin of the repository that a folder is in; None where it is in none."""
    return await trio.to_thread.run_sync(_read_head, Path(cwd))


def _read_head(cwd: Path) -> GitHead | None:
    folder = next((one for one in (cwd, *cwd.parents) if (one / ".git").exists()), None)
    if folder is None:
        return None
    git = folder / ".git"
    try:
        if git.is_file():  # A worktree or a submodule: the file says where its own part lies.
            git = Path(folder, _text(git).removeprefix("gitdir:").strip())
        head = _text(git / "HEAD").strip()
        common = (
            Path(git, _text(git / "commondir").strip()) if (git / "commondir").exists() else git
        )
        origin = _origin(common / "config")
        if not head.startswith("ref:"):
            return GitHead(head, None, origin)
        ref = head.removeprefix("ref:").strip()
        return GitHead(_commit(git, common, ref), ref.removeprefix("refs/heads/"), origin)
    except OSError:
        return None


def _commit(git: Path, common: Path, ref: str) -> str | None:
    for place in (git / ref, common / ref):
        if place.is_file():
            return _text(place).strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in _text(packed).splitlines():
            sha, _, name = line.partition(" ")
            if name == ref:
                return sha
    return None


def _origin(config: Path) -> str | None:
    import configparser  # 5 ms that a daemon's start need not wait for

    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(_text(config))
    except configparser.Error:
        return None
    url = parser.get('remote "origin"', "url", fallback=None)
    return _without_secret(url) if url else None


def _without_secret(url: str) -> str:
    """A URL may carry a token in front of its host."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(GIT_FILE_BYTES_MAX).decode(errors="replace")

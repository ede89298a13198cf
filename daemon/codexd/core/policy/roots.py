"""The folders that the mode `workspace-write` may change, by their names alone."""

from __future__ import annotations

import posixpath
from typing import Final

from codexd.core.values.settings import Settings

# In each writable root: what they hold is run or believed outside of the sandbox, by git, by codexd and by Codex.
PROTECTED_NAMES: Final = (".git", ".codex", ".agents")
SLASH_TMP: Final = "/tmp"  # noqa: S108 (it is named, not used)


def may_write(settings: Settings, path: str) -> bool:
    """Whether a file at this absolute path is in a writable root, and not in a protected folder of it.

    $TMPDIR is of the machine, and is not known here.
    """
    access, path = settings.access, posixpath.normpath(path)
    temporary = () if access.exclude_slash_tmp else (SLASH_TMP,)
    # File systems that ignore the case of names have .GIT for .git.
    roots = [
        posixpath.normpath(root) for root in (settings.cwd, *access.writable_roots, *temporary)
    ]
    within = [root for root in roots if path.startswith(f"{root.rstrip('/')}/")]
    first = [path[len(root.rstrip("/")) + 1 :].partition("/")[0] for root in within]
    return bool(within) and not any(name.lower() in PROTECTED_NAMES for name in first)

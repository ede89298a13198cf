"""Two umasks: the daemon's own, which keeps its files private, and that of the person's commands.

A process has one umask; the umask at its start is kept here, once, for all commands.
"""

from __future__ import annotations

import os

PRIVATE_UMASK = 0o077
INHERITED = -1  # subprocess.Popen: the child has its parent's umask

_given = INHERITED


def keep_files_private() -> None:
    """Let this process make files for its user only; commands get the umask that it had until now."""
    global _given  # noqa: PLW0603  # of the process, as the umask is
    _given = os.umask(PRIVATE_UMASK)


def umask_for_commands() -> int:
    """The umask of the person's commands, as subprocess.Popen takes it."""
    return _given


def mode_for_commands(mode: int) -> int:
    """The mode of a file or folder that a command of the person would make with this mode."""
    umask = _given
    if umask == INHERITED:
        umask = os.umask(PRIVATE_UMASK)  # It can only be read by setting it.
        os.umask(umask)
    return mode & ~umask

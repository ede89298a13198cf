"""Two umasks: the daemon's own, which keeps its files private, and that of the person's commands.

A process has one umask; the umask at its start is kept here, once, for all commands.
"""

from __future__ import annotations

import os

PRIVATE_UMASK = 0o077

_given: int | None = None  # None: this process keeps the umask that it was started with


def keep_files_private() -> None:
    """Let this process make files for its user only; commands get the umask that it had until now."""
    global _given  # noqa: PLW0603  # of the process, as the umask is
    _given = os.umask(PRIVATE_UMASK)


def restore_umask() -> None:
    """Give this process the umask back that it was started with: another program takes its place."""
    os.umask(umask_for_commands())


def umask_for_commands() -> int:
    """The umask of the person's commands."""
    if _given is not None:
        return _given
    umask = os.umask(PRIVATE_UMASK)  # It can only be read by setting it.
    os.umask(umask)
    return umask


def mode_for_commands(mode: int) -> int:
    """The mode of a file or folder that a command of the person would make with this mode."""
    return mode & ~umask_for_commands()

"""Empty folders that stand for protected names while commands are confined, and are removed when none is. Linux.

A list has their paths, each with a NUL behind it. They must stay as long as a process has a mount on one of them:
removing a folder removes the mounts on it everywhere. The guard removes them for a daemon that is dead. Standard
library only.
"""

from __future__ import annotations

import contextlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# After a command was begun: its mounts are made by then, even on a machine that hardly moves.
SETTLED_SECONDS = 10.0
# A pipe there must not hold us up.
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
# As mountinfo has them. Source: proc_pid_mountinfo(5).
_ESCAPED = str.maketrans({" ": "\\040", "\t": "\\011", "\n": "\\012", "\\": "\\134"})


LIST = "placeholders"
_POLL_SECONDS = 0.5  # a list that somebody else has removed is waited for no longer


def list_below(state_folder: str) -> str:
    """Where the list of a home is."""
    return os.path.join(state_folder, "sandbox", LIST)


def remove_listed(path: str) -> bool:
    """Remove the folders of a list, and the list, if no command is confined there; whether they are gone.

    Raises: OSError, for a list that cannot be read or removed.
    """
    try:
        with open(os.open(path, _TO_READ), "rb") as file:
            *whole, _torn = file.read().split(b"\0")
    except FileNotFoundError:
        return True
    made = {os.fsdecode(name) for name in whole if name.startswith(b"/")}
    if _any_mounted(made):
        return False
    for name in made:
        with contextlib.suppress(OSError):  # it is not empty, and so a person's
            os.rmdir(name)
    os.unlink(path)
    return True


def remove_when_settled(path: str) -> None:
    """Wait until the last command that was begun has its mounts, and then try once."""
    with contextlib.suppress(OSError):
        while (wait := os.stat(path).st_mtime + SETTLED_SECONDS - time.time()) > 0:
            time.sleep(min(wait, _POLL_SECONDS))
        remove_listed(path)


def _any_mounted(paths: Iterable[str]) -> bool:
    """Whether a process has a mount on one of these paths."""
    marks = [f" {path.translate(_ESCAPED)} ".encode(errors="surrogateescape") for path in paths]
    for process in os.listdir("/proc"):
        if process.isdecimal():
            with (
                contextlib.suppress(OSError),  # it has ended
                open(f"/proc/{process}/mountinfo", "rb", buffering=0) as file,
            ):
                mounts = file.read()
                if any(mark in mounts for mark in marks):
                    return True
    return False

"""Starts the keeper of a home, unless one is there: `python -I -S start.py FOLDER SOCKET FILES EMPTY`.

The process that was started ends as soon as the keeper answers on its socket, so the keeper is nobody's child. On
Linux its parent is the guard, which kills what a keeper that died has left.

    FOLDER  the keeper's own: the lock, and the outputs
    FILES   the soft limit of open files that commands get
    EMPTY   the list of empty folders that a daemon which is gone has left to be removed
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import stat
import sys

if __name__ == "__main__":
    # Nothing but the standard library and this package is needed, and nothing else is found before it.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from codexd.keeper import empty_folders, marks, tree
from codexd.keeper.keeper import Keeper
from codexd.keeper.spawn import PRIVATE_UMASK

EXIT_TAKEN = 75  # another keeper has the home: sysexits.h, "try again later"
_CONNECTIONS_WAITING_MAX = 4  # one daemon, and one that replaces it


def main(arguments: list[str]) -> int:
    """Returns the exit code; the keeper's process comes back here too, at its end."""
    folder, path, files, placeholders = arguments
    os.umask(PRIVATE_UMASK)
    os.chdir("/")
    marks.clear_own()  # The daemon may have been started by a command.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if not stat.S_ISREG(os.fstat(lock).st_mode):
        raise OSError(f"expected {folder}/lock to be a file, found something else")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return EXIT_TAKEN
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), hard))
    listener = _listening(path)
    for output in (1, 2):
        os.dup2(0, output)  # Nobody reads what it says from here on.
    if os.fork():
        os._exit(0)  # The keeper answers.
    if sys.platform == "linux":
        tree.become_subreaper()
        if keeper := os.fork():
            listener.close()
            tree.guard(keeper)
            os.close(lock)  # From here on another keeper may have the home.
            empty_folders.remove_when_settled(placeholders)
            return 0
        tree.become_subreaper()
    os.ftruncate(lock, 0)
    os.write(lock, b"%d\n" % os.getpid())
    try:
        Keeper(listener, folder).run()
    except BaseException:
        _leave_a_trace(folder)
        raise
    finally:
        _unlink(path, os.path.join(folder, "lock"), lock)
    return 0


def _unlink(path: str, name: str, lock: int) -> None:
    """Remove the socket, unless the folder was removed: then another keeper may have made its own there."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.stat(name), os.fstat(lock)):
            os.unlink(path)


def _leave_a_trace(folder: str) -> None:
    """The keeper has no log: its own fault is found beside its lock."""
    import traceback

    fd = os.open(
        os.path.join(folder, "crash"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
    )
    with open(fd, "w", encoding="utf-8") as file:
        traceback.print_exc(file=file)


def _listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.lexists(path):
        os.unlink(path)  # We have the lock: it is a dead keeper's.
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(_CONNECTIONS_WAITING_MAX)
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

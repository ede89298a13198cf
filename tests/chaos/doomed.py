"""The real daemon with a counter in front of its calls of one kind: at a chosen call it is killed with SIGKILL.

    python doomed.py KIND NUMBER MOMENT

KIND is one of `KINDS`. MOMENT is `before` the call, `half` way through what it writes or sends, or `after` it.
A number that is never reached kills nobody. The file imports nothing of ours before the calls are replaced,
because a module may keep a name of its own for one of them.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

KINDS = ("file", "sync", "send", "spawn")
MOMENTS = ("before", "half", "after")

_FILE_CALLS = ("write", "writev", "replace", "rename", "unlink", "mkdir", "rmdir", "ftruncate")
_SYNC_CALLS = ("fsync", "fdatasync")
_SEND_CALLS = ("send", "sendmsg")


class Doom:
    """Counts the calls of one kind, and dies at one of them."""

    def __init__(self, kind: str, number: int, moment: str) -> None:
        self._kind, self._number, self._moment = kind, number, moment
        self._count = 0
        self._counting = threading.Lock()

    def replace_calls(self) -> None:
        """Put the counter in front of every call of the kind."""
        if self._kind == "file":
            for name in _FILE_CALLS:
                self._replace(os, name)
            self._replace(os, "open", counts=_makes_a_file)
            self._replace(io, "open", counts=_opens_to_write)
        elif self._kind == "sync":
            for name in _SYNC_CALLS:
                self._replace(os, name)
        elif self._kind == "send":
            for name in _SEND_CALLS:
                self._replace(socket.socket, name)
        else:
            self._replace(subprocess.Popen, "_execute_child")

    def _replace(
        self, owner: object, name: str, counts: Callable[..., bool] = lambda *_, **__: True
    ) -> None:
        real = getattr(owner, name, None)
        if real is None:
            return  # macOS has no fdatasync

        def counted(*arguments: Any, **options: Any) -> Any:
            if not counts(*arguments, **options) or not self._is_last():
                return real(*arguments, **options)
            if self._moment == "half":
                _do_half(real, name, arguments)
            elif self._moment == "after":
                real(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("killed processes do not go on")

        setattr(owner, name, counted)

    def _is_last(self) -> bool:
        with self._counting:
            self._count += 1
            return self._count == self._number


def _makes_a_file(_path: object, flags: int, *_: object, **__: object) -> bool:
    return bool(flags & os.O_CREAT)


def _opens_to_write(_path: object, mode: str = "r", *_: object, **__: object) -> bool:
    return any(letter in mode for letter in "wax+")


def _do_half(real: Callable[..., Any], name: str, arguments: tuple[Any, ...]) -> None:
    """The first half of what a call was to write or send; nothing where it has no halves."""
    if name not in ("write", "writev", "send"):
        return
    target, content = arguments[0], arguments[1]
    whole = b"".join(content) if name == "writev" else bytes(content)
    half = whole[: len(whole) // 2]
    real(target, [half] if name == "writev" else half)


def main() -> int:
    """Serve until the chosen call, or until somebody stops the daemon."""
    kind, number, moment = sys.argv[1:4]
    Doom(kind, int(number), moment).replace_calls()
    from codexd.__main__ import main as serve

    return serve([])


if __name__ == "__main__":
    sys.exit(main())

"""The paths that clients name: absolute, and, where something is changed, none of codexd's own. I/O; it blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from codexd.protocol.wire.rpc import invalid_params
from codexd.server.files.disk import NotDone


def absolute(name: str, path: str) -> str:
    """The path without `.` and `..`. Raises: RpcError."""
    if not path.startswith("/"):
        raise invalid_params(f"{name}: expected an absolute path, found {path!r}")
    if "\0" in path:
        raise invalid_params(f"{name}: file name contained an unexpected NUL byte")
    return "/" + os.path.normpath(path).lstrip("/")  # POSIX keeps two slashes at the beginning.


def refuse_own(path: str, own: Iterable[Path], what: str, *, follow: bool, with_tree: bool) -> None:
    """Raises: NotDone, where a path is in one of codexd's folders or, `with_tree`, has one in it.

    `follow` says whether a link at its end is followed by what is about to be done.
    """
    folder, name = os.path.split(path)
    real = os.path.realpath(path) if follow else os.path.join(os.path.realpath(folder), name)
    for place in map(os.path.realpath, own):
        if _within(real, place) or (with_tree and _within(place, real)):
            raise NotDone(
                f"{place} is codexd's own folder, with the logs of all threads: nothing was {what}; "
                "thread/delete, thread/scrub and config/value/write change what is in it",
                "own_folder",
            )


def _within(path: str, folder: str) -> bool:
    return os.path.join(path, "").startswith(os.path.join(folder, ""))

"""The names of all files under a folder: those that git knows or would add, else all that are there. I/O, processes.

Git runs in an environment in which it starts no program that the repository names; where that cannot be promised, and
outside of repositories, the folders are read, and nothing is left out but `.git`. Links to folders are not followed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from codexd.machine.repository import git_may_run
from codexd.server.files.matching import folded
from codexd.tools.commits import environment_of_git

# Of all roots together: more than the largest open repositories have, and some 50 MB of memory.
NAMES_MAX: Final = 200_000
# What git may print; the names of that many files of usual length are half of it.
_LIST_BYTES_MAX: Final = 32 * 1024 * 1024
# What is not listed by then is not found.
SECONDS_MAX: Final = 20.0
_LIST: Final = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


class Name(NamedTuple):
    """A file or folder."""

    root: str
    path: str  # from the root
    lower: str  # the same, folded
    kind: Literal["file", "directory"]


def names_under(roots: Iterable[str], stop: threading.Event) -> list[Name]:
    """What is under these folders, as far as it can be read, until `stop`."""
    names: list[Name] = []
    until = time.monotonic() + SECONDS_MAX
    for root in dict.fromkeys(map(os.path.normpath, roots)):
        seen: set[str] = set()
        for path in _files(root, stop, until):
            if len(names) >= NAMES_MAX or time.monotonic() > until or stop.is_set():
                return names
            if path not in seen:  # Git says a file that is being merged several times.
                seen.add(path)
                names.append(Name(root, path, folded(path), "file"))
                names.extend(
                    Name(root, folder, folded(folder), "directory")
                    for folder in _new_folders(path, seen)
                )
    return names


def _new_folders(path: str, seen: set[str]) -> Iterator[str]:
    """The folders that a file is in and that were not said."""
    folder = path.rpartition("/")[0]
    while folder and folder not in seen:
        seen.add(folder)
        yield folder
        folder = folder.rpartition("/")[0]


def _files(root: str, stop: threading.Event, until: float) -> Iterator[str]:
    listed = _listed_by_git(root) if os.path.isdir(root) else []
    if listed is None:
        yield from _walked(root, "", stop, until)
        return
    for name in listed:
        if name.endswith(b"/"):  # another repository, of which git says only the folder
            yield from _walked(root, os.fsdecode(name[:-1]), stop, until)
        else:
            yield _text(name)


def _listed_by_git(root: str) -> list[bytes] | None:
    """What git lists; None where it is no repository, or git cannot be asked."""
    import subprocess  # 20 ms, for this alone

    if git_may_run(root) is not None:
        return None
    try:
        with subprocess.Popen(
            _LIST,
            cwd=root,
            env=environment_of_git(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            timer = threading.Timer(SECONDS_MAX, process.kill)
            timer.start()
            try:
                said = process.stdout.read(_LIST_BYTES_MAX)
                if len(said) == _LIST_BYTES_MAX:
                    process.kill()
                elif process.wait():
                    return None
                return said.split(b"\0")[:-1]
            finally:
                timer.cancel()
    except OSError:
        return None


def _walked(root: str, below: str, stop: threading.Event, until: float) -> Iterator[str]:
    """All files in a folder of the root."""
    waiting = [below]
    while waiting and not stop.is_set() and time.monotonic() < until:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            continue  # Another person's folder, or one that has just gone.
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name != ".git":
                    waiting.append(path)
            else:
                yield _text(os.fsencode(path))


def _text(name: bytes) -> str:
    return name.decode(errors="replace")

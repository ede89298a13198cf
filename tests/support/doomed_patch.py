"""A process that writes a patch and is killed at each of its file operations in turn; then the patch is finished.

python doomed_patch.py FOLDER   ->  a JSON line for each kill: what was left, and what became of it
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from codexd.core.values.tool_actions import PatchedFile
from codexd.tools.patch_files import CannotPatch, finish_patch, print_of, write_patch

OLD = {"a": "old a", "c": "old c", "e": "old e"}
NEW = {"a": "new a", "x/y/b": "new b", "e": "new e"}
OPERATIONS = frozenset(
    {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}
)


def contents(folder: Path) -> dict[str, str]:
    """All files of a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def killed_at(number: int, folder: Path, work: Callable[[], None]) -> bool:
    """Work in a child that dies at its n-th operation on files of the folder; False if it comes to its end."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    left = number

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and any(str(one).startswith(str(folder)) for one in arguments):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        work()
    except CannotPatch:
        os._exit(3)
    os._exit(0)


def main(folder: Path) -> None:
    """Kill it everywhere; after that, once more while it takes the patch back because a person has edited a file."""
    paths = sorted({*OLD, *NEW})
    writes = [
        PatchedFile(str(folder / path), _print(OLD.get(path)), _print(NEW.get(path)), "")
        for path in paths
    ]
    new = {str(folder / path): text.encode() for path, text in NEW.items()}
    folders = [str(folder / "x"), str(folder / "x" / "y")]

    def write() -> None:
        write_patch(writes, new, folders, "call")

    def finish() -> None:
        finish_patch(writes, folders, "call")

    for at in count(1):
        for edited in (False, True):
            for again in count(1):
                _fill(folder)
                if not killed_at(at, folder, write):
                    return
                left = contents(folder)
                mixed = {left.get("a"), left.get("e")} == {"new a", "old e"}
                if edited:
                    (folder / "e").write_text("a person's")
                killed = edited and mixed and killed_at(again, folder, finish)
                killed_at(0, folder, finish)
                print(json.dumps([edited, left, contents(folder), (folder / "x").exists()]))
                if not killed:
                    break


def _print(text: str | None) -> str | None:
    return None if text is None else print_of(text.encode())


def _fill(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, text in OLD.items():
        (folder / path).write_text(text)


if __name__ == "__main__":
    os.fsync = lambda fd: None  # A process that is killed loses nothing that it has written.
    main(Path(sys.argv[1]))

"""A process that writes a patch and is killed at each of its file operations in turn; then the patch is finished.

python doomed_patch.py FOLDER texts   ->  a JSON line for each kill: what was left, and what became of it
python doomed_patch.py FOLDER kinds   ->  the same for links, modes, a move and new folders
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
from codexd.machine.umask import mode_for_commands
from codexd.tools.patch_files import CannotPatch, finish_patch, print_of, write_patch

# A tree before and after its patch: the text of each file with its mode, or where a link leads.
Tree = dict[str, str]
TEXTS: tuple[Tree, Tree] = (
    {"a": "640 old a", "c": "640 old c", "e": "640 old e"},
    {"a": "640 new a", "x/y/b": "new b", "e": "640 new e"},
)
KINDS: tuple[Tree, Tree] = (
    {
        "program": "751 old program",
        "real": "600 old real",
        "link": "-> real",
        "gone": "-> kept",
        "kept": "640 kept",
        "moved": "755 as it is",
        "last/file": "640 alone in its folder",
    },
    {
        "program": "751 new program",
        "real": "600 new real",
        "link": "-> real",
        "kept": "640 kept",
        "x/y/moved": "755 as it is",
        "x/y/new": "new",
    },
)
_NEW_MODE = mode_for_commands(0o666)
TREES = {"texts": TEXTS, "kinds": KINDS}
OPERATIONS = frozenset(
    {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}
)


def contents(folder: Path) -> Tree:
    """All files and links of a folder; a new file has the mode that new files have here."""
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {path.readlink()}"
        elif path.is_file():
            mode = path.stat().st_mode & 0o777
            words = path.read_text() if mode == _NEW_MODE else f"{mode:o} {path.read_text()}"
            found[str(path.relative_to(folder))] = words
    return found


def killed_at(number: int, folder: Path, work: Callable[[], None]) -> bool:
    """Work in a child that dies at its n-th operation on files of the folder; False if it comes to its end."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    left = number

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        # A mode may be set by a descriptor: when the new content is written, and not yet synced.
        here = (str(folder), "/proc/self/fd/")
        is_here = event == "os.chmod" or any(str(one).startswith(here) for one in arguments)
        if event in OPERATIONS and is_here:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        work()
    except CannotPatch:
        os._exit(3)
    os._exit(0)


def patch_of(folder: Path, old: Tree, new: Tree) -> tuple[list[PatchedFile], dict[str, bytes]]:
    """The files of the patch from one tree to the other, and their new contents."""
    writes, contents = [], {}
    for path in sorted({*old, *new}):
        at = "real" if path == "link" else path  # A link is written through.
        before, after = _text(old, old.get(at)), _text(new, new.get(at))
        if path == "real" or (before == after and path in old and path in new):
            continue
        moved = str(folder / "moved") if path == "x/y/moved" else None
        writes.append(PatchedFile(str(folder / path), _print(before), _print(after), "", moved))
        if after is not None:
            contents[str(folder / path)] = after.encode()
    return writes, contents


def main(folder: Path, name: str) -> None:
    """Kill it everywhere; after that, once more while it takes the patch back because a person has edited a file."""
    old, new = TREES[name]
    folders = [str(folder / "x"), str(folder / "x" / "y")]

    def write() -> None:
        write_patch(writes, after, folders, "call")

    def finish() -> None:
        finish_patch(writes, folders, "call")

    writes, after = patch_of(folder, old, new)
    for at in count(1):
        for edited in (False, True) if name == "texts" else (False,):
            for again in count(1):
                _fill(folder, old)
                if not killed_at(at, folder, write):
                    return
                left = contents(folder)
                mixed = {left.get("a"), left.get("e")} == {"640 new a", "640 old e"}
                if edited:
                    (folder / "e").write_text("a person's")
                killed = edited and mixed and killed_at(again, folder, finish)
                killed_at(0, folder, finish)
                print(json.dumps([edited, left, contents(folder), (folder / "x").exists()]))
                if not killed:
                    break


def _text(tree: Tree, words: str | None) -> str | None:
    """The text of a file, or of the file that a link leads to."""
    if words is None:
        return None
    if words.startswith("-> "):
        return _text(tree, tree.get(words[3:]))
    return words.partition(" ")[2] if words[:3].isdigit() else words


def _print(text: str | None) -> str | None:
    return None if text is None else print_of(text.encode())


def _fill(folder: Path, tree: Tree) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, words in tree.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        if words.startswith("-> "):
            file.symlink_to(words[3:])
        else:
            file.write_text(words.partition(" ")[2])
            file.chmod(int(words[:3], 8))


if __name__ == "__main__":
    os.fsync = lambda fd: None  # A process that is killed loses nothing that it has written.
    main(Path(sys.argv[1]), sys.argv[2])

"""Changes of files as an editor shows them: the text before and after, by hunk. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from codexd_frontends.acp.translation.wire import Update
from codexd_frontends.client.messages import FileUpdate

# An editor draws each; the whole change is in the file.
HUNKS_MAX: Final = 100
# Of all texts of one call, in characters: a diff is looked at.
DIFF_CHARACTERS_MAX: Final = 400_000

_HUNK = re.compile(r"@@(?: .*)?")


def diffs_of(changes: Sequence[FileUpdate]) -> list[Update]:
    """The changes of a patch, as contents of a tool call."""
    found = [diff for change in changes for diff in _of_file(change)]
    room, shown = DIFF_CHARACTERS_MAX, []
    for diff in found[:HUNKS_MAX]:
        room -= len(diff["newText"]) + len(diff["oldText"] or "")
        if room < 0:
            break
        shown.append(diff)
    left = len(found) - len(shown)
    if left:
        text = f"{left} more change{'s' if left > 1 else ''} not shown here"
        shown.append({"type": "content", "content": {"type": "text", "text": text}})
    return shown


def _of_file(change: FileUpdate) -> list[Update]:
    match change.kind.type:
        case "add":
            return [_diff(change.path, None, change.diff)]
        case "delete":
            return [_diff(change.path, change.diff, "")]
        case _:
            path = change.kind.move_path or change.path
            hunks = _hunks(change.diff)
            return [_diff(path, before, after) for before, after in hunks] or [_diff(path, "", "")]


def _diff(path: str, before: str | None, after: str) -> Update:
    return {"type": "diff", "path": path, "oldText": before, "newText": after}


def _hunks(diff: str) -> list[tuple[str, str]]:
    """Before and after of each hunk of a unified diff."""
    hunks: list[tuple[list[str], list[str]]] = []
    last = " "
    for line in diff.split("\n"):
        if _HUNK.fullmatch(line):
            hunks.append(([], []))
        elif hunks and line[:1] in ("+", "-", " "):
            before, after = hunks[-1]
            last = line[0]
            if last != "+":
                before.append(f"{line[1:]}\n")
            if last != "-":
                after.append(f"{line[1:]}\n")
        elif hunks and line.startswith("\\"):  # the last line of the file has no newline
            before, after = hunks[-1]
            for side, sign in ((before, "+"), (after, "-")):
                if last != sign and side:
                    side[-1] = side[-1].removesuffix("\n")
    return [("".join(before), "".join(after)) for before, after in hunks]

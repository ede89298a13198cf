"""The changes of patches as one text in the form of `git diff`: a file that was changed twice is there once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from codexd.core.patch.combine import (
    NotShown,
    Script,
    combined,
    script_of_hunks,
    script_of_whole,
)
from codexd.core.patch.diff import NO_END
from codexd.core.values.items import SHORTENED_END, ChangeKind, FileUpdate


def git_diff(changes: Sequence[FileUpdate], cwd: str) -> str:
    """One diff; paths within the folder are relative to it."""
    return "".join([_file(change, cwd) for change in changes])


def with_changes(before: Sequence[FileUpdate], more: Sequence[FileUpdate]) -> list[FileUpdate]:
    """The changes with more of them after: each file from what it was to what it is now.

    Where a diff does not show enough for that, because it was shortened, both stay.
    """
    changes = list(before)
    for change in more:
        earlier = next((c for c in reversed(changes) if _place_after(c) == change.path), None)
        if earlier is None:
            changes.append(change)
            continue
        at = changes.index(earlier)
        try:
            both = _both(earlier, change)
        except NotShown:
            changes.append(change)
        else:
            changes[at : at + 1] = [] if both is None else [both]
    return changes


def _place_after(change: FileUpdate) -> str | None:
    """Where the file is after a change; a deleted file may come again there."""
    return change.kind.move_path or change.path


def _both(first: FileUpdate, second: FileUpdate) -> FileUpdate | None:
    """Two changes of one file as one; None if they take each other back. Raises: NotShown."""
    script = combined(_script(first), _script(second))
    was, stays = first.kind.type != "add", second.kind.type != "delete"
    if not was and not stays:
        return None
    if not was:
        return FileUpdate(_place_after(second) or "", ChangeKind("add"), script.text(1))
    if not stays:
        return FileUpdate(first.path, ChangeKind("delete"), script.text(0))
    now = _place_after(second)
    moved = None if now == first.path else now
    if not script.edits and moved is None:
        return None
    return FileUpdate(first.path, ChangeKind("update", moved), script.hunks())


def _script(change: FileUpdate) -> Script:
    """Raises: NotShown."""
    if change.kind.type == "update":
        return script_of_hunks(change.diff)
    if change.diff.endswith(SHORTENED_END):
        raise NotShown(change.path)
    return script_of_whole(change.diff, is_new=change.kind.type == "add")


def _file(change: FileUpdate, cwd: str) -> str:
    old = _relative(change.path, cwd)
    new = old if change.kind.move_path is None else _relative(change.kind.move_path, cwd)
    head = [f"diff --git a/{old} b/{new}"]
    match change.kind.type:
        case "add":
            head += ["new file mode 100644", "--- /dev/null", f"+++ b/{new}"]
            body = _whole("+", change.diff)
        case "delete":
            head += ["deleted file mode 100644", f"--- a/{old}", "+++ /dev/null"]
            body = _whole("-", change.diff)
        case _:
            if new != old:
                head += [f"rename from {old}", f"rename to {new}"]
            if change.diff:
                head += [f"--- a/{old}", f"+++ b/{new}"]
            body = change.diff
    return "\n".join(head) + "\n" + body


def _whole(sign: str, text: str) -> str:
    """A whole file as the only hunk of a diff."""
    *lines, last = text.split("\n")
    end = [NO_END] if last else []
    if last:
        lines.append(last)
    if not lines:
        return ""
    count = f"1,{len(lines)}"
    header = f"@@ -0,0 +{count} @@" if sign == "+" else f"@@ -{count} +0,0 @@"
    return "\n".join([header, *(sign + line for line in lines), *end]) + "\n"


def _relative(path: str, cwd: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.relative_to(cwd)) if pure.is_relative_to(cwd) else path.lstrip("/")

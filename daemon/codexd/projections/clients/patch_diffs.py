"""The changes of a patch as one text in the form of `git diff`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from codexd.core.patch.diff import NO_END
from codexd.core.values.items import FileUpdate


def git_diff(changes: Sequence[FileUpdate], cwd: str) -> str:
    """One diff; paths within the folder are relative to it."""
    return "".join([_file(change, cwd) for change in changes])


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

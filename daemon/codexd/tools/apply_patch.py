"""The tool `apply_patch`: files changed by a patch, all of them or none.

    ApplyPatchTool.read_call(arguments)  ->  ApplyPatch without files   (pure)
    ApplyPatchTool.prepare(ApplyPatch)   ->  ApplyPatch with its files: what each is before and after, and a diff
    ApplyPatchTool.perform(ApplyPatch)   ->  ToolResult

A person is asked about the prepared patch. It is applied only where every file still has the content that it had
then, so what is written is what was shown.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.patch.changes import FileChange, changes_of, paths_of
from codexd.core.patch.dialect import BEGIN, END, BadPatch, here_document_end, read_patch
from codexd.core.state.state import ThreadState
from codexd.core.values.items import SHORTENED_END
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import (
    ApplyPatch,
    BadCall,
    PatchedFile,
    ToolAction,
    ToolResult,
)
from codexd.machine.patience import patiently
from codexd.tools.patch_files import (
    CannotPatch,
    LedAway,
    content_of,
    finish_patch,
    missing_folders,
    print_of,
    write_patch,
)
from codexd.tools.registry import ENVIRONMENT, CallContext, OutputSink

TOOL_NAME: Final = "apply_patch"
# Of a deleted or replaced file a person is shown the beginning; the rest is counted.
WHOLE_FILE_CHARACTERS_MAX: Final = 32 * 1024
# All diffs of a patch: more than a person reads, and a quarter of what a client is sent at once.
DIFF_CHARACTERS_MAX: Final = 512 * 1024

_DESCRIPTION: Final = (
    "Changes files of this machine by a patch: all the changes are made, or none. Use it to edit, add, delete "
    "and move files. Every line that stays in a hunk must be in the file as it is; give three of them before and "
    "after a change, and a line `@@ def name` above it where those are in the file more than once. "
    "Paths start at the working directory of the conversation."
)
_GRAMMAR: Final = r"""start: "*** Begin Patch" LF section+ "*** End Patch" LF?
section: add | delete | update
add: "*** Add File: " PATH LF ("+" TEXT LF)+
delete: "*** Delete File: " PATH LF
update: "*** Update File: " PATH LF ("*** Move to: " PATH LF)? hunk*
hunk: header* change+ ("*** End of File" LF)?
header: "@@" (" " TEXT)? LF
change: (" " | "-" | "+") TEXT LF
PATH: /[^\r\n]+/
TEXT: /[^\r\n]*/
%import common.LF
"""
_EXAMPLE: Final = f"""{BEGIN}
*** Update File: src/greet.py
@@ def greet():
-    print("Hi")
+    print("Hello")
*** Add File: NOTES
+A new file.
{END}"""

_MARKS: Final = {"add": "A", "delete": "D", "update": "M"}  # as git has them
_NAMES: Final = (["apply_patch"], ["applypatch"])
LED_AWAY: Final = (
    "The patch was interrupted by a restart, and it is not known how far it came: symbolic links on the way to {} have "
    "changed since, and nothing was written there. Look at its files before you go on."
)
# Before the patch are the name, and perhaps a change of the folder.
_BEFORE_CHARACTERS_MAX: Final = 8 * 1024
_REPLACED: Final = {"'": "'", '"': '"$`\\'}

FREEFORM: Final = msgspec.json.encode(
    {
        "type": "custom",
        "name": TOOL_NAME,
        "description": _DESCRIPTION,
        "format": {"type": "grammar", "syntax": "lark", "definition": _GRAMMAR},
    }
)
FUNCTION: Final = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": f"{_DESCRIPTION} An example:\n{_EXAMPLE}\nAfter `*** Update File: path` a line `*** Move to: "
        "path` gives the file another path; `*** Delete File: path` deletes one; `*** End of File` after a hunk says "
        "that it ends where the file ends.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string", "description": "The whole patch."}},
            "required": ["input"],
            "additionalProperties": False,
        },
    }
)


class _Arguments(msgspec.Struct, frozen=True):
    """What the model may say; members that are not known here are ignored."""

    input: str | None = None
    patch: str | None = None  # as some models name it


class ApplyPatchTool:
    """The tool."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT})

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered in the form that the model takes, but not to a reviewer and not in plan mode: they change nothing."""
        settings = thread.in_force
        if thread.reviews is not None or (settings is not None and settings.plans):
            return None
        return FREEFORM if traits.freeform_patch else FUNCTION

    def read_call(self, arguments: str, context: CallContext) -> ApplyPatch | BadCall:
        """The patch of a call: free text, or a member of a JSON object. Its files are not read yet."""
        text = arguments
        if arguments.lstrip().startswith("{"):
            try:
                asked = msgspec.json.decode(arguments, type=_Arguments)
            except (msgspec.MsgspecError, UnicodeError) as error:
                return _bad(f"the arguments could not be read: {error}")
            text = asked.input or asked.patch or ""
        return _read(text, context.cwd)

    async def prepare(self, action: ToolAction, earlier: Sequence[ToolAction] = ()) -> ToolAction:
        """The patch with what it makes of its files, as they will be after earlier patches; a `BadCall` if it
        does not fit them.
        """
        if not isinstance(action, ApplyPatch):
            return action
        try:
            patches = [patch for patch in earlier if isinstance(patch, ApplyPatch)]
            return await patiently(action.cwd, lambda: _prepared(action, patches))
        except (BadPatch, CannotPatch) as bad:
            return _bad(f"{bad}")
        except (OSError, ValueError) as error:
            return _bad(f"the files could not be read: {error}")

    async def perform(
        self, action: ApplyPatch, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        """Apply it."""
        # It is not abandoned by an interrupt: it takes some milliseconds, and its result is to be known.
        return await trio.to_thread.run_sync(_applied, action, context)


def patch_in(command: str, context: CallContext) -> ApplyPatch | BadCall | None:
    """The patch of a shell line that does nothing but apply one, as models write it; None for other lines.

    The program that Codex has for this is not on the machine, and a person is to see the patch, not a line of shell.
    """
    command = command.strip()
    at = command.find(BEGIN, 0, _BEFORE_CHARACTERS_MAX)
    if at < 0:
        return None
    before, rest = command[:at].rstrip(), command[at:]
    first = before.partition("\n")[0]
    if (end := here_document_end(first)) is not None:
        first, (body, _, last) = first.rpartition("<<")[0], rest.rpartition("\n")
        is_whole = last.strip() == end and before.count("\n") == 0
    else:
        # Within double quotes a shell would replace some characters: such a line is a command.
        first, quote, body = before[:-1], before[-1:], rest[:-1]
        is_whole = quote in ("'", '"') and rest[-1:] == quote
        is_whole = is_whole and not any(mark in body for mark in _REPLACED[quote])
    try:
        words = shlex.split(first)
    except ValueError:
        return None
    cwd = context.cwd
    if words[:1] == ["cd"] and words[2:3] == ["&&"]:
        cwd, words = str(PurePosixPath(cwd, words[1])), words[3:]
    return _read(body, cwd) if is_whole and words in _NAMES else None


def patch_of_words(argv: Sequence[str], context: CallContext) -> ApplyPatch | BadCall | None:
    """The patch that an argv applies; None for other commands."""
    return _read(argv[1], context.cwd) if len(argv) == 2 and [argv[0]] in _NAMES else None


def _read(text: str, cwd: str) -> ApplyPatch | BadCall:
    try:
        read_patch(text)
    except BadPatch as bad:
        return _bad(f"{bad}")
    return ApplyPatch(text, cwd, ())


def _prepared(action: ApplyPatch, earlier: Sequence[ApplyPatch]) -> ApplyPatch:
    changes = _changes(action, earlier)
    if not changes:
        raise BadPatch("the files have this content already: there is nothing to change")
    files = tuple([_patched(change) for change in changes])
    size = sum(len(file.diff) for file in files)
    if size > DIFF_CHARACTERS_MAX:
        raise BadPatch(
            f"expected a change of at most {DIFF_CHARACTERS_MAX} characters, so that a person can judge it, "
            f"found {size}: make it in parts, or with a command"
        )
    made = missing_folders(change.path for change in changes if change.after is not None)
    return replace(
        action, files=files, folders=tuple(made), elsewhere=_elsewhere(files, action.cwd)
    )


def _elsewhere(files: Iterable[PatchedFile], cwd: str) -> tuple[str, ...]:
    """The files that symbolic links beyond the working directory lead away from their paths."""
    real_cwd = os.path.realpath(cwd)
    found: dict[str, None] = {}
    for file in files:
        for path, gone in ((file.path, file.after is None), (file.moved_from, True)):
            if path is None:
                continue
            folder, name = os.path.split(path)
            # A link that is deleted or moved is removed itself; a link that is written to stays.
            real = os.path.join(os.path.realpath(folder), name) if gone else os.path.realpath(path)
            real = _from_cwd(real, cwd, real_cwd)
            if real != os.path.normpath(path):
                found[real] = None
    return tuple(found)


def _from_cwd(real: str, cwd: str, real_cwd: str) -> str:
    """A real path in the working directory as a path through it, which may be a link itself."""
    if not real.startswith(f"{real_cwd}/"):
        return real
    return os.path.join(cwd, os.path.relpath(real, real_cwd))


def _is_as_shown(action: ApplyPatch, path: str, real: str) -> bool:
    """Whether a file is where its path led when the patch was prepared."""
    found = _from_cwd(real, action.cwd, os.path.realpath(action.cwd))
    return found == os.path.normpath(path) or found in action.elsewhere


def _patched(change: FileChange) -> PatchedFile:
    before, after = print_of(change.before), print_of(change.after)
    return PatchedFile(change.path, before, after, _shown(change), change.moved_from)


def _changes(action: ApplyPatch, earlier: Sequence[ApplyPatch] = ()) -> list[FileChange]:
    sections = read_patch(action.patch)
    paths = paths_of(sections, action.cwd)
    before = {path: content_of(path) for path in paths}
    for patch in earlier:
        if not before.keys().isdisjoint(file.path for file in patch.files):
            before |= _after(patch, before)
    return changes_of(sections, action.cwd, {path: before[path] for path in paths})


def _after(patch: ApplyPatch, known: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """The files of a patch as they will be after it, with its other files read; as they are, if it is done or void."""
    sections = read_patch(patch.patch)
    content = {
        path: known[path] if path in known else content_of(path)
        for path in paths_of(sections, patch.cwd)
    }
    if all(print_of(content[file.path]) == file.before for file in patch.files):
        content |= {c.path: c.after for c in changes_of(sections, patch.cwd, content)}
    return content


def _shown(change: FileChange) -> str:
    if change.kind == "update" or len(change.diff) <= WHOLE_FILE_CHARACTERS_MAX:
        return change.diff
    if change.kind == "add" and change.moved_from is None:
        return change.diff  # It is the patch's own text, which is bounded.
    shown = change.diff[:WHOLE_FILE_CHARACTERS_MAX]
    return f"{shown}\n… {len(change.diff) - len(shown):,}{SHORTENED_END}"


def _applied(action: ApplyPatch, context: CallContext) -> ToolResult:
    is_as_shown = partial(_is_as_shown, action)
    try:
        if context.again == "adopt":
            finish_patch(action.files, action.folders, context.call_id, is_as_shown)
        else:
            contents = _contents(action)
            write_patch(action.files, contents, action.folders, context.call_id, is_as_shown)
    except (BadPatch, CannotPatch) as cannot:
        text = f"The patch was not applied, and no file is changed. {cannot}."
        return ToolResult("failed", text, text)
    except LedAway as away:
        text = LED_AWAY.format(away)
        return ToolResult("failed", text, text)
    finished = "The daemon was restarted meanwhile; the patch is complete. " * (
        context.again == "adopt"
    )
    text = f"{finished}Changed files:\n" + "\n".join(
        [f"{_MARKS[file.kind]} {file.path}" for file in action.files]
    )
    return ToolResult("completed", text, text)


def _contents(action: ApplyPatch) -> dict[str, bytes]:
    """The new contents, made again of what the files have now. Raises: CannotPatch, if they are others."""
    changes = {change.path: change for change in _changes(action)}
    for file in action.files:
        change = changes.get(file.path)
        if change is None or (print_of(change.before), print_of(change.after)) != (
            file.before,
            file.after,
        ):
            raise CannotPatch(
                f"{file.path}: the content has changed since the patch was read; read the file and make the patch again"
            )
    return {path: change.after for path, change in changes.items() if change.after is not None}


def _bad(reason: str) -> BadCall:
    return BadCall(reason=f"The patch was not applied, and no file is changed: {reason}")

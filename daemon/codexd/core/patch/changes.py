"""What a patch makes of the files that it names: for each file its content before and after, and a diff.

    paths_of(sections, cwd)            ->  the paths whose content is needed
    changes_of(sections, cwd, before)  ->  FileChange for each file that changes

Sections are applied one after the other, so a second section on a file continues the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from codexd.core.patch.dialect import AddFile, BadPatch, DeleteFile, Section, UpdateFile
from codexd.core.patch.diff import diff_of_edits, diff_of_whole
from codexd.core.patch.file_lines import file_lines, new_file
from codexd.core.patch.placing import edited, edits_of
from codexd.core.values.tool_actions import change_kind


class FileChange(msgspec.Struct, frozen=True):
    """A file before and after a patch."""

    path: str  # absolute
    before: bytes | None  # None: there is no such file
    after: bytes | None
    diff: str  # unified, without headers; of a new or deleted file, its text
    moved_from: str | None = None  # its path before

    @property
    def kind(self) -> Literal["add", "delete", "update"]:
        """What happens to it."""
        return change_kind(self.before, self.after)


def paths_of(sections: Sequence[Section], cwd: str) -> list[str]:
    """The absolute paths that a patch names, each once, in its order."""
    named: dict[str, None] = {}
    for section in sections:
        named[_path(cwd, section.path)] = None
        if isinstance(section, UpdateFile) and section.move_to is not None:
            named[_path(cwd, section.move_to)] = None
    return list(named)


class _File(msgspec.Struct):
    """A file while the sections are applied."""

    before: bytes | None
    after: bytes | None
    diff: str = ""
    sections: int = 0
    moved_from: str | None = None


def changes_of(
    sections: Sequence[Section], cwd: str, before: Mapping[str, bytes | None]
) -> list[FileChange]:
    """The changes of a patch, given the content of each of its paths; None where there is no file.

    A path whose content does not change is left out. Raises: BadPatch, if a section does not fit.
    """
    files = {path: _File(content, content) for path, content in before.items()}
    for section in sections:
        file = files[_path(cwd, section.path)]
        file.sections += 1
        match section:
            case AddFile():
                file.after = new_file(section.lines).encoded()
                file.diff = diff_of_whole(file.before, file.after)
            case DeleteFile():
                _existing(section.path, file, "delete")
                file.after, file.diff = None, diff_of_whole(file.before, None)
            case UpdateFile():
                _update(section, file, cwd, files)
    changes: list[FileChange] = []
    for path, file in files.items():
        if file.before != file.after or file.moved_from is not None:
            diff = file.diff if file.sections == 1 else diff_of_whole(file.before, file.after)
            changes.append(FileChange(path, file.before, file.after, diff, file.moved_from))
    return changes


def _update(section: UpdateFile, file: _File, cwd: str, files: Mapping[str, _File]) -> None:
    content = _existing(section.path, file, "update")
    lines = file_lines(content)
    edits = edits_of(section.path, lines, section.hunks)
    after, diff = edited(lines, edits).encoded(), diff_of_edits(lines, edits)
    target = None if section.move_to is None else _path(cwd, section.move_to)
    if target is None or files[target] is file:
        file.after, file.diff = after, diff
        return
    file.after, file.diff = None, diff_of_whole(file.before, None)
    moved = files[target]
    moved.sections += 1
    moved.moved_from = _path(cwd, section.path) if moved.before is None else None
    moved.after = after
    moved.diff = diff if moved.before is None else diff_of_whole(moved.before, after)


def _existing(path: str, file: _File, purpose: str) -> bytes:
    if file.after is None:
        raise BadPatch(f"{path}: expected a file to {purpose}, found none")
    return file.after


def _path(cwd: str, path: str) -> str:
    if path.startswith("/"):
        return path
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/".join([cwd.rstrip("/"), *parts])

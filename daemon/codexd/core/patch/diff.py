"""Unified diffs of changes whose edits are known, so that none is searched for: linear, whatever the file is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codexd.core.patch.file_lines import FileLines, file_lines
from codexd.core.patch.placing import Edit

_CONTEXT_LINES: Final = 3
NO_END: Final = "\\ No newline at end of file"


def diff_of_edits(lines: FileLines, edits: Sequence[Edit]) -> str:
    """The hunks of a diff, with three lines of context."""
    edits = _with_last_end(lines, edits)
    shown: list[str] = []
    group: list[Edit] = []
    moved = 0  # how many lines the file has more before the group
    for edit in edits:
        if group and edit.start - (group[-1].start + group[-1].old) > 2 * _CONTEXT_LINES:
            shown += _hunk(lines, group, moved)
            moved += sum(len(done.new) - done.old for done in group)
            group = []
        group.append(edit)
    if group:
        shown += _hunk(lines, group, moved)
    return "".join([f"{line}\n" for line in shown])


def diff_of_whole(before: bytes | None, after: bytes | None) -> str:
    """The text of a new or deleted file; between two contents, one hunk without their common beginning and end."""
    if before is None or after is None:
        content = before if after is None else after
        return (content or b"").decode(errors="replace")
    old, new = file_lines(before), file_lines(after)
    first, most = 0, min(len(old.texts), len(new.texts))
    while first < most and (old.texts[first], old.ends[first]) == (
        new.texts[first],
        new.ends[first],
    ):
        first += 1
    last = 0
    while last < most - first and (old.texts[-1 - last], old.ends[-1 - last]) == (
        new.texts[-1 - last],
        new.ends[-1 - last],
    ):
        last += 1
    edit = Edit(
        first, len(old.texts) - first - last, tuple(new.texts[first : len(new.texts) - last])
    )
    return diff_of_edits(old, [edit] if edit.old or edit.new else [])


def _with_last_end(lines: FileLines, edits: Sequence[Edit]) -> Sequence[Edit]:
    """The edits, where the line before the last of them changes if only its end does."""
    if not edits or not lines.is_unfinished:
        return edits
    *others, last = edits
    if last.start + last.old < len(lines.texts) or (last.old and last.new) or last.start == 0:
        return edits
    if others and others[-1].start + others[-1].old == last.start:
        before = others.pop()
        return [*others, Edit(before.start, before.old + last.old, before.new + last.new)]
    kept = lines.texts[last.start - 1]
    if not kept and not last.new:
        return edits
    return [*others, Edit(last.start - 1, last.old + 1, (kept, *last.new))]


def _hunk(lines: FileLines, edits: Sequence[Edit], moved: int) -> list[str]:
    first = max(0, edits[0].start - _CONTEXT_LINES)
    last = min(len(lines.texts), edits[-1].start + edits[-1].old + _CONTEXT_LINES)
    grown = sum(len(edit.new) - edit.old for edit in edits)
    old, new = last - first, last - first + grown
    body: list[str] = []
    at = first
    for edit in edits:
        body += [" " + text for text in lines.texts[at : edit.start]]
        body += ["-" + text for text in lines.texts[edit.start : edit.start + edit.old]]
        at = edit.start + edit.old
        if edit.old and at == len(lines.texts) and lines.is_unfinished:
            body.append(NO_END)
        body += ["+" + text for text in edit.new]
        if edit.new and edit.new[-1] and at == len(lines.texts) and lines.is_unfinished:
            body.append(NO_END)
    body += [" " + text for text in lines.texts[at:last]]
    if at < last == len(lines.texts) and lines.is_unfinished:
        body.append(NO_END)
    start = f"{first + (old > 0)},{old} +{first + moved + (new > 0)},{new}"
    return [f"@@ -{start} @@", *(_printable(line) for line in body)]


def _printable(line: str) -> str:
    return line.encode(errors="surrogateescape").decode(errors="replace")

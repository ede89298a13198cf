"""Two diffs of one file, one after the other, as one diff: from the first content to the last. Pure.

Neither content is at hand: what the diffs show is enough, since each shows the lines around its edits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from codexd.core.patch.diff import NO_END, diff_of_edits
from codexd.core.patch.file_lines import FileLines
from codexd.core.patch.placing import Edit

_HEADER: Final = re.compile(r"@@ -(\d{1,9}+),(\d{1,9}+) \+\d{1,9}+,\d{1,9}+ @@")


class NotShown(Exception):
    """A diff does not show all that is needed, for example because it was shortened."""


class Replaced(NamedTuple):
    """Lines from `start` on that are replaced."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


class Script(msgspec.Struct, frozen=True):
    """What a diff says: its edits in order, and the lines around them, by their numbers before it, from 0 on."""

    edits: tuple[Replaced, ...]
    around: dict[int, str]
    unfinished: tuple[bool, bool] = (False, False)  # no newline at the end, before and after

    def hunks(self) -> str:
        """It as the hunks of a unified diff. Raises: NotShown."""
        is_emptied = not self.around and not any(edit.new for edit in self.edits)
        if self.unfinished[0] != self.unfinished[1] and not is_emptied:
            raise NotShown("a newline at the end that only one of the contents has")
        known = dict(self.around)
        for edit in self.edits:
            known.update(enumerate(edit.old, edit.start))
        texts = [known.get(at, "") for at in range(max(known, default=-1) + 1)]
        ends: list[str] = ["\n"] * len(texts)
        if texts and self.unfinished[0]:
            ends[-1] = ""
        lines = FileLines(texts, ends)  # type: ignore[arg-type]  # each is one of the ends
        return diff_of_edits(lines, [Edit(e.start, len(e.old), e.new) for e in self.edits])

    def text(self, side: int) -> str:
        """Of a new (1) or deleted (0) file, its text."""
        lines = [line for edit in self.edits for line in (edit.old, edit.new)[side]]
        return "\n".join(lines) + ("" if self.unfinished[side] or not lines else "\n")


def script_of_whole(text: str, *, is_new: bool) -> Script:
    """The script of a new or deleted file, from its text."""
    lines = tuple(text.removesuffix("\n").split("\n")) if text else ()
    unfinished = bool(text) and not text.endswith("\n")
    edits = (Replaced(0, (), lines) if is_new else Replaced(0, lines, ()),) if lines else ()
    return Script(edits, {}, (not is_new and unfinished, is_new and unfinished))


def script_of_hunks(diff: str) -> Script:
    """The script of hunks. Raises: NotShown."""
    edits: list[Replaced] = []
    around: dict[int, str] = {}
    unfinished = [False, False]
    at = 0
    old: list[str] = []
    new: list[str] = []
    last = ""

    def close() -> None:
        nonlocal at
        if old or new:
            edits.append(Replaced(at, tuple(old), tuple(new)))
            at += len(old)
            old.clear()
            new.clear()

    for line in diff.removesuffix("\n").split("\n") if diff else ():
        header = _HEADER.fullmatch(line)
        if header is not None:
            close()
            at = int(header[1]) - (header[2] != "0")
        elif line == NO_END:
            unfinished = [
                u or last in (" ", sign) for u, sign in zip(unfinished, "-+", strict=True)
            ]
        elif line[:1] == " ":
            close()
            around[at] = line[1:]
            at += 1
        elif line[:1] in ("-", "+"):
            (old if line[0] == "-" else new).append(line[1:])
        else:
            raise NotShown(line)
        last = line[:1]
    close()
    return Script(tuple(edits), around, (unfinished[0], unfinished[1]))


def combined(first: Script, second: Script) -> Script:
    """Both as one. Raises: NotShown."""
    between = _between(first, second)
    edits: list[Replaced] = []
    around = dict(first.around)
    grown = 0  # how many lines there are more in between than before
    firsts, seconds = _placed_after(first.edits), list(second.edits)
    covered: set[int] = set()
    while firsts or seconds:
        group = _next_group(firsts, seconds)
        covered.update(range(group.start, group.end))
        merged = _merged(group, between, group.start - grown)
        grown += sum(len(e.new) - len(e.old) for _, e in group.firsts)
        around.update(enumerate(merged.old, merged.start))
        edit = _without_common(merged)
        if edit.old or edit.new:
            edits.append(edit)
    around.update(_around_second(first, second, covered))
    # A diff that does not show the end leaves it as it was.
    was = (first if any(first.unfinished) else second).unfinished[0]
    now = (second if any(second.unfinished) else first).unfinished[1]
    return Script(tuple(edits), around, (was, now))


class _Group(NamedTuple):
    """Edits that touch each other, and the lines in between that they cover."""

    start: int
    end: int
    firsts: list[tuple[int, Replaced]]  # each with its place in between
    seconds: list[Replaced]


def _placed_after(edits: Sequence[Replaced]) -> list[tuple[int, Replaced]]:
    placed, grown = [], 0
    for edit in edits:
        placed.append((edit.start + grown, edit))
        grown += len(edit.new) - len(edit.old)
    return placed


def _next_group(firsts: list[tuple[int, Replaced]], seconds: list[Replaced]) -> _Group:
    """Take the first edits that touch each other."""
    places = [firsts[0][0]] if firsts else []
    start = end = min([*places, *(seconds[0].start,)]) if seconds else places[0]
    group = _Group(start, end, [], [])
    while True:
        if firsts and firsts[0][0] <= end:
            place, edit = firsts.pop(0)
            group.firsts.append((place, edit))
            end = max(end, place + len(edit.new))
        elif seconds and seconds[0].start <= end:
            group.seconds.append(seconds.pop(0))
            end = max(end, group.seconds[-1].start + len(group.seconds[-1].old))
        else:
            return group._replace(end=end)


def _merged(group: _Group, between: dict[int, str], start: int) -> Replaced:
    """A group as one edit."""
    old: list[str] = []
    at = group.start
    for place, edit in group.firsts:
        old += [*_lines(between, at, place), *edit.old]
        at = place + len(edit.new)
    old += _lines(between, at, group.end)
    new: list[str] = []
    at = group.start
    for edit in group.seconds:
        new += [*_lines(between, at, edit.start), *edit.new]
        at = edit.start + len(edit.old)
    new += _lines(between, at, group.end)
    return Replaced(start, tuple(old), tuple(new))


def _without_common(edit: Replaced) -> Replaced:
    """An edit without the lines at its beginning and its end that stay."""
    old, new = edit.old, edit.new
    most = min(len(old), len(new))
    first = next((n for n in range(most) if old[n] != new[n]), most)
    last = next((n for n in range(most - first) if old[-1 - n] != new[-1 - n]), most - first)
    stop = len(old) - last
    return Replaced(edit.start + first, old[first:stop], new[first : len(new) - last])


def _between(first: Script, second: Script) -> dict[int, str]:
    """The lines after the first and before the second, as far as they are shown."""
    known = dict(second.around)
    for edit in second.edits:
        known.update(enumerate(edit.old, edit.start))
    for place, edit in _placed_after(first.edits):
        known.update(enumerate(edit.new, place))
    return known


def _around_second(first: Script, second: Script, covered: set[int]) -> dict[int, str]:
    """The lines around the second's edits by their numbers before the first."""
    placed = _placed_after(first.edits)
    found: dict[int, str] = {}
    for at, text in second.around.items():
        if at not in covered:
            grown = sum(len(e.new) - len(e.old) for place, e in placed if place <= at)
            found[at - grown] = text
    return found


def _lines(known: dict[int, str], start: int, end: int) -> list[str]:
    try:
        return [known[at] for at in range(start, end)]
    except KeyError as error:
        raise NotShown(f"line {error}") from error

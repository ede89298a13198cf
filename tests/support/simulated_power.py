"""What a machine may find on its disk after a power cut: all of what was on its way, nothing, or any part of it.

Law: a name or a write that was not synced may be there or not, whatever came before or after it. A write may be
there in part: up to any byte, or in any of its sectors. A file may be as long as it ever was with nothing in it.
"""

from __future__ import annotations

import random
from typing import Protocol

from simulated_files import (
    ROOT,
    Cut,
    Disk,
    FileChange,
    NameChange,
    SimulatedFileSystem,
    Wrote,
    played,
)

SECTOR_BYTES = 512


class Outcome(Protocol):
    """What became of what was on its way."""

    def keeps(self, change: NameChange) -> bool:
        """Whether the disk got this change of a name."""

    def content(self, durable: bytes, changes: tuple[FileChange, ...]) -> bytes:
        """What the disk has of a file."""


class AllLost:
    """Nothing got there."""

    def keeps(self, change: NameChange) -> bool:
        """No."""
        return False

    def content(self, durable: bytes, changes: tuple[FileChange, ...]) -> bytes:
        """What was synced."""
        return durable


class AllKept:
    """Everything got there: the process died, and the machine did not."""

    def keeps(self, change: NameChange) -> bool:
        """Yes."""
        return True

    def content(self, durable: bytes, changes: tuple[FileChange, ...]) -> bytes:
        """All of it."""
        return played(durable, changes)


class Sampled:
    """Any part of it, by dice; `in_order` leaves out writes that overtook others of their file."""

    def __init__(self, dice: random.Random, *, in_order: bool = False) -> None:
        self._dice = dice
        self._in_order = in_order

    def keeps(self, change: NameChange) -> bool:
        """By the dice."""
        return self._dice.random() < 0.5

    def content(self, durable: bytes, changes: tuple[FileChange, ...]) -> bytes:
        """By the dice."""
        if not changes:
            return durable
        longest = max([len(durable), *(change.end for change in changes)])
        if self._in_order:
            count = self._dice.randrange(len(changes) + 1)
            some = played(durable, changes[:count])
            if count < len(changes):
                some = self._in_part(some, changes[count], by_sectors=False)
        else:
            some = durable
            for change in changes:
                some = self._one_of(some, change)
        # The length may be on the disk before the data.
        return some.ljust(longest, b"\0") if self._dice.random() < 0.3 else some

    def _one_of(self, content: bytes, change: FileChange) -> bytes:
        throw = self._dice.random()
        if throw < 0.4:
            return content
        if throw < 0.7:
            return played(content, (change,))
        return self._in_part(content, change, by_sectors=throw < 0.85)

    def _in_part(self, content: bytes, change: FileChange, *, by_sectors: bool) -> bytes:
        if isinstance(change, Cut):
            return content
        if not by_sectors:
            part = change.content[: self._dice.randrange(len(change.content) + 1)]
            return played(content, (Wrote(change.start, part),)) if part else content
        kept = content
        for start, end in sectors(change):
            if self._dice.random() < 0.5:
                piece = change.content[start - change.start : end - change.start]
                kept = played(kept, (Wrote(start, piece),))
        return kept


def sectors(wrote: Wrote) -> list[tuple[int, int]]:
    """The parts of a write that lie in one sector each, as places in the file."""
    first = wrote.start - wrote.start % SECTOR_BYTES
    places = range(first, wrote.end, SECTOR_BYTES)
    return [(max(at, wrote.start), min(at + SECTOR_BYTES, wrote.end)) for at in places]


def after_power_cut(disk: Disk, outcome: Outcome) -> SimulatedFileSystem:
    """The machine after the cut: what its disk has is all there is."""
    names = {number: dict(rows) for number, rows in disk.folders.items()}
    for change in disk.changes:
        if outcome.keeps(change):
            change.apply(names)
    folders: dict[int, dict[str, int]] = {}
    files: dict[int, tuple[bytes, tuple[FileChange, ...]]] = {}
    waiting = [ROOT]
    while waiting:
        number = waiting.pop()
        if number in disk.files:
            files[number] = (outcome.content(*disk.files[number]), ())
        elif number not in folders:
            folders[number] = names[number]
            waiting += names[number].values()
    return SimulatedFileSystem(Disk(files, folders, ()))

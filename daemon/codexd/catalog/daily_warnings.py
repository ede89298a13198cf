"""Warnings that are given once a day, in whatever thread comes first, and not once in each thread. I/O: a small file.

The days are in memory; the file is written beside, so that a restart does not repeat a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from codexd.config.whole_files import replace_file
from codexd.core.values.settings import Notice
from codexd.machine.foreign_files import read_file

log = logging.getLogger(__name__)

# Of one day: a person works with a few models.
WARNINGS_MAX: Final = 256
FILE_BYTES_MAX: Final = 256 * 1024


class DailyWarnings:
    """The warnings of today."""

    def __init__(self, file: Path, today: Callable[[], str]) -> None:
        self._file, self._today = file, today
        self._given = _read(file)  # what it is about -> the day
        self._changed, self._changes = trio.open_memory_channel[None](1)

    def due(self, notices: Iterable[Notice]) -> tuple[Notice, ...]:
        """The notices that were not given today; they count as given from now on."""
        today = self._today()
        due = tuple(notice for notice in notices if self._given.get(notice.about) != today)
        if due:
            kept = {about: day for about, day in self._given.items() if day == today}
            kept |= {notice.about: today for notice in due}
            self._given = dict(list(kept.items())[-WARNINGS_MAX:])
            with suppress(trio.WouldBlock):  # What is written next has it as well.
                self._changed.send_nowait(None)
        return due

    async def run(self) -> None:
        """Write the file after each change. It does not return."""
        async for _ in self._changes:
            content = msgspec.json.encode(self._given)
            try:
                await trio.to_thread.run_sync(replace_file, self._file, content)
            except OSError as error:
                log.warning("%s: not written: %s; warnings may be repeated", self._file, error)


def _read(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(read_file(file, FILE_BYTES_MAX), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return {}  # Then a warning comes once more.

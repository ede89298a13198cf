"""The index needs only the reading contract of logs, and no file: an index of records has the same content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import FIRST_TURN, ended, runs
from codexd.core.events import events as e
from codexd_eventstore.event_log import Record, StreamEntry
from codexd_eventstore.format.lines import crc_of
from codexd_eventstore.log_reader import LogCursor, LogStart
from indexing import NOON_US, Indexed, LogFile, indexed, stream
from random_thread import Play

FEW = settings(max_examples=8, deadline=None, derandomize=True)
PAGE = 3


class HeldLog:
    """A log that is given from memory, as somebody opened it."""

    def __init__(self, log: LogFile) -> None:
        self._log, self._base = log, log.origin.seq if log.origin is not None else 0

    def start(self) -> LogStart:
        """How it begins."""
        origin = self._log.origin
        parent = origin.stream if origin is not None else None
        return LogStart(LogCursor(self._base, 0, self._log.beginning), parent)

    def agrees(self, cursor: LogCursor) -> bool:
        """Whether it has that record."""
        at = cursor.seq - self._base
        return 0 < at <= len(self._log.records) and (
            crc_of(self._log.records[at - 1].line) == cursor.crc
        )

    def pages(self, cursor: LogCursor) -> Iterator[tuple[list[Record], LogCursor]]:
        """A few records at a time."""
        while page := self._log.records[cursor.seq - self._base :][:PAGE]:
            offset = cursor.offset + sum(len(record.line) + 1 for record in page)
            cursor = LogCursor(page[-1].seq, offset, crc_of(page[-1].line))
            yield page, cursor


class HeldLogs:
    """Logs in memory: a `LogReader`."""

    def __init__(self, logs: list[LogFile]) -> None:
        self._logs = logs

    def find(self, stream: str) -> StreamEntry | None:
        """A stream's log."""
        return next((log for log in self.streams() if log.stream == stream), None)

    def streams(self) -> Iterator[StreamEntry]:
        """Every log there is."""
        for log in self._logs:
            size = sum(len(record.line) + 1 for record in log.records)
            yield StreamEntry(log.name, False, size, NOON_US)

    def newest(self, count: int) -> list[str]:
        """All of them."""
        return [log.name for log in self._logs][::-1]

    @contextmanager
    def opened(self, log: StreamEntry) -> Iterator[HeldLog]:
        """Read a log."""
        yield HeldLog(next(held for held in self._logs if held.name == log.stream))

    def damage(self, log: StreamEntry) -> str | None:
        """There is none."""
        return None

    def blob(self, sha256: str, size: int) -> bytes:
        """There is none."""
        return b""


def known(index: Indexed) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """All that an index has, but for where the logs lie."""
    threads, documents = index.contents()
    return [(*row[:2], *row[3:]) for row in threads], documents


@pytest.mark.slow
def test_for_any_run_it_equals_an_index_of_files(tmp_path: Path) -> None:
    numbers = count()

    @FEW
    @given(st.lists(st.integers(0, 10_000), min_size=20, max_size=60), st.integers(1, 7))
    def holds(run: list[int], step: int) -> None:
        home = tmp_path / str(next(numbers))
        play = Play()
        for number in run:
            play.step(number)
        events = [event for event in play.events if not isinstance(event, e.ThreadForked)]
        log = LogFile(home, stream(1))
        with (
            indexed(home, tmp_path / f"{home.name}-files.sqlite") as files,
            indexed(home, tmp_path / f"{home.name}-held.sqlite") as held,
        ):
            held.logs = HeldLogs([log])
            for start in range(0, len(events), step):
                log.add(*events[start : start + step])
                assert known(held.catch_up()) == known(files.catch_up())
            held.check_words()

    holds()


def test_a_fork_has_the_texts_of_its_ancestors(tmp_path: Path) -> None:
    first = LogFile(tmp_path, stream(1)).add(*FIRST_TURN, runs("r1", "ls"), ended("r1"))
    second = first.fork(stream(2), len(first.records)).add(e.ThreadRenamed("stars"))
    third = second.fork(stream(3), len(first.records) + 1).add(e.ThreadArchived())
    with (
        indexed(tmp_path, tmp_path / "files.sqlite") as files,
        indexed(tmp_path, tmp_path / "held.sqlite") as held,
    ):
        held.logs = HeldLogs([third, second, first])
        assert known(held.catch_up()) == known(files.catch_up())
        assert {row.summary.preview for row in held.rows} == {"go"}

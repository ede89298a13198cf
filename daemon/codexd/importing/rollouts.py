"""One thread's rollout, which may have several files, read twice: first a survey, then the conversion. I/O.

A thread that was rolled back to an earlier line continues in another file; later lines of the first file do
not count. Both readings hold one line at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import msgspec

from codexd.core.events.events import TurnCompleted, TurnFailed, TurnInterrupted
from codexd.core.values.settings import Settings
from codexd.importing.rollout.converting import Converter
from codexd.importing.rollout.facts import Facts, Survey, prompt_of
from codexd.importing.rollout.lines import (
    LINE_BYTES_MAX,
    Line,
    LineWarning,
    line_of,
    read_time,
    text_of,
)
from codexd.importing.rollout.settings import TIME_MAX_US, Heading
from codexd.importing.rollout.timeline import TimedEvent
from codexd.importing.sources import RawLine, RolloutFile, UnreadableSource, raw_lines, torn

# How much is read for one page: some 10 ms of a worker's time.
PAGE_BYTES = 512 * 1024
# Warnings of one thread that are reported: a file that is no rollout would give one for every line.
COMPLAINTS_MAX = 1000
# A line cannot be from after its file was written, but for a clock that was set, or another zone's time.
DAY_US = 86_400_000_000
_TIME_IN_NAME = re.compile(r"rollout-(\d{4}-\d\d-\d\d)(?:T(\d\d)-(\d\d)-(\d\d))?-")


class ImportedUpTo(msgspec.Struct, frozen=True):
    """How much of a rollout was imported."""

    lines: int
    size_bytes: int
    sha256: str


NOT_READ = ImportedUpTo(0, 0, "")


class RolloutPage(msgspec.Struct, frozen=True):
    """The events of some lines, grouped by line."""

    groups: list[list[TimedEvent]]
    size_bytes: int  # read up to now


class Rollout:
    """The files of one thread, the oldest first."""

    def __init__(self, sources: list[RolloutFile], daemon_version: str, default_model: str) -> None:
        """Raises: UnreadableSource."""
        self.sources = sources
        self._complaints: dict[tuple[int, object], LineWarning] = {}
        self.complained = 0  # different ones
        self.up_to = NOT_READ  # how much of all files was read
        self.last_at_us = 0
        self._cuts = 0  # lines of the current file that do not count
        self._facts: list[Facts] = []  # of each file
        self.heading = self._survey(default_model)
        self._converter = Converter(self.heading, daemon_version)

    @property
    def source(self) -> RolloutFile:
        """The newest file."""
        return self.sources[-1]

    @property
    def complaints(self) -> list[tuple[RolloutFile, LineWarning]]:
        """The first warnings, by their lines."""
        ordered = sorted(self._complaints.items(), key=lambda item: (item[0][0], item[1].line))
        return [(self.sources[index], warning) for (index, _), warning in ordered]

    def go_on_from(self, settings: Settings) -> None:
        """The rollout continues the records of another thread."""
        self._converter.go_on_from(settings)

    def pages(self, earlier: ImportedUpTo | None = None) -> Iterator[RolloutPage]:
        """The events of all lines, or of those after an earlier import; an open turn at the end is closed.

        Raises:
            UnreadableSource: it cannot be read, or differs from what was imported earlier.
        """
        digest, groups, skipping = hashlib.sha256(), list[list[TimedEvent]](), earlier is not None
        lines = size = paged = 0
        for source, raw in self._raw(digest):
            if torn(raw):
                found = (
                    f"expected a whole line, found {len(raw.text)} bytes of one that was cut off"
                )
                self._complain(source, LineWarning(raw.number, f"{found}: they were not imported"))
                continue
            if not raw.whole:  # Complete except for its newline, which follows if more is written.
                digest.update(raw.text + b"\n")
            lines, size = lines + 1, size + raw.size_bytes + (not raw.whole)
            events = self._feed(source, raw)
            if not skipping:
                groups += _apart(events)
            if earlier is not None and lines == earlier.lines:
                self._check(earlier, ImportedUpTo(lines, size, digest.hexdigest()))
                skipping = False
                self._converter.close()
            if size - paged >= PAGE_BYTES:
                paged = size
                yield RolloutPage(groups, size)
                groups = []
        self.up_to = ImportedUpTo(lines, size, digest.hexdigest())
        if skipping:
            raise UnreadableSource(
                f"{self.source.path}: expected at least the {earlier.lines if earlier else 0} lines that "
                f"were imported earlier, found {lines}: nothing was imported"
            )
        closing = [] if self.up_to == earlier else self._converter.close()
        self._take_complaints(self.source)
        yield RolloutPage([*groups, *_apart(closing)], size)

    def _check(self, earlier: ImportedUpTo, found: ImportedUpTo) -> None:
        name = self.source.path
        if found != earlier:
            raise UnreadableSource(
                f"{name}: expected its first {earlier.lines} lines as they were imported earlier "
                f"(sha256 {earlier.sha256[:12]}…), found others: nothing was imported"
            )
        spans = self.heading.taken_back
        if self._cuts or any(first <= earlier.lines < last for first, last in spans):
            raise UnreadableSource(
                f"{name}: turns that were imported earlier were reverted there since: nothing was "
                f"imported. Delete the thread here to import it again"
            )

    def _raw(self, digest: hashlib._Hash) -> Iterator[tuple[RolloutFile, RawLine]]:
        for source in self.sources:
            self._cuts = 0
            self._converter.begin_file(self._facts[self.sources.index(source)])
            for raw in raw_lines(source.path, digest):
                yield source, raw

    def _feed(self, source: RolloutFile, raw: RawLine) -> list[TimedEvent]:
        if raw.overlong:
            found = f"expected at most {LINE_BYTES_MAX} bytes, found {raw.size_bytes}"
            self._complain(source, LineWarning(raw.number, f"{found}: the line was not imported"))
            return []
        if self._cut(source, raw):
            self._cuts += 1
            return []
        events = self._converter.feed(raw.number, raw.text)
        if self._converter.complaints:
            self._take_complaints(source)
        if events:
            self.last_at_us = max(self.last_at_us, events[-1].at_us)
        return events

    def _take_complaints(self, source: RolloutFile) -> None:
        for complaint in self._converter.complaints:
            self._complain(source, complaint)
        self._converter.complaints.clear()

    def _cut(self, source: RolloutFile, raw: RawLine) -> bool:
        """Whether the thread was rolled back to before this line, and continues in another file."""
        if source is self.source:
            return False
        later = self.sources[self.sources.index(source) + 1 :]
        before = min(
            (source.base_before for source in later if source.base_before is not None), default=None
        )
        if before is None:
            return False
        line = line_of(raw.number, raw.text)
        return line is not None and line.ordinal is not None and line.ordinal >= before

    def _complain(self, source: RolloutFile, warning: LineWarning) -> None:
        key = self.sources.index(source), warning.kind or (warning.line, warning.message)
        known = self._complaints.get(key)
        if known is not None:
            self._complaints[key] = msgspec.structs.replace(known, times=known.times + 1)
            return
        self.complained += 1
        if self.complained <= COMPLAINTS_MAX:
            self._complaints[key] = warning

    def _survey(self, default_model: str) -> Heading:
        first = self.sources[0]
        for source in self.sources:
            survey = Survey()
            for raw in raw_lines(source.path):
                survey.apply(raw.number, raw.text)
            self._facts.append(survey.facts())
        facts = self._facts[0]
        rolled_back = len(self.sources) == 1 and facts.rolls_back
        at_us, until_us = facts.at_us or _time_of(first), _written_us(self.source) + DAY_US
        return Heading(
            first.source_id,
            first.meta,
            next((facts.context for facts in self._facts if facts.context), {}),
            text_of(first.meta.get("forked_from_id")) or None,
            None if first.is_segment else first.base_before,
            self._taken_back(facts) if rolled_back else (),
            default_model,
            facts.cwd,
            at_us,
            until_us if at_us <= until_us else TIME_MAX_US,
        )

    def _taken_back(self, facts: Facts) -> tuple[tuple[int, int], ...]:
        fold = RolledBack(facts)
        for raw in raw_lines(self.source.path):
            line = line_of(raw.number, raw.text)
            if line is not None:
                fold.apply(line)
        return fold.spans


def _time_of(source: RolloutFile) -> int:
    """The time of a rollout whose lines have none: that in its name, or that of the file."""
    named = _TIME_IN_NAME.search(source.path.name)
    if named is not None:
        clock = ":".join(part or "00" for part in named.groups()[1:])
        return read_time(f"{named[1]}T{clock}Z") or 0
    return _written_us(source)


def _written_us(source: RolloutFile) -> int:
    return source.path.stat().st_mtime_ns // 1000


def _apart(events: list[TimedEvent]) -> list[list[TimedEvent]]:
    """The events of a line as they are appended: a turn's end, which has the time of an earlier line, goes apart."""
    groups: list[list[TimedEvent]] = []
    for timed in events:
        if not groups or (timed.at_us != groups[-1][-1].at_us and _ends(groups[-1][-1])):
            groups.append([])
        groups[-1].append(timed)
    return groups


def _ends(timed: TimedEvent) -> bool:
    return isinstance(timed.event, TurnCompleted | TurnInterrupted | TurnFailed)


class RolledBack:
    """The fold over all lines of a rollout in which turns were rolled back."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._spans: list[tuple[int, int]] = []
        self._turns: list[int] = []  # the first lines of the turns that still count
        self._begun: int | None = None  # the line that begins a turn, before the person's message

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The lines that do not count: the first and the last of each span, in order and disjoint."""
        return tuple(self._spans)

    def apply(self, line: Line) -> None:
        """Apply the next line."""
        kind = text_of(line.payload.get("type"))
        if line.type == "event_msg" and kind in ("task_started", "turn_started"):
            self._begun = line.number
        elif line.type == "event_msg" and kind == "thread_rolled_back":
            self._take_back(line)
        elif self._by_person(line):
            self._turns.append(self._begun or line.number)
            self._begun = None

    def _take_back(self, line: Line) -> None:
        count = line.payload.get("num_turns")
        gone = self._turns[-count:] if isinstance(count, int) and count > 0 else []
        if gone:
            del self._turns[-len(gone) :]
            while self._spans and self._spans[-1][0] >= gone[0]:
                self._spans.pop()
            self._spans.append((gone[0], line.number))

    def _by_person(self, line: Line) -> bool:
        if line.type == "event_msg":
            return not self._facts.has_prompts and prompt_of(line.payload) is not None
        if line.type != "response_item" or line.payload.get("role") != "user":
            return False
        parts = self._facts.parts_of(line.number, line.payload)
        return any(part.whose == "person" for part in parts)

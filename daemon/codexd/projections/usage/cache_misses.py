"""Events -> the requests that a provider's prompt cache did not serve, and why: what changed first, and where.

A cache holds beginnings. A request is expected to find all that the request before it sent; it misses where
it found much less. The first segment that differs, in the order in which a model is given them, is the reason:
model, instructions, tools, history. Where none differs it is time that went by, or the provider's own affair.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.history import MARKER_TYPES
from codexd.core.events.record import Recorded
from codexd.core.values.usage import says_cached
from codexd.projections.usage.requests import REQUEST_TYPES, Request, Requests

# Providers cache nothing shorter (OpenAI: prompts of 1024 tokens and more, in steps of 128).
CACHED_TOKENS_MIN = 1024
# Less than this part of what was expected is lost to the steps and to what a provider counts otherwise.
MISSED_PARTS = 10
# So long a provider keeps an unused cache entry: five to ten minutes (OpenAI's documentation).
KEPT_MS = 5 * 60_000

Segment = Literal["provider", "model", "instructions", "tools", "history", "settings", "none"]


class Miss(msgspec.Struct, frozen=True, gc=False):
    """A request that should have found more in the cache."""

    request: Request
    expected_tokens: int  # the size of the request before, or of this request if it is shorter
    segment: Segment  # the first that differs; none: all of it was sent alike
    why: str  # a sentence's part, for people
    cause_seq: int | None = None  # the record that changed it
    item: int | None = None  # the first item of the history that differs, counted from 0


class _Sent(msgspec.Struct, frozen=True, gc=False):
    """The facts about a request."""

    provider: str
    model: str
    summary: bool  # it asked for a summary
    instructions: str | None = None  # by hash
    tools: str | None = None
    items: int | None = None  # of the history; None: not known
    kept: int = 0  # the number of those in the request before
    effort: str | None = None
    # The version that said instructions and tools; None: of before that was recorded.
    daemon: str | None = None


class _Change(msgspec.Struct, frozen=True, gc=False):
    seq: int
    what: str


class CacheMisses:
    """The fold. It holds two requests and what happened between them."""

    def __init__(self) -> None:
        self.found: list[Miss] = []
        self.unjudged = 0  # requests of which the provider did not say what its cache had
        self._requests = Requests()
        self._running: _Sent | None = None
        self._sent: _Sent | None = None  # the newest request that was answered
        self._answered: Request | None = None
        self._history: _Change | None = None  # the newest event since then that changed the history
        self._turn: _Change | None = None  # the newest turn since then
        self._instructions: str | None = None
        self._tools: str | None = None
        self._effort: str | None = None
        self._daemon: str | None = None

    def apply(self, recorded: Recorded) -> None:
        event = recorded.event
        self._requests, answered = self._requests.after(recorded)
        match event:
            case e.TurnStarted():
                self._turn = _Change(recorded.seq, str(event.turn_id))
                self._effort = event.settings.effort
            case e.ModelCallStarted():
                self._running = self._read(event)
            case e.ModelCallEnded() if answered is not None:
                self._judge(answered, says_cached(event.usage))
            case _:
                what = _what_of(event)
                if what is not None:
                    self._history = _Change(recorded.seq, what)

    def _read(self, event: e.ModelCallStarted) -> _Sent:
        print_ = event.request
        is_summary = event.purpose == "compact"
        if print_ is not None and not is_summary:
            self._instructions = print_.instructions or self._instructions
            self._tools = print_.tools or self._tools
            self._daemon = print_.daemon or self._daemon
        return _Sent(
            event.provider,
            event.model,
            is_summary,
            self._instructions,
            self._tools,
            _items(print_),
            print_.kept if print_ is not None else 0,
            self._effort,
            self._daemon,
        )

    def _judge(self, answered: Request, says: bool) -> None:
        now, before, last = self._running, self._sent, self._answered
        self._running = None
        if now is None or not answered.said:
            return
        self.unjudged += not says
        if before is not None and last is not None and says:
            # As much as was sent before; of a history that is shorter now, as much as there is of it.
            expected = min(last.tokens.input_tokens, answered.tokens.input_tokens)
            missed = expected - answered.tokens.cached_input_tokens
            if expected >= CACHED_TOKENS_MIN and missed * MISSED_PARTS > expected:
                self.found.append(self._miss(answered, now, before, last, expected))
        if now.summary:
            return  # The next request continues from the request before the summary.
        self._sent, self._answered = now, answered
        self._history = self._turn = None

    def _miss(
        self, answered: Request, now: _Sent, before: _Sent, last: Request, expected: int
    ) -> Miss:
        miss = Miss(answered, expected, "none", _time_between(last, answered))
        turn_seq = self._turn.seq if self._turn is not None else None
        if now.provider != before.provider:
            what = f"the provider was switched from {before.provider} to {now.provider}"
            return _because(miss, "provider", what, turn_seq)
        if now.model != before.model:
            what = f"the model was switched from {before.model} to {now.model}"
            return _because(miss, "model", what, turn_seq)
        if now.instructions != before.instructions:
            what = f"the instructions changed{_by_update(now, before)}"
            return _because(miss, "instructions", what, turn_seq)
        if now.summary:
            what = "a summary is requested without tools, which come before everything else"
            return _because(miss, "tools", what, answered.started_seq)
        if now.tools != before.tools:
            return _because(miss, "tools", f"the tools changed{_by_update(now, before)}", turn_seq)
        if self._history is not None:
            found = _because(miss, "history", self._history.what, self._history.seq)
            return replace(found, item=now.kept if now.items is not None else None)
        if None not in (now.items, before.items) and now.kept != before.items:
            what = f"its items changed from number {now.kept} on"
            return replace(_because(miss, "history", what, None), item=now.kept)
        if now.effort != before.effort:
            what = f"the effort was changed from {before.effort or 'its default'} to {now.effort or 'its default'}"
            return _because(miss, "settings", what, turn_seq)
        return miss


def _because(miss: Miss, segment: Segment, why: str, seq: int | None) -> Miss:
    return replace(miss, segment=segment, why=why, cause_seq=seq)


def _by_update(now: _Sent, before: _Sent) -> str:
    if now.daemon is None or before.daemon is None or now.daemon == before.daemon:
        return ""
    return f": the daemon was updated from {before.daemon} to {now.daemon}"


def _items(print_: e.RequestPrint | None) -> int | None:
    return None if print_ is None else print_.kept + len(print_.added)


def _what_of(event: e.Event | e.Unknown) -> str | None:
    """How an event has changed the history before its end; None: it has not."""
    match event:
        case e.HistoryCompacted():
            return "the history was compacted"
        case e.HistoryReverted():
            return "turns were reverted"
        case e.HistoryRevertUndone():
            return "reverted turns were restored"
        case e.HistoryCompactionUndone():
            return "a compaction was undone"
        case e.ThreadImported():
            return "it continues the requests of another program"
        case e.ThreadTakenIn():
            return "its history came from elsewhere, and is sent without authority"
        case e.ThreadForked():
            return "the thread is a fork, and the cache knows its parent by another key"
        case _:
            return None


def _time_between(before: Request, now: Request) -> str:
    """The cause of a miss of a request that begins like the request before it."""
    if now.started_ms is None:
        return "the provider had kept nothing of it"
    waited_ms = now.started_ms - before.at_ms
    minutes = waited_ms // 60_000
    if waited_ms < KEPT_MS:
        ago = f"{max(waited_ms, 0) // 1000} s" if minutes < 1 else f"{minutes} min"
        return f"the provider had kept too little of it, though all was sent alike {ago} before"
    return (
        f"the provider had kept too little of it: all was sent alike, {minutes:,} min after the request before"
        f" (caches live for {KEPT_MS // 60_000} to {2 * KEPT_MS // 60_000} minutes)"
    )


# Types of record that the fold depends on: the others need no decoding.
MISS_TYPES = (
    REQUEST_TYPES
    | MARKER_TYPES
    | {
        kind.type
        for kind in (e.ThreadForked, e.ThreadImported, e.ThreadTakenIn, e.HistoryCompacted)
    }
)

"""What is noted of an exchange with a provider while it goes on. No content of it is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final, Protocol

from codexd.core.values.exchange import Exchange

# An answer of a hundred items has some six hundred events; with deltas, a page of text.
STREAM_EVENTS_MAX: Final = 2048
# Of an event's name, and of a ray: names have some forty characters.
NAME_CHARACTERS_MAX: Final = 64
# Where the type of an event without a name is looked for.
TYPE_WITHIN_BYTES: Final = 160

_TYPE: Final = b'"type":"'


class StreamEvent(Protocol):
    """An event of a stream, as its reader gives it."""

    @property
    def data(self) -> bytes: ...

    @property
    def event(self) -> str:
        """Its name, "message" if it has none."""


class ExchangeNotes:
    """One exchange.

    Args:
        deltas: whether the stream's deltas are noted, too.
        traceparent: the request's place in a trace (W3C Trace Context), which the provider is sent; None: in none.
    """

    def __init__(self, *, deltas: bool = False, traceparent: str | None = None) -> None:
        self.traceparent = traceparent
        self._deltas = deltas
        self.path = ""  # of the API
        self._began: float | None = None
        self._last = 0.0
        self._status: int | None = None
        self._head_ms: int | None = None
        self._first_ms: int | None = None
        self._ray: str | None = None
        self._stream: list[tuple[str, int]] = []
        self._left_out = 0

    def sent(self, headers: MutableMapping[str, str]) -> None:
        """The request is about to be sent, with these headers; the last counts."""
        if self.traceparent is not None:
            headers.setdefault("traceparent", self.traceparent)
        self._began = time.monotonic()

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the response is here."""
        self._head_ms = self._since_sent()
        self._last = time.monotonic()
        self._status = status
        self._ray = headers.get("cf-ray", "")[:NAME_CHARACTERS_MAX] or None

    def came(self, frames: Sequence[StreamEvent]) -> None:
        """Events of the stream: what one read brought."""
        now = time.monotonic()
        waited, self._last = round((now - self._last) * 1000), now
        for frame in frames:
            kind = frame.event if frame.event != "message" else _type_in(frame.data)
            is_delta = not kind or kind.endswith(".delta")
            if self._first_ms is None and (is_delta or kind.startswith("response.output_item")):
                self._first_ms = self._since_sent()
            if (is_delta and not self._deltas) or len(self._stream) >= STREAM_EVENTS_MAX:
                self._left_out += 1
            else:
                self._stream.append((kind[:NAME_CHARACTERS_MAX], waited))
            waited = 0

    def facts(self) -> Exchange | None:
        """What was noted; None if nothing was sent."""
        if self._began is None:
            return None
        return Exchange(
            self.path,
            self._status,
            self._head_ms,
            self._first_ms,
            self._ray,
            tuple(self._stream),
            self._left_out,
        )

    def _since_sent(self) -> int:
        return round((time.monotonic() - (self._began or 0.0)) * 1000)


def _type_in(data: bytes) -> str:
    """The type within an event's data; empty if it is not at its beginning."""
    start = data.find(_TYPE, 0, TYPE_WITHIN_BYTES) + len(_TYPE)
    end = data.find(b'"', start, start + NAME_CHARACTERS_MAX)
    if start < len(_TYPE) or end < 0:
        return ""
    return data[start:end].decode(errors="replace")

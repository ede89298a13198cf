"""Bytes -> server-sent events; sans-IO, bounded, one pass over each network read.

It follows the HTML Living Standard, section 9.2.6 "Interpreting an event stream": byte order mark, LF, CR
and CRLF line ends, comments, data over many lines, `event`, `id` and `retry`. An event that the stream's
end cuts off is dropped, as the standard says.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from codexd.core.values.foreign_json import decode_foreign, sound_json

# The last event of a response repeats the whole response, which may have twice the bytes of its largest item, and
# the request. A longer event would be held in memory, and read by one long call.
EVENT_BYTES_MAX = 8 * 1024 * 1024

# A name that is remembered: those of events have some dozens of bytes.
NAME_BYTES_MAX = 256

# The data with which a stream of chat completions ends.
DONE = b"[DONE]"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# How gateways fail within a stream, beside the standard: a bare JSON text, and a line `error: …`.
_BARE = (b"{", b"[", b"error:")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_FIELD_NAMES = (b"id", b"retry")
# What a person reads of a text in place of a stream.
STRAY_BYTES_MAX = 4_096
# The longest of those fields: what is shorter may still become it.
FIELD_BYTES_MAX = 6


def begins_a_stream(beginning: bytes) -> bool:
    """Whether a body that begins so is an event stream, whatever its content type."""
    return beginning.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(_FIELDS)


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of the stream."""

    data: bytes  # as sent: the reader checks whether it is UTF-8
    event: str = "message"


class InvalidEventStream(ValueError):
    """The bytes are no event stream that could be read within bounds."""


def objects_in(data: bytes) -> list[bytes]:
    """The JSON objects in data that is no JSON object by itself, and `DONE`.

    Servers send a field's name twice, several objects in one event, or a list of one. A ping, a comment and null
    have none.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it begins like JSON, and is none.
    """
    data = data.strip()
    while data.startswith(b"data:"):
        data = data.removeprefix(b"data:").strip()
    if data.strip(b"[]\"' ").upper() == DONE.strip(b"[]"):
        return [DONE]
    if not data.startswith((b"{", b"[")):
        return [data] if data[:1].isdigit() or data.startswith(b'"') else []
    try:
        value = decode_foreign(sound_json(data))
    except msgspec.DecodeError:
        if b"\n" not in data:
            raise
        return [found for line in data.split(b"\n") for found in objects_in(line)]
    values = value if isinstance(value, list) else [value]
    return [msgspec.json.encode(value) for value in values if isinstance(value, dict)]


def _is_whole(data: bytes) -> bool:
    """Whether data is JSON, or `DONE`: nothing of it can be missing."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return bool(objects_in(data))
    return False


class EventStreamReader:
    """Cuts a stream into events; it may arrive in pieces of any size."""

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self.last_event_id = ""  # the newest `id` of the stream
        self.stray = b""  # the first text that is no field, such as the error of a proxy
        self.retry_ms: int | None = None  # the server's time to wait before a reconnect
        self._event_bytes_max = event_bytes_max
        self._is_begun = False  # its first bytes, with the byte order mark, were read
        self._pending: list[bytes] = []  # the beginning of an event, in pieces to be joined once
        self._pending_bytes = 0
        self._after_carriage_return = False
        # What the last event of a usual form had before its data, and its name: the next event is most likely the same.
        self._before_data, self._name = b"data: ", "message"

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that this piece completes.

        Raises:
            InvalidEventStream: an event has grown over the bound.
        """
        chunk = self._with_line_feeds(chunk) if self._is_begun else self._without_mark(chunk)
        if not chunk:
            return []
        whole = b"\n\n" in chunk or (self._ends_a_line() and chunk[0] == 10)
        self._pending.append(chunk)
        if not whole:
            self._pending_bytes += len(chunk)
            self._check_bound(self._pending_bytes)
            return []
        *blocks, rest = b"".join(self._pending).split(b"\n\n")
        self._pending = [rest] if rest else []
        self._pending_bytes = len(rest)
        self._check_bound(max(self._pending_bytes, *map(len, blocks)))
        found: list[ServerSentEvent] = []
        for block in blocks:
            before = self._before_data
            if block.startswith(before) and block.find(b"\n", len(before)) < 0:
                found.append(ServerSentEvent(block[len(before) :], self._name))
            elif (event := self._read_block(block)) is not None:
                found.append(event)
        return found

    @property
    def held_bytes(self) -> int:
        """How much has come of an event that is not whole."""
        return self._pending_bytes

    def _ends_a_line(self) -> bool:
        return bool(self._pending) and self._pending[-1][-1] == 10

    def _check_bound(self, event_bytes: int) -> None:
        if event_bytes > self._event_bytes_max:
            raise InvalidEventStream(
                f"expected events of at most {self._event_bytes_max} bytes, found one of "
                f"{event_bytes} or more; the rest of the stream was not read"
            )

    def end(self) -> list[ServerSentEvent]:
        """The events that the end of the stream completes: not an event that was cut off, except an error."""
        rest, self._pending = b"".join(self._pending), []
        event = self._read_lines(rest)
        if event is None or not (rest.lstrip().startswith(_BARE) or _is_whole(event.data)):
            return []
        return [event]

    def _without_mark(self, chunk: bytes) -> bytes:
        """The first bytes of the stream, without the byte order mark once it is clear whether there is one."""
        first = b"".join(self._pending) + chunk
        if len(first) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(first):
            self._pending = [first]
            return b""
        self._pending = []
        self._is_begun = True
        return self._with_line_feeds(first.removeprefix(_BYTE_ORDER_MARK))

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """The piece with every line end as LF; a CRLF may be split between two pieces."""
        if self._after_carriage_return and chunk:
            self._after_carriage_return = False
            if chunk[0] == 10:
                chunk = chunk[1:]
        if b"\r" not in chunk:
            return chunk
        self._after_carriage_return = chunk[-1] == 13
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read_block(self, block: bytes) -> ServerSentEvent | None:
        """An event from its lines; None where they carry no data.

        Nearly all events are one line of `data`, most with a line of `event` before it.
        """
        if block.startswith(b"event: "):
            end = block.find(b"\n")
            if block.startswith(b"data: ", end + 1) and block.find(b"\n", end + 1) < 0 <= end:
                name = block[7:end].decode("utf-8", "replace")
                if end <= NAME_BYTES_MAX:
                    self._before_data, self._name = block[: end + 7], name
                return ServerSentEvent(block[end + 7 :], name)
        elif block.startswith(b"data: ") and b"\n" not in block:
            return ServerSentEvent(block[6:])
        return self._read_lines(block)

    def _read_lines(self, block: bytes) -> ServerSentEvent | None:
        if block.lstrip().startswith(_BARE):
            text = block.strip()
            if text.startswith(b"error:"):
                return ServerSentEvent(text.removeprefix(b"error:").strip(), "error")
            return ServerSentEvent(text)
        event = ""
        data: list[bytes] = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            field, value = field.strip(), value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                event = value.decode("utf-8", "replace")
            elif field == b"id" and b"\0" not in value:
                self.last_event_id = value.decode("utf-8", "replace")
            elif field == b"retry" and value.isdigit():
                self.retry_ms = int(value)
            elif field and field not in _FIELD_NAMES and not self.stray:
                self.stray = block[:STRAY_BYTES_MAX]
        return ServerSentEvent(b"\n".join(data), event or "message") if data else None


class WholeBody:
    """A body that is no stream, as one event: what a server sends that was asked to stream and does not."""

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._pieces: list[bytes] = []
        self._left = event_bytes_max
        self.held_bytes = 0  # what comes is only kept
        self.stray = b""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Nothing is complete before the end. Raises: InvalidEventStream."""
        self._pieces.append(chunk)
        self._left -= len(chunk)
        if self._left < 0:
            raise InvalidEventStream("the body is longer than any answer; the rest was not read")
        return []

    def end(self) -> list[ServerSentEvent]:
        """All of it, once."""
        body, self._pieces = b"".join(self._pieces), []
        return [ServerSentEvent(body)] if body else []

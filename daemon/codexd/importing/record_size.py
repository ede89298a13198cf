"""Makes an event fit into a record: content that is too large becomes a blob, or gives a warning. Pure."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import encode_event
from codexd.core.events.tools import ToolEnded
from codexd.core.values.tool_actions import NO_PARTS
from codexd.importing.rollout.lines import LineWarning
from codexd.importing.rollout.timeline import TimedEvent
from codexd_eventstore.store import RECORD_BYTES_MAX

# The size of a record without its data: number, time, type, names, checksum.
_ENVELOPE_BYTES = 4096
DATA_BYTES_MAX = RECORD_BYTES_MAX - _ENVELOPE_BYTES
# If an answer is too large, this many characters of its beginning and of its end stay in the record:
# more than a model was ever sent of an answer, and few enough to fit with any escaping.
KEPT_CHARACTERS = 500_000


class Fitted(msgspec.Struct, frozen=True, gc=False):
    """An event as it can be recorded; `data` is None if it cannot be."""

    timed: TimedEvent
    data: bytes | None
    complaint: LineWarning | None = None
    blob: bytes | None = None  # the content that is too large for the record


def fitted(timed: TimedEvent) -> Fitted:
    """Encode an event so that a record can hold it. Slow for large events: not for the event loop."""
    data = encode_event(timed.event)
    if len(data) <= DATA_BYTES_MAX:
        return Fitted(timed, data)
    found = f"expected at most {DATA_BYTES_MAX} bytes, found {len(data)} in {timed.event.type}"
    if isinstance(timed.event, ToolEnded):
        event, whole = _cut(timed.event)
        data = encode_event(event)
        if len(data) <= DATA_BYTES_MAX:
            text = f"{found}: the middle of the answer was not imported; the whole output is a blob"
            return Fitted(timed, data, LineWarning(timed.line, text), whole)
    return Fitted(timed, None, LineWarning(timed.line, f"{found}: it was not imported"))


def _cut(event: ToolEnded) -> tuple[ToolEnded, bytes]:
    result = event.result
    whole = (result.output or result.model_text).encode(errors="replace")
    cut = replace(
        event,
        result=replace(
            result,
            model_text=_middle_cut(result.model_text),
            output=_middle_cut(result.output),
            output_bytes=len(whole),
            blob=hashlib.sha256(whole).hexdigest(),
            model_parts=NO_PARTS,
        ),
    )
    return cut, whole


def _middle_cut(text: str) -> str:
    if len(text) <= 2 * KEPT_CHARACTERS:
        return text
    gone = len(text) - 2 * KEPT_CHARACTERS
    return (
        f"{text[:KEPT_CHARACTERS]}\n[{gone} characters left out at the import]\n"
        f"{text[-KEPT_CHARACTERS:]}"
    )

"""Making an event fit into a record: what is too large for one is kept beside it, or complained of. I/O."""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core.calls import NO_PARTS
from codexd.core.events import Event, ToolEnded, encode_event
from codexd.importing.lines import Complaint
from codexd.importing.telling import Told
from codexd_eventstore.store import RECORD_BYTES_MAX, EventStore

# What a record has beside its data: number, time, type, names, checksum.
_ENVELOPE_BYTES = 4096
DATA_BYTES_MAX = RECORD_BYTES_MAX - _ENVELOPE_BYTES
# Of an answer that is too large, so many characters of its beginning and of its end stay in the record:
# more than a model was ever given of one, and few enough to fit however they are escaped.
KEPT_CHARACTERS = 500_000


async def fitted(
    store: EventStore, told: Told, *, dry: bool
) -> tuple[Event | None, Complaint | None]:
    """The event as it can be recorded, and what of it cannot."""
    size = len(encode_event(told.event))
    if size <= DATA_BYTES_MAX:
        return told.event, None
    found = f"expected at most {DATA_BYTES_MAX} bytes, found {size} in {told.event.type}"
    if isinstance(told.event, ToolEnded):
        event = await _cut(store, told.event, dry=dry)
        if len(encode_event(event)) <= DATA_BYTES_MAX:
            text = f"{found}: the middle of the answer was not imported; the whole output is a blob"
            return event, Complaint(told.line, text)
    return None, Complaint(told.line, f"{found}: it was not imported")


async def _cut(store: EventStore, event: ToolEnded, *, dry: bool) -> ToolEnded:
    result = event.result
    whole = (result.output or result.model_text).encode(errors="replace")
    blob = None if dry else (await store.put_blob(whole)).sha256
    return replace(
        event,
        result=replace(
            result,
            model_text=_middle_cut(result.model_text),
            output=_middle_cut(result.output),
            output_bytes=len(whole),
            blob=blob,
            model_parts=NO_PARTS,
        ),
    )


def _middle_cut(text: str) -> str:
    if len(text) <= 2 * KEPT_CHARACTERS:
        return text
    gone = len(text) - 2 * KEPT_CHARACTERS
    return (
        f"{text[:KEPT_CHARACTERS]}\n[{gone} characters left out at the import]\n"
        f"{text[-KEPT_CHARACTERS:]}"
    )

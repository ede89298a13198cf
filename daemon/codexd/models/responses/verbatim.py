"""JSON that is kept as a provider sent it: looked at once, since a log must be able to read it for ever."""

from __future__ import annotations

import msgspec

from codexd.core.values.foreign_json import decode_foreign, whole_characters


def normalized_json(raw: msgspec.Raw) -> msgspec.Raw:
    """The same, on a line of its own, with U+FFFD for half characters.

    A decoder that skips a member does not look into it, and the line ends of an event's data may be
    anywhere between its tokens.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it is no JSON after all, or holds too much of it.
    """
    json = whole_characters(bytes(raw))
    decode_foreign(json)
    return msgspec.Raw(json.replace(b"\n", b" ") if b"\n" in json else json)

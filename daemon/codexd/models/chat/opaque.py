"""What a chat server wants back and no item of the Responses API has a place for.

It stands as JSON in `encrypted_content` of a reasoning item: that member is by its meaning for its maker
alone, so it goes away by the same rule when a conversation goes on with another provider or model.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class OpaqueState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came with a response, verbatim."""

    reasoning_details: tuple[msgspec.Raw, ...] = ()  # OpenRouter: signed or encrypted reasoning
    extra_content: Mapping[str, msgspec.Raw] = {}  # Google: by call id, the signature of a thought

    def __bool__(self) -> bool:
        return bool(self.reasoning_details or self.extra_content)


NOTHING = OpaqueState()
_decode_opaque = msgspec.json.Decoder(OpaqueState).decode


def read_kept(encrypted: str | None) -> OpaqueState:
    """What is kept in a reasoning item; nothing, where it is another API's."""
    if encrypted is None or not encrypted.startswith("{"):
        return NOTHING
    try:
        return _decode_opaque(encrypted)
    except (msgspec.DecodeError, RecursionError):
        return NOTHING


def encoded(kept: OpaqueState) -> str:
    """The same, to stand in a reasoning item."""
    return msgspec.json.encode(kept).decode()

"""State that a chat server wants back, and that no item of the Responses API has a member for.

It is JSON in `encrypted_content` of a reasoning item: that member is only for the provider that made it, so the same
rule drops it when a conversation continues with another provider or model.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class OpaqueState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The opaque state of a response, verbatim."""

    reasoning_details: tuple[msgspec.Raw, ...] = ()  # OpenRouter: signed or encrypted reasoning
    extra_content: Mapping[str, msgspec.Raw] = {}  # Google: by call id, the signature of a thought

    def __bool__(self) -> bool:
        return bool(self.reasoning_details or self.extra_content)


NOTHING = OpaqueState()
_decode_opaque = msgspec.json.Decoder(OpaqueState).decode


def read_kept(encrypted: str | None) -> OpaqueState:
    """The opaque state in a reasoning item; empty for an item of another API."""
    if encrypted is None or not encrypted.startswith("{"):
        return NOTHING
    try:
        return _decode_opaque(encrypted)
    except (msgspec.DecodeError, RecursionError):
        return NOTHING


def encoded(kept: OpaqueState) -> str:
    """The state as JSON, for a reasoning item."""
    return msgspec.json.encode(kept).decode()

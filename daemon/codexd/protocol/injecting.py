"""The params and result of `thread/inject_items`."""

from __future__ import annotations

import msgspec


class ThreadInjectItemsParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Add items to the model's history, which no screen shows."""

    thread_id: str
    items: tuple[msgspec.Raw, ...]  # of the Responses API


class ThreadInjectItemsResponse(msgspec.Struct, frozen=True):
    """Done."""

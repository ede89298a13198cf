"""A request to the Responses API as bytes; sans-IO.

A request is joined from pieces that are encoded already, so that it costs what is new in it, and the same
history gives the same bytes: the provider's prompt cache depends on that. Nothing is stored at the
provider (`store: false`), so items are sent without ids, and reasoning is sent back encrypted.

Source: the OpenAI API reference, "Responses".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from codexd.core.values.provider_items import read_head
from codexd.models.client import ModelRequest

# The name of the format that a wanted output schema goes by. The API asks for one and does nothing with it.
SCHEMA_NAME: Final = "codex_output_schema"

# The API takes ids of calls of 64 characters.
_LONG_CALL_ID = re.compile(rb'"call_id":"([^"]{65,}+)"')
# How one begins; each item of each request is looked at for it.
_BEGINS_LONG = re.compile(rb'"call_id":"[^"]{65}')
# The member with the id of a call in the items that are made from a chat server's answers.
HEAD_BYTES: Final = 512
_LOOKED_AT_BYTES: Final = HEAD_BYTES + len('"call_id":"') + 65

_encode = msgspec.json.encode


def encode_request(request: ModelRequest, *, stored: bool = False) -> bytes:
    """The body of POST /responses. The order of members is fixed: what changes from call to call is last.

    `stored`: the server insists on storing, and takes reasoning only by ids, which nothing here sends.
    """
    items = _without_reasoning(request.input) if stored else request.input
    items = [
        _with_short_call_id(item) if _BEGINS_LONG.search(item, 0, _LOOKED_AT_BYTES) else item
        for item in items
    ]
    members = [
        b'"model":' + _encode(request.model),
        b'"instructions":' + _encode(request.instructions),
        b'"tools":[' + b",".join(request.tools) + b"]",
        b'"tool_choice":"auto"',
        b'"parallel_tool_calls":' + (b"true" if request.parallel_tool_calls else b"false"),
        *_reasoning_members(request),
        *_text_members(request),
        *_tier_members(request),
        b'"store":' + (b"true" if stored else b"false"),
        b'"stream":true',
        b'"prompt_cache_key":' + _encode(request.cache_key),
    ]
    # Joined once: with images the items are all of it, and each copy is some ten megabytes.
    return b"".join((b"{", b",".join(members), b',"input":[', b",".join(items), b"]}"))


def _with_short_call_id(item: bytes) -> bytes:
    """An item whose call's id is one that this API takes: a chat server's may be longer."""
    at = item.find(b'"call_id":"', 0, HEAD_BYTES)
    found = _LONG_CALL_ID.match(item, at) if at >= 0 else None
    if found is None:
        return item
    short = b"call_" + sha256(found[1]).hexdigest()[:32].encode()
    return item[: found.start(1)] + short + item[found.end(1) :]


def _without_reasoning(items: Iterable[bytes]) -> list[bytes]:
    return [item for item in items if read_head(item).type != "reasoning"]


def _reasoning_members(request: ModelRequest) -> list[bytes]:
    """The effort, and that reasoning is to be returned: a model without reasoning refuses the latter."""
    reasoning = {
        name: value
        for name, value in (("effort", request.effort), ("summary", request.summary))
        # "none" means no summary here; the API wants the member left out.
        if value is not None and (name, value) != ("summary", "none")
    }
    members = [b'"reasoning":' + _encode(reasoning)] if reasoning else []
    if reasoning or request.reasons:
        members.append(b'"include":["reasoning.encrypted_content"]')
    return members


def _tier_members(request: ModelRequest) -> list[bytes]:
    tier = request.service_tier
    return [] if tier is None else [b'"service_tier":' + _encode(tier)]


def _text_members(request: ModelRequest) -> list[bytes]:
    text: list[bytes] = []
    if request.verbosity is not None:
        text.append(b'"verbosity":' + _encode(request.verbosity))
    if request.output_schema is not None:
        text.append(
            b'"format":{"type":"json_schema","name":%b,"strict":true,"schema":%b}'
            % (_encode(SCHEMA_NAME), bytes(request.output_schema))
        )
    return [b'"text":{' + b",".join(text) + b"}"] if text else []

"""Events -> the model's history: the input items of the next request, each kept as encoded bytes.

Building a request is joining bytes, and from call to call they are the same bytes, so that a provider's
prompt cache hits. What a person says or the daemon adds while a response streams stands behind that
response: the model had not seen it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from codexd.core.events import (
    ContextAdded,
    Event,
    InputQueued,
    InputWithdrawn,
    ItemCompleted,
    ModelCallStarted,
    RequestPrint,
    ThreadForked,
    ToolEnded,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    TurnSteered,
    Unknown,
)
from codexd.core.items import (
    ImageInput,
    LocalImageInput,
    MentionInput,
    SkillInput,
    TextInput,
    UserInput,
)

# Hex digits of a segment's hash: 64 bits tell the segments of any thread apart.
HASH_DIGITS = 16

_encode = msgspec.json.Encoder().encode


class HistoryMark(NamedTuple):
    """A place in a fold; `items` only ever grow, so their number is enough."""

    items: int
    behind: tuple[bytes, ...]
    queued: dict[str, bytes]
    calls: dict[str, bool]
    printed: int
    digest: hashlib._Hash
    instructions: str | None
    tools: str | None


class History:
    """The fold. It is mutable, and one actor owns it."""

    def __init__(self) -> None:
        self.items: list[bytes] = []  # in order, each one input item of the Responses API
        self._behind: list[bytes] = []  # what the model sees with its next call
        self._queued: dict[str, bytes] = {}
        self._calls: dict[str, bool] = {}  # open tool calls: whether each is a custom one
        self._printed = 0  # so many items are in the digest
        self._digest = hashlib.sha256()
        self._instructions: str | None = None
        self._tools: str | None = None

    def apply(self, event: Event | Unknown) -> None:
        """Take the next event in."""
        match event:
            case InputQueued():
                self._queued[event.item_id] = user_message(event.content)
            case InputWithdrawn():
                self._queued.pop(event.item_id, None)
            case TurnStarted():
                self._behind += [self._queued.pop(i) for i in event.inputs if i in self._queued]
            case TurnSteered():
                self._behind.append(user_message(event.content))
            case ContextAdded():
                self._behind.append(text_message(event.role, event.text))
            case ItemCompleted():
                self.items.append(without_id(event.item))
                if event.call is not None:
                    self._calls[event.call.call_id] = event.call.custom
            case ToolEnded():
                custom = self._calls.pop(event.call_id, False)
                self.items.append(call_output(event.call_id, event.result.model_text, custom))
            case ModelCallStarted():
                self._take_in()
                self._follow_print(event.request)
            case TurnCompleted() | TurnInterrupted() | TurnFailed():
                self._take_in()
            case ThreadForked():
                self._queued.clear()
            case _:
                pass

    def mark(self) -> HistoryMark:
        """Where the fold stands, to go back to. Costs the same however long the history is."""
        return HistoryMark(
            len(self.items),
            tuple(self._behind),
            dict(self._queued),
            dict(self._calls),
            self._printed,
            self._digest.copy(),
            self._instructions,
            self._tools,
        )

    def go_back(self, mark: HistoryMark) -> None:
        """Forget what was taken in since: it did not happen."""
        del self.items[mark.items :]
        self._behind[:] = mark.behind
        self._queued, self._calls = mark.queued, mark.calls
        self._printed, self._digest = mark.printed, mark.digest
        self._instructions, self._tools = mark.instructions, mark.tools

    def apply_all(self, events: Iterable[Event | Unknown]) -> None:
        """Take several events in."""
        for event in events:
            self.apply(event)

    def print_request(self, instructions: bytes, tools: tuple[bytes, ...]) -> RequestPrint:
        """What the request that is about to start is made of; call it before its event is applied."""
        pending = [*self.items[self._printed :], *self._behind]
        digest = self._digest.copy()
        added = tuple(_hash(item) for item in pending)
        for text in added:
            digest.update(text.encode())
        instructions_hash, tools_hash = _hash(instructions), _hash(b",".join(tools))
        return RequestPrint(
            kept=self._printed,
            added=added,
            digest=digest.hexdigest()[:HASH_DIGITS],
            instructions=instructions_hash if instructions_hash != self._instructions else None,
            tools=tools_hash if tools_hash != self._tools else None,
        )

    def _take_in(self) -> None:
        self.items += self._behind
        self._behind.clear()

    def _follow_print(self, request: RequestPrint | None) -> None:
        if request is None:
            return
        for text in request.added:
            self._digest.update(text.encode())
        self._printed = len(self.items)
        self._instructions = request.instructions or self._instructions
        self._tools = request.tools or self._tools


def _hash(segment: bytes) -> str:
    return hashlib.sha256(segment).hexdigest()[:HASH_DIGITS]


def text_message(role: str, text: str) -> bytes:
    """A message of one text part."""
    content = [{"type": "input_text", "text": text}]
    return _encode({"type": "message", "role": role, "content": content})


def user_message(content: tuple[UserInput, ...]) -> bytes:
    """What a person put in, as the model is given it."""
    return _encode(
        {"type": "message", "role": "user", "content": [_part(part) for part in content]}
    )


def _part(part: UserInput) -> dict[str, str]:
    match part:
        case TextInput():
            return {"type": "input_text", "text": part.text}
        case ImageInput():
            return {"type": "input_image", "image_url": part.url, "detail": part.detail or "high"}
        case LocalImageInput():
            return {"type": "input_text", "text": f"[image file: {part.path}]"}
        case SkillInput() | MentionInput():
            return {"type": "input_text", "text": f"[{part.name}]({part.path})"}


def call_output(call_id: str, text: str, custom: bool) -> bytes:
    """A tool's answer."""
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return _encode({"type": kind, "call_id": call_id, "output": text})


def without_id(item: msgspec.Raw) -> bytes:
    """A provider's item as it is sent back: with nothing of it changed but its id left out.

    Given an id, the API would look for an item that it stored, and codexd has it store none.
    """
    members = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    members.pop("id", None)
    return _encode(members)

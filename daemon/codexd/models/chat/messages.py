"""Input items of the Responses API -> messages of the chat completions API; pure.

The log has one list of items; chat wants messages in a stricter order. This law makes them from any
list: a system message first, each message with calls followed by exactly one answer for each call, and
nothing that a server could not read: arguments that are no JSON object are wrapped in one. A call that has
no answer gets a sentence for one, an answer without its call becomes a message of the user.

The same items always become the same messages, and more items at the end change no earlier message.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from codexd.core.values.dynamic_names import flat_name
from codexd.core.values.provider_items import (
    CallItem,
    Content,
    CustomCallItem,
    ItemPart,
    MessageItem,
    OutputItem,
    ProviderItem,
    ReasoningItem,
    call_name,
    parts_of,
    read_item,
)
from codexd.models.chat.opaque import OpaqueState, read_kept
from codexd.models.quirks import Quirks

Message = dict[str, object]

NO_ANSWER: Final = "There is no record of what this call came to."
IMAGE_BELOW: Final = "[image: in the next message]"
IMAGE_LEFT_OUT: Final = "[an image was left out: this model's API takes none]"
# What the assistant says where a server wants it to speak between a tool and the user.
BETWEEN: Final = "Noted."

# Mistral's ids of calls: "must be a-z, A-Z, 0-9, with a length of 9".
SHORT_ID_CHARACTERS: Final = 9
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}", re.ASCII)

_encode = msgspec.json.encode


_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Messages:
    """The messages of one request, built item by item."""

    def __init__(self, instructions: str, items: Iterable[bytes], quirks: Quirks) -> None:
        self.done: list[Message] = []
        self.call_ids: set[str] = set()
        self._quirks = quirks
        self._turn = _AssistantTurn()
        if instructions:
            self._add_system(instructions)
        # An item that cannot be read goes to no other server, nor stops a request.
        read = [read_item(item) for item in items]
        self._answers: dict[str, deque[OutputItem]] = {}
        for item in read:
            if isinstance(item, OutputItem):
                self._answers.setdefault(item.call_id or "", deque()).append(item)
        for item in read:
            self._take(item)
        self._end_turn()

    def _take(self, item: ProviderItem) -> None:
        match item:
            case CallItem():
                self._turn.calls.append(item)
                self.call_ids.add(item.call_id or "")
            case OutputItem():
                self._end_turn()
                self._add_stray(item)
            case MessageItem() if item.role == "assistant":
                self._turn.texts.append(_text(item.content))
            case MessageItem():
                self._end_turn()
                self._add_message(item)
            case ReasoningItem():
                self._turn.thoughts.append(_text(item.content))
                self._turn.kept.append(read_kept(item.encrypted_content))
            case _:
                pass  # what only its maker can read, such as a search of the provider's own

    def _add_message(self, item: MessageItem) -> None:
        if item.role in ("system", "developer"):
            first = all(message["role"] == self._quirks.system_role for message in self.done)
            if self._quirks.system_anywhere or first:
                self._add_system(_text(item.content))
            else:
                self._add_user([_text_part(_text(item.content))])
        else:
            self._add_user(self._parts(item.content))

    def _add_system(self, text: str) -> None:
        if self.done and not self._quirks.system_anywhere:
            self.done[0]["content"] = f"{self.done[0]['content']}\n\n{text}"
        else:
            self.done.append({"role": self._quirks.system_role, "content": text})

    def _add_user(self, parts: list[Message]) -> None:
        last = self.done[-1] if self.done else None
        if last is not None and last["role"] == "tool" and not self._quirks.user_after_tool:
            self.done.append({"role": "assistant", "content": BETWEEN})
        if last is not None and last["role"] == "user" and self._quirks.merge_user_messages:
            before = last["content"]
            assert isinstance(before, str | list)
            earlier = [_text_part(before)] if isinstance(before, str) else before
            last["content"] = _folded([*earlier, *parts])
        else:
            self.done.append({"role": "user", "content": _folded(parts)})

    def _add_stray(self, item: OutputItem) -> None:
        """An answer, unless its call has had it."""
        waiting = self._answers.get(item.call_id or "")
        if waiting and waiting[0] is item:
            waiting.popleft()
            self._add_user([_text_part(f"[output of a tool]\n{_text(item.output)}")])

    def _end_turn(self) -> None:
        """The assistant's texts and calls up to now become a message, followed by the answers."""
        turn, self._turn = self._turn, _AssistantTurn()
        message = turn.message(self._quirks)
        if message is None:
            return
        self.done.append(message)
        images: list[Message] = []
        for call in turn.calls:
            waiting = self._answers.get(call.call_id or "")
            output = waiting.popleft().output if waiting else NO_ANSWER
            shown = self._images(output)
            images += shown
            texts = [_text(output), *([IMAGE_BELOW] if shown else [])]
            content = "\n".join(text for text in texts if text)
            self.done.append(
                {
                    "role": "tool",
                    "tool_call_id": _call_id(call, self._quirks),
                    "content": content,
                }
            )
        if images:
            self._add_user(images)

    def _parts(self, content: Content) -> list[Message]:
        return [
            self._image(part)
            if part.image_url and isinstance(part.image_url, str)
            else _text_part(part.text or part.refusal or "")
            for part in parts_of(content)
        ]

    def _images(self, content: Content) -> list[Message]:
        if isinstance(content, str):  # A tool's answer nearly always is.
            return []
        return [part for part in self._parts(content) if part["type"] != "text"]

    def _image(self, part: ItemPart) -> Message:
        if not self._quirks.images:
            return _text_part(IMAGE_LEFT_OUT)
        image: Message = {"url": part.image_url}
        if part.detail in ("low", "high", "auto"):
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}


class _AssistantTurn:
    """The assistant's texts, thoughts and calls in a row."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.kept: list[OpaqueState] = []
        self.calls: list[CallItem] = []

    def message(self, quirks: Quirks) -> Message | None:
        """All of it as one message; None where nothing was said and nothing called."""
        text = "\n\n".join(text for text in self.texts if text)
        if not text and not self.calls:
            return None
        empty = None if quirks.null_content and self.calls else ""
        message: Message = {"role": "assistant", "content": text or empty}
        message |= self._reasoning(quirks)
        if self.calls:
            extra = {name: raw for kept in self.kept for name, raw in kept.extra_content.items()}
            message["tool_calls"] = [_call(call, extra, quirks) for call in self.calls]
        return message

    def _reasoning(self, quirks: Quirks) -> Message:
        without = quirks.reasoning_with_calls_only and not self.calls
        if quirks.reasoning_back == "none" or without:
            return {}
        details = [raw for kept in self.kept for raw in kept.reasoning_details]
        if quirks.reasoning_back == "reasoning_details" and details:
            return {"reasoning_details": details}
        thought = "\n\n".join(text for text in self.thoughts if text)
        if not thought and not (quirks.reasoning_always and self.calls):
            return {}
        back = quirks.reasoning_back
        name = "reasoning" if back == "reasoning_details" else back
        return {name: thought or quirks.no_reasoning}


def _call_id(call: CallItem, quirks: Quirks) -> str:
    """The id of a call as the server takes it; for the same id always the same."""
    call_id, most = call.call_id or "", quirks.call_id_characters_max
    digits = sha256(call_id.encode()).hexdigest
    if quirks.short_call_ids and not _SHORT_ID.fullmatch(call_id):
        return digits()[:SHORT_ID_CHARACTERS]
    return f"call_{digits()[:32]}" if len(call_id) > most else call_id


def _call(item: CallItem, extra: dict[str, msgspec.Raw], quirks: Quirks) -> Message:
    custom = isinstance(item, CustomCallItem)
    arguments = _encode({"input": item.given}).decode() if custom else _readable(item.given)
    call_id = item.call_id or ""
    call: Message = {
        "id": _call_id(item, quirks),
        "type": "function",
        "function": {"name": _name(item), "arguments": arguments},
    }
    if call_id in extra:
        call["extra_content"] = extra[call_id]
    return call


def _name(item: CallItem) -> str:
    """The name of the function as this API's tools have it: with its namespace."""
    name = item.name or ""
    return call_name(flat_name(item.namespace, name) if item.namespace else name)


def _readable(arguments: str) -> str:
    """The arguments as they came, where they are a JSON object; else within one.

    Servers parse them to render a template: one call that they cannot parse would end the conversation.
    """
    if not arguments.strip():
        return "{}"
    try:
        _decode_object(arguments)
    except (msgspec.DecodeError, RecursionError):
        return _encode({"unreadable_arguments": arguments}).decode()
    return arguments


def _folded(parts: list[Message]) -> str | list[Message]:
    """A text where there is nothing but text, for the servers that read no lists."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(str(part["text"]) for part in parts if part["text"])
    return [part for part in parts if part["type"] != "text" or part["text"]]


def _text(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, [part.text or part.refusal for part in parts_of(content)]))


def _text_part(text: str) -> Message:
    return {"type": "text", "text": text}

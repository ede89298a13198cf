"""The chunks of a chat completions stream as model events; sans-IO.

A response is over with `[DONE]`, or when the stream ends after a chunk with a finish reason. Usage
is in a chunk of its own, in the last chunk, or under a provider's own name; it is passed on verbatim.

Source: the OpenAI API reference, "Chat completions: streaming", and the streams of Ollama, LM Studio,
llama.cpp, vLLM, OpenRouter, DeepSeek, Groq and Mistral.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from secrets import token_hex
from typing import Final

import msgspec

from codexd.core.values.foreign_json import (
    decode_foreign,
    decode_without_misfits,
)
from codexd.core.values.model_output import ModelEvent, ModelResponseDone
from codexd.core.values.provider_items import UNREADABLE
from codexd.core.values.usage import counts_nothing
from codexd.models import errors
from codexd.models.answer_size import ID_CHARACTERS_MAX, AnswerSize
from codexd.models.chat.calls import (
    CallDelta,
    FunctionDelta,
    StreamedCalls,
    TooManyCallsError,
    held_of,
)
from codexd.models.chat.items import ChatItems, Side
from codexd.models.chat.odd_chunks import in_shape
from codexd.models.chat.reasoning_details import Details
from codexd.models.chat.think_tags import ThinkTags
from codexd.models.client import ModelError
from codexd.models.complaints import PLAIN_BYTES_MAX, find_complaint, read_complaint
from codexd.models.provider_words import (
    BROKEN_OFF,
    CUT_OFF,
    FINISHED,
    GOES_ON,
    MALFORMED,
    WINDOW_FULL,
    finish_word,
)
from codexd.models.responses.verbatim import normalized_json
from codexd.models.sse import DONE, ServerSentEvent, objects_in


class _ContentPart(msgspec.Struct, frozen=True, gc=False):
    type: str = "text"
    text: str | None = None
    thinking: str | list[_ContentPart] | None = None


class _Delta(msgspec.Struct, frozen=True, gc=False):
    content: str | list[_ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | dict[str, object] | None = None
    reasoning_text: str | None = None
    reasoning_details: msgspec.Raw = msgspec.Raw()
    refusal: str | None = None
    tool_calls: list[CallDelta] | CallDelta | None = None
    function_call: FunctionDelta | None = None


class _Choice(msgspec.Struct, frozen=True, gc=False):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    error: msgspec.Raw = msgspec.Raw()
    text: str | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _Groq(msgspec.Struct, frozen=True, gc=False):
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Chunk(msgspec.Struct, frozen=True, gc=False):
    id: str | int | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    x_groq: _Groq | None = None
    error: msgspec.Raw = msgspec.Raw()
    object: str | None = None


# Members of a chunk that are never left out.
_NEEDED: Final = frozenset(
    {"choices", "delta", "message", "content", "text"}
    | {"tool_calls", "function_call", "function", "name", "arguments"}
)

_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_END: Final = _Chunk(object="the end of the data, within other data")


class ChatReader:
    """Reads one response. `feed` never raises: `error` has the failure after the events before it."""

    def __init__(
        self,
        *,
        custom_tools: Collection[str] = (),
        call_ids: Collection[str] = (),
        think_tags: bool = True,
        secrets: tuple[str, ...] = (),
        name: str | None = None,
    ) -> None:
        self.error: ModelError | None = None
        self.completed = False
        self._size = AnswerSize()
        self._items = ChatItems(self._size, name or token_hex(8), custom_tools, call_ids)
        self._calls = StreamedCalls()
        self._details = Details()
        self._tags = ThinkTags() if think_tags else None
        self._secrets = secrets
        self._id: str | None = None
        self._usage: msgspec.Raw | None = None
        self._finish: str | None = None
        self._has_deltas = False
        self._message = ""  # what has come of a message that is no delta
        self._begun = False  # a chunk with a choice has come
        self._without_choice = b""  # the last chunk that had none: it may say why

    @property
    def text_bytes(self) -> int:
        """The size of the answer's text up to now."""
        return self._size.counted_bytes

    @property
    def answered(self) -> bool:
        """Whether what is still to come is only figures, and worth no long wait."""
        return self._finish is not None

    def feed(self, events: Iterable[ServerSentEvent]) -> list[ModelEvent]:
        """The model events in some events of the stream."""
        found: list[ModelEvent] = []
        try:
            for event in events:
                if self.completed or self.error is not None:
                    break
                self._read(event, found)
                self.error = self._size.error
        except ModelError as error:
            self.error = error
        return found

    def end(self) -> list[ModelEvent]:
        """The stream has ended: an error unless the response was complete, or only its end was not said."""
        found: list[ModelEvent] = []
        if self.completed or self.error is not None:
            return found
        if not self.answered:
            closed = errors.disconnected("the provider closed the connection")
            self.error = self._said_instead() or closed
            return found
        try:
            self._complete(found)
        except ModelError as error:
            self.error = error
        return found

    def _read(self, event: ServerSentEvent, found: list[ModelEvent]) -> None:
        data = event.data.strip()
        if not data:
            return
        if data == DONE:
            self._end_of_data(found)
            return
        if event.event == "error":
            raise self._failure(data)
        try:
            chunk = _decode_chunk(data)
        except UNREADABLE:
            for chunk, whole in self._mended(data):
                self._take_chunk(chunk, whole, found)
        else:
            self._take_chunk(chunk, data, found)

    def _mended(self, data: bytes) -> Iterator[tuple[_Chunk, bytes]]:
        """The chunks of data that is no chunk by itself."""
        try:
            for text in objects_in(data):
                if text == DONE:
                    yield _END, text
                    continue
                value = decode_foreign(text)
                if isinstance(value, dict) and value.get("error"):
                    raise self._failure(text)
                shaped = msgspec.json.encode(in_shape(value))
                yield decode_without_misfits(shaped, _decode_chunk, _NEEDED), text
        except UNREADABLE as error:
            raise errors.unreadable(str(error)) from error

    def _take_chunk(self, chunk: _Chunk, data: bytes, found: list[ModelEvent]) -> None:
        if chunk is _END:
            self._end_of_data(found)
            return
        if chunk.object == "error" or _is_given(chunk.error):
            raise self._failure(data)
        if chunk.x_groq is not None and _is_given(chunk.x_groq.error):
            raise self._failure(b'{"error":%b}' % bytes(chunk.x_groq.error))
        self._note(chunk)
        if not chunk.choices and len(data) <= PLAIN_BYTES_MAX:
            self._without_choice = data
        for choice in chunk.choices or ():
            if not choice.index:
                self._take(choice, found)

    def _end_of_data(self, found: list[ModelEvent]) -> None:
        if not self._begun:
            raise self._said_instead() or errors.unreadable("it ended without an answer in it")
        if not self.answered and (failure := self._said_instead()) is not None:
            raise failure
        if not self.completed:
            self._complete(found)

    def _note(self, chunk: _Chunk) -> None:
        if self._id is None and chunk.id:
            self._id = str(chunk.id)[:ID_CHARACTERS_MAX]
        if chunk.usage:
            self._count(chunk.usage)
        if chunk.x_groq is not None:
            self._count(chunk.x_groq.usage)

    def _count(self, usage: msgspec.Raw) -> None:
        """A usage object; a count of nothing after a count is none."""
        if not _is_given(usage) or (self._usage is not None and counts_nothing(usage)):
            return
        self._size.whole(len(bytes(usage)))
        try:
            self._usage = normalized_json(usage)
        except UNREADABLE as error:
            raise errors.unreadable(f"usage: {error}") from error

    def _take(self, choice: _Choice, found: list[ModelEvent]) -> None:
        self._begun = True
        if _is_given(choice.error):
            raise self._failure(b'{"error":%b}' % bytes(choice.error))
        if choice.delta is not None:
            self._take_delta(choice.delta, found)
        if choice.message is not None:
            self._take_message(choice.message, found)
        if choice.text:  # of completions that are no chat
            self._take_text(choice.text, found)
        if choice.usage:  # Moonshot's place for it
            self._count(choice.usage)
        if choice.finish_reason:
            self._finish = choice.finish_reason

    def _take_message(self, message: _Delta, found: list[ModelEvent]) -> None:
        """A whole message, a piece of it, or all of it so far; after deltas it only repeats them."""
        if self._has_deltas:
            return
        content = message.content
        if isinstance(content, str):
            fresh = content.removeprefix(self._message) if self._message else content
            self._message = content if fresh is not content else self._message + content
            message = msgspec.structs.replace(message, content=fresh)
        self._take_delta(message, found)
        self._has_deltas = False

    def _take_delta(self, delta: _Delta, found: list[ModelEvent]) -> None:
        thought = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if not self._has_deltas:
            brought = thought, delta.content, delta.tool_calls, delta.function_call, delta.refusal
            self._has_deltas = any(brought)
        self._size.hold("details", (bytes(delta.reasoning_details),))
        try:
            detailed = self._details.take(delta.reasoning_details)
        except UNREADABLE as error:
            raise errors.unreadable(f"reasoning_details: {error}") from error
        if isinstance(thought, str) or detailed:
            said = thought if isinstance(thought, str) else detailed
            self._items.add("reasoning", said, found)
        if isinstance(delta.content, str):
            self._take_text(delta.content, found)
        elif delta.content:
            self._take_parts(delta.content, found)
        if delta.refusal:
            self._items.add("text", delta.refusal, found)
        given = delta.tool_calls or []
        calls = [given] if isinstance(given, CallDelta) else given
        if delta.function_call is not None:  # the API before there were several
            calls = [*calls, CallDelta(index=0, function=delta.function_call)]
        if calls:
            self._take_calls(calls, found)

    def _take_text(self, text: str, found: list[ModelEvent]) -> None:
        if not text:
            return
        pieces: list[tuple[Side, str]] = [("text", text)]
        if self._tags is not None:
            pieces = self._tags.feed(text)
            if not pieces:
                self._size.hold("blank", (text,))
        for side, piece in pieces:
            self._items.add(side, piece, found)

    def _take_parts(self, parts: list[_ContentPart], found: list[ModelEvent]) -> None:
        for part in parts:
            thinking = part.thinking
            if isinstance(thinking, list):
                thinking = "".join(inner.text or "" for inner in thinking)
            if thinking:
                self._items.add("reasoning", thinking, found)
            self._take_text(part.text or "", found)

    def _take_calls(self, deltas: list[CallDelta], found: list[ModelEvent]) -> None:
        for given in deltas:
            self._size.hold("calls", (*held_of(given), bytes(given.extra_content)))
        try:
            begun = self._calls.take(deltas)
        except TooManyCallsError as error:
            raise errors.unreadable("it calls more tools at once than any model does") from error
        except UNREADABLE as error:
            raise errors.unreadable(f"extra_content: {error}") from error
        self._items.add_calls(self._calls, begun, found)

    def _complete(self, found: list[ModelEvent]) -> None:
        if self._tags is not None:
            for side, piece in self._tags.end():
                self._items.add(side, piece, found)
        given = self._finish or ""
        finish = finish_word(given)
        incomplete = CUT_OFF.get(finish)
        if finish in WINDOW_FULL and self._items.is_empty:
            raise errors.window_full(given)
        is_failure = finish in BROKEN_OFF or any(word in given.lower() for word in MALFORMED)
        is_whole = (
            finish in (*FINISHED, *GOES_ON) or incomplete is not None or not self._items.is_empty
        )
        if is_failure or not is_whole:
            raise errors.broken_off(given)
        problem = self._items.end(self._details.whole(), whole=incomplete is None, found=found)
        if problem is not None:
            raise errors.unreadable(problem)
        end_turn = False if finish in GOES_ON else None
        found.append(ModelResponseDone(self._id, self._usage, end_turn, incomplete))
        self.completed = True

    def _said_instead(self) -> ModelError | None:
        """The error in a chunk that came in place of an answer: MiniMax sends its errors so, with HTTP 200."""
        complaint = find_complaint(self._without_choice)
        if complaint is None:
            return None
        return errors.failed(complaint, secrets=self._secrets)

    def _failure(self, data: bytes) -> ModelError:
        return errors.failed(read_complaint(data), secrets=self._secrets)


def _is_given(raw: msgspec.Raw) -> bool:
    return bool(raw) and bytes(raw) not in (b"null", b"{}", b'""', b"[]", b"false", b"0")

"""Calls of tools that clients have declared (Codex's dynamic tools): a client is asked to perform each.

A call is asked of all clients that follow its thread, of those too who attach while it is open, and the first answer
counts. The question is in no log; the call is, so that the next daemon asks again where this one dies.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import trio

from codexd.core.state.state import ThreadState
from codexd.core.values.foreign_json import check_foreign
from codexd.core.values.ids import ThreadId
from codexd.core.values.images import DETAIL_DEFAULT, BadImage, read_data_url
from codexd.core.values.items import ToolText
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, DynamicToolCall, ToolResult
from codexd.mcp.results import (
    IMAGES_MAX,
    MODEL_BYTES_MAX,
    SHOWN_BYTES_MAX,
    KeepImage,
    ModelPart,
    answer_parts,
    bounded,
)
from codexd.protocol.clients import DecidedBy
from codexd.protocol.dynamic_tools import (
    TOOL_CALL,
    ToolCallParams,
    ToolCallResponse,
    ToolOutput,
    ToolOutputAudio,
    ToolOutputImage,
    ToolOutputText,
)
from codexd.protocol.wire.rpc import ClientReply
from codexd.runtime.images.images import Images
from codexd.server.connection.connection import Connection
from codexd.server.feed.unlogged import OpenQuestion, OpenQuestions
from codexd.server.hub import Hub
from codexd.tools.registry import CallContext, CallSink, Registry

# The tool that makes all of these calls. It is offered to no model.
CALLS: Final = "dynamic"
# How long a call waits for a client to come back: a program that lost its connection connects again within seconds.
RETURN_SECONDS_MAX: Final = 30.0
# Open calls of all threads: each holds its arguments in memory.
OPEN_MAX: Final = 256
# Parts of one answer: more is no answer for a reader.
PARTS_MAX: Final = 1000

NOT_CONNECTED: Final = "The program that has this tool is not connected now. Nothing was done; it may be called again later."
GONE: Final = (
    "The program that has this tool left before it answered, and did not come back. Whether the call was carried out "
    "is unknown."
)
# As Codex has them.
REQUEST_FAILED: Final = "dynamic tool request failed"
ANSWER_INVALID: Final = "dynamic tool response was invalid"
TOO_MANY: Final = f"Not called: {OPEN_MAX} calls of tools of clients are open. Nothing was done."


class _Open(OpenQuestion):
    """A call that a client is asked to perform."""

    def __init__(self, thread_id: ThreadId) -> None:
        self.thread_id = thread_id
        self.news = trio.Event()  # an answer came, or a client attached or left
        self.answer: ToolCallResponse | None = None
        self.failed: dict[Connection, str] = {}  # those that answered with nothing usable, and how


class ClientTools:
    """The calls that clients are asked to perform."""

    def __init__(self, hub: Hub, return_seconds: float = RETURN_SECONDS_MAX) -> None:
        self._hub, self._return_seconds = hub, return_seconds
        self._open = OpenQuestions[_Open](TOOL_CALL)
        hub.on_attached.append(self._attached)

    def offer(self, registry: Registry, images: Images) -> None:
        """Have calls in the threads of this registry performed."""
        registry.add(_Calls(self, images.take))

    async def perform(
        self, action: DynamicToolCall, context: CallContext
    ) -> ToolCallResponse | str:
        """Ask for the call; returns the answer, or why there is none, for the model."""
        thread_id = ThreadId(context.thread_id)
        returns = context.again is not None  # A client was asked before the daemon died.
        if not returns and not self._hub.performers(thread_id):
            return NOT_CONNECTED
        if len(self._open) >= OPEN_MAX:
            return TOO_MANY
        feed, params = self._hub.feed(thread_id), _params(action, context)
        with self._open.asked(feed, params, _Open(thread_id)) as waits:
            return await self._answered(waits)

    async def _answered(self, waits: _Open) -> ToolCallResponse | str:
        """Wait for an answer, and for a client that can give one."""
        until = math.inf  # by when a client must have come back
        while waits.answer is None:
            performers = self._hub.performers(waits.thread_id)
            if waits.failed and all(performer in waits.failed for performer in performers):
                return next(reversed(waits.failed.values()))
            if performers:
                until = math.inf
            elif until == math.inf:
                until = trio.current_time() + self._return_seconds
            waits.news = trio.Event()
            with trio.move_on_at(until) as waiting:
                await waits.news.wait()
            if waiting.cancelled_caught:
                return GONE
        return waits.answer

    def _attached(self, thread_id: ThreadId) -> None:
        for waits in self._open.values():
            if waits.thread_id == thread_id:
                waits.news.set()

    def is_open(self, request_id: object) -> bool:
        """Whether a call of this number waits."""
        return request_id in self._open

    def answer(self, connection: Connection, reply: ClientReply) -> None:
        """A client answered a call. The first answer counts; a failure counts when no other client is left to answer."""
        waits = self._open.of(reply)
        if waits is None or waits.answer is not None or connection in waits.failed:
            return
        read = _read(reply)
        if isinstance(read, str):
            waits.failed[connection] = read
        else:
            waits.answer, waits.decided = read, DecidedBy("accept", connection.by)
        waits.news.set()


class _Calls:
    """The tool that makes these calls."""

    name = CALLS

    def __init__(self, tools: ClientTools, keep: KeepImage) -> None:
        self._tools, self._keep = tools, keep

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        return None

    def read_call(self, arguments: str, context: CallContext) -> BadCall:
        return BadCall(f"unsupported call: {CALLS}. Call the tools of clients by their own names.")

    async def perform(
        self, action: DynamicToolCall, context: CallContext, sink: CallSink
    ) -> ToolResult:
        started = trio.current_time()
        given = await self._tools.perform(action, context)
        duration_ms = round((trio.current_time() - started) * 1000)
        if isinstance(given, str):
            return ToolResult("failed", given, duration_ms=duration_ms)
        return await tool_result(given, self._keep, duration_ms)


def _params(action: DynamicToolCall, context: CallContext) -> ToolCallParams:
    return ToolCallParams(
        thread_id=context.thread_id,
        turn_id=context.turn_id,
        call_id=context.call_id,
        namespace=action.namespace,
        tool=action.tool,
        arguments=msgspec.Raw(action.arguments.encode()),
    )


def _read(reply: ClientReply) -> ToolCallResponse | str:
    """A client's answer, or what the model is told in its place."""
    if reply.error is not None:
        return REQUEST_FAILED
    try:
        check_foreign(bytes(reply.result))
        read = msgspec.json.decode(reply.result, type=ToolCallResponse)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ANSWER_INVALID
    return read if len(read.content_items) <= PARTS_MAX else ANSWER_INVALID


async def tool_result(given: ToolCallResponse, keep: KeepImage, duration_ms: int) -> ToolResult:
    """The result of a call, as the model is given it and screens are shown it. The texts and images are bounded."""
    parts: list[ModelPart] = []
    shown: list[ToolText] = []
    for item in given.content_items:
        images = sum(part.image_url is not None for part in parts)
        part, text = await _part(item, keep, images)
        parts.append(part)
        shown.append(ToolText(text))
    texts = [part.text for part in parts if part.text is not None]
    return ToolResult(
        "completed" if given.success else "failed",
        bounded("\n".join(texts), MODEL_BYTES_MAX),
        output=_output(shown),
        duration_ms=duration_ms,
        model_parts=answer_parts(parts),
    )


async def _part(item: ToolOutput, keep: KeepImage, images: int) -> tuple[ModelPart, str]:
    """A part of an answer for the model, and for screens: the bytes of an image are in no record."""
    if isinstance(item, ToolOutputText):
        return ModelPart("input_text", item.text), item.text
    if isinstance(item, ToolOutputAudio):
        text = "[sound was left out: codexd gives models texts and images]"
        return ModelPart("input_text", text), text
    assert isinstance(item, ToolOutputImage)
    try:
        if images == IMAGES_MAX:
            raise BadImage(f"only {IMAGES_MAX} images of an answer are used")
        content = read_data_url(item.image_url)
        name = await keep(content)
    except BadImage as bad:
        text = f"[an image was left out: {bad}]"
        return ModelPart("input_text", text), text
    shown = f"[image, {len(content)} bytes]"
    return ModelPart("input_image", image_url=name, detail=DETAIL_DEFAULT), shown


def _output(shown: list[ToolText]) -> str:
    """The parts for screens, as JSON."""
    encoded = msgspec.json.encode(shown).decode()
    if len(encoded) <= SHOWN_BYTES_MAX:
        return encoded
    text = bounded("\n".join(part.text for part in shown), SHOWN_BYTES_MAX)
    return msgspec.json.encode([ToolText(text)]).decode()

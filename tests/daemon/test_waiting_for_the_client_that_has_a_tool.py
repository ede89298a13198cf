"""How long a call of a client's tool waits, and for whom: on a clock that jumps, and without a socket."""

from __future__ import annotations

import base64
from typing import cast

import msgspec
import pytest
import trio

from codexd.core.values.images import BadImage
from codexd.core.values.tool_actions import DynamicToolCall, ToolResult
from codexd.protocol.dynamic_tools import ToolCallResponse
from codexd.protocol.wire.rpc import ClientReply, ErrorObject
from codexd.server.client_tools import (
    ANSWER_INVALID,
    GONE,
    NOT_CONNECTED,
    OPEN_MAX,
    REQUEST_FAILED,
    RETURN_SECONDS_MAX,
    TOO_MANY,
    ClientTools,
    tool_result,
)
from codexd.server.connection.connection import Connection
from codexd.server.hub import Hub
from codexd.tools.registry import CallContext
from trio_test import trio_test

THREAD = "01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60"
CALL = DynamicToolCall("weather", '{"city":"Ulm"}')
DONE = b'{"contentItems":[{"type":"inputText","text":"sun"}],"success":true}'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Someone:
    """A client, as far as these calls know one."""

    def __init__(self, by: str = "sdk:1") -> None:
        self.by = by


class Audience(Hub):
    """Those who follow the thread."""

    def __init__(self) -> None:
        super().__init__(lambda: 0)
        self.there: list[Someone] = []

    def performers(self, thread_id: str) -> list[Connection]:
        return [cast("Connection", someone) for someone in self.there]

    def now(self, *there: Someone) -> None:
        self.there = [*there]
        for notice in self.on_attached:
            notice(cast("trio.Any", THREAD))  # type: ignore[name-defined]


class Asking:
    """One call that is asked for, and what it comes to."""

    def __init__(self, *there: Someone, again: bool = False) -> None:
        self.hub = Audience()
        self.hub.there = [*there]
        self.tools = ClientTools(self.hub)
        self.context = CallContext(THREAD, THREAD, "c1", again="repeat" if again else None)
        self.came: list[ToolCallResponse | str] = []

    async def ask(self) -> None:
        self.came.append(await self.tools.perform(CALL, self.context))

    def answers(
        self, someone: Someone, result: bytes = b"", error: ErrorObject | None = None
    ) -> None:
        (number,) = self.hub.questions.elicitations
        reply = ClientReply(number, msgspec.Raw(result), error)
        self.tools.answer(cast("Connection", someone), reply)


@trio_test(autojump=True)
async def test_a_call_for_which_nobody_is_there_ends_at_once() -> None:
    asking = Asking()
    began = trio.current_time()
    await asking.ask()
    assert asking.came == [NOT_CONNECTED]
    assert trio.current_time() == began
    assert not asking.hub.questions.elicitations


@trio_test(autojump=True)
async def test_a_client_that_leaves_has_time_to_come_back_and_its_call_ends_as_unknown() -> None:
    client, asking = Someone(), Asking(Someone())
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking.ask)
        await trio.sleep(1000)  # As long as it is there, it may take as long as it likes.
        asking.hub.now()
        await trio.sleep(RETURN_SECONDS_MAX - 1)
        asking.hub.now(client)
        await trio.sleep(1000)
        assert asking.came == []
        asking.hub.now()
    assert asking.came == [GONE]
    assert trio.current_time() - began == 2000 + 2 * RETURN_SECONDS_MAX - 1


@trio_test(autojump=True)
async def test_after_a_dead_daemon_a_call_waits_for_a_client_and_not_for_ever() -> None:
    began, asking = trio.current_time(), Asking(again=True)
    await asking.ask()
    assert asking.came == [GONE]
    assert trio.current_time() - began == RETURN_SECONDS_MAX
    client, asking = Someone(), Asking(again=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking.ask)
        await trio.sleep(1)
        asking.hub.now(client)
        asking.answers(client, DONE)
    assert asking.came == [msgspec.json.decode(DONE, type=ToolCallResponse)]


@trio_test(autojump=True)
async def test_an_error_of_one_client_is_no_answer_for_the_others() -> None:
    first, second = Someone("a:1"), Someone("b:2")
    error = ErrorObject(-32601, "no such method")
    for result, expected in ((DONE, None), (b"{}", ANSWER_INVALID)):
        asking = Asking(first, second)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking.ask)
            await trio.testing.wait_all_tasks_blocked()
            asking.answers(first, error=error)
            asking.answers(first, DONE)  # It has answered.
            await trio.testing.wait_all_tasks_blocked()
            assert asking.came == []
            asking.answers(second, result)
        answer = expected or msgspec.json.decode(DONE, type=ToolCallResponse)
        assert asking.came == [answer]
    asking = Asking(first, second)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking.ask)
        await trio.testing.wait_all_tasks_blocked()
        asking.answers(first, error=error)
        asking.hub.now(first)  # The other leaves.
    assert asking.came == [REQUEST_FAILED]


@pytest.mark.parametrize(
    "result",
    [
        b"null",
        b"[]",
        b'{"success":true}',
        b'{"contentItems":[{"type":"other"}],"success":true}',
        b'{"contentItems":[],"success":"yes"}',
        b'{"contentItems":['
        + b",".join([b'{"type":"inputText","text":""}'] * 1001)
        + b'],"success":true}',
        b'{"contentItems":[],"success":true,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["null", "a list", "no items", "another type", "a word", "too many", "too deep"],
)
@trio_test(autojump=True)
async def test_an_answer_that_is_none_is_told_to_the_model(result: bytes) -> None:
    client = Someone()
    asking = Asking(client)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking.ask)
        await trio.testing.wait_all_tasks_blocked()
        asking.answers(client, result)
    assert asking.came == [ANSWER_INVALID]


@trio_test(autojump=True)
async def test_open_calls_are_counted() -> None:
    asking = Asking(Someone())
    async with trio.open_nursery() as nursery:
        for _ in range(OPEN_MAX):
            nursery.start_soon(asking.ask)
        await trio.testing.wait_all_tasks_blocked()
        await asking.ask()
        assert asking.came == [TOO_MANY]
        nursery.cancel_scope.cancel()
    assert not asking.hub.questions.elicitations


async def kept(content: bytes) -> str:
    if content != PNG:
        raise BadImage("it is another")
    return "codexd-blob:0f;image/png"


async def result_of(*items: object, success: bool = True) -> ToolResult:
    encoded = msgspec.json.encode({"contentItems": items, "success": success})
    given = msgspec.json.decode(encoded, type=ToolCallResponse)
    return await tool_result(given, kept, 5)


@trio_test
async def test_an_answer_is_given_to_the_model_and_shown() -> None:
    text = {"type": "inputText", "text": "sun"}
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    image = {"type": "inputImage", "imageUrl": url}
    result = await result_of(text, {"type": "inputText", "text": "rain"}, success=False)
    assert (result.status, result.model_text) == ("failed", "sun\nrain")
    assert bytes(result.model_parts) == b""
    assert msgspec.json.decode(result.output) == [text, {"type": "inputText", "text": "rain"}]
    result = await result_of(text, image)
    assert result.status == "completed"
    shown, blob = msgspec.json.decode(result.output), msgspec.json.decode(result.model_parts)
    assert shown[1]["text"] == f"[image, {len(PNG)} bytes]"
    assert blob[0] == {"type": "input_text", "text": "sun"}
    assert blob[1]["image_url"] == "codexd-blob:0f;image/png"


@trio_test
async def test_what_a_model_cannot_be_given_is_left_out_with_a_note() -> None:
    for item in (
        {"type": "inputAudio", "audioUrl": "data:audio/wav;base64,AA"},
        {"type": "inputImage", "imageUrl": "https://example.com/a.png"},
        {"type": "inputImage", "imageUrl": "data:image/png;base64,!!"},
    ):
        result = await result_of(item)
        assert "left out" in result.model_text
        assert bytes(result.model_parts) == b""
    result = await result_of({"type": "inputText", "text": "x" * 1_000_000})
    assert len(result.model_text) < 50_000
    assert len(result.output) < 300_000

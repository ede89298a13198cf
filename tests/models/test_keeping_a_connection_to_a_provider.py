"""Which connections serve another request, directly and through a proxy, and what comes in one batch from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest
import trio

from codexd.core.values.model_output import ModelItemDone, ModelResponseDone
from codexd.models.client import ModelError
from codexd.models.http.client import HttpModelClient
from codexd.models.scripted.scripts import Cut, Fail, Hang, Part, Say
from codexd.models.scripted.server import scripted_model
from over_http import KEY, REQUEST, asked, client_of, error_of, text_of
from trio_test import trio_test

HI = Say(("Hi ", "there"))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
MESSAGE = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hi"}],
}
ITEM = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
END = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}


def chunk(event: Mapping[str, object]) -> bytes:
    data = b"data: %b\n\n" % msgspec.json.encode(event)
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE = HEAD + b"\r\n" + chunk(ITEM) + chunk(END) + b"0\r\n\r\n"


class Served:
    """A server that answers each request of a connection with the next parts; it waits for `go_on` between parts."""

    def __init__(self, answers: Sequence[Sequence[bytes]]) -> None:
        self.answers = list(answers)
        self.connections, self.port = 0, 0
        self.go_on, self.sent, self.gone = (trio.Semaphore(0) for _ in range(3))

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with stream:
            while self.answers and await stream.receive_some():
                first, *rest = self.answers.pop(0)
                await stream.send_all(first)
                for part in rest:
                    await self.go_on.acquire()
                    await stream.send_all(part)
                    self.sent.release()
        self.gone.release()


@asynccontextmanager
async def served(*answers: Sequence[bytes]) -> AsyncIterator[tuple[Served, HttpModelClient]]:
    server = Served(answers)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        server.port = listeners[0].socket.getsockname()[1]
        async with client_of(f"http://127.0.0.1:{server.port}/v1") as client:
            yield server, client
        nursery.cancel_scope.cancel()


@trio_test
async def test_the_end_of_a_response_that_is_here_comes_with_its_last_item() -> None:
    parts = (HEAD + b"\r\n" + chunk(ITEM), chunk(END) + b"0\r\n\r\n")
    async with served(parts) as (server, client), client.stream(REQUEST) as stream:
        await stream.receive()  # the provider answered
        server.go_on.release()
        await server.sent.acquire()
        batch = await stream.receive()
    assert [type(event) for event in batch[-2:]] == [ModelItemDone, ModelResponseDone]


@pytest.mark.parametrize("cut_at", [1, 20, len(chunk(END)) - 4])
@trio_test
async def test_an_end_of_which_a_part_is_here_holds_no_item_back(cut_at: int) -> None:
    end = chunk(END)
    parts = (HEAD + b"\r\n" + chunk(ITEM), end[:cut_at], end[cut_at:] + b"0\r\n\r\n")
    async with served(parts, [WHOLE]) as (server, client):
        async with client.stream(REQUEST) as stream:
            await stream.receive()
            server.go_on.release()
            await server.sent.acquire()
            batch = await stream.receive()
            assert isinstance(batch[-1], ModelItemDone)
            server.go_on.release()
            assert [type(event) for event in await stream.receive()] == [ModelResponseDone]
        await asked(client)
        assert server.connections == 1


@trio_test
async def test_a_provider_that_leaves_after_an_item_loses_no_item() -> None:
    async with served([HEAD + b"\r\n" + chunk(ITEM)]) as (_, client):
        items: list[object] = []

        async def read() -> None:
            async with client.stream(REQUEST) as stream:
                while batch := await stream.receive():
                    items.extend(event for event in batch if isinstance(event, ModelItemDone))

        with pytest.raises(ModelError, match="The stream ended before the response was complete"):
            await read()
        assert len(items) == 1


@trio_test
async def test_a_connection_that_the_provider_has_closed_or_says_it_closes_serves_no_other_request() -> (
    None
):
    closing = HEAD + b"Connection: close\r\n\r\n" + WHOLE.partition(b"\r\n\r\n")[2]
    # With the last answer that it has, the server closes the connection.
    async with served([WHOLE], [closing], [WHOLE]) as (server, client):
        for connections in (1, 1, 2):
            await asked(client)
            assert server.connections == connections
        for _ in range(2):
            await server.gone.acquire()
        server.answers.append([WHOLE])
        await asked(client)
        assert server.connections == 3


@trio_test
async def test_an_interim_head_and_an_answer_without_chunks_are_read() -> None:
    body = b"data: %b\n\ndata: %b\n\n" % (msgspec.json.encode(ITEM), msgspec.json.encode(END))
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%b"
    async with served([b"HTTP/1.1 103 Early Hints\r\n\r\n" + plain % (len(body), body)]) as (
        _,
        client,
    ):
        events = await asked(client)
    assert isinstance(events[-1], ModelResponseDone)


@trio_test
async def test_through_a_proxy_a_stream_is_kept_cut_and_left_as_it_is_directly() -> None:
    answers: list[Part] = [HI, HI, Fail(500), Cut(("Hi",)), Hang(("Hi",)), HI]
    async with scripted_model(answers) as model:
        env = {"KEY": KEY, "http_proxy": model.base_url.removesuffix("/v1")}
        async with client_of("http://model.example/v1", env) as client:
            assert text_of(await asked(client)) == text_of(await asked(client)) == "Hi there"
            assert "HTTP 500" in (await error_of(client)).message
            assert model.connections == 1
            cut = await error_of(client)
            assert cut.message.startswith("The stream ended before the response was complete: ")
            async with client.stream(REQUEST) as stream:
                await stream.receive()
            await model.wait_clients_gone(1)
            assert text_of(await asked(client)) == "Hi there"


@trio_test
async def test_thirty_two_connections_are_kept() -> None:
    async with served(*[[WHOLE]] * 66) as (server, client):
        for connections in (33, 34):
            async with AsyncExitStack() as stack:
                for _ in range(33):
                    stream = await stack.enter_async_context(client.stream(REQUEST))
                    while await stream.receive():
                        pass
            assert server.connections == connections

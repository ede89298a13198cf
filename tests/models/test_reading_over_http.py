"""A request goes out over real HTTP, and its answer is read, broken off, and given up, on real sockets."""

from __future__ import annotations

import gzip
import os
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from codexd.core.values.model_output import (
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ModelToolCall,
    ResponseStarted,
    TextDelta,
)
from codexd.models.client import ModelError, ModelStream
from codexd.models.http.client import HttpModelClient
from codexd.models.scripted.scripts import Break, Call, Cut, Fail, Hang, Raw, Say, Think
from codexd.models.scripted.server import scripted_model
from over_http import KEY, REQUEST, asked, client_of, error_of, text_of
from trio_test import trio_test

HI = Say(("Hi ", "there"))


@trio_test
async def test_an_answer_is_read_to_its_end() -> None:
    think, call = Think(("Hm.",)), Call("shell_command", '{"command":"ls"}')
    async with scripted_model([(think, HI, call)]) as model, client_of(model.base_url) as client:
        events = await asked(client)
    started, end = events[0], events[-1]
    assert isinstance(started, ResponseStarted)
    assert started.request_id == f"req_{model.port}_1"
    assert started.rate_limits["x-codex-primary-used-percent"] == "12.5"
    assert text_of(events) == "Hi there"
    done = [event for event in events if isinstance(event, ModelItemDone)]
    assert [item.kind for item in done] == ["reasoning", "message", "call"]
    assert isinstance(done[2].call, ModelToolCall)
    assert done[2].call.arguments == '{"command":"ls"}'
    assert isinstance(end, ModelResponseDone)
    assert end.usage is not None
    assert msgspec.json.decode(end.usage)["output_tokens"] == 4


@trio_test
async def test_the_request_carries_the_key_and_no_ids() -> None:
    async with (
        scripted_model([HI]) as model,
        client_of(model.base_url, query_params={"v": "1"}) as client,
    ):
        await asked(client)
    [request] = model.requests
    assert request.path == "/v1/responses?v=1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    body = msgspec.json.decode(request.body)
    assert body["store"] is False
    assert body["stream"] is True
    assert all("id" not in item for item in body["input"])


@trio_test
async def test_the_first_batch_says_that_the_provider_answered() -> None:
    async with (
        scripted_model([Hang()]) as model,
        client_of(model.base_url) as client,
        client.stream(REQUEST) as stream,
    ):
        [first] = await stream.receive()
        assert isinstance(first, ResponseStarted)


@trio_test
async def test_one_connection_serves_requests_that_follow_each_other() -> None:
    async with (
        scripted_model([HI, HI, Fail(500), HI]) as model,
        client_of(model.base_url) as client,
    ):
        await asked(client)
        await asked(client)
        await error_of(client)
        await asked(client)
    assert model.connections == 1


@trio_test
async def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    async with (
        scripted_model(lambda body: (HI,)) as model,
        client_of(model.base_url) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(10):
            nursery.start_soon(asked, client)
    assert len(model.requests) == 10


# Refusals.


@trio_test
async def test_a_refused_key_is_final_and_not_repeated() -> None:
    body = msgspec.json.encode({"error": {"message": f"Incorrect API key provided: {KEY}."}})
    async with (
        scripted_model([Fail(401, body=body)]) as model,
        client_of(model.base_url) as client,
    ):
        error = await error_of(client)
    assert error.message == (
        "mock does not accept the key (HTTP 401): Incorrect API key provided: [secret]. "
        "Check the key in the environment variable KEY."
    )
    assert (error.info, error.at, error.retry) == ("unauthorized", "request", False)


@trio_test
async def test_too_many_requests_are_tried_again_when_the_provider_says() -> None:
    named = (("retry-after", "3"), ("x-codex-primary-used-percent", "100"))
    async with (
        scripted_model([Fail(429, named), Fail(429)]) as model,
        client_of(model.base_url) as client,
    ):
        with_word, without = await error_of(client), await error_of(client)
    assert (with_word.info, with_word.retry, with_word.after_ms) == (
        "rateLimitExceeded",
        True,
        3000,
    )
    assert with_word.rate_limits == {"x-codex-primary-used-percent": "100"}
    assert (without.info, without.retry, without.after_ms) == ("rateLimitExceeded", True, None)


@trio_test
async def test_a_server_error_may_be_tried_again() -> None:
    async with scripted_model([Fail(500), HI]) as model, client_of(model.base_url) as client:
        error = await error_of(client)
        assert (error.message, error.retry) == ("mock answered HTTP 500: as scripted", True)
        assert text_of(await asked(client)) == "Hi there"


@trio_test
async def test_a_long_error_page_is_not_read_to_its_end() -> None:
    async with (
        scripted_model([Fail(400, body=b"x" * 10_000_000)]) as model,
        client_of(model.base_url) as client,
    ):
        error = await error_of(client)
    assert len(error.message) < 2100


@trio_test
async def test_a_page_where_a_stream_should_be_is_an_error_with_its_text() -> None:
    page = Fail(200, (("Content-Type", "text/html"),), b"<p>Please sign in</p>")
    async with scripted_model([page]) as model, client_of(model.base_url) as client:
        error = await error_of(client)
    assert "where a stream of events was expected" in error.message
    assert (error.at, error.retry) == ("request", False)


@trio_test
async def test_a_missing_key_is_noticed_before_anything_is_sent() -> None:
    async with scripted_model([HI]) as model, client_of(model.base_url, env={}) as client:
        error = await error_of(client)
        assert "KEY is not set" in error.message
        assert model.connections == 0


# Connections that do not come about.


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@trio_test
async def test_a_provider_that_refuses_connections_may_be_tried_again() -> None:
    async with client_of(f"http://127.0.0.1:{closed_port()}/v1") as client:
        error = await error_of(client)
    assert error.message.startswith("Cannot reach mock at http://127.0.0.1:")
    assert "refused" in error.message
    assert (error.info, error.at, error.retry) == (
        {"httpConnectionFailed": {"httpStatusCode": None}},
        "request",
        True,
    )


@asynccontextmanager
async def raw_server(answer: bytes, *, hold: bool = False) -> AsyncIterator[int]:
    """A server that reads once, says these bytes, and closes, or holds the connection open."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)
            while hold and await stream.receive_some():
                pass

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_server_without_tls_at_a_tls_address_cannot_be_reached() -> None:
    async with (
        raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port,
        client_of(f"https://127.0.0.1:{port}/v1") as client,
    ):
        error = await error_of(client)
    assert error.message.startswith(f"Cannot reach mock at https://127.0.0.1:{port}/v1: [SSL")
    assert error.retry


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"SSH-2.0-x\r\n\r\n"])
@trio_test
async def test_an_answer_that_is_no_http_may_be_tried_again(answer: bytes) -> None:
    async with raw_server(answer) as port, client_of(f"http://127.0.0.1:{port}/v1") as client:
        error = await error_of(client)
    assert error.message.startswith("mock did not answer: ")
    assert (error.info, error.at, error.retry) == (
        {"responseStreamConnectionFailed": {"httpStatusCode": None}},
        "request",
        True,
    )


@trio_test
async def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    async with (
        raw_server(b"", hold=True) as port,
        client_of(f"http://127.0.0.1:{port}/v1", stream_idle_timeout_ms=50) as client,
    ):
        error = await error_of(client)
    assert error.message == "mock did not answer: nothing came for 0.05 s"
    assert (error.at, error.retry) == ("request", True)


@trio_test
async def test_a_proxy_of_the_environment_is_used_but_not_for_loopback() -> None:
    async with scripted_model([HI, HI]) as model:
        proxy = model.base_url.removesuffix("/v1")
        env = {"KEY": KEY, "http_proxy": proxy, "NO_PROXY": "internal.example, 10.0.0.1"}
        async with client_of("http://model.example/v1", env) as client:
            assert text_of(await asked(client)) == "Hi there"
        env |= {"http_proxy": f"127.0.0.1:{closed_port()}"}
        async with client_of(model.base_url, env) as client:
            assert text_of(await asked(client)) == "Hi there"
    assert model.requests[0].path == "http://model.example/v1/responses"


@trio_test
async def test_a_proxy_that_is_down_is_a_connection_that_failed() -> None:
    env = {"KEY": KEY, "HTTP_PROXY": f"http://127.0.0.1:{closed_port()}"}
    async with client_of("http://model.example/v1", env) as client:
        error = await error_of(client)
    assert error.info == {"httpConnectionFailed": {"httpStatusCode": None}}
    assert f"through the proxy {env['HTTP_PROXY']}" in str(error)


@trio_test
async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("text", b"no certificate"), ("der", bytes(range(256)))):
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    bad = ["empty", "text", "der", "pipe", "missing", ".", "text/below"]
    places = [("SSL_CERT_FILE", str(tmp_path / name)) for name in bad]
    places += [("SSL_CERT_DIR", str(tmp_path / name)) for name in ("missing", "text")]
    through: dict[str, str] = {"HTTP_PROXY": "https://127.0.0.1:1"}
    for variable, place in places:
        for scheme, proxy in (("https", {}), ("http", through)):
            env = {"KEY": KEY, variable: place, **proxy}
            async with client_of(f"{scheme}://model.example/v1", env) as client:
                error = await error_of(client)
            assert f"The certificates of {variable}={place} cannot be read: " in str(error)
            assert not error.retry


# Streams that break.


async def broken(client: HttpModelClient) -> tuple[str, ModelError]:
    """The text that came before the error, and the error."""
    events: list[ModelEvent] = []
    with pytest.raises(ModelError) as caught:
        await asked(client, events)
    return text_of(events), caught.value


@trio_test
async def test_a_stream_cut_in_the_middle_may_be_retried() -> None:
    async with (
        scripted_model([Cut(("Hi ", "th")), HI]) as model,
        client_of(model.base_url) as client,
    ):
        text, error = await broken(client)
        assert text == "Hi th"
        assert (error.info, error.at, error.retry) == (
            {"responseStreamDisconnected": {"httpStatusCode": None}},
            "stream",
            True,
        )
        assert text_of(await asked(client)) == "Hi there"


@trio_test
async def test_a_stream_that_ends_without_completing_may_be_retried() -> None:
    cut = b'data: {"type":"response.output_text.delta","item_id":"m","delta":"Hi"}\n\n'
    async with scripted_model([Raw(cut)]) as model, client_of(model.base_url) as client:
        text, error = await broken(client)
    assert text == "Hi"
    assert error.message == (
        "The stream ended before the response was complete: the provider closed the connection"
    )
    assert error.retry


@trio_test
async def test_a_stream_that_falls_silent_is_given_up_and_closed() -> None:
    async with (
        scripted_model([Hang(("Hi",))]) as model,
        client_of(model.base_url, stream_idle_timeout_ms=50) as client,
    ):
        text, error = await broken(client)
        await model.wait_clients_gone(1)
    assert text == "Hi"
    assert error.message == (
        "The model fell silent: nothing came for 0.05 s (stream_idle_timeout_ms). "
        "The connection was closed."
    )
    assert (error.at, error.retry) == ("stream", True)


@trio_test
async def test_a_response_that_fails_is_an_error_after_its_text() -> None:
    async with (
        scripted_model([(HI, Break("server_is_overloaded", "Busy."))]) as model,
        client_of(model.base_url) as client,
    ):
        text, error = await broken(client)
    assert text == "Hi there"
    assert (error.message, error.info, error.retry) == ("Busy.", "serverOverloaded", True)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
END = b'data: {"type":"response.completed","response":{"id":"r"}}\n\n'


@trio_test
async def test_a_stream_without_chunks_ends_with_its_connection() -> None:
    async with (
        raw_server(HEAD + b"Connection: close\r\n\r\n" + END) as port,
        client_of(f"http://127.0.0.1:{port}/v1") as client,
    ):
        [_, end] = await asked(client)
    assert end == ModelResponseDone(response_id="r", usage=None)


@trio_test
async def test_malformed_chunks_are_a_broken_stream() -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    delta = b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
    answer = chunked + b"%x\r\n%b\r\nnonsense\r\n" % (len(delta), delta)
    async with (
        raw_server(answer, hold=True) as port,
        client_of(f"http://127.0.0.1:{port}/v1") as client,
    ):
        text, error = await broken(client)
    assert text == "Hi"
    assert error.message.startswith("The stream ended before the response was complete: ")


# Answers that nobody waits for any longer.


async def first_text(stream: ModelStream) -> None:
    """Sleep until the model has said something."""
    while not any(isinstance(event, TextDelta) for event in await stream.receive()):
        pass


@trio_test
async def test_cancelling_closes_the_connection() -> None:
    async with scripted_model([Hang(("Hi",)), HI]) as model, client_of(model.base_url) as client:
        with trio.CancelScope() as scope:
            async with client.stream(REQUEST) as stream:
                await first_text(stream)
                scope.cancel()
                await stream.receive()
        assert scope.cancelled_caught
        await model.wait_clients_gone(1)
        assert text_of(await asked(client)) == "Hi there"


@trio_test
async def test_cancelling_before_the_answer_closes_the_connection() -> None:
    async with (
        raw_server(b"", hold=True) as port,
        client_of(f"http://127.0.0.1:{port}/v1") as client,
    ):
        with trio.move_on_after(0.02) as scope:
            await asked(client)
    assert scope.cancelled_caught


@trio_test
async def test_leaving_early_closes_the_connection() -> None:
    async with scripted_model([Hang(("Hi",)), HI]) as model, client_of(model.base_url) as client:
        async with client.stream(REQUEST) as stream:
            await first_text(stream)
        await model.wait_clients_gone(1)
        assert text_of(await asked(client)) == "Hi there"


async def fails_while_it_listens(client: HttpModelClient) -> None:
    async with client.stream(REQUEST) as stream:
        await first_text(stream)
        raise LookupError


@trio_test
async def test_an_error_of_the_readers_own_closes_the_connection() -> None:
    async with scripted_model([Hang(("Hi",))]) as model, client_of(model.base_url) as client:
        with pytest.raises(LookupError):
            await fails_while_it_listens(client)
        await model.wait_clients_gone(1)


# Work for each read, not for each event.


@trio_test
async def test_events_that_arrive_together_are_received_together() -> None:
    events = [
        b'{"type":"response.output_text.delta","item_id":"m","delta":"%d "}' % n for n in range(100)
    ]
    chunks = b"".join(b"%x\r\ndata: %b\n\n\r\n" % (len(data) + 8, data) for data in events)
    head = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
    )
    async with (
        raw_server(head + chunks, hold=True) as port,
        client_of(f"http://127.0.0.1:{port}/v1") as client,
        client.stream(REQUEST) as stream,
    ):
        await stream.receive()
        batches = [await stream.receive()]
        while sum(len(batch) for batch in batches) < 101:
            batches.append(await stream.receive())
    # Chunk by chunk there would be a hundred. The head may arrive by itself.
    assert len(batches) <= 3


@trio_test
async def test_a_closed_client_may_be_used_again() -> None:
    async with scripted_model([HI, HI]) as model, client_of(model.base_url) as client:
        await asked(client)
        await client.aclose()
        assert text_of(await asked(client)) == "Hi there"


def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % msgspec.json.encode({"id": "r", "choices": [choice]})


@trio_test
async def test_a_chat_answer_without_an_end_is_whole() -> None:
    reply = (Raw(chunk({"content": "Hi"}) + chunk({}, "stop")), Hang())
    async with (
        scripted_model([reply]) as model,
        client_of(model.base_url, wire_api="chat", stream_idle_timeout_ms=50) as client,
    ):
        events = await asked(client)
        await model.wait_clients_gone(1)
    assert text_of(events) == "Hi"
    assert isinstance(events[-1], ModelResponseDone)


@trio_test
async def test_a_chat_answer_that_stops_before_its_end_is_silent() -> None:
    reply = (Raw(chunk({"content": "Hi"})), Hang())
    async with (
        scripted_model([reply]) as model,
        client_of(model.base_url, wire_api="chat", stream_idle_timeout_ms=50) as client,
    ):
        error = await error_of(client)
    assert (error.at, error.retry) == ("stream", True)
    assert "fell silent" in error.message


@trio_test
async def test_a_chat_request_goes_where_that_api_is_and_its_connection_is_used_again() -> None:
    async with (
        scripted_model([HI, HI]) as model,
        client_of(model.base_url, wire_api="chat") as client,
    ):
        for _ in range(2):
            events = await asked(client)
            assert text_of(events) == "Hi there"
            assert isinstance(events[-1], ModelResponseDone)
    assert [request.path for request in model.requests] == ["/v1/chat/completions"] * 2
    assert model.connections == 1


@trio_test
async def test_the_answer_at_an_address_is_read_whole() -> None:
    async with scripted_model([]) as model, client_of(model.base_url) as client:
        assert b"scripted" in await client.read(f"{model.base_url}/models")
        with pytest.raises(ModelError, match="no such model or address"):
            await client.read(f"{model.base_url}/files")
    assert {request.headers["authorization"] for request in model.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("head", [b"", b'"object":"chat.completion",'])
@trio_test
async def test_a_chat_server_that_does_not_stream_is_understood(head: bytes) -> None:
    answer = b'{%b"id":"r","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}' % head
    async with (
        scripted_model([Fail(200, body=answer)]) as model,
        client_of(model.base_url, wire_api="chat") as client,
    ):
        events = await asked(client)
    assert text_of(events) == "Hi"
    assert isinstance(events[-1], ModelResponseDone)


@pytest.mark.parametrize("size", [1, 100_000])
@trio_test
async def test_a_server_of_responses_that_does_not_stream_is_understood(size: int) -> None:
    text = b"H" * size
    answer = (
        b'{"id":"r","object":"response","status":"completed","error":null,"output":[{"type":"message",'
        b'"id":"m","role":"assistant","content":[{"type":"output_text","text":"%b"}]}],'
        b'"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}'
    ) % text
    async with (
        scripted_model([Fail(200, body=answer)]) as model,
        client_of(model.base_url) as client,
    ):
        events = await asked(client)
    (item,) = [event for event in events if isinstance(event, ModelItemDone)]
    assert text in bytes(item.item)
    assert isinstance(events[-1], ModelResponseDone)


@trio_test
async def test_an_error_in_place_of_a_stream_is_an_error() -> None:
    async with (
        scripted_model(
            [Fail(200, body=b'{"error":{"message":"no"}}'), Fail(200, body=b"")]
        ) as model,
        client_of(model.base_url, wire_api="chat") as client,
    ):
        assert (await error_of(client)).message == "no"
        assert "before the response was complete" in (await error_of(client)).message


SAID = b"upstream connect error or disconnect/reset before headers"
STREAM = (("content-type", "text/event-stream"),)


@pytest.mark.parametrize("wire_api", ["chat", "responses"])
@pytest.mark.parametrize("body", [SAID, SAID + b"\n\n", b"<html><title>%b</title></html>" % SAID])
@trio_test
async def test_a_text_in_place_of_events_is_shown(wire_api: str, body: bytes) -> None:
    async with (
        scripted_model([Fail(200, STREAM, body)]) as model,
        client_of(model.base_url, wire_api=wire_api) as client,
    ):
        error = await error_of(client)
    assert error.message.endswith(f"before the response was complete: {SAID.decode()}")
    assert error.retry


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@trio_test
async def test_a_packed_stream_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    chunk = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    encoding = "gzip" if pack is gzip.compress else "deflate"
    packed = Fail(200, (*STREAM, ("content-encoding", encoding)), pack(chunk + b"data: [DONE]\n\n"))
    unknown = Fail(200, (*STREAM, ("content-encoding", "br")), b"\x8b\x02")
    broken = Fail(200, (*STREAM, ("content-encoding", "gzip")), b"\x1f\x8bnot at all")
    async with (
        scripted_model([packed, unknown, broken]) as model,
        client_of(model.base_url, wire_api="chat") as client,
    ):
        assert text_of(await asked(client)) == "Hi"
        assert "packed stream (br)" in (await error_of(client)).message
        assert "cannot be unpacked" in (await error_of(client)).message

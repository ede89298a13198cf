"""A provider's error reaches the person, from any place and in any form."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from codexd.models.chat.stream import ChatReader
from codexd.models.client import ModelError
from codexd.models.errors import refused
from codexd.models.provider import read_provider
from codexd.models.responses.stream import ResponseReader
from codexd.models.scripted.scripts import Fail
from codexd.models.scripted.server import scripted_model
from codexd.models.sse import EventStreamReader, WholeBody
from over_http import asked, client_of, error_of, text_of
from trio_test import trio_test

PROVIDER = read_provider("mock", {"base_url": "http://mock.example/v1", "env_key": "KEY"})
GOOD_CHAT = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
CLOUDFLARE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title><style>*{box-sizing:border-box}"
    b"</style></head><body><script>var a=1</script><p>Enable JavaScript and cookies</p></body></html>"
)


def chat_error(stream: bytes, frames: EventStreamReader | WholeBody | None = None) -> ModelError:
    """The error of a chat stream."""
    frames, reader = frames or EventStreamReader(), ChatReader()
    reader.feed(frames.feed(stream))
    reader.feed(frames.end())
    reader.end()
    assert reader.error is not None
    return reader.error


def test_a_body_with_a_status_of_its_own_and_no_choices_is_an_error() -> None:
    body = b'{"choices":null,"base_resp":{"status_code":1008,"status_msg":"the purse is empty"}}'
    for error in (chat_error(body, WholeBody()), chat_error(b"data: %b\n\n" % body)):
        assert (error.message, error.retry) == ("the purse is empty", False)
        assert error.info == "usageLimitExceeded"


@pytest.mark.parametrize(
    "said",
    [
        b'{"code":500,"message":"the shift is disabled"}',
        b'{"detail":"the shift is disabled"}',
        b'{"errors":[{"message":"the shift is disabled"}]}',
        b'{"success":false,"message":"the shift is disabled"}',
        b'{"choices":null,"base_resp":{"status_code":1002,"status_msg":"the shift is disabled"}}',
        b'{"error":true,"message":"the shift is disabled"}',
    ],
)
def test_an_error_in_the_middle_of_an_answer_is_no_end_of_it(said: bytes) -> None:
    half = b'data: {"choices":[{"delta":{"content":"half"}}]}\n\n'
    error = chat_error(half + b"data: %b\n\ndata: [DONE]\n\n" % said)
    assert (error.message, error.retry) == ("the shift is disabled", True)


@pytest.mark.parametrize("nothing", [b"null", b"false", b"[]", b"{}", b'""'])
def test_an_error_that_is_nothing_is_none(nothing: bytes) -> None:
    reader = ChatReader()
    sent = GOOD_CHAT.replace(b'{"choices"', b'{"error":%b,"choices"' % nothing)
    reader.feed(EventStreamReader().feed(sent))
    assert (reader.error, reader.completed) == (None, True)


def test_a_code_without_a_message_is_read_as_the_error() -> None:
    error = chat_error(b'data: {"error":{"code":"invalid_prompt"}}\n\n')
    assert (error.message, error.info, error.retry) == ("invalid_prompt", "badRequest", False)


def test_chunks_without_choices_before_an_answer_are_no_errors() -> None:
    reader = ChatReader()
    first = b'data: {"choices":[],"base_resp":{"status_code":0,"status_msg":"fine"}}\n\n'
    reader.feed(EventStreamReader().feed(first + GOOD_CHAT))
    assert (reader.error, reader.completed) == (None, True)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize(
    "line",
    [
        b'error: {"code":500,"message":"the shift is disabled"}',
        b'{"error":{"message":"the shift is disabled"}}',
        b'{\n  "error": {\n    "message": "the shift is disabled"\n  }\n}',
        b'event: error\ndata: {"message":"the shift is disabled"}\n\n',
    ],
)
def test_an_error_beside_the_form_of_a_stream_is_read(line: bytes, end: bytes) -> None:
    assert chat_error(line + end).message == "the shift is disabled"
    frames, reader = EventStreamReader(), ResponseReader()
    reader.feed(frames.feed(line + end))
    reader.feed(frames.end())
    assert reader.error is not None
    assert reader.error.message == "the shift is disabled"


@pytest.mark.parametrize(
    "error",
    [
        b'{"type":"rate_limit_error","message":"slower"}',
        b'{"type":"upstream_error","code":"503","message":"slower"}',
        b'{"type":"never_heard_of","code":"503","message":"slower"}',
        b'{"code":503,"status":"UNAVAILABLE","message":"slower"}',
    ],
)
def test_errors_that_pass_are_tried_again(error: bytes) -> None:
    found = chat_error(b'data: {"error":%b}\n\n' % error)
    assert (found.message, found.retry) == ("slower", True)


@pytest.mark.parametrize("reason", ["function_call_filter: MALFORMED_FUNCTION_CALL", "unheard_of"])
def test_an_empty_answer_that_ends_for_an_unknown_reason_is_tried_again(reason: str) -> None:
    error = chat_error(
        b'data: {"choices":[{"delta":{},"finish_reason":"%b"}]}\n\n' % reason.encode()
    )
    assert reason in error.message
    assert error.retry


def test_an_answer_that_ends_for_an_unknown_reason_is_whole() -> None:
    reader = ChatReader()
    reader.feed(EventStreamReader().feed(GOOD_CHAT.replace(b'"stop"', b'"unheard_of"')))
    assert (reader.error, reader.completed) == (None, True)


def test_a_page_with_status_403_is_short_and_speaks_of_no_key() -> None:
    error = refused(PROVIDER, 403, {"content-type": "text/html"}, CLOUDFLARE, now=0.0)
    assert error.message == (
        "mock was not reached: a server before it at http://mock.example/v1 refused the request "
        "(HTTP 403) with a page: Just a moment..."
    )
    assert (error.info, error.retry) == ("other", False)


@pytest.mark.parametrize("status", [400, 404, 500, 502])
def test_a_page_is_shown_without_its_markup(status: int) -> None:
    untitled = CLOUDFLARE.replace(b"<title>Just a moment...</title>", b"")
    message = refused(PROVIDER, status, {}, untitled, now=0.0).message
    assert "Enable JavaScript and cookies" in message
    assert not set("<>{}") & set(message)


def packed_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


BODY = b'{"error":{"message":"the pump is dry"}}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":["the pump is dry"]}',
        b'{"message":["the pump is dry"]}',
        b'{"error":{"error":{"message":"the pump is dry"}}}',
        b'{"error":{"message":"{\\"error\\":{\\"message\\":\\"the pump is dry\\"}}"}}',
        b'{"error":{"message":{"detail":"the pump is dry"}}}',
        b'{"Error":{"Message":"the pump is dry"}}',
        b'{"error":"bad","error_description":"the pump is dry"}',
        b'{"error_code":6,"error_msg":"the pump is dry"}',
        b'{"type":"about:blank","title":"Bad","status":400,"detail":"the pump is dry"}',
        b'{"title":"the pump is dry","status":400}',
        b'{"fault":{"faultstring":"the pump is dry"}}',
        b'"the pump is dry"',
        b'["the pump is dry"]',
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        b"event: error\ndata: " + BODY + b"\n\n",
    ],
)
def test_the_message_is_found_in_a_body_of_any_shape(body: bytes) -> None:
    assert refused(PROVIDER, 400, {}, body, now=0.0).message == "the pump is dry"


@pytest.mark.parametrize("status", [400, 401, 403, 429])
@pytest.mark.parametrize(
    "error",
    [
        b'{"message":"Your credit balance is too low","type":"invalid_request_error"}',
        b'{"message":"no","code":"insufficient_user_quota"}',
        '{"message":"用户额度不足"}'.encode(),
        b'{"message":"Insufficient balance","code":"1113"}',
    ],
)
def test_no_money_is_said_as_that_and_not_as_a_wrong_key(status: int, error: bytes) -> None:
    found = refused(PROVIDER, status, {}, b'{"error":%b}' % error, now=0.0)
    assert (found.info, found.retry) == ("usageLimitExceeded", False)
    assert "key" not in found.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error":{"message":"slower","type":"overloaded_error"}}'),
        (400, b'{"error":{"message":"slower","type":"upstream_error"}}'),
        (400, b'{"__type":"com.amazon#ThrottlingException","message":"slower"}'),
        (424, b'{"message":"slower"}'),
        (498, b'{"error":{"message":"slower"}}'),
        (529, b'{"type":"error","error":{"type":"overloaded_error","message":"slower"}}'),
    ],
)
def test_a_temporary_refusal_is_tried_again_with_any_status(status: int, body: bytes) -> None:
    found = refused(PROVIDER, status, {}, body, now=0.0)
    assert (found.message, found.retry) == (f"mock answered HTTP {status}: slower", True)


@pytest.mark.parametrize(
    ("headers", "message", "after_ms"),
    [
        ({"retry-after": "7"}, "slower", 7_000),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:09 GMT"}, "slower", 9_000),
        ({"retry-after-ms": "1500"}, "slower", 1_500),
        ({"x-ms-retry-after-ms": "1500"}, "slower", 1_500),
        ({}, "Please retry after 20 seconds.", 20_000),
        ({}, "Please retry in 36.5s.", 36_500),
        ({"retry-after": "soon"}, "slower", None),
    ],
)
def test_the_wait_is_read_from_headers_and_sentences(
    headers: dict[str, str], message: str, after_ms: int | None
) -> None:
    body = b'{"error":{"message":"%b"}}' % message.encode()
    assert refused(PROVIDER, 429, headers, body, now=0.0).after_ms == after_ms


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", packed_deflate(BODY)),
        ("identity", BODY),
        ("", gzip.compress(BODY)),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
        ("gzip", BODY),
    ],
    ids=[
        *("gzip", "in capitals", "zlib", "raw deflate", "identity"),
        *("unnamed", "twice", "unpacked by a proxy"),
    ],
)
def test_a_packed_refusal_is_unpacked(encoding: str, body: bytes) -> None:
    headers = {"content-encoding": encoding}
    assert refused(PROVIDER, 400, headers, body, now=0.0).message == "the pump is dry"


@pytest.mark.parametrize(("encoding", "body"), [("br", b"\x8b\x00\x80"), ("gzip", b"\xff\xfe")])
def test_a_body_that_cannot_be_unpacked_is_reported_as_packed(encoding: str, body: bytes) -> None:
    message = refused(PROVIDER, 400, {"content-encoding": encoding}, body, now=0.0).message
    assert message == f"the reason is packed ({encoding}) and cannot be read"


def test_a_small_body_that_unpacks_to_a_huge_body_is_read_up_to_a_bound() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    message = refused(PROVIDER, 400, {"content-encoding": "gzip"}, bomb, now=0.0).message
    assert "65536 characters in all" in message


async def error_over_http(reply: Fail, **settings: Any) -> ModelError:
    async with scripted_model([reply]) as model, client_of(model.base_url, **settings) as client:
        return await error_of(client)


@pytest.mark.parametrize("wire_api", ["responses", "chat"])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/html"])
@trio_test
async def test_a_plain_error_with_status_200_is_shown(kind: str, wire_api: str) -> None:
    reply = Fail(200, (("Content-Type", kind),), BODY)
    assert (await error_over_http(reply, wire_api=wire_api)).message == "the pump is dry"


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/json"])
@trio_test
async def test_a_good_stream_under_a_wrong_label_is_read(kind: str) -> None:
    reply = Fail(200, (("Content-Type", kind),), b"\xef\xbb\xbf\n: hello\n\n" + GOOD_CHAT)
    async with (
        scripted_model([reply]) as model,
        client_of(model.base_url, wire_api="chat") as client,
    ):
        assert text_of(await asked(client)) == "Hi"

"""One message of a peer: its kind, or the error for its sender."""

from __future__ import annotations

import pytest

from codexd.protocol.turns import TurnSteerResponse
from codexd.protocol.wire.rpc import (
    ClientReply,
    Notification,
    Request,
    Unreadable,
    already_initialized,
    encode_error,
    encode_request,
    encode_result,
    internal_error,
    not_initialized,
    overloaded,
    read_message,
    state_error,
    unknown_method,
)

MANY_BRACKETS = b'{"id":1,"method":"x","params":' + b"[" * 5000


def refusal(body: bytes) -> bytes:
    message = read_message(body)
    assert isinstance(message, Unreadable)
    return encode_error(message.id, message.error)


@pytest.mark.parametrize("written", [b"7", b'"initialize"', b"-3", b"1152921504606846976"])
def test_an_id_is_an_integer_or_a_string(written: bytes) -> None:
    message = read_message(b'{"id":%b,"method":"thread/list","params":{"limit":1}}' % written)
    assert isinstance(message, Request)
    assert message.method == "thread/list"
    assert bytes(message.params) == b'{"limit":1}'
    assert encode_result(message.id, TurnSteerResponse("t")) == (
        b'{"id":%b,"result":{"turnId":"t"}}' % written
    )


def test_a_version_of_json_rpc_is_accepted_and_ignored() -> None:
    message = read_message(b'{"jsonrpc":"2.0","id":1,"method":"configRequirements/read"}')
    assert isinstance(message, Request)
    assert bytes(message.params) == b""


def test_a_message_without_an_id_is_a_notification() -> None:
    message = read_message(b'{"method":"initialized"}')
    assert isinstance(message, Notification)
    assert message.method == "initialized"


def test_a_frontend_reads_codexds_own_members_of_a_notification() -> None:
    message = read_message(
        b'{"method":"item/agentMessage/delta","params":{},"emittedAtMs":5,"seq":7,"offset":3}'
    )
    assert isinstance(message, Notification)
    assert (message.emitted_at_ms, message.seq, message.offset) == (5, 7, 3)


def test_an_answer_is_a_result_or_an_error() -> None:
    result = read_message(b'{"id":1,"result":{"decision":"accept"}}')
    assert isinstance(result, ClientReply)
    assert (result.id, bytes(result.result), result.error) == (1, b'{"decision":"accept"}', None)
    error = read_message(b'{"id":1,"error":{"code":-32601,"message":"no"}}')
    assert isinstance(error, ClientReply)
    assert error.error is not None
    assert (error.error.code, error.error.message) == (-32601, "no")


def test_a_result_may_be_null() -> None:
    message = read_message(b'{"id":1,"result":null}')
    assert isinstance(message, ClientReply)
    assert bytes(message.result) == b"null"


def test_an_error_that_names_no_request_is_not_answered() -> None:
    # Two programs would tell each other for ever what they could not read.
    message = read_message(b'{"error":{"code":-32700,"message":"unreadable JSON"},"id":null}')
    assert isinstance(message, ClientReply)
    assert message.id is None


@pytest.mark.parametrize(
    "body",
    [b"{", b"tru", b'{"id":1', b'{"id":1,"method":"\xff"}', b"\xff\xfe", MANY_BRACKETS],
    ids=["cut", "word", "cut in the middle", "not UTF-8 within", "not UTF-8", "too deep"],
)
def test_invalid_json_is_answered_too(body: bytes) -> None:
    answer = refusal(body)
    assert answer.startswith(b'{"error":{"code":-32700,"message":"unreadable JSON: ')
    to = b"1" if b'"id":1' in body else b"null"
    assert answer.endswith(b'"data":{"code":"unreadable_json"}},"id":%b}' % to)


@pytest.mark.parametrize(
    ("body", "to", "reason"),
    [
        (b"[1,2]", b"null", b"expected an object, found a list"),
        (b"5", b"null", b"expected an object, found an integer"),
        (b"{}", b"null", b"expected `method`, or `id` with `result` or `error`"),
        (b'{"id":4}', b"4", b"expected `method`, or `id` with `result` or `error`"),
        (b'{"id":4,"method":5}', b"4", b"`method`: expected a string, found an integer"),
        (b'{"id":null,"method":"x"}', b"null", b"an integer or a string, found null"),
        (b'{"id":1.5,"method":"x"}', b"null", b"or null, found a number"),
        (b'{"id":true,"method":"x"}', b"null", b"or null, found true or false"),
    ],
)
def test_json_that_is_no_message_is_answered_under_its_id_if_it_has_one(
    body: bytes, to: bytes, reason: bytes
) -> None:
    answer = refusal(body)
    assert answer.startswith(b'{"error":{"code":-32600,"message":"not a JSON-RPC message: ')
    assert reason in answer
    assert answer.endswith(b'"data":{"code":"not_a_message"}},"id":%b}' % to)


def test_errors_carry_a_stable_code() -> None:
    assert encode_error(3, already_initialized()) == (
        b'{"error":{"code":-32600,"message":"Already initialized",'
        b'"data":{"code":"already_initialized"}},"id":3}'
    )
    assert encode_error("a", not_initialized()) == (
        b'{"error":{"code":-32600,"message":"Not initialized",'
        b'"data":{"code":"not_initialized"}},"id":"a"}'
    )
    assert encode_error(1, internal_error("the disk is full")) == (
        b'{"error":{"code":-32603,"message":"the disk is full","data":{"code":"internal_error"}},"id":1}'
    )
    assert encode_error(1, state_error("no active turn to steer", "no_active_turn")) == (
        b'{"error":{"code":-32600,"message":"no active turn to steer",'
        b'"data":{"code":"no_active_turn"}},"id":1}'
    )


def test_overload_says_the_word_that_makes_the_sdk_try_again() -> None:
    assert encode_error(1, overloaded()) == (
        b'{"error":{"code":-32001,"message":"Server overloaded; retry later.",'
        b'"data":{"code":"server_overloaded","codexErrorInfo":"server_overloaded"}},"id":1}'
    )


def test_an_unknown_method_is_answered_shortly_with_those_that_are_near() -> None:
    error = unknown_method("thred/start", ["thread/start", "model/list", "turn/start"])
    assert error.code == -32601
    assert error.message == "unknown method 'thred/start'; near it: thread/start, turn/start"
    assert unknown_method("zzz", ["thread/start"]).message == "unknown method 'zzz'"
    assert len(unknown_method("x" * 10_000, ["thread/start"]).message) < 200


def test_our_own_requests_and_words() -> None:
    assert encode_request(1, "turn/steer", TurnSteerResponse("t")) == (
        b'{"method":"turn/steer","id":1,"params":{"turnId":"t"}}'
    )

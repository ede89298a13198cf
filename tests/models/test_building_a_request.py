"""A request is joined from pieces that are encoded already, the same bytes for the same conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd.models.client import ModelRequest
from codexd.models.responses.request import encode_request
from codexd.projections.model.items import without_id

HELLO = b'{"type":"message","role":"user","content":[{"type":"input_text","text":"Hello"}]}'
THOUGHT = b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"}'
SHELL = b'{"type":"function","name":"shell_command","parameters":{"type":"object"}}'


def request(**members: Any) -> ModelRequest:
    usual: dict[str, Any] = {
        "model": "unlisted",
        "instructions": "Be brief.",
        "input": (HELLO,),
        "tools": (SHELL,),
        "cache_key": "thread-1",
    }
    return ModelRequest(**(usual | members))


def sent(**members: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(encode_request(request(**members)))
    return body


def test_a_request_has_these_members_and_no_more() -> None:
    assert sent() == {
        "model": "unlisted",
        "instructions": "Be brief.",
        "input": [msgspec.json.decode(HELLO)],
        "tools": [msgspec.json.decode(SHELL)],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "store": False,
        "stream": True,
        "prompt_cache_key": "thread-1",
    }


def test_reasoning_is_asked_for_with_its_encrypted_content() -> None:
    body = sent(effort="high", summary="auto")
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize(
    ("members", "reasoning"),
    [
        ({"effort": "low"}, {"effort": "low"}),
        ({"summary": "detailed"}, {"summary": "detailed"}),
        ({"effort": "low", "summary": "none"}, {"effort": "low"}),
        ({"effort": "none"}, {"effort": "none"}),
    ],
)
def test_only_the_reasoning_settings_that_are_set_are_sent(
    members: dict[str, str], reasoning: dict[str, str]
) -> None:
    assert sent(**members)["reasoning"] == reasoning


def test_a_model_known_to_reason_returns_its_reasoning_though_nothing_is_set() -> None:
    body = sent(reasons=True)
    assert body["include"] == ["reasoning.encrypted_content"]
    assert "reasoning" not in body
    assert "include" not in sent()


def test_verbosity_and_a_schema_share_a_member() -> None:
    schema = msgspec.Raw(b'{"type":"object"}')
    schema_format = {
        "type": "json_schema",
        "name": "codex_output_schema",
        "strict": True,
        "schema": {"type": "object"},
    }
    assert sent(verbosity="low")["text"] == {"verbosity": "low"}
    assert sent(output_schema=schema)["text"] == {"format": schema_format}
    assert sent(verbosity="low", output_schema=schema)["text"] == {
        "verbosity": "low",
        "format": schema_format,
    }


def test_the_history_goes_in_byte_for_byte() -> None:
    odd = b'{ "type":"message", "n": 1.50, "text":"\\u00e9" }'
    assert b'"input":[' + HELLO + b"," + odd + b"]" in encode_request(request(input=(HELLO, odd)))


def test_a_longer_history_changes_nothing_that_was_sent_before() -> None:
    short = encode_request(request(effort="low"))
    long = encode_request(request(effort="low", input=(HELLO, without_id(msgspec.Raw(THOUGHT)))))
    assert encode_request(request(effort="low")) == short
    assert long.startswith(short.removesuffix(b"]}"))


def test_no_piece_is_a_valid_request_too() -> None:
    body = sent(input=(), tools=())
    assert (body["input"], body["tools"]) == ([], [])


def test_an_item_is_sent_back_without_its_id_and_otherwise_to_the_byte() -> None:
    assert (
        without_id(msgspec.Raw(THOUGHT))
        == b'{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}'
    )
    call = b'{"id":"fc_1","call_id":"c","arguments":"{\\"id\\": 1}","x":{"id": 2.0 }}'
    assert (
        without_id(msgspec.Raw(call))
        == b'{"call_id":"c","arguments":"{\\"id\\": 1}","x":{"id": 2.0 }}'
    )
    assert without_id(msgspec.Raw(HELLO)) == HELLO


def test_a_server_that_must_store_gets_store_and_no_reasoning_without_its_id() -> None:
    items = (HELLO, without_id(msgspec.Raw(THOUGHT)))
    body: dict[str, Any] = msgspec.json.decode(encode_request(request(input=items), stored=True))
    assert body["store"] is True
    assert body["input"] == [msgspec.json.decode(HELLO)]


def test_an_id_of_a_call_that_is_longer_than_the_api_takes_is_shortened() -> None:
    signed = b"call_1__thought__" + b"s" * 300
    call = b'{"type":"function_call","call_id":"%b","name":"look","arguments":"{}"}'
    output = b'{"type":"function_call_output","call_id":"%b","output":"A"}'
    usual = (call % b"call_2", output % (b"x" * 64))
    items = sent(input=(call % signed, output % signed, *usual))["input"]
    ids = [item["call_id"] for item in items]
    assert ids[0] == ids[1]
    assert len(ids[0]) <= 64
    assert ids[2:] == ["call_2", "x" * 64]
    assert items[0]["arguments"] == "{}"

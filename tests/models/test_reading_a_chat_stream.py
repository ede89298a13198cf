"""What servers of the chat completions API stream becomes the same events as any response, however it is cut.

The cassettes are written by hand from what each server documents and sends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd.core.values.model_output import ModelEvent, ModelItemDone, ModelResponseDone
from codexd.models.chat.stream import ChatReader
from codexd.models.sse import EventStreamReader, InvalidEventStream

CASSETTES = Path(__file__).parent / "cassettes" / "chat"


def plain(event: ModelEvent) -> dict[str, Any]:
    """An event as JSON says it, with its kind: raw members compare by what is in them."""
    members: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return {"": type(event).__name__} | members


# What the effect says of an item and of a response, and no reader.
UNTIMED = {"started_ms": None}
UNMEASURED = {"duration_ms": 0, "request_id": None, "rate_limits": None, "exchange": None}


def events_of(*pieces: bytes, **options: Any) -> tuple[list[ModelEvent], ChatReader]:
    frames, reader = EventStreamReader(), ChatReader(name="n", **options)
    found = [event for piece in pieces for event in reader.feed(frames.feed(piece))]
    found += reader.end()
    return found, reader


def read(*pieces: bytes, **options: Any) -> tuple[list[dict[str, Any]], ChatReader]:
    found, reader = events_of(*pieces, **options)
    return [plain(event) for event in found], reader


def cassette(name: str) -> bytes:
    return (CASSETTES / f"{name}.sse").read_bytes()


def said(number: int, *pieces: str) -> list[dict[str, Any]]:
    item_id = f"msg_n_{number}"
    item = {
        "type": "message",
        "id": item_id,
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "".join(pieces), "annotations": []}],
    }
    done = {"": "ModelItemDone", "item_id": item_id, "kind": "message", "item": item, "call": None}
    return [
        {"": "ItemStarted", "item_id": item_id, "kind": "message"},
        *({"": "TextDelta", "item_id": item_id, "text": piece} for piece in pieces),
        done | UNTIMED,
    ]


def thought(number: int, *pieces: str, kept: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    item_id = f"rs_n_{number}"
    item: dict[str, Any] = {
        "type": "reasoning",
        "id": item_id,
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "".join(pieces)}] if pieces else [],
    }
    if kept is not None:
        item["encrypted_content"] = msgspec.json.encode(kept).decode()
    delta = {"": "ReasoningDelta", "item_id": item_id, "part": "content", "index": 0}
    done = {"": "ModelItemDone", "item_id": item_id, "kind": "reasoning", "item": item}
    return [
        {"": "ItemStarted", "item_id": item_id, "kind": "reasoning"},
        *(delta | {"text": piece} for piece in pieces),
        done | UNTIMED | {"call": None},
    ]


def calls(first: int, *made: tuple[str, str]) -> list[dict[str, Any]]:
    return began(first, len(made)) + whole(first, *made)


def began(first: int, count: int = 1) -> list[dict[str, Any]]:
    return [
        {"": "ItemStarted", "item_id": f"fc_n_{first + at}", "kind": "call"} for at in range(count)
    ]


def whole(first: int, *made: tuple[str, str]) -> list[dict[str, Any]]:
    found = []
    for number, (call_id, arguments) in enumerate(made, first):
        call = {"call_id": call_id, "name": "shell_command", "arguments": arguments}
        item = {"type": "function_call", "id": f"fc_n_{number}", "status": "completed", **call}
        ended = {"": "ModelItemDone", "item_id": f"fc_n_{number}", "kind": "call", "item": item}
        found.append(ended | UNTIMED | {"call": call | {"custom": False, "namespace": None}})
    return found


def done(
    response_id: str | None, usage: dict[str, Any] | None = None, incomplete: str | None = None
) -> list[dict[str, Any]]:
    figures = {"usage": usage, "end_turn": None, "incomplete": incomplete}
    return [{"": "ModelResponseDone", "response_id": response_id} | figures | UNMEASURED]


def used(tokens_in: int, tokens_out: int, **more: Any) -> dict[str, Any]:
    total = tokens_in + tokens_out
    counts = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": total}
    return counts | more


LS = '{"command":"ls"}'
SIGNED = {
    "type": "reasoning.text",
    "format": "anthropic-claude-v1",
    "index": 0,
    "text": "Need ls",
    "signature": "sig==",
}

EXPECTED: dict[str, list[dict[str, Any]]] = {
    "openai_text": said(1, "Grüß", " dich ✓")
    + done(
        "chatcmpl-9Ka",
        used(
            812,
            9,
            prompt_tokens_details={"cached_tokens": 768, "audio_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 4},
        ),
    ),
    "openai_parallel_calls": calls(1, ("call_A", '{"command":"a"}'), ("call_B", '{"command":"b"}'))
    + done("chatcmpl-9Ka", used(50, 20)),
    "openai_refusal": said(1, "I ", "can't.") + done("chatcmpl-9Ka"),
    "azure_text": said(1, "Hi") + done("chatcmpl-Az1", incomplete="content_filter"),
    "ollama_call": thought(1, "Let me", " look.")
    + calls(2, ("call_x7", LS))
    + done("chatcmpl-544", used(164, 40)),
    "lmstudio_call": thought(1, "Hm.")
    + calls(2, ("365174485", '{"command":"pwd"}'))
    + done("chatcmpl-lms"),
    "llamacpp_call": thought(1, "I", " see")
    + calls(2, ("Xk2", LS))
    + done("chatcmpl-KYLo", used(84, 4, prompt_tokens_details={"cached_tokens": 80})),
    # A call whose arguments were cut is no call.
    "llamacpp_length": said(1, "Once")
    + began(2)
    + done("chatcmpl-KYLo", incomplete="max_output_tokens"),
    "vllm_call": thought(1, "So")
    + said(2, "Reading.")
    + calls(3, ("chatcmpl-tool-1", '{"command": "a"}'))
    + done("chatcmpl-vl", used(30, 6)),
    "openrouter_call": thought(1, "Need", " ls")
    + said(2, "On it.")
    + began(3)
    + thought(4, kept={"reasoning_details": [SIGNED]})
    + whole(3, ("toolu_01", LS))
    + done(
        "gen-1",
        used(
            900,
            60,
            cost=0.0041,
            is_byok=False,
            prompt_tokens_details={"cached_tokens": 512},
            completion_tokens_details={"reasoning_tokens": 20},
        ),
    ),
    "deepseek_reasoning": thought(1, "Add", " up.")
    + said(2, "4")
    + done(
        "930c",
        used(
            17,
            30,
            prompt_tokens_details={"cached_tokens": 12},
            prompt_cache_hit_tokens=12,
            prompt_cache_miss_tokens=5,
            completion_tokens_details={"reasoning_tokens": 28},
        ),
    ),
    "groq_call": thought(1, "We call.")
    + calls(2, ("fc_31", LS))
    + done(
        "chatcmpl-gr",
        {"queue_time": 0.1} | used(120, 33, prompt_tokens_details={"cached_tokens": 64}),
    ),
    "mistral_reasoning": thought(1, "Two", " plus two.")
    + said(2, "It is", " 4.")
    + done("cmpl-e5", used(15, 22)),
    "mistral_calls": calls(1, ("VvvODy9mT", '{"command": "a"}'), ("Kdd3kPlmq", '{"command": "b"}'))
    + done("cmpl-e5", used(94, 21)),
    "google_calls": began(1, 2)
    + thought(
        3,
        kept={
            "extra_content": {"function-call-1": {"google": {"thought_signature": "AbC="}}},
        },
    )
    + whole(1, ("function-call-1", '{"command":"a"}'), ("function-call-2", '{"command":"b"}'))
    + done("a1b2", used(40, 30)),
    "think_tags": thought(1, "What", " is 2<3?") + said(2, "Yes", ", a <think> tag.") + done("x"),
    "whole_message": said(1, "All at once.") + calls(2, ("c1", LS)) + done("w", used(1, 2)),
    "old_function_call": calls(1, ("call_n_0", LS)) + done("x"),
    "two_choices": said(1, "mine") + done("7"),
}

ERRORS: dict[str, tuple[list[dict[str, Any]], str, Any, bool]] = {
    "openrouter_error": (
        said(1, "Let me")[:-1],
        "Provider returned error: upstream overloaded",
        "internalServerError",
        True,
    ),
    "google_error": ([], "Quota exceeded. Please retry.", "rateLimitExceeded", True),
    "lmstudio_error": (
        said(1, "Hi")[:-1],
        (
            "Trying to keep the first 9000 tokens when context the overflows. However, the model is "
            "loaded with context length of only 4096 tokens"
        ),
        "contextWindowExceeded",
        False,
    ),
    "vllm_error": (said(1, "Hi")[:-1], "engine died", "internalServerError", True),
}


def test_every_cassette_is_read() -> None:
    assert {path.stem for path in CASSETTES.iterdir()} == {*EXPECTED, *ERRORS}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_stream_becomes_these_events(name: str) -> None:
    events, reader = read(cassette(name))
    assert events == EXPECTED[name]
    assert reader.error is None
    assert reader.completed


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_in_a_stream_comes_after_the_earlier_events(name: str) -> None:
    before, message, info, retry = ERRORS[name]
    events, reader = read(cassette(name))
    assert events == before
    assert reader.error is not None
    error = reader.error
    assert (error.message, error.info, error.at, error.retry) == (message, info, "stream", retry)


@pytest.mark.parametrize("name", [*EXPECTED, *ERRORS])
@pytest.mark.slow
def test_where_the_network_cuts_a_stream_makes_no_difference(name: str) -> None:
    bytes_of_it = cassette(name)
    expected, _ = events_of(bytes_of_it)
    for at in range(len(bytes_of_it) + 1):
        assert events_of(bytes_of_it[:at], bytes_of_it[at:])[0] == expected
    assert events_of(*(bytes([byte]) for byte in bytes_of_it))[0] == expected


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.slow
def test_a_stream_that_ends_anywhere_is_whole_or_an_error(name: str) -> None:
    bytes_of_it = cassette(name)
    *whole, _ = events_of(bytes_of_it)[0]
    for at in range(len(bytes_of_it)):
        events, reader = events_of(bytes_of_it[:at])
        if reader.error is not None:
            error = reader.error
            assert (error.at, error.retry, reader.completed) == ("stream", True, False)
            done = [event for event in events if isinstance(event, ModelItemDone)]
            assert all(event.call is None for event in done), "a call of a cut response"
            continue
        # The finish reason was there: only figures can be missing.
        assert isinstance(events.pop(), ModelResponseDone)
        assert events == whole


def chunk(**delta: Any) -> dict[str, Any]:
    return {"id": "r", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


STOP = {"id": "r", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def stream(*chunks: dict[str, Any] | bytes) -> bytes:
    encoded = [part if isinstance(part, bytes) else msgspec.json.encode(part) for part in chunks]
    return b"".join(b"data: %b\n\n" % part for part in encoded)


def fragment(name: str | None = None, arguments: Any = None, **members: Any) -> dict[str, Any]:
    return members | {"function": {"name": name, "arguments": arguments}}


def made(*fragments: list[dict[str, Any]], **options: Any) -> list[tuple[str, str, str]]:
    """The calls that such `tool_calls` come to, each chunk a list."""
    chunks = [chunk(tool_calls=call) for call in fragments]
    events, reader = read(stream(*chunks, STOP, b"[DONE]"), **options)
    assert reader.error is None, reader.error
    found = [event["call"] for event in events if event.get("call")]
    return [(call["call_id"], call["name"], call["arguments"]) for call in found]


A, B = '{"a":1}', '{"b":2}'


def test_calls_that_all_have_index_0_are_distinguished_by_their_ids() -> None:
    both = made([fragment("x", A, index=0, id="1")], [fragment("x", B, index=0, id="2")])
    assert both == [("1", "x", A), ("2", "x", B)]


def test_calls_without_indexes_are_distinguished_by_their_ids() -> None:
    fragments = [
        [fragment("x", '{"a"', id="1")],
        [fragment("y", '{"b"', id="2")],
        [fragment(None, ":1}", id="1")],
        [fragment(None, ":2}", id="2")],
    ]
    assert made(*fragments) == [("1", "x", A), ("2", "y", B)]


def test_whole_calls_without_ids_and_indexes_are_as_many_as_came() -> None:
    assert made([fragment("x", A), fragment("x", A)]) == [
        ("call_n_0", "x", A),
        ("call_n_1", "x", A),
    ]
    assert made([fragment("x", A)], [fragment("y", B)]) == [
        ("call_n_0", "x", A),
        ("call_n_1", "y", B),
    ]
    assert made([fragment("x", A, index=0)], [fragment("x", B, index=0)]) == [
        ("call_n_0", "x", A),
        ("call_n_1", "x", B),
    ]


def test_a_name_and_an_id_in_every_fragment_are_of_one_call() -> None:
    pieces = [[fragment("x", piece, index=0, id="1")] for piece in ("{", '"a"', ":", "1}", "")]
    assert made(*pieces) == [("1", "x", A)]


def test_a_name_may_come_in_pieces_late_or_growing() -> None:
    assert made([fragment("she", "", index=0)], [fragment("ll", A, index=0)])[0][1] == "shell"
    assert made([fragment(None, "{", index=0)], [fragment("x", "}", index=0)])[0][1:] == ("x", "{}")
    assert made([fragment("she", "", index=0)], [fragment("shell", A, index=0)])[0][1] == "shell"


def test_arguments_may_be_an_object_or_come_once_more_as_a_whole() -> None:
    assert made([fragment("x", {"a": 1}, index=0)]) == [("call_n_0", "x", A)]
    assert made([fragment("x", A, index=0)], [fragment(None, A, index=0)]) == [("call_n_0", "x", A)]
    assert made([fragment("x", None, index=0)]) == [("call_n_0", "x", "")]


def test_an_empty_object_before_the_arguments_is_not_part_of_them() -> None:
    pieces = [[fragment(None, piece, index=0)] for piece in ('{"a"', ":1}")]
    assert made([fragment("x", "{}", index=0, id="1")], *pieces) == [("1", "x", A)]
    assert made([fragment("x", {}, index=0, id="1")], *pieces) == [("1", "x", A)]
    assert made([fragment("x", "{}", index=0, id="1")]) == [("1", "x", "{}")]


def test_an_id_that_the_conversation_or_the_response_has_already_is_not_taken_again() -> None:
    twice = [fragment("x", A, index=0, id="1")], [fragment("y", B, index=1, id="1")]
    assert made(*twice) == [("1", "x", A), ("call_n_1", "y", B)]
    assert made(twice[0], call_ids={"1"}) == [("call_n_1", "x", A)]
    assert made([fragment("x", A, index=0, id="i" * 513)])[0][0] == "call_n_0"
    signed = "call_1__thought__" + "s" * 300
    assert made([fragment("x", A, index=0, id=signed)])[0][0] == signed
    assert made([fragment("x", A, index=0, id=7)])[0][0] == "7"


def test_a_name_that_no_api_would_accept_is_made_valid() -> None:
    assert made([fragment("functions.sh ell" + "!" * 60, A, index=0)])[0][1] == (
        "functions_sh_ell" + "_" * 48
    )


def test_a_custom_tool_gets_its_text() -> None:
    def input_of(arguments: str) -> dict[str, Any]:
        piece = chunk(tool_calls=[fragment("apply_patch", arguments, index=0, id="1")])
        events, _ = read(stream(piece, STOP, b"[DONE]"), custom_tools={"apply_patch"})
        item: dict[str, Any] = events[1]["item"]
        assert events[1]["call"] == {
            "call_id": "1",
            "name": "apply_patch",
            "arguments": item["input"],
            "custom": True,
            "namespace": None,
        }
        return item

    item = input_of('{"input":"*** Begin"}')
    assert item == {
        "type": "custom_tool_call",
        "id": "fc_n_1",
        "status": "completed",
        "call_id": "1",
        "name": "apply_patch",
        "input": "*** Begin",
    }
    assert input_of("*** Begin")["input"] == "*** Begin"
    assert input_of('{"patch":"x"}')["input"] == '{"patch":"x"}'


def test_reasoning_between_two_texts_stays_between_them() -> None:
    chunks = [chunk(content="One."), chunk(reasoning="Hm."), chunk(content="Two.")]
    events, _ = read(stream(*chunks, STOP, b"[DONE]"))
    assert events == said(1, "One.") + thought(2, "Hm.") + said(3, "Two.") + done("r")


def test_white_space_alone_is_no_item() -> None:
    chunks = [
        chunk(content="\n"),
        chunk(reasoning="Hm"),
        chunk(content=" \n"),
        chunk(reasoning="."),
    ]
    events, _ = read(stream(*chunks, chunk(content="\n\n"), STOP, b"[DONE]"))
    assert events == thought(1, "Hm", ".") + done("r")
    events, _ = read(stream(chunk(content="\n"), chunk(content="Hi"), STOP, b"[DONE]"))
    assert events == said(1, "\nHi") + done("r")


def test_the_same_reasoning_under_two_names_is_read_once() -> None:
    events, _ = read(stream(chunk(reasoning_content="Hm", reasoning="Hm"), STOP, b"[DONE]"))
    assert events == thought(1, "Hm") + done("r")


def test_details_alone_are_shown_and_kept() -> None:
    details = [
        {"type": "reasoning.summary", "summary": "Plan"},
        {"type": "reasoning.encrypted", "data": "x"},
        {"type": "reasoning.encrypted", "data": "y"},
    ]
    events, _ = read(stream(chunk(reasoning_details=details), STOP, b"[DONE]"))
    assert events == thought(1, "Plan") + thought(2, kept={"reasoning_details": details}) + done(
        "r"
    )


def test_tags_are_text_where_the_server_is_known_to_write_none() -> None:
    events, _ = read(stream(chunk(content="<think>x</think>"), STOP, b"[DONE]"), think_tags=False)
    assert events == said(1, "<think>x</think>") + done("r")


def test_reasoning_that_no_tag_closes_is_reasoning() -> None:
    events, _ = read(stream(chunk(content="<think>x </thi"), STOP, b"[DONE]"))
    assert events == thought(1, "x ", "</thi") + done("r")


def test_a_response_with_nothing_in_it_is_whole() -> None:
    assert read(stream(STOP, b"[DONE]"))[0] == done("r")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[DONE]", "it ended without an answer in it"),
        (b"{", "Input data was truncated"),
        (b"7", "Expected `object`"),
        (b'{"choices":{}}', "Expected `array | null`"),
        (b'{"choices":[{"delta":{"content":7}}]}', "Expected `str | array | null`"),
        (b'{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":7}}]}}]}', "Expected"),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', "utf-8"),
        (b'{"choices":[],"usage":{"\xff":1}}', "utf-8"),
        pytest.param(b'{"choices":' + b"[" * 100_000, "cannot be read", id="nesting without end"),
    ],
)
def test_an_unreadable_event_is_an_error_that_may_be_retried(data: bytes, reason: str) -> None:
    events, reader = read(stream(data))
    assert events == []
    assert reader.error is not None
    assert (reader.error.at, reader.error.retry) == ("stream", True)
    assert reason in reader.error.message


def test_a_call_without_a_name_is_an_error() -> None:
    events, reader = read(stream(chunk(tool_calls=[fragment(None, A, index=0)]), STOP, b"[DONE]"))
    assert events == began(1)
    assert reader.error is not None
    assert "a tool call without a name" in reader.error.message


def test_more_calls_than_any_model_makes_are_an_error() -> None:
    many = [fragment("x", A, index=at) for at in range(200)]
    _, reader = read(stream(chunk(tool_calls=many)))
    assert reader.error is not None
    assert "calls more tools at once" in reader.error.message


@pytest.mark.parametrize("finish", ["error", "abort", "insufficient_system_resource"])
def test_a_finish_reason_that_is_a_failure_is_an_error(finish: str) -> None:
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    events, reader = read(stream(chunk(content="Hi"), last, b"[DONE]"))
    assert events == said(1, "Hi")[:-1]
    assert reader.error is not None
    assert reader.error.message == f"The provider broke the response off (finish_reason {finish})."
    assert reader.error.retry


def test_nothing_is_read_after_the_end() -> None:
    assert read(stream(STOP, b"[DONE]", chunk(content="more")))[0] == done("r")


def test_an_error_repeats_no_secret() -> None:
    _, reader = read(stream({"error": "bad key s3cret-key"}), secrets=("s3cret-key",))
    assert reader.error is not None
    assert reader.error.message == "bad key [secret]"


def test_a_stream_beyond_bounds_is_no_event_stream() -> None:
    with pytest.raises(InvalidEventStream):
        EventStreamReader(event_bytes_max=10).feed(cassette("openai_text"))

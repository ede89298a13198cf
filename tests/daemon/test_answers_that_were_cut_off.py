"""The real daemon and answers that end before they are whole: no partial answer is taken for a whole answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexd.models.scripted.scripts import Raw, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from daemon_screen import answers
from trio_test import trio_test

CHAT = 'wire_api = "chat"\nstream_max_retries = 1\nrequest_max_retries = 1'
RESPONSES = "stream_max_retries = 1\nrequest_max_retries = 1"


def responses(text: str, end: str = "response.completed", **members: Any) -> Raw:
    """A response with one message, which ends so."""
    item: dict[str, Any] = {"type": "message", "id": f"m{len(text)}", "role": "assistant"}
    item |= {"content": [{"type": "output_text", "text": text}]}
    events = [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": end, "response": {"id": "r1", **members}},
    ]
    return Raw(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))


def chat(finish: str, **delta: Any) -> Raw:
    """A chat answer of one chunk, which ends for this reason."""
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return Raw(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode())


CUT: dict[str, Any] = {"incomplete_details": {"reason": "max_output_tokens"}}
HALF_CALL = {"index": 0, "id": "c1", "function": {"name": "shell_command", "arguments": '{"com'}}


@pytest.mark.parametrize(
    ("provider", "reply"),
    [
        (RESPONSES, responses("half an ans", "response.incomplete", **CUT)),
        (RESPONSES, responses("half an ans", status="incomplete", **CUT)),
        (CHAT, chat("length", content="half an ans")),
        (CHAT, chat("length", content="half an ans", tool_calls=[HALF_CALL])),
    ],
    ids=["responses", "by the status", "chat", "within a call"],
)
@trio_test
async def test_the_turn_fails_and_names_the_reason(
    daemon: Daemon, provider: str, reply: Raw
) -> None:
    async with scripted_model([(reply,)]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=provider)
        async with connected(daemon.home.socket) as client:
            ended = await client.run_turn(await client.start_thread(), "Tell me.")
            assert ended["status"] == "failed"
            assert "cut off by its provider (max_output_tokens)" in ended["error"]["message"]
            assert answers(client) == ["half an ans"]
    assert len(model.requests) == 1


@trio_test
async def test_a_completed_response_that_failed_fails_with_its_message(daemon: Daemon) -> None:
    failed: dict[str, Any] = {
        "status": "failed",
        "error": {"code": "invalid_prompt", "message": "the well is dry"},
    }
    async with scripted_model([(responses("half", **failed),)]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=RESPONSES)
        async with connected(daemon.home.socket) as client:
            ended = await client.run_turn(await client.start_thread(), "Tell me.")
            assert (ended["status"], ended["error"]["message"]) == ("failed", "the well is dry")


@trio_test
async def test_a_model_that_does_not_end_its_turn_is_asked_again(daemon: Daemon) -> None:
    texts = ["One.", "Two. ", "Three. "]
    replies: list[Reply] = [(responses(text, end_turn=text == texts[-1]),) for text in texts]
    async with scripted_model([*replies, (Say(("never",)),)]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=RESPONSES)
        async with connected(daemon.home.socket) as client:
            ended = await client.run_turn(await client.start_thread(), "Count.")
            assert ended["status"] == "completed"
            assert answers(client) == texts
    assert len(model.requests) == 3

"""The client against llama.cpp's own server, on a model of random numbers: its answers have the real form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd.core.values.model_output import ModelEvent, ModelItemDone, ModelResponseDone, TextDelta
from codexd.core.values.usage import read_usage
from codexd.models.client import ModelError, ModelRequest
from codexd.models.http.client import HttpModelClient
from codexd.models.http.local import NoLocalModel, find_local
from codexd.models.provider import Provider, read_provider
from llama_server import CONTEXT, INSTALLED, WHY_NOT, llama_server
from trio_test import trio_test

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not INSTALLED, reason=WHY_NOT)]

SHELL = msgspec.json.encode(
    {
        "type": "function",
        "name": "shell_command",
        "description": "Runs it.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
            "additionalProperties": False,
        },
    }
)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server(tmp_path_factory.mktemp("llama")) as url:
        yield url


def provider(base_url: str, **members: Any) -> Provider:
    table: dict[str, Any] = {"base_url": base_url, "request_max_retries": 0}
    return read_provider("llamacpp", table | members)


def says(role: str, *content: dict[str, Any] | str) -> bytes:
    parts = [{"type": "input_text", "text": c} if isinstance(c, str) else c for c in content]
    return msgspec.json.encode({"type": "message", "role": role, "content": parts})


async def answer(asked: Provider, *items: bytes, **members: Any) -> list[ModelEvent]:
    usual: dict[str, Any] = {"model": "tiny", "instructions": "Be brief.", "tools": ()}
    request = ModelRequest(input=items, cache_key="t", **(usual | members))
    client = HttpModelClient(asked, {})
    found: list[ModelEvent] = []
    try:
        async with client.stream(request) as stream:
            while batch := await stream.receive():
                found += batch
    finally:
        await client.aclose()
    return found


def completed(events: list[ModelEvent]) -> list[ModelItemDone]:
    return [event for event in events if isinstance(event, ModelItemDone)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("wire_api", ["chat", "responses"])
@trio_test
async def test_a_text_comes_whole_with_its_usage(base_url: str, wire_api: str) -> None:
    events = await answer(provider(base_url, wire_api=wire_api), says("user", "Hello"))
    ended = events[-1]
    assert isinstance(ended, ModelResponseDone)
    assert ended.usage is not None
    usage = read_usage(ended.usage)
    assert usage is not None
    assert usage.input_tokens > 20
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    messages = [item for item in completed(events) if item.kind == "message"]
    told = [msgspec.json.decode(item.item)["content"][0]["text"] for item in messages]
    assert "".join(told) == text_of(events)


@trio_test
async def test_calls_are_held_to_their_schema_and_answered(base_url: str) -> None:
    required = provider(base_url, quirks={"tool_choice": "required"})
    asked = says("user", "Run something.")
    events = await answer(required, asked, tools=(SHELL,))
    made = [item for item in completed(events) if item.call is not None]
    assert made, "the grammar allows no answer without a call"
    history = [asked]
    for item in made:
        assert item.call is not None
        assert item.call.name == "shell_command"
        assert list(msgspec.json.decode(item.call.arguments)) == ["command"]
        history.append(bytes(item.item))
        output = {"type": "function_call_output", "call_id": item.call.call_id, "output": "no"}
        history.append(msgspec.json.encode(output))
    # And the server takes back what it said.
    again = await answer(provider(base_url), *history, tools=(SHELL,))
    assert isinstance(again[-1], ModelResponseDone)


@trio_test
async def test_an_answer_is_held_to_a_schema(base_url: str) -> None:
    schema = msgspec.Raw(
        b'{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],'
        b'"additionalProperties":false}'
    )
    events = await answer(provider(base_url), says("user", "Well?"), output_schema=schema)
    assert isinstance(msgspec.json.decode(text_of(events))["ok"], bool)


@trio_test
async def test_a_prompt_longer_than_its_window_is_known_as_such(base_url: str) -> None:
    with pytest.raises(ModelError, match="exceeds the available context size") as caught:
        await answer(provider(base_url), says("user", "x" * (CONTEXT + 1)))
    assert (caught.value.info, caught.value.retry) == ("contextWindowExceeded", False)


@trio_test
async def test_an_image_is_refused_with_a_reason_and_left_out_on_request(base_url: str) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    with pytest.raises(ModelError, match="image input is not supported"):
        await answer(provider(base_url), says("user", image))
    blind = provider(base_url, quirks={"images": False})
    assert isinstance((await answer(blind, says("user", image)))[-1], ModelResponseDone)


@trio_test
async def test_strict_templates_take_any_thread(base_url: str) -> None:
    turn = (says("developer", "Rule."), says("user", "Env."), says("user", "Hello"))
    assert isinstance((await answer(provider(base_url), *turn))[-1], ModelResponseDone)


@trio_test
async def test_it_is_found_with_its_model_and_window(base_url: str) -> None:
    nobody = read_provider("ollama", {"base_url": "http://127.0.0.1:1/v1"})
    server, model = await find_local([nobody, provider(base_url)], None, {})
    assert server.provider.key == "llamacpp"
    assert model.context_window == CONTEXT
    assert Path(model.id).name == "tiny.gguf"
    with pytest.raises(NoLocalModel, match=r"no local server has 'huge'.* it has .*tiny\.gguf"):
        await find_local([provider(base_url)], "huge", {})

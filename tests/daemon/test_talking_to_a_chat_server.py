"""The real daemon and a server of the chat completions API: turns, tools, failures, and a change of providers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexd.models.scripted.scripts import Break, Call, Cut, Fail, Part, Raw, Reply, Say, Think, Use
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon
from daemon_screen import answers, completed, texts_of
from trio_test import trio_test

CHAT = 'wire_api = "chat"\nstream_max_retries = 1\nrequest_max_retries = 1'
BOTH = """
model = "scripted"
model_context_window = 272000
model_provider = "{first}"
approval_policy = "never"
sandbox_mode = "danger-full-access"

[model_providers.chatting]
base_url = "{url}"
wire_api = "chat"

[model_providers.responding]
base_url = "{url}"
"""


def running(command: str) -> Call:
    return Call("shell_command", json.dumps({"command": command}))


def bodies(model: ScriptedModel) -> list[Json]:
    return [json.loads(request.body) for request in model.requests]


def roles(body: Json) -> list[str]:
    return [message["role"] for message in body["messages"]]


@trio_test
async def test_a_turn_with_reasoning_and_two_commands_at_once(daemon: Daemon) -> None:
    first = (
        Think(("Both ", "at once.")),
        Say(("Looking. ",)),
        running("echo A"),
        running("echo B"),
    )
    async with scripted_model([first, Say(("A and ", "B."))]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=CHAT)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "Run both."))["status"] == "completed"
            assert answers(client) == ["Looking. ", "A and B."]
            items = list(completed(client).values())
            assert [item["content"] for item in items if item["type"] == "reasoning"] == [
                ["Both at once."]
            ]
            ran = [item for item in items if item["type"] == "commandExecution"]
            assert sorted(item["aggregatedOutput"] for item in ran) == ["A\n", "B\n"]
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> Run both.", "Looking. ", "A and B."]
        asked, again = bodies(model)
        assert {request.path for request in model.requests} == {"/v1/chat/completions"}
        assert roles(again) == [*roles(asked), "assistant", "tool", "tool"]
        assert again["messages"][: len(asked["messages"])] == asked["messages"]
        said = again["messages"][-3]
        assert said["content"] == "Looking. "
        assert [call["function"]["name"] for call in said["tool_calls"]] == ["shell_command"] * 2
        assert [call["id"] for call in said["tool_calls"]] == [
            answer["tool_call_id"] for answer in again["messages"][-2:]
        ]


@trio_test
async def test_usage_is_counted_from_chats_members(daemon: Daemon) -> None:
    async with scripted_model([(Use(100, 64, 20, 12), Say(("one ", "two ")))]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=CHAT)
        async with connected(daemon.home.socket) as client:
            await client.run_turn(await client.start_thread(), "Hi")
            note = await client.until_notified("thread/tokenUsage/updated")
            last = note.params["tokenUsage"]["last"]
            assert last == {
                "inputTokens": 100,
                "cachedInputTokens": 64,
                "cacheWriteInputTokens": 0,
                "outputTokens": 20,
                "reasoningOutputTokens": 12,
                "totalTokens": 120,
            }


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Cut(("Let me",)), "The stream ended before the response was complete"),
        (Break("server_error", "engine died"), "engine died"),
        (Raw(b"data: {\n\n"), "The model's stream cannot be read"),
        (Fail(503, body=b'{"error":"loading"}'), "local answered HTTP 503: loading"),
    ],
)
@trio_test
async def test_a_response_that_breaks_off_is_requested_again(
    daemon: Daemon, broken: Any, message: str
) -> None:
    async with scripted_model([broken, Say(("Whole.",))]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=CHAT)
        async with connected(daemon.home.socket) as client:
            turn = await client.run_turn(await client.start_thread(), "Hi")
            assert turn["status"] == "completed"
            (error,) = client.of("error")
            assert error.params["willRetry"]
            assert message in error.params["error"]["additionalDetails"]
            assert answers(client)[-1] == "Whole."


@trio_test
async def test_a_reply_that_never_makes_sense_ends_the_turn(daemon: Daemon) -> None:
    odd = Raw(b'data: {"choices":[{"delta":{"tool_calls":[{"function":{}}]}}]}\n\ndata: [DONE]\n\n')
    async with scripted_model([odd, odd, Say(("Back.",))]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=CHAT)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.run_turn(thread, "Hi")
            assert turn["status"] == "failed"
            assert "a tool call without a name" in turn["error"]["message"]
            # And the thread goes on.
            assert (await client.run_turn(thread, "Again"))["status"] == "completed"


async def move(client: Client, thread: str, provider: str) -> None:
    await client.call("thread/resume", threadId=thread, modelProvider=provider, model="scripted")


@trio_test
async def test_a_thread_continues_with_another_provider_and_returns(daemon: Daemon) -> None:
    script: list[Part | Reply] = [
        (Think(("Hm",)), running("echo A")),
        Say(("First.",)),
        (Think(("Hm",)), running("echo B")),
        Say(("Second.",)),
        Say(("Third.",)),
    ]
    async with scripted_model(script) as model:
        daemon.home.configure(BOTH.format(first="responding", url=model.base_url))
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for provider, prompt in (("chatting", "1"), ("responding", "2"), ("chatting", "3")):
                assert (await client.run_turn(thread, prompt))["status"] == "completed"
                await move(client, thread, provider)
        assert [request.path.rpartition("/v1/")[2] for request in model.requests] == [
            "responses",
            "responses",
            "chat/completions",
            "chat/completions",
            "responses",
        ]
        _, _, told, told_again, back = bodies(model)
        said = [m for m in told["messages"] if m["role"] in ("assistant", "tool")]
        assert [(m["role"], m.get("content")) for m in said][-1] == ("assistant", "First.")
        assert said[0]["tool_calls"][0]["function"]["arguments"] == '{"command": "echo A"}'
        assert "\nA" in said[1]["content"]
        assert told_again["messages"][: len(told["messages"])] == told["messages"]
        kinds = [item["type"] for item in back["input"] if item["type"] != "message"]
        calls = ["function_call", "function_call_output"]
        assert [kind for kind in kinds if kind != "reasoning"] == calls * 2
        assert all("id" not in item for item in back["input"])


LINES = b"""data: {"id":"r","choices":[{"index":0,"delta":{"content":"Hi","reasoning_details":[{
data:   "type": "reasoning.encrypted",
data:   "data": "x"}]},"finish_reason":"stop"}],
data:  "usage": {
data:   "prompt_tokens": 1}}

data: [DONE]

"""
ITEM = b"""data: {"type":"response.completed","response":{"id":"r","output":[{"type":"message",
data:   "role": "assistant", "id": "m",
data:   "content": [{"type":"output_text",
data:   "text": "Hi"}]}],
data:   "usage": {
data:   "input_tokens": 1}}}

"""


@pytest.mark.parametrize(("api", "stream"), [("chat", LINES), ("responses", ITEM)])
@trio_test
async def test_output_of_many_lines_is_one_line_of_the_log(
    daemon: Daemon, api: str, stream: bytes
) -> None:
    async with scripted_model([Raw(stream)]) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=f'wire_api = "{api}"')
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "Hi"))["status"] == "completed"
            assert "Hi" in [item["text"] for item in completed(client).values() if "text" in item]
            (log,) = [path for path in daemon.home.logs() if thread in path.name]
            records = [json.loads(line) for line in log.read_text().splitlines()]
            assert records[-1]["type"] == "turn.completed"
            assert [record["seq"] for record in records] == list(range(1, len(records) + 1))


FULL = b"""{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size \
(8192 tokens), try increasing it","type":"exceed_context_size_error"}}"""


@trio_test
async def test_a_window_that_is_full_is_made_room_in(daemon: Daemon) -> None:
    script: list[Part | Reply] = [
        Say(("First.",)),
        Fail(400, body=FULL),
        Say(("What was said so far.",)),
        Say(("Second.",)),
    ]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, provider="local", provider_more=CHAT)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "1")
            assert (await client.run_turn(thread, "2"))["status"] == "completed"
            assert answers(client)[-1] == "Second."
        *_, compacting, after = bodies(model)
        assert "tools" not in compacting
        assert "What was said so far." in json.dumps(after["messages"])
        assert "First." not in json.dumps(after["messages"])

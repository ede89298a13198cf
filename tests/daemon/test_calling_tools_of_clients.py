"""A client declares tools for its thread and performs their calls: it answers, errs, leaves, and the daemon dies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from codexd.server.client_tools import ANSWER_INVALID, NOT_CONNECTED, REQUEST_FAILED
from daemon_client import Asked, Client, Json, connected
from daemon_house import Home
from installed_codex import needs_schemas
from trio_test import trio_test
from wire_schemas import check_told, check_tool_call_asked

PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


def function(name: str, **members: Any) -> Json:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {
        "type": "function",
        "name": name,
        "description": f"Does {name}.",
        "inputSchema": schema,
        **members,
    }


TOOLS = [
    function("weather"),
    {
        "type": "namespace",
        "name": "maps",
        "description": "Maps.",
        "tools": [function("route"), function("later", deferLoading=True)],
    },
]
ULM = '{"city":"Ulm"}'
WEATHER = (Call("weather", ULM),)
SAID: Reply = (Say(("done",)),)


def outputs(model: ScriptedModel) -> list[Any]:
    items = json.loads(model.requests[-1].body)["input"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def text(said: str, *, success: bool = True) -> Json:
    return {"contentItems": [{"type": "inputText", "text": said}], "success": success}


def completed(client: Client) -> list[Json]:
    items = [note.params["item"] for note in client.of("item/completed")]
    return [item for item in items if item["type"] == "dynamicToolCall"]


async def asked_in(client: Client, thread: str, prompt: str = "go") -> tuple[str, Asked]:
    """A turn that calls a tool of the client, and the call."""
    before = len(client.asked)
    turn = await client.start_turn(thread, prompt)
    return turn, await client.until_asked(before + 1)


@needs_schemas
@pytest.mark.slow
@trio_test
async def test_a_client_answers_errs_and_is_interrupted(home: Home) -> None:
    replies: list[Reply] = [
        (Call("weather", ULM), Call("route", "{}", namespace="maps")),
        SAID,
        WEATHER,
        SAID,
        WEATHER,
        SAID,
        (Call("route", "{}"),),
        SAID,
        WEATHER,
    ]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            refused = await client.refused("thread/start", dynamicTools=[function("a b")])
            assert refused.code == -32600
            assert "no thread was started" in str(refused)
            thread = await client.start_thread(dynamicTools=TOOLS)
            turn = await client.start_turn(thread, "go")
            await client.until_asked(2)
            check_offered(model)
            first, second = client.asked
            for asked in (first, second):
                assert asked.method == "item/tool/call"
                check_tool_call_asked(asked.params)
            assert first.params | {"callId": ""} == {
                "threadId": thread,
                "turnId": turn,
                "callId": "",
                "namespace": None,
                "tool": "weather",
                "arguments": {"city": "Ulm"},
            }
            assert (second.params["namespace"], second.params["tool"]) == ("maps", "route")
            picture = [{"type": "inputImage", "imageUrl": PNG}]
            given = {"contentItems": [*text("A map")["contentItems"], *picture], "success": True}
            await client.send({"id": second.id, "result": given})
            await client.send({"id": first.id, "result": text("sun")})
            await client.turn_ended(turn)
            sun, shown = outputs(model)
            assert sun == "sun"
            assert [part.get("image_url", part.get("text")) for part in shown] == ["A map", PNG]
            items = {item["tool"]: item for item in completed(client)}
            assert {item["id"] for item in items.values()} == {
                asked.params["callId"] for asked in client.asked
            }
            assert items["route"]["namespace"] == "maps"
            assert items["weather"]["contentItems"] == text("sun")["contentItems"]
            assert items["weather"]["success"] is True
            assert items["weather"]["status"] == "completed"
            begun = [note.params["item"] for note in client.of("item/started")]
            assert {item["id"] for item in begun} >= {item["id"] for item in items.values()}
            await check_failures(client, model, thread)
            turn, asked = await asked_in(client, thread)
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            await client.until_notified("serverRequest/resolved", requestId=asked.id)
            await client.send({"id": asked.id, "result": text("late")})
            for note in client.notified:
                check_told(note.method, note.params)


def check_offered(model: ScriptedModel) -> None:
    tools = {tool["name"]: tool for tool in json.loads(model.requests[0].body)["tools"]}
    assert tools["weather"]["parameters"] == TOOLS[0]["inputSchema"]
    assert tools["maps"]["type"] == "namespace"
    assert [tool["name"] for tool in tools["maps"]["tools"]] == ["route"]
    assert "dynamic" not in tools


async def check_failures(client: Client, model: ScriptedModel, thread: str) -> None:
    for answer, expected in (
        ({"error": {"code": -1, "message": "no"}}, REQUEST_FAILED),
        ({"result": {"contentItems": "no"}}, ANSWER_INVALID),
    ):
        turn, asked = await asked_in(client, thread)
        await client.send({"id": asked.id, **answer})
        await client.turn_ended(turn)
        assert outputs(model)[-1] == expected
        assert completed(client)[-1]["status"] == "failed"
        assert completed(client)[-1]["success"] is False
    await client.run_turn(thread, "without its namespace")
    assert outputs(model)[-1].startswith("unsupported call: route.")


@pytest.mark.slow
@trio_test
async def test_a_client_leaves_and_the_daemon_dies_and_the_call_is_asked_again(home: Home) -> None:
    replies: list[Reply] = [WEATHER, SAID, WEATHER, SAID, WEATHER, SAID]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(dynamicTools=TOOLS)
            _, before = await asked_in(client, thread)
        async with (
            connected(home.socket, codexd={"observer": True}) as observer,
            connected(home.socket, optOutNotificationMethods=["item/tool/call"]) as frontend,
        ):
            for each in (observer, frontend):
                await each.call("thread/resume", threadId=thread, excludeTurns=True)
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread, excludeTurns=True)
                asked = await client.until_asked()
                assert (asked.id, asked.params) == (before.id, before.params)
                await client.send({"id": asked.id, "result": text("sun")})
                await client.until_notified("turn/completed")
                assert outputs(model) == ["sun"]
            turn = await frontend.start_turn(thread, "go, though nobody has the tool")
            await frontend.turn_ended(turn)
            assert outputs(model)[-1] == NOT_CONNECTED
            assert not observer.asked
            assert not frontend.asked
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread, excludeTurns=True)
            _, before = await asked_in(client, thread)
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread, excludeTurns=True)
            asked = await client.until_asked()
            assert asked.params == before.params
            await client.send({"id": asked.id, "result": text("again")})
            await client.until_notified("turn/completed")
            assert outputs(model)[-1] == "again"

"""A search of the provider's: shown as it begins and ends, kept in the history, and sent to no other provider."""

from __future__ import annotations

import json

import pytest

from codexd.models.scripted.scripts import Part, Raw, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon
from daemon_screen import items_of
from installed_codex import needs_schemas
from trio_test import trio_test
from wire_schemas import check_told

ACTIONS: list[tuple[Json, str, Json]] = [
    (
        {"type": "search", "query": "rain in Berlin", "queries": ["rain in Berlin", "Berlin"]},
        "rain in Berlin",
        {"type": "search", "query": "rain in Berlin", "queries": ["rain in Berlin", "Berlin"]},
    ),
    (
        {"type": "search", "queries": ["a", "b"]},
        "a ...",
        {"type": "search", "query": None, "queries": ["a", "b"]},
    ),
    (
        {"type": "open_page", "url": "https://a.org/"},
        "https://a.org/",
        {"type": "openPage", "url": "https://a.org/"},
    ),
    (
        {"type": "find_in_page", "url": "https://a.org/", "pattern": "x"},
        "'x' in https://a.org/",
        {"type": "findInPage", "url": "https://a.org/", "pattern": "x"},
    ),
    (
        {"type": "find_in_page", "pattern": "x"},
        "'x'",
        {"type": "findInPage", "url": None, "pattern": "x"},
    ),
    ({"type": "later"}, "", {"type": "other"}),
    ({"type": "search", "query": 7}, "", {"type": "search", "query": None, "queries": None}),
]


def stream(*events: Json) -> Raw:
    return Raw(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))


def call(n: int, action: Json) -> Json:
    return {"type": "web_search_call", "id": f"ws_{n:020}", "status": "completed", "action": action}


def searching(*actions: Json) -> Raw:
    events: list[Json] = [{"type": "response.created", "response": {"id": "r"}}]
    for n, action in enumerate(actions):
        begun = {"type": "web_search_call", "id": f"ws_{n:020}", "status": "in_progress"}
        events += [
            {"type": "response.output_item.added", "output_index": n, "item": begun},
            {"type": "response.web_search_call.searching", "item_id": begun["id"]},
            {"type": "response.output_item.done", "output_index": n, "item": call(n, action)},
        ]
    events += [
        {
            "type": "response.output_item.done",
            "output_index": len(actions),
            "item": {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "It rains."}],
            },
        },
        {"type": "response.completed", "response": {"id": "r"}},
    ]
    return stream(*events)


def searches(client: Client, method: str) -> list[Json]:
    found = [note.params["item"] for note in client.of(method)]
    return [item for item in found if item["type"] == "webSearch"]


def sent(model: ScriptedModel, request: int) -> list[Json]:
    items = json.loads(model.requests[request].body)["input"]
    return [item for item in items if item["type"] == "web_search_call"]


@needs_schemas
@trio_test
async def test_each_search_begins_and_ends_on_screens_and_stays_in_the_history(
    daemon: Daemon,
) -> None:
    replies: list[Part | Reply] = [
        searching(*(action for action, _, _ in ACTIONS)),
        Say(("so",)),
        Say(("ok",)),
    ]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "does it rain?"))
            begun = searches(client, "item/started")
            assert [(item["query"], item["action"]) for item in begun] == [
                ("", {"type": "other"})
            ] * len(ACTIONS)
            ended = searches(client, "item/completed")
            assert [(item["query"], item["action"]) for item in ended] == [
                (query, action) for _, query, action in ACTIONS
            ]
            assert [item["id"] for item in begun] == [item["id"] for item in ended]
            for note in (*client.of("item/started"), *client.of("item/completed")):
                check_told(note.method, note.params)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            kept = [item for item in items_of(read["thread"]) if item["type"] == "webSearch"]
            assert kept == ended
            await client.turn_ended(await client.start_turn(thread, "and tomorrow?"))
            whole = [call(n, action) for n, (action, _, _) in enumerate(ACTIONS)]
            assert sent(model, 1) == [
                {key: value for key, value in item.items() if key != "id"} for item in whole
            ]
            # A provider without such a search would refuse the request.
            await client.turn_ended(await client.start_turn(thread, "and you?", model="other"))
            assert sent(model, 2) == []


@trio_test
async def test_a_search_that_is_cut_off_ends_without_words(
    daemon: Daemon,
) -> None:
    begun = {"type": "web_search_call", "id": f"ws_{9:020}", "status": "in_progress"}
    cut = stream(
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        {
            "type": "response.failed",
            "response": {"id": "r", "error": {"code": "x", "message": "no"}},
        },
    )
    async with scripted_model([cut, searching(ACTIONS[0][0])]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            ended = await client.turn_ended(await client.start_turn(thread, "does it rain?"))
            await client.turn_ended(await client.start_turn(thread, "again"))
            assert ended["status"] == "failed"
            assert len(searches(client, "item/started")) == 2
            cut_off, whole = searches(client, "item/completed")
            assert (cut_off["query"], whole["query"] != "") == ("", True)
            log = await client.call("thread/log/read", threadId=thread)
            (record,) = [r for r in log["records"] if r["type"] == "model.item_cut"]
            assert record["data"]["kind"] == "other"  # which every version can read
            assert {
                r["data"]["kind"] for r in log["records"] if r["type"] == "model.item_completed"
            } == {"other", "message"}


@pytest.mark.parametrize("asks", [True, False])
@trio_test
async def test_the_declaration_reaches_a_provider_that_has_a_search(
    daemon: Daemon, asks: bool
) -> None:
    async with scripted_model([Say(("hi",))]) as model:
        quirks = "quirks = { web_search = true }" if asks else ""
        daemon.home.use_model(model.base_url, provider_more=quirks)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "hi"))
            tools = json.loads(model.requests[0].body)["tools"]
            assert [tool for tool in tools if tool["type"] == "web_search"] == (
                [{"type": "web_search", "external_web_access": True}] if asks else []
            )

"""Compacting a thread of the real daemon: by hand, by itself, killed in the middle, looked at before, with pins."""

from __future__ import annotations

import json
from typing import Any

from codexd.core.prompts.compaction import COMPACTION_PROMPT, SUMMARY_PREFIX
from codexd.models.scripted.scripts import Call, Fail, Hang, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from paused_model import Held, held_model
from trio_test import trio_test

WORDS = Say(("It was ", "about ants."))
SUMMARY = Say(("We talked ", "of ants."))
TOO_LONG = Fail(400, body=b'{"error":{"message":"too long","code":"context_length_exceeded"}}')


def said(body: bytes) -> list[str]:
    """What the messages of a request say."""
    request: dict[str, Any] = json.loads(body)
    return [item["content"][0]["text"] for item in request["input"] if item["type"] == "message"]


def kinds(client: Client, kind: str) -> list[str]:
    """The ids of the items of a kind that began, and then of those that became whole."""
    return [
        message.params["item"]["id"]
        for method in ("item/started", "item/completed")
        for message in client.of(method)
        if message.params["item"]["type"] == kind
    ]


@trio_test
async def test_by_hand_the_model_continues_from_a_summary_and_screens_keep_everything(
    home: Home,
) -> None:
    replies: list[Reply] = [(WORDS,), (SUMMARY,), (Say(("Bees.",)),)]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url, more='compact_prompt = "Sum it up."')
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Tell me.")
            answer = await client.call("thread/compact/start", threadId=thread)
            ended = await client.turn_ended(answer["turnId"])
            assert (ended["status"], ended["items"]) == ("completed", [])
            (begun, whole) = kinds(client, "contextCompaction")
            assert begun == whole
            assert [note.params["turnId"] for note in client.of("thread/compacted")] == [
                ended["id"]
            ]
            (warning,) = client.of("warning")
            assert "compacted once" in warning.params["message"]
            assert client.of("item/agentMessage/delta")[-1].params["delta"] == "about ants."
            tokens = client.of("thread/tokenUsage/updated")[-1].params["tokenUsage"]["last"]
            assert tokens["totalTokens"] > tokens["inputTokens"] == 0
            await client.run_turn(thread, "And bees?")
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
        items = [item["type"] for turn in found["thread"]["turns"] for item in turn["items"]]
        assert items == [
            "userMessage",
            "agentMessage",
            "contextCompaction",
            "userMessage",
            "agentMessage",
        ]
        asked = json.loads(model.requests[1].body)
        assert "tools" not in asked or asked["tools"] == []
        before = json.loads(model.requests[0].body)
        assert asked["prompt_cache_key"] == before["prompt_cache_key"]
        assert asked["instructions"] == before["instructions"]
        assert said(model.requests[1].body)[-1] == "Sum it up."
        sent = said(model.requests[2].body)
        assert sent[:2] == ["Tell me.", f"{SUMMARY_PREFIX}\n\nWe talked of ants."]
        assert sent[-1] == "And bees?"
        assert any("<environment_context>" in text for text in sent[2:-1])


@trio_test
async def test_killed_while_the_summary_is_written_the_next_daemon_asks_again(home: Home) -> None:
    replies: list[Held | Reply] = [(WORDS,), Held((SUMMARY,), after=1), (SUMMARY,), (WORDS,)]
    async with held_model(replies) as model:
        home.use_model(model.base_url, more="model_auto_compact_token_limit = 1")
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Tell me.")
            turn = await client.start_turn(thread, "And bees?")
            await model.wait_asked(2)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turn)
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
        last = found["thread"]["turns"][-1]
        assert (last["id"], last["status"]) == (turn, "completed")
        assert [item["type"] for item in last["items"]] == [
            "userMessage",
            "contextCompaction",
            "agentMessage",
        ]
        assert said(model.bodies[1])[-1] == COMPACTION_PROMPT
        assert model.bodies[2] == model.bodies[1]  # the same question, byte for byte
        assert said(model.bodies[3])[1] == f"{SUMMARY_PREFIX}\n\nWe talked of ants."


@trio_test
async def test_where_the_provider_has_no_room_the_turn_continues_after_a_compaction(
    home: Home,
) -> None:
    replies: list[Reply] = [(WORDS,), (TOO_LONG,), (TOO_LONG,), (SUMMARY,), (Say(("Bees.",)),)]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Tell me.")
            ended = await client.run_turn(thread, "And bees?")
            assert ended["status"] == "completed"
            (again,) = client.of("error", willRetry=True)
            assert "1 oldest items are left out" in again.params["error"]["message"]
        assert len(said(model.requests[3].body)) == len(said(model.requests[2].body)) - 1
        assert said(model.requests[4].body)[-1] == f"{SUMMARY_PREFIX}\n\nWe talked of ants."


@trio_test
async def test_a_refusal_in_a_gateways_words_is_compacted_too(home: Home) -> None:
    words = b"The input token count (70211) exceeds the maximum number of tokens allowed (65536)."
    body = b'[{"error":{"code":400,"message":"%b","status":"INVALID_ARGUMENT"}}]' % words
    replies: list[Reply] = [(WORDS,), (Fail(400, body=body),), (SUMMARY,), (Say(("Bees.",)),)]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Tell me.")
            assert (await client.run_turn(thread, "And bees?"))["status"] == "completed"
        assert said(model.requests[3].body)[-1] == f"{SUMMARY_PREFIX}\n\nWe talked of ants."


@trio_test
async def test_a_failed_compaction_fails_the_turn_and_the_thread_continues(home: Home) -> None:
    refuses = Fail(400, body=b'{"error":{"message":"no","code":"invalid_prompt"}}')
    async with scripted_model([(WORDS,), (refuses,), (Say(("Bees.",)),)]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Tell me.")
            answer = await client.call("thread/compact/start", threadId=thread)
            ended = await client.turn_ended(answer["turnId"])
            assert ended["status"] == "failed"
            assert (await client.run_turn(thread, "And bees?"))["status"] == "completed"
        assert said(model.requests[2].body)[: len(said(model.requests[0].body))] == said(
            model.requests[0].body
        )


@trio_test
async def test_the_answer_comes_before_the_turn_of_a_thread_without_a_history(
    daemon: Daemon,
) -> None:
    async with connected(daemon.home.socket) as client:
        for _ in range(10):
            thread = await client.start_thread()
            turn = (await client.call("thread/compact/start", threadId=thread))["turnId"]
            assert (await client.turn_ended(turn))["status"] == "completed"
        order = [
            method
            for method in client.order
            if method in ("thread/compact/start", "turn/started", "turn/completed")
        ]
        assert order == ["thread/compact/start", "turn/started", "turn/completed"] * 10


@trio_test
async def test_it_cannot_be_steered_and_can_be_interrupted(home: Home) -> None:
    async with scripted_model([(WORDS,), (Hang(("We",)),), (Say(("Bees.",)),)]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Tell me.")
            turn = (await client.call("thread/compact/start", threadId=thread))["turnId"]
            await model.wait_requests(2)
            refused = await client.refused(
                "turn/steer",
                threadId=thread,
                expectedTurnId=turn,
                input=[{"type": "text", "text": "quick"}],
            )
            assert "being compacted" in refused.message
            again = await client.call("thread/compact/start", threadId=thread)
            assert again == {"turnId": turn}  # one compaction for both
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
            (shown,) = found["thread"]["turns"][-1]["items"]
            assert (shown["type"], shown["status"]) == ("contextCompaction", "interrupted")
            await client.run_turn(thread, "And bees?")


@trio_test
async def test_a_preview_has_the_kept_items_and_pins_stay(home: Home) -> None:
    call: Reply = (Call("shell_command", '{"command":"echo 4711"}'),)
    replies: list[Reply] = [call, (WORDS,), (SUMMARY,), (Say(("Bees.",)),)]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(approvalPolicy="never")
            await client.run_turn(thread, "Tell me.")
            log = (await client.call("thread/log/read", threadId=thread))["records"]
            (output,) = [record["seq"] for record in log if record["type"] == "tool.ended"]
            (words,) = [record["seq"] for record in log if record["type"] == "input.queued"]
            seen = await client.call("thread/compact/preview", threadId=thread)
            assert [(note["seq"], note["text"]) for note in seen["kept"]] == [(words, "Tell me.")]
            assert (seen["lost"]["calls"], seen["lost"]["outputs"], seen["lost"]["answers"]) == (
                1,
                1,
                1,
            )
            pins = await client.call("thread/pin/add", threadId=thread, seq=output)
            assert "4711" in pins["pins"][0]["text"]
            seen = await client.call("thread/compact/preview", threadId=thread)
            assert [message["pinned"] for message in seen["kept"]] == [False, True]
            assert (seen["lost"]["calls"], seen["lost"]["outputs"]) == (0, 0)
            assert len(model.requests) == 2
            refused = await client.refused("thread/pin/add", threadId=thread, seq=1)
            assert "thread.started" in refused.message
            turn = (await client.call("thread/compact/start", threadId=thread))["turnId"]
            await client.turn_ended(turn)
            await client.run_turn(thread, "And bees?")
            left = await client.call("thread/pin/remove", threadId=thread, seq=output)
            assert left["pins"] == []
            twice = await client.refused("thread/pin/remove", threadId=thread, seq=output)
            assert "not pinned" in twice.message
        request = json.loads(model.requests[3].body)
        types = [item["type"] for item in request["input"]][:4]
        assert types == ["message", "function_call", "function_call_output", "message"]

"""A compaction is undone at any later time: the model has the items before it again, and all later items."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Reply, Say, Use
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from trio_test import trio_test

REPLIES: list[Reply] = [(Say((word,)),) for word in ("Ants.", "In short: ants.", "Bees.", "Cats.")]
MORE: list[Reply] = [(Say((word,)),) for word in ("In short: all.", "Dogs.", "Emus.", "Fish.")]


def said(body: bytes) -> list[str]:
    """What the messages of a request say, without what the daemon tells."""
    texts = [item["content"][0]["text"] for item in json.loads(body)["input"]]
    return [text for text in texts if not text.startswith("<")]


async def compact(client: Client, thread: str) -> None:
    answer = await client.call("thread/compact/start", threadId=thread)
    await client.turn_ended(answer["turnId"])


@trio_test
async def test_nothing_is_lost_and_later_turns_stay(daemon: Daemon) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Ants?")
            await compact(client, thread)
            await client.run_turn(thread, "Bees?")
            assert "Ants." not in said(model.requests[-1].body)
            answer = await client.call("thread/compact/undo", threadId=thread)
            assert answer["fits"]
            assert not answer["left"]
            assert answer["contextTokens"] > 0
            (note,) = client.of("warning", threadId=thread)[1:]
            assert "undone" in note.params["message"]
            await client.run_turn(thread, "Cats?")
            words = ["Ants?", "Ants.", "Bees?", "Bees.", "Cats?"]
            assert said(model.requests[-1].body) == words
            first = json.loads(model.requests[0].body)["input"]
            assert json.loads(model.requests[-1].body)["input"][: len(first)] == first
            refused = await client.refused("thread/compact/undo", threadId=thread)
            assert refused.data["code"] == "not_compacted"


@trio_test
async def test_one_after_the_other_and_through_a_kill(home: Home) -> None:
    async with scripted_model([*REPLIES, *MORE]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Ants?")
            await compact(client, thread)
            await client.run_turn(thread, "Bees?")
            await client.run_turn(thread, "Cats?")
            await compact(client, thread)
            await client.run_turn(thread, "Dogs?")
            assert (await client.call("thread/compact/undo", threadId=thread))["left"]
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "Emus?")
            since = ["Bees?", "Bees.", "Cats?", "Cats.", "Dogs?", "Dogs.", "Emus?"]
            found = said(model.requests[-1].body)
            assert found[-len(since) :] == since
            assert "Ants." not in found
            await client.call("thread/compact/undo", threadId=thread)
            await client.run_turn(thread, "Fish?")
            assert said(model.requests[-1].body) == ["Ants?", "Ants.", *since, "Emus.", "Fish?"]


@trio_test
async def test_a_history_that_no_longer_fits_is_compacted_by_the_next_turn(daemon: Daemon) -> None:
    long: Reply = (Say(("Ants.",)), Use(input_tokens=5000))
    async with scripted_model([long, (Say(("In short: ants.",)),), *MORE]) as model:
        daemon.home.use_model(model.base_url, more="model_auto_compact_token_limit = 4000")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "Ants?")
            await compact(client, thread)
            answer = await client.call("thread/compact/undo", threadId=thread)
            assert answer["compactAt"] == 4000
            assert not answer["fits"]
            await client.run_turn(thread, "Bees?")
            log = await client.call("thread/log/read", threadId=thread)
            kinds = [record["type"] for record in log["records"]]
            undone = kinds.index("history.compaction_undone")
            assert "history.compacted" in kinds[undone:]

"""What threads have used, over the real socket: turn by turn, in lists, in money; and what missed the cache."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Fail, Reply, Say, Use
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon, Home
from trio_test import trio_test

PRICES = '[prices."scripted"]\ninput = 2.0\ncached_input = 0.5\noutput = 10.0\n'


TOLD = "thread/tokenUsage/updated"


def say(text: str, tokens_in: int, cached: int = 0, out: int = 100) -> Reply:
    return (Say((text,)), Use(tokens_in, cached, out, 30))


@trio_test
async def test_each_turn_has_its_usage_and_cost(daemon: Daemon) -> None:
    replies: list[Reply] = [say("one", 4000), say("two", 5000, 4000)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url, more=PRICES)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turns = [await client.start_turn(thread, "1?"), await client.start_turn(thread, "2?")]
            await client.turn_ended(turns[1])
            read = await client.call("thread/usage/read", threadId=thread)
    assert [(row["turnId"], row["kind"], row["models"]) for row in read["turns"]] == [
        (turn, "turn", ["scripted"]) for turn in turns
    ]
    first, second = (row["used"] for row in read["turns"])
    assert (first["freshInputTokens"], first["costUsd"]) == (4000, 0.009)
    assert (second["freshInputTokens"], second["costUsd"]) == (1000, 0.005)
    assert second["tokens"] == {
        "totalTokens": 5100,
        "inputTokens": 5000,
        "cachedInputTokens": 4000,
        "cacheWriteInputTokens": 0,
        "outputTokens": 100,
        "reasoningOutputTokens": 30,
    }
    assert read["total"]["requests"] == 2
    assert read["total"]["costUsd"] == 0.014
    assert read["kinds"] == [{"kind": "turn", "used": read["total"]}]
    assert (read["contextTokens"], read["percentLeft"]) == (5100, 100)
    assert read["misses"] is None


@trio_test
async def test_a_model_without_a_price_has_no_known_cost(daemon: Daemon) -> None:
    async with scripted_model([(Fail(500),), say("one", 4000)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "1?"))
            read = await client.call("thread/usage/read", threadId=thread, turns=False)
    total = read["total"]
    assert (total["requests"], total["failedRequests"], total["unpricedRequests"]) == (1, 1, 1)
    assert total["costUsd"] is None
    assert read["turns"] is None


@trio_test
async def test_a_request_that_missed_the_cache_says_why(daemon: Daemon) -> None:
    replies: list[Reply] = [say("one", 4000), say("two", 5000, 3968), say("three", 6000)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for words in ("1?", "2?"):
                await client.turn_ended(await client.start_turn(thread, words))
            turn = await client.start_turn(thread, "3?", model="another")
            await client.turn_ended(turn)
            read = await client.call("thread/usage/read", threadId=thread, misses=True)
    [miss] = read["misses"]
    assert (miss["turnId"], miss["segment"]) == (turn, "model")
    assert miss["why"] == "the model was switched from scripted to another"
    assert (miss["expectedTokens"], miss["cachedTokens"]) == (5000, 0)


@trio_test
async def test_all_threads_are_listed_with_their_usage_loaded_or_not(home: Home) -> None:
    async with scripted_model([say("one", 4000), say("two", 6000), say("three", 1)]) as model:
        home.use_model(model.base_url, more=PRICES)
        daemon = home.start()
        async with connected(home.socket) as client:
            threads = [await client.start_thread() for _ in range(3)]
            for thread in threads[:2]:
                await client.turn_ended(await client.start_turn(thread, "?"))
        daemon.stop()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=threads[1])
            await client.turn_ended(await client.start_turn(threads[1], "?"))
            listed = await client.call("thread/usage/list", days=1)
            ever = await client.call("thread/usage/list")
            page = await client.call("thread/usage/list", limit=1)
            rest = await client.call("thread/usage/list", cursor=page["nextCursor"])
    assert [
        (row["threadId"], row["total"]["tokens"]["inputTokens"], row["total"]["costUsd"])
        for row in listed["data"]
    ] == [(threads[1], 6001, 0.014002), (threads[0], 4000, 0.009)]
    assert ever["data"] == listed["data"]
    assert page["data"] + rest["data"] == ever["data"]
    assert (listed["nextCursor"], rest["nextCursor"]) == (None, None)


@trio_test
async def test_invalid_usage_requests_are_refused(daemon: Daemon) -> None:
    nobody = "0194d2a0-0000-7000-8000-00000000ffff"
    async with connected(daemon.home.socket) as client:
        refusal = await client.refused("thread/usage/read", threadId=nobody)
        assert refusal.data["code"] == "thread_not_found"
        refusal = await client.refused("thread/usage/list", days=0)
        assert "days: expected a number from 1 on, found 0" in refusal.message


@trio_test
async def test_the_warning_that_a_models_window_is_a_guess_comes_once_a_day(daemon: Daemon) -> None:
    replies = [say(str(n), 1) for n in range(4)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url, window=None)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for words in ("1?", "2?"):
                await client.run_turn(thread, words, model="a-new-one")
            [warned] = client.of("warning")
            await client.run_turn(await client.start_thread(model="a-new-one"), "3?")
            assert client.of("warning") == [warned]
            await client.run_turn(thread, "4?", model="another")
            [_, again] = client.of("warning")
    assert warned.params["threadId"] == thread
    assert "a-new-one is not in the catalog of models" in warned.params["message"]
    assert "another is not in the catalog of models" in again.params["message"]
    # A model that is not known is taken to reason.
    sent = json.loads(model.requests[0].body)
    assert (sent["reasoning"], sent["include"]) == (
        {"summary": "auto"},
        ["reasoning.encrypted_content"],
    )


@trio_test
async def test_late_and_resumed_clients_get_the_figures_that_were_sent_live(
    home: Home,
) -> None:
    async with scripted_model([say("one", 60_000), say("two", 90_000, 60_000)]) as model:
        home.use_model(model.base_url, window=200_000)
        daemon = home.start()
        async with connected(home.socket, codexd={"cursor": True}) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "1?"))
            seen = max(message.seq or 0 for message in client.notified)
            last = await client.start_turn(thread, "2?")
            await client.turn_ended(last)
            *_, live = client.of(TOLD)
        daemon.stop()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.until(lambda: bool(client.of(TOLD)))
            [later] = client.of(TOLD)
        async with connected(home.socket, codexd={"cursor": True}) as client:
            await client.call("thread/resume", threadId=thread, after={"seq": seen})
            await client.until(lambda: bool(client.of(TOLD)))
            [back] = client.of(TOLD)
    assert live.params == later.params == back.params
    assert live.params["turnId"] == last
    usage = live.params["tokenUsage"]
    assert (usage["modelContextWindow"], usage["contextTokens"]) == (190_000, 90_100)
    assert usage["percentLeft"] == 56
    assert (usage["total"]["totalTokens"], usage["last"]["totalTokens"]) == (150_200, 90_100)

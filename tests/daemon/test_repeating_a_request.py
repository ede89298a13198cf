"""A request that is repeated under its key is answered as the first time, also after a restart, and forever."""

from __future__ import annotations

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from codexd.runtime.daemon_stream import DAEMON_STREAM
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import NewEvent
from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test

LATE = "01a1feb8-57ef-7a4b-ac33-932ae6432913"


@trio_test
async def test_the_keys_of_threads_and_turns_hold_over_a_restart(home: Home) -> None:
    async with scripted_model(lambda body: (Say(("yes",)),)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(idempotencyKey="thread")
            turn = (await client.run_turn(thread, "hello", idempotencyKey="turn"))["id"]
            forked = await client.call("thread/fork", threadId=thread, idempotencyKey="fork")
        daemon.kill()
        daemon = home.start()
        async with connected(home.socket) as client:
            assert await client.start_thread(idempotencyKey="thread") == thread
            assert await client.start_turn(thread, "hello", idempotencyKey="turn") == turn
            again = await client.call("thread/fork", threadId=thread, idempotencyKey="fork")
            assert again["thread"]["id"] == forked["thread"]["id"]
            assert not client.of("thread/started")
            # A fork does not answer for its parent.
            own = await client.start_turn(again["thread"]["id"], "hello", idempotencyKey="turn")
            assert own != turn
            listed = (await client.call("thread/list"))["data"]
            assert sorted(entry["id"] for entry in listed) == sorted(
                [thread, again["thread"]["id"]]
            )
        assert len(model.requests) == 2


@trio_test
async def test_a_thread_that_was_named_and_not_made_is_made_by_the_repeat(home: Home) -> None:
    home.use_model("http://127.0.0.1:9")
    home.path.mkdir(exist_ok=True)
    async with open_jsonl_store(home.path, state_dir=home.path / "state") as store:
        named = NewEvent("thread.named", b'{"threadId":"%s"}' % LATE.encode())
        await store.append(
            DAEMON_STREAM, [named], expected_version=0, at_us=1, durable=True, key="late"
        )
    daemon = home.start()
    async with connected(home.socket) as client:
        assert (await client.call("thread/list"))["data"] == []
        assert await client.start_thread(idempotencyKey="late") == LATE
        assert await client.start_thread(idempotencyKey="late") == LATE
        assert len(client.of("thread/started")) == 1
        assert await client.start_thread(idempotencyKey="other") != LATE
        assert (await client.refused("thread/read", threadId=DAEMON_STREAM)).code == -32600
    daemon.stop()


@trio_test
async def test_a_key_is_known_after_a_snapshot(home: Home) -> None:
    async with scripted_model(lambda body: (Say(("yes",)),)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            first = await client.start_turn(thread, "hello", idempotencyKey="first")
            await client.turn_ended(first)
            for n in range(20):
                await client.run_turn(thread, f"turn {n}", idempotencyKey=f"turn-{n}")
        assert daemon.stop() == 0
        asked = len(model.requests)
        home.start()
        async with connected(home.socket) as client:
            assert await client.start_turn(thread, "hello", idempotencyKey="first") == first
        assert len(model.requests) == asked

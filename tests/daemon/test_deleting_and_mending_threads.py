"""Threads are deleted permanently, and damaged threads are found and made readable, on the real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import texts_of
from trio_test import trio_test


def log_of(home: Home, thread: str) -> Path:
    (found,) = [path for path in home.logs() if thread in path.name]
    return found


def content(path: str) -> bytes:
    return Path(path).read_bytes()


async def texts(client: Client, thread: str) -> list[str]:
    answer: Json = await client.call("thread/read", threadId=thread, includeTurns=True)
    return texts_of(answer["thread"])


async def listed(client: Client) -> set[str]:
    answer = await client.call("thread/list", limit=100)
    return {thread["id"] for thread in answer["data"]}


@trio_test
async def test_a_deleted_thread_is_gone_for_all_clients(daemon: Daemon) -> None:
    home = daemon.home
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread = await client.start_thread()
            await client.run_turn(thread, "say 1")
            log = log_of(home, thread)
            assert await client.call("thread/delete", threadId=thread) == {}
            for peer in (client, other):
                await peer.until_notified("thread/deleted", threadId=thread)
            assert not log.exists()
            assert thread not in await listed(client)
            refusal = await client.refused("thread/read", threadId=thread)
            assert refusal.data["code"] == "thread_not_found"
            again = await client.refused("thread/delete", threadId=thread)
            assert again.data["code"] == "thread_not_found"


@trio_test
async def test_a_thread_with_forks_is_deleted_when_they_may_have_copies(home: Home) -> None:
    daemon = home.start()
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "say 1")
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.run_turn(fork, "say 2")
            before = await texts(client, fork)
            refusal = await client.refused("thread/delete", threadId=thread)
            assert refusal.data["code"] == "thread_has_forks"
            assert fork in refusal.message
            await client.call("thread/delete", threadId=thread, detachChildren=True)
            assert await texts(client, fork) == before
            await client.run_turn(fork, "say 3")
            found = await client.call("thread/verify", threadId=fork)
            assert found["damage"] is None
    daemon.kill()
    home.start()
    async with connected(home.socket) as client:
        assert (await texts(client, fork))[: len(before)] == before


@pytest.mark.parametrize(
    "lost", ['"type":"tool.ended"', '"type":"turn.started"', '"type":"turn.completed"']
)
@trio_test
async def test_a_salvaged_thread_reads_and_continues_with_any_record_lost(
    home: Home, lost: str
) -> None:
    daemon = home.start()
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "run echo hello")
            await client.run_turn(thread, "say 2")
    daemon.stop()
    log = log_of(home, thread)
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    hit = next((n for n, line in enumerate(lines) if lost.encode() in line), len(lines) // 2)
    lines[hit] = lines[hit].replace(b'"data":{', b'"data":[', 1)
    log.write_bytes(b"".join(lines))
    home.start()
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            refusal = await client.refused("thread/resume", threadId=thread)
            assert "codexctl fsck" in refusal.message
            streams = await client.call("store/streams")
            assert thread in {row["threadId"] for row in streams["data"]}
            found = await client.call("thread/verify", threadId=thread)
            assert f"record {hit + 1}" in found["damage"]
            done = await client.call("thread/verify", threadId=thread, salvage=True)
            assert done["damage"] is None
            assert done["found"] == found["damage"]
            assert done["salvaged"]["lost"] == 1
            assert content(done["salvaged"]["kept"]) == b"".join(lines)
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "say 3")
            assert "> say 3" in await texts(client, thread)


@trio_test
async def test_all_logs_are_listed_once_for_all_pages_of_a_client(daemon: Daemon) -> None:
    home = daemon.home
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client, connected(home.socket) as other:
            threads = sorted([await client.start_thread() for _ in range(4)])
            # The daemon is shared with other tests: what they left comes before these.
            first = await client.call("store/streams", after=threads[0][:-1], limit=2)
            assert first["nextAfter"] == first["data"][-1]["threadId"] == threads[1]
            await other.call("thread/archive", threadId=threads[2])
            await other.call("thread/delete", threadId=threads[3])
            after = await client.call("store/streams", after=threads[1], limit=1)
            # As the log was when this client began.
            assert after == {"data": [after["data"][0]], "nextAfter": threads[2]}
            assert not after["data"][0]["archived"]
            rest = await client.call("store/streams", after=threads[2])
            assert threads[3] in {row["threadId"] for row in rest["data"]}
            assert rest["nextAfter"] is None
            for fresh in (client, other):
                again = (await fresh.call("store/streams", after=threads[1]))["data"]
                assert {row["threadId"]: row["archived"] for row in again}[threads[2]]
                assert threads[3] not in {row["threadId"] for row in again}

"""A store that has read many logs holds a bounded number of them; only memory use shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from codexd_eventstore.log.open_logs import READ_LOGS_MAX
from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import NewEvent
from trio_test import trio_test

MANY = 3 * READ_LOGS_MAX


def event(text: str) -> NewEvent:
    return NewEvent("said", b'{"text":"%b"}' % text.encode())


async def said(store: JsonlStore, stream: str, text: str, version: int) -> None:
    await store.append(stream, [event(text)], expected_version=version, at_us=1, durable=True)


async def write_many(folder: Path) -> None:
    async with open_jsonl_store(folder, state_dir=folder / "state") as store:
        for n in range(MANY):
            await said(store, f"s{n}", f"text {n}", 0)
            await store.fork(f"s{n}", 1, f"f{n}", [event("fork")], at_us=1)
            store.close(f"s{n}")
            store.close(f"f{n}")


def held(store: JsonlStore) -> int:
    return len(store.open_logs.all())


@pytest.mark.slow
@trio_test
async def test_reading_many_logs_with_parents_and_archived_logs_holds_only_the_newest(
    tmp_path: Path,
) -> None:
    await write_many(tmp_path)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for n in range(MANY):
            records = await store.read(f"f{n}")
            assert [record.seq for record in records] == [1, 2]
            assert f"text {n}".encode() in records[0].line
        assert held(store) <= READ_LOGS_MAX
        for n in range(MANY):
            await store.archive(f"f{n}")
        assert held(store) <= READ_LOGS_MAX
        for n in range(MANY):
            assert (await store.head(f"f{n}")).archived
            assert len(await store.read_back(f"f{n}")) == 2
        assert held(store) <= READ_LOGS_MAX


@pytest.mark.slow
@trio_test
async def test_logs_that_are_appended_to_or_followed_stay(tmp_path: Path) -> None:
    await write_many(tmp_path)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for n in range(MANY):
            await said(store, f"s{n}", "more", 1)
        assert held(store) == MANY
        for n in range(MANY):
            store.close(f"s{n}")
        assert held(store) == 0
        heard: list[int] = []

        async def follow(*, task_status: trio.TaskStatus[None]) -> None:
            with store.subscribe("f0") as following:
                while True:
                    heard.extend(record.seq for record in await following.receive())
                    if len(heard) == 2:
                        task_status.started()

        async with trio.open_nursery() as nursery:
            await nursery.start(follow)
            await trio.testing.wait_all_tasks_blocked()
            log = store.open_logs.get("f0")
            for n in range(1, MANY):
                await store.read(f"s{n}")
            assert store.open_logs.get("f0") is log
            await said(store, "f0", "for who follows", 2)
            while len(heard) < 3:
                await trio.lowlevel.checkpoint()
            assert heard == [1, 2, 3]
            nursery.cancel_scope.cancel()


@pytest.mark.slow
@trio_test
async def test_an_evicted_log_is_appended_to_as_before(tmp_path: Path) -> None:
    await write_many(tmp_path)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await store.read("s0")
        for n in range(1, MANY):
            await store.read(f"s{n}")
        assert store.open_logs.get("s0") is None
        await said(store, "s0", "second", 1)
        assert [record.seq for record in await store.read("s0")] == [1, 2]
        assert (await store.verify("s0")).damage is None

"""Lists and searches use an index that may be lost, spoiled or out of date at any time: the answers are the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from builders import STARTED, begun, queued
from codexd.core.events.events import ThreadRenamed
from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from codexd.protocol.wire.rpc import RpcError
from codexd.server.searches import RunningSearches
from daemon_client import Client, connected, listed
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from indexing import LogFile, stream
from trio_test import trio_test

OK = Say(("all is well",))


async def until_listed(client: Client, expected: list[str], **params: object) -> None:
    """Ask until the list is this: what comes from outside is told by the system, at its own time."""
    with trio.fail_after(PATIENCE_SECONDS):
        while await listed(client, **params) != expected:
            pass


def index_of(home: Home) -> Path:
    return home.path / "state" / "index.sqlite"


def remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def spoil(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}-*"):
        file.unlink()
    path.write_bytes(b"no database at all" * 1000)


def spoil_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)


def age(path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=7777")
    connection.close()


def forget_half(path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM thread WHERE no % 2 = 1")
    connection.execute("UPDATE thread SET seq=seq - 1, crc=12345, mtime=0")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "killed"),
    [
        (remove, True),
        (spoil, False),
        (spoil_the_middle, False),
        (spoil_the_middle, True),
        (age, False),
        (forget_half, True),
    ],
)
@trio_test
async def test_with_any_state_of_the_index_the_answers_are_the_same(
    home: Home, harm: Callable[[Path], None], killed: bool
) -> None:
    logs = [LogFile(home.path, stream(number)) for number in range(4)]
    for number, log in enumerate(logs):
        log.add(STARTED, queued(1, f"word{number} common"), begun(1))
    daemon = home.start()
    async with connected(home.socket) as client:
        lists = await client.call("thread/list", sortKey="created_at")
        found = await client.call("thread/search", searchTerm="common", hits=True)
        assert len(lists["data"]) == len(found["data"]) == 4
        if killed:
            daemon.kill()
        else:
            daemon.stop()
    harm(index_of(home))
    home.start()
    async with connected(home.socket) as client:
        await until_listed(client, [thread["id"] for thread in lists["data"]])
        assert await client.call("thread/list", sortKey="created_at") == lists
        assert await client.call("thread/search", searchTerm="common", hits=True) == found


@trio_test
async def test_an_index_that_is_deleted_or_spoiled_under_the_daemon_is_built_again(
    home: Home,
) -> None:
    for number in range(3):
        LogFile(home.path, stream(number)).add(STARTED, queued(1, "here"), begun(1))
    home.start()
    everything = [stream(number) for number in (2, 1, 0)]
    async with connected(home.socket) as client:
        assert await listed(client) == everything
        for harm in (remove, spoil_the_middle, lambda path: shutil.copy("/dev/null", path)):
            harm(index_of(home))
            await until_listed(client, everything)
            found = await client.call("thread/search", searchTerm="here")
            assert len(found["data"]) == 3


@trio_test
async def test_logs_that_others_put_in_change_and_take_away_are_noticed(home: Home) -> None:
    here = LogFile(home.path, stream(1)).add(STARTED, queued(1, "was here"), begun(1))
    home.start()
    async with connected(home.socket) as client:
        assert await listed(client) == [here.name]
        come = LogFile(home.root / "elsewhere", stream(2)).add(STARTED, queued(1, "came"), begun(1))
        target = home.path / come.path.relative_to(home.root / "elsewhere")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(come.path, target)
        await until_listed(client, [come.name, here.name])
        here.add(ThreadRenamed("renamed outside"))
        await until_listed(client, [here.name], searchTerm="renamed outside")
        target.unlink()
        await until_listed(client, [here.name])
        read = await client.refused("thread/read", threadId=come.name)
        assert read.data["code"] == "thread_not_found"


@trio_test
async def test_an_acknowledged_change_is_in_the_next_list(home: Home) -> None:
    async with scripted_model([OK] * 3) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            threads = [await client.begin_thread() for _ in range(3)]
            for thread in threads:
                await client.call("thread/archive", threadId=thread)
                assert thread not in await listed(client)
                assert thread in await listed(client, archived=True)
                await client.call("thread/unarchive", threadId=thread)
                assert thread in await listed(client)
                status = await client.call("server/status")
                assert status["threads"]["total"] == 3


@trio_test
async def test_pages_hold_while_threads_come(daemon: Daemon) -> None:
    daemon.home.use_model("http://127.0.0.1:1/v1")
    async with connected(daemon.home.socket) as client:
        before = [await client.begin_thread() for _ in range(4)][::-1]
        page = await client.call("thread/list", limit=2)
        assert [thread["id"] for thread in page["data"]] == before[:2]
        later = [await client.begin_thread() for _ in range(2)][::-1]
        rest = await client.call("thread/list", limit=2, cursor=page["nextCursor"])
        assert [thread["id"] for thread in rest["data"]] == before[2:]
        back = await client.call("thread/list", sortDirection="asc", cursor=page["backwardsCursor"])
        assert [thread["id"] for thread in back["data"]][-2:] == later[::-1]
        refused = await client.refused("thread/list", archived=True, cursor=page["nextCursor"])
        assert "other filters" in refused.message
        for cursor in ("", "rubbish", "AAAA", page["nextCursor"][4:]):
            refused = await client.refused("thread/list", cursor=cursor)
            assert "invalid cursor" in refused.message


@trio_test
async def test_a_search_streams_what_it_has_found(home: Home) -> None:
    threads = [stream(number) for number in range(25)]
    for thread in threads:
        LogFile(home.path, thread).add(STARTED, queued(1, "needle"), begun(1))
    home.start()
    async with connected(home.socket) as client:
        await until_listed(client, threads[::-1])
        plain = await client.call("thread/search", searchTerm="needle", limit=22)
        streamed = await client.call("thread/search/stream", searchTerm="needle", limit=22)
        assert streamed == plain
        assert len(plain["data"]) == 22
        told = client.of("thread/search/partial")
        assert [len(note.params["data"]) for note in told] == [10, 10]
        found = [result for note in told for result in note.params["data"]]
        assert found == plain["data"][:20]
        assert len({note.params["requestId"] for note in told}) == 1
        rest = await client.call(
            "thread/search/stream", searchTerm="needle", cursor=plain["nextCursor"]
        )
        assert len(rest["data"]) == 3
        for method in ("thread/search/cancel", "thread/search/stream/cancel"):
            assert await client.call(method, requestId="over") == {}
        for term in ("", "x" * 70_000):
            refused = await client.refused("thread/search/stream", searchTerm=term)
            assert "searchTerm" in refused.message


@trio_test
async def test_a_search_that_is_cancelled_says_so() -> None:
    searches = RunningSearches()

    async def search() -> None:
        with searches.running("codex-tui:1", 7):
            searches.cancel("codex-tui:2", 7)  # Another connection's.
            await trio.lowlevel.checkpoint()
            searches.cancel("codex-tui:1", 7)
            await trio.sleep_forever()

    with pytest.raises(RpcError, match="the search was cancelled"):
        await search()
    searches.cancel("codex-tui:1", 7)


@trio_test
async def test_filters_follow_the_schema(daemon: Daemon) -> None:
    daemon.home.use_model("http://127.0.0.1:1/v1")
    async with connected(daemon.home.socket, name="filter-tests") as client:
        thread = await client.begin_thread()
        mine = {"originators": ["filter-tests"]}
        assert await listed(client, **mine) == [thread]
        assert await listed(client, originators=["somebody"]) == []
        assert await listed(client, **mine, sourceKinds=["cli", "vscode"]) == [thread]
        assert await listed(client, **mine, sourceKinds=[]) == [thread]
        assert await listed(client, **mine, sourceKinds=["exec", "appServer"]) == []
        job = await client.begin_thread(source="exec")
        assert await listed(client, **mine) == [thread]
        assert await listed(client, **mine, sourceKinds=["exec"]) == [job]
        assert await listed(client, **mine, sourceKinds=["subAgent"]) == []
        assert await listed(client, **mine, ancestorThreadId=thread) == []
        assert await listed(client, meant=thread[:13]) == [thread]
        assert await listed(client, **mine, excludedThreadIds=[thread]) == []
        assert await listed(client, **mine, includedThreadIds=[thread, stream(1)]) == [thread]
        assert await listed(client, **mine, includedThreadIds=[]) == []
        for params in (
            {"excludedThreadIds": ["no id"]},
            {"excludedThreadIds": [thread] * 101},
            {"includedThreadIds": ["no id"]},
            {"includedThreadIds": [thread] * 101},
            {"ancestorThreadId": thread, "parentThreadId": thread},
        ):
            await client.refused("thread/list", **params)


@trio_test
async def test_a_turn_is_found_by_all_that_it_showed_and_shown_where_it_is(home: Home) -> None:
    call = Call("shell_command", '{"command":"echo needle-in-output"}')
    async with scripted_model([call, OK, OK]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "look for src/hay_stack.py")
            await client.run_turn(thread, "again: LOOK for it")
            for typed, kinds in (
                ("hay_stack.py", ["prompt"]),
                ("all is well", ["answer", "answer"]),
                ("echo needle", ["command"]),
                ("needle-in-output", ["command", "output"]),
            ):
                (found,) = (await client.call("thread/search", searchTerm=typed, hits=True))["data"]
                assert found["thread"]["id"] == thread
                assert [hit["kind"] for hit in found["hits"]] == kinds
                assert found["snippet"] == found["hits"][0]["snippet"]
            assert (await client.call("thread/search", searchTerm="nowhere"))["data"] == []
            await client.refused("thread/search", searchTerm=" ")
            places = await client.call(
                "thread/searchOccurrences", threadId=thread, searchTerm="look FOR", limit=1
            )
            more = await client.call(
                "thread/searchOccurrences",
                threadId=thread,
                searchTerm="look FOR",
                cursor=places["nextCursor"],
            )
            assert more["nextCursor"] is None
            for cursor, direction in zip(
                [*places["data"], *more["data"]], ("desc", "asc"), strict=True
            ):
                page = await client.call(
                    "thread/turns/list",
                    threadId=thread,
                    cursor=cursor["turnCursor"],
                    limit=1,
                    sortDirection=direction,
                )
                assert [turn["id"] for turn in page["data"]] == [cursor["turnId"]]
                cut = cursor["snippetMatchRange"]
                assert cursor["snippet"][cut["start"] : cut["end"]].lower() == "look for"

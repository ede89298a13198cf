"""Starting, naming, listing, archiving and unarchiving threads."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Hang, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Json, connected, listed
from daemon_house import Daemon, Home
from daemon_screen import answers, texts_of
from paused_model import Held, held_model
from trio_test import trio_test

OK = Say(("ok",))


@trio_test
async def test_a_thread_starts_with_the_requested_settings_and_else_with_the_configs(
    daemon: Daemon,
) -> None:
    daemon.home.use_model("http://127.0.0.1:1/v1", more='model_reasoning_effort = "low"')
    async with connected(daemon.home.socket, name="my-terminal") as client:
        started = await client.call("thread/start")
        assert (started["model"], started["modelProvider"]) == ("scripted", "scripted")
        assert started["cwd"] == str(daemon.home.root)
        assert started["approvalPolicy"] == "never"
        assert started["sandbox"] == {"type": "dangerFullAccess"}
        assert started["reasoningEffort"] == "low"
        assert started["thread"]["originator"] == "my-terminal"
        assert started["thread"]["status"] == {"type": "idle"}
        asked = await client.call(
            "thread/start",
            cwd="w",
            model="other",
            approvalPolicy="on-request",
            sandbox="read-only",
            config={"model_reasoning_effort": "high"},
        )
        assert (asked["model"], asked["cwd"]) == ("other", str(daemon.home.work))
        assert asked["reasoningEffort"] == "high"


@trio_test
async def test_a_client_gets_the_policies_that_are_enforced(daemon: Daemon) -> None:
    daemon.home.use_model("http://127.0.0.1:1/v1")
    asked = {"approvalPolicy": "on-request", "sandbox": "danger-full-access"}
    async with connected(daemon.home.socket) as client:
        started = await client.call("thread/start", **asked)
        thread = started["thread"]["id"]
        resumed = await client.call("thread/resume", threadId=thread)
        forked = await client.call("thread/fork", threadId=thread, **asked)
        await client.call(
            "thread/settings/update",
            threadId=thread,
            approvalPolicy={"granular": {"rules": False}},
            sandboxPolicy={"type": "dangerFullAccess"},
        )
        note = await client.until_notified("thread/settings/updated")
        for answer in (started, resumed, forked):
            assert answer["approvalPolicy"] == "untrusted"
            assert answer["sandbox"] == {"type": "dangerFullAccess"}
        updated = note.params["threadSettings"]
        assert updated["approvalPolicy"] == "untrusted"
        assert updated["sandboxPolicy"] == {"type": "dangerFullAccess"}


@trio_test
async def test_a_new_thread_is_there_after_a_crash_and_can_be_attached_before_its_first_message(
    home: Home,
) -> None:
    async with scripted_model([OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread = await client.start_thread()
            await other.call("thread/resume", threadId=thread)
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            assert await listed(client) == []  # Nobody has said anything in it.
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "hello")
            assert answers(client) == ["ok"]
            assert await listed(client) == [thread]


@trio_test
async def test_a_list_is_sorted_filtered_and_paged(home: Home) -> None:
    async with scripted_model([OK] * 20) as model:
        home.use_model(model.base_url)
        home.start()
        folder = home.root / "other"
        folder.mkdir()
        async with connected(home.socket) as client:
            threads = [await client.start_thread() for _ in range(4)]
            threads.append(await client.start_thread(cwd=str(folder)))
            for thread in threads:
                await client.begin(thread, "find me" if thread == threads[1] else "begin")
            assert await listed(client) == threads[::-1]
            assert await listed(client, sortDirection="asc") == threads
            await client.run_turn(threads[1], "again")
            newest = [threads[1], *[thread for thread in threads[::-1] if thread != threads[1]]]
            for key in ("updated_at", "recency_at"):
                assert await listed(client, sortKey=key) == newest
            assert await listed(client, sortKey="created_at") == threads[::-1]
            for limit in (1, 2, 3, 5):
                assert await listed(client, limit=limit) == threads[::-1]
                assert await listed(client, limit=limit, sortDirection="asc") == threads
            assert await listed(client, cwd=str(folder)) == threads[4:]
            both = [str(folder), str(home.root)]
            assert await listed(client, cwd=both) == threads[::-1]
            assert await listed(client, searchTerm="FIND") == [threads[1]]
            assert await listed(client, modelProviders=["nobody"]) == []
            assert await listed(client, modelProviders=[]) == threads[::-1]
            assert await listed(client, excludedThreadIds=threads[:4]) == threads[4:]
            page = await client.call("thread/list", limit=2)
            back = await client.call(
                "thread/list", sortDirection="asc", cursor=page["backwardsCursor"]
            )
            assert [entry["id"] for entry in back["data"]] in ([], [threads[4]])
            loaded = await client.call("thread/loaded/list")
            assert sorted(loaded["data"]) == sorted(threads)


@trio_test
async def test_an_unreadable_log_is_in_lists_with_its_repair(home: Home) -> None:
    async with scripted_model([OK] * 2) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            good, bad = await client.start_thread(), await client.start_thread()
            for thread in (good, bad):
                await client.run_turn(thread, "hello")
            (path,) = [log for log in home.logs() if bad in log.name]
            daemon.stop()
        damaged = path.read_bytes().replace(b"hello", b"HELLO", 1)
        path.write_bytes(damaged)
        daemon = home.start()
        async with connected(home.socket) as client:
            assert await listed(client) == [bad, good]
            daemon.wait_said(f"thread {bad} is damaged")
            refusal = await client.refused("thread/resume", threadId=bad)
            assert refusal.data["code"] == "thread_damaged"
            await client.call("thread/resume", threadId=good)
        assert path.read_bytes() == damaged


@trio_test
async def test_all_clients_get_a_new_name_and_it_stays(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
        thread = await client.begin_thread()
        await client.call("thread/name/set", threadId=thread, name="  my \n thread ")
        note = await other.until_notified("thread/name/updated", threadId=thread)
        assert note.params["threadName"] == "my thread"
        read = await client.call("thread/read", threadId=thread)
        assert read["thread"]["name"] == "my thread"
        assert await listed(client, searchTerm="my thread") == [thread]
        await client.call("thread/name/set", threadId=thread, name="")
        read = await client.call("thread/read", threadId=thread)
        assert read["thread"]["name"] is None
        await client.call("thread/name/set", threadId=thread, name="x" * 100_000)
        warned = await client.until_notified("warning")
        assert "has 100000 characters" in warned.params["message"]
        read = await client.call("thread/read", threadId=thread)
        assert read["thread"]["name"] == "x" * 199 + "…"


@trio_test
async def test_an_archived_thread_moves_reads_and_can_be_unarchived(daemon: Daemon) -> None:
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            await client.call("thread/archive", threadId=thread)
            for peer in (client, other):
                await peer.until_notified("thread/archived", threadId=thread)
                await peer.until_notified("thread/closed", threadId=thread)
            assert thread not in await listed(client)
            assert thread in await listed(client, archived=True)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> hello", "ok"]
            assert Path(read["thread"]["path"]).parent.name == "archived"
            back = await client.call("thread/unarchive", threadId=thread)
            assert back["thread"]["id"] == thread
            await other.until_notified("thread/unarchived", threadId=thread)
            assert thread in await listed(client)
            refusal = await client.refused("thread/unarchive", threadId=thread)
            assert refusal.data["code"] == "thread_not_archived"
            quiet = len(client.notified)
            await other.call("thread/resume", threadId=thread)
            await other.run_turn(thread, "again")
            assert client.of("turn/completed") == client.of("turn/completed")[:1]
            assert all(message.seq is None for message in client.notified[quiet:])
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> hello", "ok", "> again", "ok"]


@trio_test
async def test_to_archive_ends_the_running_turn(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            queued = await client.start_turn(thread, "never")
            await client.until_notified("item/agentMessage/delta")
            await client.call("thread/archive", threadId=thread)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            await model.wait_clients_gone(1)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> hello", "wait"]
            assert queued not in [turn["id"] for turn in read["thread"]["turns"]]


@pytest.mark.parametrize("to_archive", [True, False])
@trio_test
async def test_killed_between_the_event_and_the_move_an_archiving_can_be_finished_or_undone(
    home: Home, to_archive: bool
) -> None:
    async with scripted_model([OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            (path,) = home.logs()
            await client.call("thread/archive", threadId=thread)
            daemon.kill()
        # As if it had died in front of the move.
        (moved,) = home.logs()
        moved.rename(path)
        home.start()
        async with connected(home.socket) as client:
            refusal = await client.refused("thread/resume", threadId=thread)
            assert refusal.data["code"] == "thread_archived"
            if to_archive:
                await client.call("thread/archive", threadId=thread)
                assert home.logs() == [moved]
            await client.call("thread/unarchive", threadId=thread)
            assert home.logs() == [path]
            await client.call("thread/resume", threadId=thread)
            assert (await client.run_turn(thread, "hello"))["status"] == "completed"


@trio_test
async def test_an_ephemeral_thread_is_nowhere_on_disk(home: Home) -> None:
    async with scripted_model([Say(("secret word",))] * 2) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            started = await client.call("thread/start", ephemeral=True)
            thread = started["thread"]["id"]
            assert (started["thread"]["ephemeral"], started["thread"]["path"]) == (True, None)
            await client.run_turn(thread, "secret prompt")
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert texts_of(read["thread"]) == ["> secret prompt", "secret word"]
            child = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.run_turn(child, "secret prompt")
            assert await listed(client) == []
            refusal = await client.refused("thread/archive", threadId=thread)
            assert refusal.data["code"] == "thread_ephemeral"
            assert home.logs() == []
            for file in home.path.rglob("*"):
                assert not file.is_file() or b"secret" not in file.read_bytes()


@trio_test
async def test_the_raw_log_reads_verbatim(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            records: list[Json] = []
            after: int | None = 0
            while after is not None:
                page = await client.call("thread/log/read", threadId=thread, after=after, limit=3)
                records += page["records"]
                after = page["nextAfter"]
            assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
            assert records[0]["type"] == "thread.started"
            assert records[-1]["type"] == "turn.completed"


@trio_test
async def test_clients_that_archive_or_follow_get_the_prompts_that_will_not_run(home: Home) -> None:
    async with held_model([Held(Say(("a", "b")), after=1)]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread = await client.start_thread()
            for prompt in ("one", "two", "three"):
                await client.start_turn(thread, prompt)
            await model.holding.wait()
            done = await other.call("thread/archive", threadId=thread)
            assert done == {"withdrawn": 2}
            note = await client.until_notified("warning", threadId=thread)
            assert note.params["message"].startswith("2 prompts that waited for a turn")
            await client.until_notified("thread/queue/changed", threadId=thread)
            await other.call("thread/unarchive", threadId=thread)
            assert await other.call("thread/archive", threadId=thread) == {}


@trio_test
async def test_a_thread_that_is_being_made_is_in_no_list_until_its_log_has_it(
    daemon: Daemon,
) -> None:
    async with connected(daemon.home.socket) as maker, connected(daemon.home.socket) as looker:

        async def look() -> None:
            for _ in range(30):
                for thread in (await looker.call("thread/loaded/list"))["data"]:
                    assert (await looker.call("thread/read", threadId=thread))["thread"]["cwd"]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            for _ in range(10):
                nursery.start_soon(maker.start_thread)

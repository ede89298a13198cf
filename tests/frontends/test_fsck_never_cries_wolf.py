"""A whole home is reported as whole during any work; an unreadable file is not reported as damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.server import scripted_model
from codexd_frontends.ctl import main
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from rollout_files import files_of
from trio_test import trio_test

from . import said
from .codexctl import Ended, codexctl
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]


async def fsck(home: Home, *words: str) -> Ended:
    return await trio.to_thread.run_sync(lambda: codexctl(home, "fsck", *words))


async def assert_whole(home: Home) -> None:
    """fsck has one line to say, and it is a good one."""
    done = await fsck(home)
    assert (done.code, done.err) == (0, ""), done
    (line,) = done.out.splitlines()
    assert line.endswith(" checked: all whole"), done


async def with_a_past(client: Client, folder: Path) -> list[str]:
    """Threads of all kinds; those that go on working."""
    thread = (await client.call("thread/start", idempotencyKey="one"))["thread"]["id"]
    assert (await client.call("thread/start", idempotencyKey="one"))["thread"]["id"] == thread
    turns = [
        (await client.run_turn(thread, prompt, idempotencyKey=prompt))["id"]
        for prompt in ("run head -c 100000 /dev/zero | tr '\\0' x", "think 3", "say 9", "fail 400")
    ]
    forks = [
        (await client.call("thread/fork", threadId=thread, **at))["thread"]["id"]
        for at in (
            {},
            {"lastTurnId": turns[0]},
            {"beforeTurnId": turns[0]},
            {"idempotencyKey": "f"},
        )
    ]
    await client.run_turn(forks[0], "say 3")
    child = (await client.call("thread/fork", threadId=forks[0]))["thread"]["id"]
    await client.run_turn(child, "say 2")
    await client.call("thread/revert", threadId=forks[0], beforeTurnId=turns[2])
    await client.call("thread/name/set", threadId=child, name="named\nso")
    compacted = await client.call("thread/compact/start", threadId=child)
    await client.turn_ended(compacted["turnId"])
    await client.call("thread/scrub", threadId=child, patterns=["x{50}"], seqs=[], known=False)
    review = {"type": "custom", "instructions": "say 1"}
    reviewed = await client.call("review/start", threadId=child, target=review, delivery="inline")
    await client.turn_ended(reviewed["turn"]["id"])
    await client.call("thread/import", paths=[str(path) for path in files_of(1)])
    package = str(folder / "package")
    await client.call("thread/export", threadId=child, path=package)
    await client.call("thread/archive", threadId=forks[1])
    await client.call("thread/archive", threadId=forks[0])  # the parent of one that goes on
    await client.call("thread/delete", threadId=forks[2])
    await client.call("thread/import", paths=[package])
    ephemeral = await client.start_thread(ephemeral=True)
    await client.run_turn(ephemeral, "say 1")
    return [thread, child, forks[3]]


@pytest.mark.slow
@trio_test
async def test_a_home_of_every_kind_of_thread_is_whole_at_rest_at_work_and_after_a_crash(
    home: Home, tmp_path: Path
) -> None:
    daemon = home.start()
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            await assert_whole(home)  # of nothing
            threads = await with_a_past(client, tmp_path)
            await assert_whole(home)
            await client.start_turn(threads[0], "hang 60")  # a draft is open
            await client.start_turn(threads[1], "run sleep 60")  # an output grows
            await client.call(
                "turn/start", threadId=threads[1], input=[{"type": "text", "text": "later"}]
            )
            asks = await client.start_thread(approvalPolicy="untrusted")
            await client.start_turn(asks, "run touch asked")
            await client.until_asked()
            await assert_whole(home)
        daemon.kill()
        daemon = home.start()
        await assert_whole(home)
        daemon.stop()
        home.start()
        await assert_whole(home)
        answer = await fsck(home, threads[0])
        assert (answer.code, answer.err) == (0, "")


@pytest.mark.slow
@trio_test
async def test_a_home_whose_threads_grow_move_and_go_while_they_are_checked_is_whole(
    home: Home,
) -> None:
    home.start()
    over = trio.Event()
    async with scripted_model() as model:
        home.use_model(model.base_url)

        async def works(number: int) -> None:
            async with connected(home.socket) as client:
                thread = await client.start_thread(idempotencyKey=f"at work {number}")
                while not over.is_set():
                    await client.run_turn(thread, "say 40")
                    fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
                    await client.call("thread/archive", threadId=fork)
                    await client.call("thread/unarchive", threadId=fork)
                    await client.call("thread/delete", threadId=fork)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(works, number)
            for _ in range(6):
                await assert_whole(home)
            over.set()


def answering(fake: FakeDaemon, *threads: str) -> None:
    rows = [{"threadId": thread, "archived": False, "sizeBytes": 1} for thread in threads]
    fake.answer("store/streams", {"data": rows, "nextAfter": None})
    fake.answer("store/blobs/verify", {"checked": 1, "total": 1, "damaged": [], "nextAfter": None})


def test_an_unreadable_file_is_reported_as_unreadable_and_not_salvaged(
    tmp_path: Path, capfd: Captured
) -> None:
    denied = "[Errno 13] Permission denied: 'a.jsonl'"
    with FakeDaemon(tmp_path) as fake:
        answering(fake, said.THREAD)
        fake.refuse("thread/verify", denied, -32603, reason="storage_failed")
        blob = {"sha256": "ab" * 32, "damage": "[Errno 5] Input/output error"}
        page = {"checked": 1, "total": 1, "damaged": [], "unreadable": [blob], "nextAfter": None}
        fake.answer("store/blobs/verify", page)
        assert main(["--socket", fake.path, "fsck"]) == 1
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"{said.THREAD} could not be read, so nothing is known of it: {denied}",
        f"blob {'ab' * 32} could not be read, so nothing is known of it: [Errno 5] Input/output error",
        "0 logs with 0 records and 1 large outputs checked: all whole; 2 could not be read",
    ]


def test_a_thread_that_is_deleted_after_it_was_listed_is_not_missed(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        answering(fake, said.THREAD)
        gone = f"thread not found: {said.THREAD}"
        fake.refuse("thread/verify", gone, reason="thread_not_found")
        assert main(["--socket", fake.path, "fsck"]) == 0
        assert "all whole\n" in capfd.readouterr().out
        assert main(["--socket", fake.path, "fsck", said.THREAD]) == 1
        assert gone in capfd.readouterr().out


def test_a_damaged_log_is_still_called_damaged(tmp_path: Path, capfd: Captured) -> None:
    def verdict(request: Json) -> list[Json]:
        found = {"threadId": said.THREAD, "archived": False, "records": 1, "damage": "it is broken"}
        return [{"id": request["id"], "result": found}]

    with FakeDaemon(tmp_path) as fake:
        answering(fake, said.THREAD)
        fake.answer_by("thread/verify", verdict)
        assert main(["--socket", fake.path, "fsck"]) == 1
    out = capfd.readouterr().out
    assert "1 damaged" in out
    assert "codexctl fsck --salvage" in out


async def after_one_turn(home: Home) -> tuple[Daemon, str]:
    """A daemon that runs, and its thread."""
    daemon = home.start()
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "say 1")
    return daemon, thread


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@trio_test
async def test_a_log_of_mode_000_is_not_called_damaged(home: Home) -> None:
    daemon, thread = await after_one_turn(home)
    daemon.stop()
    (log,) = home.logs()
    log.chmod(0)
    home.start()
    done = await fsck(home)
    log.chmod(0o600)
    assert done.code == 1
    assert f"{thread} could not be read" in done.out
    assert "salvage" not in done.out


@pytest.mark.slow
@trio_test
async def test_an_append_that_a_crash_cut_off_is_reported_and_is_no_damage(home: Home) -> None:
    daemon, thread = await after_one_turn(home)
    daemon.kill()
    (log,) = home.logs()
    with log.open("ab") as end:
        end.write(b'{"seq":9')
    home.start()
    done = await fsck(home)
    assert done.code == 0, done
    assert f"{thread}: an append from record" in done.out
    assert "8 bytes are cut off and kept beside the log when it is opened next" in done.out
    assert done.out.splitlines()[-1].endswith(" checked: all whole")

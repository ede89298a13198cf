"""Whatever lies where a thread's log, its draft or a file beside them should be, concerns that thread alone.

Every kind of damage is done to a thread of its own, all of them marked as left in mid-turn, and one real daemon
starts on all of that: it serves, the healthy threads run, and the damaged ones stand in the list and in the
daemon's status, each with what is wrong and what mends it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from builders import FIRST_TURN, STARTED
from codexd.core.events.events import TurnCompleted
from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from codexd.runtime.troubles import MEND_UNKNOWN
from codexd_eventstore.store import NewEvent
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import texts_of
from indexing import LogFile, stream
from trio_test import trio_test

Damage = Callable[[LogFile], object]
LONG_AGO = 1_700_000_000


def replaced(old: bytes, new: bytes) -> Damage:
    """Some bytes are others."""

    def damage(log: LogFile) -> None:
        content = log.path.read_bytes()
        assert old in content
        log.path.write_bytes(content.replace(old, new, 1))

    return damage


def written(content: Callable[[bytes], bytes]) -> Damage:
    """The file has another content."""
    return lambda log: log.path.write_bytes(content(log.path.read_bytes()))


def instead(make: Callable[[Path], object]) -> Damage:
    """Something else lies there."""

    def damage(log: LogFile) -> None:
        log.path.unlink()
        make(log.path)

    return damage


def added(type_: str, data: bytes, *, v: int = 1) -> Damage:
    """A record with the right checksum follows."""
    return lambda log: log.add_raw(NewEvent(type_, data, v))


def begun_with(type_: str, data: bytes, *, v: int = 1) -> Damage:
    """Such a record is all that there is."""

    def damage(log: LogFile) -> None:
        log.path.unlink()
        LogFile(log.home, log.name).add_raw(NewEvent(type_, data, v))

    return damage


NESTED = b'{"turnId":' + b"[" * 5000 + b"]" * 5000 + b"}"
SETTINGS_OF_TOMORROW = (
    b'{"turnId":"t9","settings":{"cwd":"/w","model":"m","provider":"p","approvalPolicy":"guess",'
    b'"sandbox":"workspace-write"},"inputs":[]}'
)

# What happens to the log of a thread, so that it cannot be worked with.
LOGS: dict[str, Damage] = {
    "a bit of the first record flips": replaced(b'"originator":"tests"', b'"originator":"tescs"'),
    "a bit in the middle flips": replaced(b'"go"', b'"no"'),
    "zeros lie over the middle": written(lambda old: old[:300] + bytes(100) + old[400:]),
    "its first record is another thread's": written(lambda old: old[old.index(b"\n") + 1 :]),
    "it is a folder": instead(Path.mkdir),
    "it is a link to itself": instead(lambda path: path.symlink_to(path)),
    "an enum has a word of tomorrow": added("turn.started", SETTINGS_OF_TOMORROW),
    "a member has another type": added("input.queued", b'{"itemId":7,"turnId":"t","content":[]}'),
    "a member is missing": added("turn.failed", b"{}"),
    "a version that there never was": added("turn.completed", b"{}", v=-1),
    "nested deeper than anybody writes": added("turn.started", NESTED),
    "it begins without a beginning": begun_with("thread.renamed", b'{"name":"a"}'),
    "settings of nothing": begun_with("thread.settings_changed", b'{"change":{}}'),
    "it began in a version of tomorrow": begun_with("thread.started", b"{}", v=99),
}


def drafted(*lines: bytes, header: bytes | None = None) -> Damage:
    """A draft was left, with these lines."""

    def damage(log: LogFile) -> None:
        folder = log.home / "drafts" / log.name
        folder.mkdir(parents=True)
        known = json.dumps({"itemId": "d1", "kind": "message", "startedMs": 1}).encode()
        content = b"\n".join([known if header is None else header, *lines])
        folder.joinpath("0001-item-1").write_bytes(content)

    return damage


def folder_for_a_draft(log: LogFile) -> None:
    (log.home / "drafts" / log.name / "0001-item-1").mkdir(parents=True)


def file_for_the_drafts(log: LogFile) -> None:
    (log.home / "drafts").mkdir(exist_ok=True)
    (log.home / "drafts" / log.name).write_bytes(b"what")


A, B = b'["text",0,"first "]', b'["text",0,"last"]'
# What a power cut leaves of a draft, and what of its text is kept.
DRAFTS: dict[str, tuple[Damage, str | None]] = {
    "64 zero bytes in the middle": (drafted(A, bytes(64), B, b""), "first last"),
    "zeros in front of a line": (drafted(A, bytes(64) + B, b""), "first "),
    "zeros at the end": (drafted(A, B, bytes(64)), "first last"),
    "no UTF-8": (drafted(A, b'["text",0,"\xff\xfe"]', B, b""), "first last"),
    "lines of another kind": (drafted(A, b"[1,2,3,4]", b"{}", b'["text",-1]', b""), "first "),
    "a part of tomorrow": (drafted(A, b'["smell",0,"x"]', b""), "first "),
    "nesting": (drafted(A, b"[" * 9000, b""), "first "),
    "a torn last line": (drafted(A, B[:-3]), "first "),
    "a header of zeros": (drafted(A, b"", header=bytes(80)), None),
    "a header of another kind": (drafted(A, b"", header=b"[]"), None),
    "a header that is no UTF-8": (drafted(A, b"", header=b'{"itemId":"\xff"}'), None),
    "nothing but zeros": (drafted(header=bytes(64)), None),
    "an empty file": (drafted(header=b""), None),
    "a folder in the place of a draft": (folder_for_a_draft, None),
    "a file in the place of the folder": (file_for_the_drafts, None),
}


def marked(home: Home, logs: Sequence[LogFile]) -> None:
    """A dead daemon has left them all in mid-turn."""
    folder = home.path / "state" / "unfinished"
    folder.mkdir(parents=True, exist_ok=True)
    for log in logs:
        folder.joinpath(log.name).touch()


def made(home: Home, count: int) -> list[LogFile]:
    """Threads whose first turn has just called the model."""
    return [LogFile(home.path, stream(number)).add(*FIRST_TURN) for number in range(1, count + 1)]


async def listing(client: Client) -> dict[str, Json]:
    answer = await client.call("thread/list", limit=100)
    return {thread["id"]: thread for thread in answer["data"]}


async def a_healthy_thread_runs(client: Client) -> str:
    thread = await client.start_thread()
    turn = await client.run_turn(thread, "hello")
    assert turn["status"] == "completed"
    return thread


async def check_trouble(client: Client, listed: Json, status: Json, thread: str) -> None:
    """The thread is in the list and in the status with what mends it, and says why to who asks for it."""
    (trouble,) = [found for found in status["troubles"] if found["threadId"] == thread]
    assert trouble["reason"]
    assert trouble["mend"]
    assert not trouble["waits"]
    assert listed[thread]["status"] == {"type": "systemError"}
    assert trouble["reason"] in listed[thread]["trouble"]
    assert trouble["mend"] in listed[thread]["trouble"]
    for method in ("thread/read", "thread/resume"):
        refusal = await client.refused(method, threadId=thread, includeTurns=True)
        assert refusal.data["code"] in ("thread_damaged", "storage_failed"), refusal
        if refusal.data["code"] == "thread_damaged":
            told = ("codexctl fsck", MEND_UNKNOWN, "no record in")
            assert any(words in refusal.message for words in told), refusal


@pytest.mark.parametrize("index", ["with an index", "without an index"])
@trio_test
async def test_an_unreadable_log_is_in_the_list_and_disturbs_no_other(
    home: Home, index: str
) -> None:
    logs = made(home, len(LOGS) + 1)
    *damaged, whole = logs
    whole.add(TurnCompleted())
    for log, damage in zip(damaged, LOGS.values(), strict=True):
        damage(log)
    marked(home, logs)
    if index == "without an index":
        home.path.joinpath("state", "index.sqlite").mkdir()
    async with scripted_model([Say(("one",))] * 2) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            fresh = await a_healthy_thread_runs(client)
            # Lists know all of them once each was tried.
            for log in damaged:
                await client.refused("thread/resume", threadId=log.name)
            listed = await listing(client)
            status = await client.call("server/status")
            for what, log in zip(LOGS, damaged, strict=True):
                try:
                    await check_trouble(client, listed, status, log.name)
                except BaseException as error:
                    error.add_note(what)
                    raise
            assert "trouble" not in listed[whole.name]
            assert "trouble" not in listed[fresh]
            read = await client.call("thread/read", threadId=whole.name, includeTurns=True)
            assert texts_of(read["thread"])[0] == "> go"
        assert daemon.stop() == 0


NOTHING_LEFT = (b"", bytes(900), b"\xfe rubbish\n" * 99)


@pytest.mark.parametrize("index", ["with an index", "without an index"])
@trio_test
async def test_a_lost_log_is_distinguished_from_a_log_that_never_began(
    home: Home, index: str
) -> None:
    async with scripted_model([Say(("one",))] * 4) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            spoilt = {await a_healthy_thread_runs(client): content for content in NOTHING_LEFT}
        assert daemon.stop() == 0
        logs = {log.stem: log for log in home.logs()}
        assert logs.keys() == spoilt.keys()
        for thread, content in spoilt.items():
            logs[thread].write_bytes(content)
            os.utime(logs[thread], (LONG_AGO, LONG_AGO))
        if index == "without an index":
            for file in home.path.glob("state/index.sqlite*"):
                file.unlink()
            home.path.joinpath("state", "index.sqlite").mkdir()
        daemon = home.start()
        async with connected(home.socket) as client:
            await a_healthy_thread_runs(client)
            for thread in spoilt:
                await client.refused("thread/resume", threadId=thread)
            status, listed = await client.call("server/status"), await listing(client)
            for thread in spoilt:
                await check_trouble(client, listed, status, thread)
        assert daemon.stop() == 0
        assert {thread: logs[thread].read_bytes() for thread in spoilt} == spoilt


@trio_test
async def test_the_whole_lines_of_a_draft_are_recovered_from_any_content(home: Home) -> None:
    logs = made(home, len(DRAFTS))
    for log, (damage, _) in zip(logs, DRAFTS.values(), strict=True):
        damage(log)
    marked(home, logs)
    async with scripted_model([Say(("one",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            await a_healthy_thread_runs(client)
            for (what, (_, kept)), log in zip(DRAFTS.items(), logs, strict=True):
                await client.call("thread/resume", threadId=log.name)
                read = await client.call("thread/read", threadId=log.name, includeTurns=True)
                shown = texts_of(read["thread"])
                assert shown[:1] == ["> go"], what
                assert [text for text in shown[1:] if text] == ([kept] if kept else []), what
            status = await client.call("server/status")
            assert status["troubles"] == []
        assert daemon.stop() == 0


def rubbish(path: Path) -> None:
    path.write_bytes(b"\x00\xff rubbish \n" * 20)


def odd_names(path: Path) -> None:
    """A folder of names and files that nobody here writes."""
    path.mkdir(parents=True)
    for name in ("rubbish", "..x", "²", "999999999999999999999999", "-1", "0", "a b\n", "1"):
        path.joinpath(name).write_bytes(bytes(64))
    path.joinpath("7").mkdir()
    path.joinpath("8").symlink_to("8")
    path.joinpath(stream(99)).write_bytes(b"")  # of a thread that is gone
    path.joinpath(stream(1).upper()).write_bytes(b"")


def moved_aside(path: Path) -> None:
    """A file of rubbish where a folder should be, or a folder where a file should be."""
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}.was"))
        rubbish(path)
    else:
        path.unlink(missing_ok=True)
        path.mkdir()


BESIDE = (
    *("unfinished", "processes", "notes", "snapshots", "index.sqlite", "consumers"),
    *("keeper", "sandbox"),
)


@pytest.mark.parametrize("how", ["rubbish", "odd names", "another kind of file"])
@trio_test
async def test_with_anything_in_the_state_folder_the_daemon_starts_and_serves(
    home: Home, how: str
) -> None:
    async with scripted_model([Say(("one",))] * 4) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await a_healthy_thread_runs(client)
        first.kill()
        state = home.path / "state"
        for name in {*BESIDE, *(path.name for path in state.iterdir())}:
            spoil(state / name, how)
        daemon = home.start()
        async with connected(home.socket) as client:
            await a_healthy_thread_runs(client)
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "again")
            assert thread in await listing(client)
            status = await client.call("server/status")
            assert status["troubles"] == []
        assert daemon.stop() == 0


def spoil(path: Path, how: str) -> None:
    if how == "another kind of file":
        moved_aside(path)
    elif how == "odd names" and (path.is_dir() or not path.exists()):
        if path.is_dir():
            path.rename(path.with_name(f"{path.name}.was"))
        odd_names(path)
    else:
        for file in [path] if path.is_file() else path.rglob("*") if path.is_dir() else ():
            if file.is_file():
                rubbish(file)


@pytest.mark.parametrize("damage", [written(lambda old: b"rubbish\n" + old), instead(Path.mkdir)])
@trio_test
async def test_a_broken_stream_of_the_daemons_own_refuses_keys_and_nothing_else(
    home: Home, damage: Damage
) -> None:
    async with scripted_model([Say(("one",))] * 2) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            await client.call("thread/start", idempotencyKey="k")
        first.kill()
        own = LogFile(home.path, "daemon")
        assert own.path.exists()
        damage(own)
        daemon: Daemon = home.start()
        async with connected(home.socket) as client:
            await client.refused("thread/start", idempotencyKey="l")
            await a_healthy_thread_runs(client)
        assert daemon.stop() == 0


def test_the_table_of_damages_is_not_empty() -> None:
    assert len(LOGS) >= 14
    assert len(DRAFTS) >= 15
    assert STARTED.originator == "tests"  # what the first damage counts on

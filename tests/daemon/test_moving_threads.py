"""Threads move: out of a daemon as a file and into another, byte for byte; and in from Codex's rollouts."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from codexd.runtime.daemon_stream import DAEMON_STREAM
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import NewEvent
from daemon_client import Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from daemon_screen import texts_of
from rollout_files import HOME as ROLLOUTS
from rollout_files import (
    answered,
    asked,
    called,
    counted,
    event,
    files_of,
    lines,
    meta,
    of,
    thread_id,
    written,
)
from trio_test import trio_test


async def imported(client: Client, *paths: Path) -> list[Json]:
    answer = await client.call("thread/import", paths=[str(path) for path in paths])
    files: list[Json] = answer["files"]
    return files


async def read(client: Client, thread: str) -> Json:
    answer = await client.call("thread/read", threadId=thread, includeTurns=True)
    found: Json = answer["thread"]
    return found


async def listed(client: Client, *, archived: bool = False) -> set[str]:
    kinds = ["cli", "vscode", "exec"]  # a rollout of `exec` is no thread that a person spoke in
    answer = await client.call("thread/list", archived=archived, limit=100, sourceKinds=kinds)
    return {thread["id"] for thread in answer["data"]}


def log_of(home: Home, thread: str) -> Path:
    (found,) = [path for path in home.logs() if thread in path.name]
    return found


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def told_model(body: bytes) -> list[str]:
    """The texts of a request's messages."""
    return [
        part["text"]
        for item in json.loads(body)["input"]
        for part in item.get("content") or ()
        if "text" in part
    ]


@trio_test
async def test_imported_threads_are_on_the_lists_at_once(home: Home) -> None:
    home.start()
    async with connected(home.socket) as client:
        files = await imported(client, ROLLOUTS)
        assert [file["outcome"] for file in files] == ["imported"] * 7
        assert await listed(client) == {thread_id(n) for n in (1, 2, 4, 5, 6, 7)}
        assert await listed(client, archived=True) == {thread_id(3)}
        thread = await read(client, thread_id(1))
        assert thread["name"] == "Lexer"
        assert texts_of(thread)[0] == "> Why does the test fail?"
        assert (await read(client, thread_id(4)))["forkedFromId"] == thread_id(3)
        log = await client.call("thread/log/read", threadId=thread_id(1), limit=1)
        assert log["records"][0]["by"] == "import:1#0"
        again = await imported(client, ROLLOUTS)
        assert [moved["outcome"] for moved in again] == ["already_here"] * 7


@trio_test
async def test_an_imported_thread_continues_with_its_whole_history(home: Home) -> None:
    async with scripted_model([Say(("Gladly.",))]) as model:
        home.use_model(model.base_url, provider="local")
        home.start()
        async with connected(home.socket) as client:
            await imported(client, files_of(2)[0])
            await client.call("thread/resume", threadId=thread_id(2), cwd=str(home.work))
            turn = await client.run_turn(thread_id(2), "Go on?")
            assert turn["status"] == "completed"
            said = told_model(model.requests[-1].body)
            assert said[:2] == ["Remember 7.", "They said 7."]
            assert said[-1] == "Go on?"
            assert texts_of(await read(client, thread_id(2)))[-2:] == ["> Go on?", "Gladly."]
            # What was gone on with here takes no more from there.
            (again,) = await imported(client, files_of(2)[0])
            assert again["outcome"] == "already_here"


@trio_test
async def test_of_rollouts_of_any_kind_a_persons_threads_are_listed_and_continue(
    home: Home, tmp_path: Path
) -> None:
    turn = [*asked("Go."), called("c1"), event("turn_aborted"), called("c2"), answered("c2")]
    words = [{"type": "input_text", "text": "The lexer is done."}]
    agents: list[object] = [
        {"subagent": {"thread_spawn": {"parent_thread_id": thread_id(21), "depth": 1}}},
        {"subagent": "review"},
        "subagent_compact",
    ]
    folder, place = tmp_path / "sessions", home.work
    for number, source in enumerate(["cli", *agents], 21):
        rows = [
            meta(number, source=source, model_provider="local", cwd=str(place)),
            *turn,
            counted(500, 500),
            of("response_item", type="agent_message", author="main/lexer", content=words),
        ]
        written(folder, lines(*rows), f"rollout-2025-10-01T04-05-06-{thread_id(number)}.jsonl")
    written(folder / "copies", lines(*rows), f"rollout-{thread_id(24)}.jsonl")
    async with scripted_model([Say(("Gladly.",))]) as model:
        home.use_model(model.base_url, provider="local")
        home.start()
        async with connected(home.socket) as client:
            files = await imported(client, folder)
            assert [file["outcome"] for file in files] == ["imported"] * 4
            assert await listed(client) == {thread_id(21)}
            spawned = await read(client, thread_id(22))
            assert (spawned["parentThreadId"], texts_of(spawned)[0]) == (thread_id(21), "> Go.")
            assert (await read(client, thread_id(23)))["parentThreadId"] is None
            await client.call("thread/resume", threadId=thread_id(21))
            assert (await client.run_turn(thread_id(21), "Go on?"))["status"] == "completed"
            items = json.loads(model.requests[-1].body)["input"]
            calls = [item["call_id"] for item in items if item["type"] == "function_call"]
            outputs = [item["call_id"] for item in items if "output" in item]
            assert calls == sorted(outputs) == ["c1", "c2"]
            assert any("The lexer is done." in text for text in told_model(model.requests[-1].body))
            usage = await client.call("thread/usage/read", threadId=thread_id(21))
            assert usage["turns"][0]["used"]["tokens"]["inputTokens"] == 500


@trio_test
async def test_a_rollout_that_grows_is_sent_to_its_followers(home: Home, tmp_path: Path) -> None:
    home.start()
    path, whole = tmp_path / files_of(1)[0].name, files_of(1)[0].read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:30]))
    async with connected(home.socket) as client:
        await imported(client, path)
        await client.call("thread/resume", threadId=thread_id(1))
        path.write_bytes(whole)
        (file,) = await imported(client, path)
        assert file["outcome"] == "grown"
        assert texts_of(await read(client, thread_id(1)))[-1] == "A dot."
        resumed = await client.call("thread/resume", threadId=thread_id(1))
        assert len(resumed["thread"]["turns"]) == 4


@trio_test
async def test_a_thread_is_imported_byte_for_byte(home: Home, tmp_path: Path) -> None:
    package = tmp_path / "one.codexd.tar"
    async with scripted_model([Say(("One.",)), Say(("Two.",)), Say(("Three.",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            parent = await client.start_thread()
            await client.run_turn(parent, "1?")
            forked = await client.call("thread/fork", threadId=parent)
            child = forked["thread"]["id"]
            await client.run_turn(child, "2?")
            answer = await client.call("thread/export", threadId=child, path=str(package))
            assert (answer["logs"], answer["path"]) == (2, str(package))
            assert answer["sizeBytes"] == package.stat().st_size
            assert package.stat().st_mode & 0o777 == 0o600
            shown = await read(client, child)
        with Home() as other:
            other.use_model(model.base_url)
            daemon = other.start()
            async with connected(other.socket) as client:
                (file,) = await imported(client, package)
                assert (file["kind"], file["outcome"]) == ("package", "imported")
                assert set(file["threadIds"]) == {child, parent}
                assert child in await listed(client)
                there = await read(client, child)
                assert there["turns"] == shown["turns"]
                assert log_of(other, child).read_bytes() == log_of(home, child).read_bytes()
                (again,) = await imported(client, package)
                assert again["outcome"] == "already_here"
                await client.call("thread/resume", threadId=child, cwd=str(other.work))
                await client.run_turn(child, "3?")
                assert texts_of(await read(client, child))[-1] == "Three."
            assert not daemon.said("damaged")


@trio_test
async def test_an_archived_thread_and_its_blobs_are_imported_unchanged(
    home: Home, tmp_path: Path
) -> None:
    large = b"x" * 17 * 1024 * 1024
    rollout = tmp_path / files_of(7)[0].name
    rollout.write_bytes(files_of(7)[0].read_bytes().replace(b"3 a b\\\\n", large))
    package = tmp_path / "p"
    home.start()
    async with connected(home.socket) as client:
        (file,) = await imported(client, rollout)
        assert len(file["problems"]) == 1
        await client.call("thread/archive", threadId=thread_id(7))
        answer = await client.call("thread/export", threadId=thread_id(7), path=str(package))
        assert answer["blobs"] == 1
    with Home() as other:
        other.start()
        async with connected(other.socket) as client:
            await imported(client, package)
            # A list waits for the index for two seconds at most, and a busy machine may need more.
            with trio.fail_after(PATIENCE_SECONDS):
                while await listed(client, archived=True) != {thread_id(7)}:
                    pass
            assert await listed(client) == set()
        blobs = [path for path in other.path.rglob("*") if path.stat().st_size == len(large)]
        assert len(blobs) == 1


def hostile(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        manifest = b'{"format":1,"stream":"x","logs":[],"blobs":[]}'
        for entry, content in (("manifest.json", manifest), (name, b"{}\n")):
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            info.type = kind if entry == name else tarfile.REGTYPE
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@trio_test
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../escaped.jsonl", tarfile.REGTYPE),
        ("/tmp/escaped.jsonl", tarfile.REGTYPE),
        ("logs/../../escaped.jsonl", tarfile.REGTYPE),
        ("logs/x.jsonl", tarfile.SYMTYPE),
        ("logs/x.jsonl", tarfile.LNKTYPE),
        ("blobs/" + "0" * 64, tarfile.REGTYPE),
    ],
)
async def test_a_hostile_package_is_refused_and_nothing_is_written(
    daemon: Daemon, tmp_path: Path, name: str, kind: bytes
) -> None:
    package = tmp_path / "p.codexd.tar"
    package.write_bytes(hostile(name, kind))
    before = sorted(daemon.home.logs())
    async with connected(daemon.home.socket) as client:
        (file,) = await imported(client, package)
        assert (file["kind"], file["outcome"]) == ("package", "refused")
        assert file["message"]
    assert sorted(daemon.home.logs()) == before
    assert names_in(tmp_path) == [package.name]


@trio_test
async def test_a_package_without_a_thread_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    """Else the stream of the daemon itself could be brought in, and be archived, too."""
    package = tmp_path / "p.codexd.tar"
    async with open_jsonl_store(tmp_path / "s", state_dir=tmp_path / "state") as store:
        event = NewEvent("thread.named", b'{"threadId":"x"}')
        await store.append(
            DAEMON_STREAM, [event], expected_version=0, at_us=1, durable=True, key="k"
        )
        await store.archive(DAEMON_STREAM)
        await store.pack(DAEMON_STREAM, str(package))
    async with connected(daemon.home.socket) as client:
        (file,) = await imported(client, package)
        assert file["outcome"] == "refused"
        assert "none that comes in a package" in file["message"]
        await client.start_thread(idempotencyKey="k")


@trio_test
async def test_an_export_never_falls_upon_a_file_that_is_there(
    daemon: Daemon, tmp_path: Path
) -> None:
    path = tmp_path / "mine"
    path.write_text("precious")
    async with scripted_model([Say(("One.",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "1?")
            refused = await client.refused("thread/export", threadId=thread, path=str(path))
            assert refused.data["code"] == "export_refused"
            assert path.read_text() == "precious"
            await client.call("thread/export", threadId=thread, path=str(path), force=True)
            assert tarfile.is_tarfile(path)
            assert names_in(tmp_path) == ["mine"]


@trio_test
async def test_paths_are_absolute_and_threads_are_there(daemon: Daemon, tmp_path: Path) -> None:
    async with connected(daemon.home.socket) as client:
        for method, params in (
            ("thread/export", {"threadId": thread_id(77), "path": "here"}),
            ("thread/import", {"paths": ["here"]}),
            ("thread/import", {"paths": []}),
            ("thread/export", {"threadId": thread_id(77), "path": str(tmp_path / "p")}),
        ):
            refused = await client.refused(method, **params)
            assert "expected" in str(refused) or "no rollout" in str(refused)
        assert names_in(tmp_path) == []

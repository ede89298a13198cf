"""Pipes, devices, endless files and dead mounts where a file is expected: the daemon continues to serve and stops."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon, Home
from odd_files import ODD, NoMounts, dead_mount, make_odd
from trio_test import trio_test

# A stop that has nothing to wait for: with a running reader it must not take longer.
STOP_SECONDS_MAX = 5.0
EVERY_KIND = pytest.mark.parametrize("kind", ODD)
REPOSITORY = (".git/HEAD", ".git/config", ".git/refs/heads/main", "AGENTS.md", "AGENTS.override.md")


async def stops_at_once(daemon: Daemon) -> None:
    """Tell it to stop, and see that it does."""
    began = time.monotonic()
    daemon.terminate()
    assert await daemon.ended() == 0
    assert time.monotonic() - began < STOP_SECONDS_MAX


@EVERY_KIND
@trio_test
async def test_a_repository_of_odd_files_only(daemon: Daemon, kind: str) -> None:
    folder = daemon.home.work / f"repository of {kind}"
    folder.joinpath(".git/refs/heads").mkdir(parents=True)
    for name in REPOSITORY:
        make_odd(kind, folder / name)
    make_odd(kind, folder / "odd.png")
    async with scripted_model() as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread(cwd=str(folder))
        image = {"type": "localImage", "path": str(folder / "odd.png")}
        text = {"type": "text", "text": "say 1"}
        if kind == "a sparse file of 10 GiB":
            refusal = await client.refused("turn/start", threadId=thread, input=[image, text])
            assert "expected at most" in refusal.message
            image = text
        turn = await client.call("turn/start", threadId=thread, input=[image, text])
        await client.turn_ended(turn["turn"]["id"])


@pytest.mark.slow
@trio_test
async def test_a_config_of_each_kind_at_the_start_and_under_a_daemon(home: Home) -> None:
    file = home.path / "config.toml"
    for kind in ODD:
        home.path.mkdir(exist_ok=True, mode=0o700)
        make_odd(kind, file)
        daemon = home.start()
        async with connected(home.socket) as client:
            if kind not in ("a link to nothing", "a link to the environment"):
                refusal = await client.refused("thread/start")
                assert str(file) in refusal.message
            make_odd("bytes of no text", file)
            assert (await client.call("thread/list"))["data"] == []
            make_odd(kind, file)
            assert (await client.call("thread/list"))["data"] == []
        await stops_at_once(daemon)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A folder on a mount that never answers."""
    folder = tmp_path / "mount"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(dead_mount(folder))
        except NoMounts as reason:
            pytest.skip(f"no file system may be mounted here: {reason}")
        yield folder


@pytest.mark.slow
@trio_test
async def test_a_mount_that_never_answers(home: Home, mount: Path) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            refusal = await client.refused("thread/start", cwd=str(mount / "project"))
            assert "did not answer" in refusal.message
            thread = await client.start_thread()
            refusal = await client.refused("turn/start", threadId=thread, cwd=str(mount), input=[])
            assert "did not answer" in refusal.message
            # Its threads wait; nobody else does.
            began = time.monotonic()
            assert (await other.run_turn(await other.start_thread(), "say 1"))[
                "status"
            ] == "completed"
            assert time.monotonic() - began < STOP_SECONDS_MAX
            refusal = await client.refused(
                "thread/export", threadId=thread, path=str(mount / "a.codexd.tar")
            )
            assert "did not answer" in refusal.message
            await other.post("thread/import", paths=[str(mount), str(mount / "a.jsonl")])
            image = {"type": "localImage", "path": str(mount / "a.png")}
            text = {"type": "text", "text": "say 1"}
            await client.call("turn/start", threadId=thread, input=[image, text])
            await stops_at_once(daemon)


@pytest.mark.slow
@trio_test
async def test_a_command_whose_folder_no_longer_answers(home: Home, tmp_path: Path) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(tmp_path))
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(dead_mount(tmp_path))
                except NoMounts as reason:
                    pytest.skip(f"no file system may be mounted here: {reason}")
                turn = await client.start_turn(thread, "run echo hello")
                await client.turn_ended(turn)
                (told,) = [
                    message.params["item"]
                    for message in client.of("item/completed")
                    if message.params["item"]["type"] == "commandExecution"
                ]
                assert "does not answer" in told["aggregatedOutput"]
                await stops_at_once(daemon)


@pytest.mark.slow
@trio_test
async def test_a_config_on_a_disk_that_does_not_answer_any_more(home: Home, mount: Path) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            file = home.path / "config.toml"
            file.unlink()
            file.symlink_to(mount / "config.toml")
            refusal = await client.refused("thread/start")
            assert f"{file}: cannot be read: the disk did not answer" in refusal.message
            assert (await client.run_turn(thread, "say 1"))["status"] == "completed"
            file.unlink()
            home.use_model(model.base_url)
            await client.start_thread()
            await stops_at_once(daemon)


@pytest.mark.slow
@trio_test
async def test_login_files_on_a_disk_that_does_not_answer_any_more(home: Home, mount: Path) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start_anew(SET="before")
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "run echo $SET")
            (home.root / ".profile").symlink_to(mount / "profile")
            await client.run_turn(thread, "run echo $SET")
            printed = [
                note.params["item"]["aggregatedOutput"]
                for note in client.of("item/completed")
                if note.params["item"]["type"] == "commandExecution"
            ]
            assert printed == ["before\n", "before\n"]
            await stops_at_once(daemon)


@pytest.mark.slow
@trio_test
async def test_a_stop_while_the_instructions_of_a_dead_mount_are_read(
    home: Home, mount: Path
) -> None:
    work = home.work / "project"
    work.mkdir()
    (work / ".git").mkdir()
    for name in ("HEAD", "config"):
        (work / ".git" / name).symlink_to(mount / name)
    (work / "AGENTS.md").symlink_to(mount / "AGENTS.md")
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, trio.open_nursery() as nursery:
            thread = await client.start_thread(cwd=str(work))
            turn = {"threadId": thread, "input": [{"type": "text", "text": "say 1"}]}
            await client.post("turn/start", **turn)
            await stops_at_once(daemon)
            nursery.cancel_scope.cancel()

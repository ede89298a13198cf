"""An export to any path, through any links, leaves codexd's own files unchanged."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Home
from trio_test import trio_test

# What changes by itself while the daemon runs: the log and the index are compared by what they are, not hold.
State = dict[str, tuple[int, int, bytes | None]]


def files_of(home: Home) -> list[Path]:
    """Everything in the home that is no folder."""
    return sorted(path for path in home.path.rglob("*") if not path.is_dir())


def state_of(home: Home) -> State:
    """Which files there are, and what is in those that nobody writes between turns."""
    found: State = {}
    for path in files_of(home):
        at = path.lstat()
        is_still = stat.S_ISREG(at.st_mode) and "state" not in path.parts
        found[str(path)] = (at.st_ino, at.st_mode, path.read_bytes() if is_still else None)
    return found


async def thread_with_files(client: Client) -> str:
    thread = await client.start_thread()
    await client.run_turn(thread, "run head -c 100000 /dev/zero | tr '\\\\0' x")
    return thread


async def refused(client: Client, thread: str, path: Path, *, force: bool) -> str:
    answer = await client.refused("thread/export", threadId=thread, path=str(path), force=force)
    assert answer.data["code"] == "export_refused", answer
    assert "nothing was exported" in answer.message
    return answer.message


@trio_test
async def test_no_file_of_the_home_is_replaced_by_any_of_its_paths(
    home: Home, tmp_path: Path
) -> None:
    daemon = home.start()
    linked, inside = tmp_path / "linked", home.work / "inside"
    linked.symlink_to(home.path)
    inside.symlink_to(home.path / "state")
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await thread_with_files(client)
            await client.call("thread/search", searchTerm="head")  # The index is made by then.
            files, before = files_of(home), state_of(home)
            kinds = {path.name for path in files} | {path.parents[1].name for path in files}
            assert {"config.toml", "store.lock", "codexd.sock", "blobs"} <= kinds
            for file in files:
                below = file.relative_to(home.path)
                a_link, a_name = tmp_path / "link", tmp_path / "name"
                a_link.symlink_to(file)
                paths = [file, linked / below, home.work / ".." / "h" / below, a_link]
                if file.is_file() and not file.is_symlink():
                    os.link(file, a_name)
                    paths.append(a_name)
                for path in paths:
                    for force in (True, False):
                        await refused(client, thread, path, force=force)
                a_link.unlink()
                a_name.unlink(missing_ok=True)
            for folder in (home.path, home.path / "blobs", linked, inside, home.path / "threads"):
                await refused(client, thread, folder / "new", force=True)
                await refused(client, thread, folder / "new", force=False)
            assert state_of(home) == before
            assert sorted(os.listdir(tmp_path)) == ["linked"]
            await client.run_turn(thread, "say 1")  # it writes on
    daemon.stop()


@pytest.mark.parametrize("force", [True, False])
@trio_test
async def test_only_a_plain_file_is_replaced(home: Home, tmp_path: Path, force: bool) -> None:
    home.start()
    mine = tmp_path / "mine"
    mine.write_text("precious")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to a file").symlink_to(mine)
    (tmp_path / "to nothing").symlink_to(tmp_path / "nothing")
    (tmp_path / "to zero").symlink_to("/dev/zero")
    before = sorted(os.listdir(tmp_path))
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            for name in before:
                if name != "mine":
                    await refused(client, thread, tmp_path / name, force=force)
            for path in (Path("/dev/null"), tmp_path / "no" / "folder"):
                await refused(client, thread, path, force=force)
    assert sorted(os.listdir(tmp_path)) == before
    assert mine.read_text() == "precious"
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@trio_test
async def test_files_beside_a_target_stay_and_a_long_name_is_allowed(
    home: Home, tmp_path: Path
) -> None:
    home.start()
    target = tmp_path / ("x" * 255)
    (tmp_path / "short.new").write_text("mine too")
    other = tmp_path / "a second name"
    target.write_text("old")
    os.link(target, other)
    async with scripted_model() as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "say 1")
            await client.call("thread/export", threadId=thread, path=str(tmp_path / "short"))
            await client.call("thread/export", threadId=thread, path=str(target), force=True)
    assert (tmp_path / "short.new").read_text() == "mine too"
    assert other.read_text() == "old"
    assert target.stat().st_size > 1000
    assert sorted(os.listdir(tmp_path)) == sorted(["short", "short.new", target.name, other.name])

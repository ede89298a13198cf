"""The state folder holds nothing that cannot be made again: without it, or with rubbish in it, answers stay."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Home
from trio_test import trio_test


async def everything(client: Client) -> list[Json]:
    """What a person can see: the lists, and every thread whole."""
    seen: list[Json] = []
    for archived in (False, True):
        listed = await client.call("thread/list", archived=archived)
        seen.append(listed)
        for thread in listed["data"]:
            seen.append(await client.call("thread/read", threadId=thread["id"], includeTurns=True))
    return [_without_status(thread) for thread in seen]


async def search(client: Client) -> Json:
    """What a search finds."""
    return _without_status(await client.call("thread/search", searchTerm="words"))


async def until_found_again(client: Client, found: Json) -> None:
    """Search until the index is made anew: that takes its time, and nobody need wait for it."""
    with trio.fail_after(PATIENCE_SECONDS):
        while await search(client) != found:
            pass


def _without_status(value: Json) -> Json:
    """Whether a thread is loaded depends on who asked before."""

    def cleaned(value: object) -> object:
        if isinstance(value, dict):
            return {
                name: cleaned(member)
                for name, member in value.items()
                if not (name in ("status", "environments") and "turns" in value)
            }
        return [cleaned(member) for member in value] if isinstance(value, list) else value

    found = cleaned(value)
    assert isinstance(found, dict)
    return found


async def some_threads(client: Client) -> str:
    """A named one with turns, a fork of it, an archived one; the first one's id."""
    thread = await client.start_thread()
    await client.run_turn(thread, "say 3 some words")
    await client.call("thread/name/set", threadId=thread, name="the first")
    fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
    await client.run_turn(fork, "run echo other words")
    aside = await client.start_thread()
    await client.run_turn(aside, "say 2")
    await client.call("thread/archive", threadId=aside)
    return thread


def deleted(state: Path, _older: Path) -> None:
    shutil.rmtree(state)


def garbage(state: Path, _older: Path) -> None:
    for path in state.rglob("*"):
        if path.is_file():
            path.write_bytes(b"not what was here\n" * 64)


def cut_short(state: Path, _older: Path) -> None:
    for path in state.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def from_a_backup(state: Path, older: Path) -> None:
    shutil.rmtree(state)
    shutil.copytree(older, state)


def sockets(folder: str, names: list[str]) -> list[str]:
    """What no backup has."""
    return [name for name in names if Path(folder, name).is_socket()]


@contextmanager
def not_to_be_written(path: Path) -> Iterator[None]:
    """Root writes where modes forbid it, but not on what is mounted read-only."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("a folder cannot be made read-only for root here")
    bound = subprocess.run(["mount", "--bind", path, path], capture_output=True, check=False)
    if bound.returncode:
        pytest.skip("a folder cannot be made read-only for root here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.parametrize("mishap", [deleted, garbage, cut_short, from_a_backup, None])
@trio_test
async def test_with_any_content_at_the_start_the_answers_are_the_same(
    home: Home, mishap: Callable[[Path, Path], None] | None
) -> None:
    state, older = home.path / "state", home.root / "older"
    async with scripted_model() as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await some_threads(client)
            shutil.copytree(state, older, ignore=sockets)
            await client.run_turn(thread, "say 4 more words")
            before, found = await everything(client), await search(client)
            first.kill()
        if mishap is not None:
            mishap(state, older)
        with not_to_be_written(state) if mishap is None else nullcontext():
            second = home.start()
            async with connected(home.socket) as client:
                assert await everything(client) == before
                status = await client.call("server/status")
                if mishap is not None:  # What is searched has to be written down first.
                    await until_found_again(client, found)
                    assert "unindexed" not in status
                else:
                    assert "index.sqlite" in status["unindexed"]
                    refusal = await client.refused("thread/search", searchTerm="words")
                    assert refusal.message.startswith("nothing was searched: ")
                await client.call("thread/resume", threadId=thread)
                assert (await client.run_turn(thread, "say 1"))["status"] == "completed"
                await everything(client)
            second.kill()


@trio_test
async def test_deleted_under_the_running_daemon_it_is_not_missed(home: Home) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await some_threads(client)
            before, found = await everything(client), await search(client)
            shutil.rmtree(home.path / "state")
            assert await everything(client) == before
            await until_found_again(client, found)
            await client.run_turn(thread, "run echo a command")
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.call("thread/archive", threadId=fork)
            after, found = await everything(client), await search(client)
        assert first.stop() == 0
        home.start()
        async with connected(home.socket) as client:
            assert await everything(client) == after
            await until_found_again(client, found)


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a folder": Path.mkdir,
}
INSIDE = ("keeper/lock", "sandbox/placeholders", "sandbox/filter", "sandbox/filter.new")


@pytest.mark.parametrize("kind", KINDS)
@trio_test
async def test_with_another_kind_of_file_for_the_keeper_commands_are_refused_until_it_is_gone(
    home: Home, kind: str
) -> None:
    state = home.path / "state"
    for name in INSIDE:
        state.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](state / name)
    home.path.chmod(0o700)
    async with scripted_model() as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(sandbox="danger-full-access")
            await client.run_turn(thread, "run echo hi")
            state.joinpath("keeper").rename(state / "keeper.was")
            await client.run_turn(thread, "run echo hi")
            confined = await client.start_thread(sandbox="workspace-write", approvalPolicy="never")
            await client.run_turn(confined, "run echo hi")
            shutil.rmtree(state)
            await client.run_turn(thread, "run echo hi")
            refused, ran, *_, again = [
                note.params["item"]["aggregatedOutput"]
                for note in client.of("item/completed")
                if note.params["item"]["type"] == "commandExecution"
            ]
            assert "the keeper could not be started: " in refused
            assert str(state / "keeper" / "lock") in refused
            assert (ran, again) == ("hi\n", "hi\n")
        assert daemon.stop() == 0

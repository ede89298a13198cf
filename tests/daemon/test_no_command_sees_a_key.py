"""A command sees no key of a provider: in its own environment, nor in that of the daemon, nor in its memory."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from daemon_screen import completed
from trio_test import trio_test

OK = Say(("ok",))
# In each value, and in no environment of another test's.
MARK = f"made-up-{os.getpid()}-"
VARIABLES = {
    name: f"{MARK}{name.lower()}"
    for name in ("FIRST_KEY", "FIRST_HEADER", "LATER_KEY", "LATER_HEADER", "OPENAI_API_KEY")
}
OTHER = """
[model_providers.{name}]
base_url = "http://127.0.0.1:1/v1"
env_key = "{key}"
env_http_headers = {{ "X-Key" = "{header}" }}
"""
FIRST = OTHER.format(name="first", key="FIRST_KEY", header="FIRST_HEADER")
LATER = OTHER.format(name="later", key="LATER_KEY", header="LATER_HEADER")
# A value would be hidden in the log, so they are counted.
COUNT = (
    f"for one in /proc/[0-9]*/environ; do tr '\\0' '\\n' <$one; done 2>/dev/null | grep -c {MARK}"
)


def run(line: str) -> Call:
    return Call("shell_command", json.dumps({"command": line}))


async def printed_by(client: Client, thread: str) -> str:
    await client.run_turn(thread, "go")
    items = [item for item in completed(client).values() if item["type"] == "commandExecution"]
    return str(items[-1]["aggregatedOutput"])


@pytest.fixture
def keyed() -> Iterator[Home]:
    """A home whose daemon has keys in its environment."""
    with Home(**VARIABLES, HARMLESS="1") as home:
        yield home


@pytest.mark.slow
@trio_test
async def test_no_variable_that_a_provider_names_whenever_it_was_added(keyed: Home) -> None:
    names = "|".join(VARIABLES)
    look = run(f"env | grep -cE '^({names})='; env | grep -c ^HARMLESS=")
    async with scripted_model([look, OK, look, OK, look, OK]) as model:
        keyed.use_model(model.base_url, provider_more=FIRST)
        keyed.start()
        async with connected(keyed.socket) as client:
            thread = await client.start_thread()
            assert await printed_by(client, thread) == "2\n1\n"  # the later ones: no provider's yet
            keyed.use_model(model.base_url, provider_more=FIRST + LATER)
            assert await printed_by(client, thread) == "0\n1\n"
            keyed.use_model(model.base_url)  # what was a key stays one
            assert await printed_by(client, thread) == "0\n1\n"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
@pytest.mark.slow
@trio_test
async def test_none_in_the_environment_of_the_daemon_or_of_any_process_of_its_own(
    keyed: Home,
) -> None:
    looks = [run(COUNT), run(f"tr '\\0' '\\n' </proc/$PPID/environ | grep -c {MARK}"), run(COUNT)]
    async with scripted_model([part for look in looks for part in (look, OK)]) as model:
        keyed.use_model(model.base_url, provider_more=FIRST + LATER)
        daemon = keyed.start()
        async with connected(keyed.socket) as client:
            thread = await client.start_thread()
            assert await printed_by(client, thread) == "0\n"
            await client.call("thread/list", searchTerm="go")  # the index has a process of its own
            assert (await printed_by(client, thread)).endswith("0\n")
            assert await printed_by(client, thread) == "0\n"
        look_from_beside(daemon)


def look_from_beside(daemon: Daemon) -> None:
    """As another program of the same user; root reads all, and finds nothing."""
    for name in ("environ", "mem", "maps"):
        try:
            with Path(f"/proc/{daemon.pid}", name).open("rb") as file:
                assert name != "environ" or MARK.encode() not in file.read()
        except PermissionError:
            continue
        assert os.geteuid() == 0  # which may trace any process on many machines


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="nobody tells of others' limits here")
def test_a_crash_of_the_daemon_leaves_no_dump(home: Home) -> None:
    before, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    try:
        daemon = home.start_anew()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (before, most))
    assert resource.prlimit(daemon.pid, resource.RLIMIT_CORE) == (0, most)


@pytest.mark.slow
@trio_test
async def test_git_is_asked_for_a_review_without_any_key(keyed: Home) -> None:
    programs = keyed.root / "programs"
    programs.mkdir()
    seen = keyed.root / "seen"
    git = programs / "git"
    git.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n")
    git.chmod(0o755)
    keyed.configure(FIRST)
    keyed.start_anew(PATH=f"{programs}:{keyed.env['PATH']}")
    async with connected(keyed.socket) as client:
        thread = await client.start_thread(cwd=str(keyed.work))
        target = {"type": "baseBranch", "branch": "main"}
        review = await client.call("review/start", threadId=thread, target=target)
        await client.turn_ended(review["turn"]["id"])
    assert "GIT_TERMINAL_PROMPT=0" in seen.read_text()
    assert MARK not in seen.read_text()

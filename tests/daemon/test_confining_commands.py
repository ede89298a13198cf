"""A model's commands and patches in the sandbox of a real daemon, and what is said of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import READY, Daemon, Home
from daemon_screen import completed
from trio_test import trio_test

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)

WORKSPACE = {"sandbox": "workspace-write", "approvalPolicy": "on-request"}
OUTSIDE = "/var/tmp/codexd-outside-of-a-sandbox"


def command(line: str, **more: str) -> Reply:
    return (Call("shell_command", json.dumps({"command": line, **more})),)


def patch(path: str) -> Reply:
    text = f"*** Begin Patch\n*** Add File: {path}\n+new\n*** End Patch"
    return (Call("apply_patch", json.dumps({"input": text})),)


def items(client: Client, kind: str) -> list[Json]:
    return [item for item in completed(client).values() if item["type"] == kind]


@trio_test
async def test_a_workspace_is_worked_in_without_a_question_and_nothing_else_is(
    daemon: Daemon,
) -> None:
    work = daemon.home.work
    script: list[Reply | Say] = [
        command("echo made > confined; mkdir .codex; cat ../h/config.toml"),
        command(f"echo x > {OUTSIDE}"),
        patch("patched"),
        Say(("done",)),
        command(f"echo x > {OUTSIDE}"),
        Say(("done",)),
    ]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            started = await client.call("thread/start", cwd=str(work), **WORKSPACE)
            assert started["approvalPolicy"] == "on-request"
            assert started["sandbox"]["type"] == "workspaceWrite"
            turn = await client.start_turn(started["thread"]["id"], "go")
            asked = await client.until_asked()
            await client.decide(asked, "decline")
            await client.turn_ended(turn)
            assert "It failed in its sandbox" in asked.params["reason"]
            await client.run_turn(started["thread"]["id"], "go", approvalPolicy="never")
            assert client.asked == [asked]
            inside, outside, never = items(client, "commandExecution")
            assert "cannot create directory" in inside["aggregatedOutput"]
            assert "config.toml: No such file" in inside["aggregatedOutput"]
            assert [outside["status"], never["status"]] == ["failed", "failed"]
            (change,) = items(client, "fileChange")
            assert change["status"] == "completed"
        told = [json.loads(request.body) for request in model.requests]
    assert not await trio.Path(OUTSIDE).exists()
    assert (work / "confined").read_text() == "made\n"
    assert (work / "patched").read_text() == "new\n"
    texts = json.dumps(told)
    assert "<sandbox_mode>workspace-write</sandbox_mode>" in texts
    assert "<network_access>restricted</network_access>" in texts
    assert "The sandbox (workspace-write, without network) may be the reason." in texts


@trio_test
@pytest.mark.parametrize("tty", [False, True])
async def test_a_session_is_confined_too(daemon: Daemon, tty: bool) -> None:
    line = f"echo $CODEXD_SANDBOX; echo x > {OUTSIDE}; test -t 0 && echo a terminal; touch session-{tty}"
    session = (Call("exec_command", json.dumps({"cmd": line, "tty": tty})),)
    async with scripted_model([session, Say(("done",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work), **WORKSPACE)
            await client.run_turn(thread, "go")
            assert client.asked == []
        (_, output) = [json.loads(request.body) for request in model.requests]
    told = json.dumps(output["input"][-1])
    assert "workspace-write" in told
    assert "Read-only file system" in told
    assert ("a terminal" in told) == tty
    assert (daemon.home.work / f"session-{tty}").exists()


@trio_test
async def test_what_leaves_the_sandbox_is_asked_about(daemon: Daemon) -> None:
    work = daemon.home.work
    script: list[Reply | Say] = [
        command("echo $CODEXD_SANDBOX- > free", sandbox_permissions="require_escalated"),
        patch(str(daemon.home.root / "patched-outside")),
        patch(".git/hooks/pre-commit"),
        Say(("done",)),
    ]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            policy = {"type": "workspaceWrite", "excludeSlashTmp": True}
            thread = await client.start_thread(cwd=str(work))
            turn = await client.start_turn(
                thread, "go", sandboxPolicy=policy, approvalPolicy="on-request"
            )
            await client.decide(await client.until_asked(1), "accept")
            for times in (2, 3):
                await client.decide(await client.until_asked(times), "decline")
            await client.turn_ended(turn)
            updated = client.of("thread/settings/updated")[-1].params["threadSettings"]
            assert updated["sandboxPolicy"]["excludeSlashTmp"] is True
    assert (work / "free").read_text() == "-\n"
    assert not (daemon.home.root / "patched-outside").exists()
    assert not (work / ".git" / "hooks").exists()


@trio_test
async def test_a_link_does_not_lead_a_patch_out_unasked(daemon: Daemon) -> None:
    work, target = daemon.home.work / "linked", daemon.home.root / "elsewhere"
    work.mkdir()
    target.mkdir()
    (work / "link").symlink_to(target)
    async with scripted_model([patch("link/new"), Say(("done",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            policy = {"type": "workspaceWrite", "excludeSlashTmp": True}
            thread = await client.start_thread(cwd=str(work))
            turn = await client.start_turn(
                thread, "go", sandboxPolicy=policy, approvalPolicy="on-request"
            )
            await client.decide(await client.until_asked(), "decline")
            await client.turn_ended(turn)
    assert list(target.iterdir()) == []


def without_namespaces(home: Home) -> Daemon:
    """A daemon on a machine that lets nobody make namespaces."""
    begin = (
        "import os, sys; os.execvp('bwrap', ['bwrap', '--unshare-user', '--disable-userns', "
        "'--die-with-parent', '--dev-bind', '/', '/', '--', sys.executable, '-m', 'codexd'])"
    )
    daemon = home.launch(program=("-c", begin))
    daemon.wait_said(READY)
    return daemon


@trio_test
async def test_what_is_not_enforced_is_refused_in_new_threads_and_in_old_ones(home: Home) -> None:
    script: list[Reply | Say] = [command("echo one >> ran"), Say(("ok",))] * 4
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            old = await client.start_thread(cwd=str(home.work), **WORKSPACE)
            await client.run_turn(old, "go")
            status = await client.call("server/status")
            assert status["sandbox"] == "bubblewrap"
        daemon.stop()
        assert (home.work / "ran").read_text() == "one\n"
        weaker = without_namespaces(home)
        weaker.wait_said("the sandbox mode workspace-write cannot be enforced on this machine")
        async with connected(home.socket) as client:
            new = await client.start_thread(cwd=str(home.work), **WORKSPACE)
            await client.call("thread/resume", threadId=old)
            for thread in (new, old):
                await client.run_turn(thread, "go")
            assert items(client, "commandExecution") == []
            warned = [warning.params["threadId"] for warning in client.of("warning")]
            assert sorted(warned) == sorted([new, old])
            assert "allow_unsandboxed = true" in client.of("warning")[0].params["message"]
            assert b"cannot be enforced on this machine" in model.requests[-1].body
            status = await client.call("server/status")
            assert status["sandbox"] == "landlock"
            assert status["sandboxModes"] == ["read-only", "danger-full-access"]
            assert any(
                "Bubblewrap: it does not work here" in why for why in status["sandboxMissing"]
            )
            assert (home.work / "ran").read_text() == "one\n"
            # A program of a client is held by the configuration, too.
            config = home.path / "config.toml"
            full_access = 'sandbox_mode = "danger-full-access"'
            confined = config.read_text().replace(full_access, "")
            config.write_text(f'sandbox_mode = "workspace-write"\n{confined}')
            program = {"command": ["touch", "made"], "cwd": str(home.work)}
            refused = await client.refused("command/exec", **program)
            assert "cannot be enforced on this machine" in refused.message
            assert not (home.work / "made").exists()
            config.write_text(f"allow_unsandboxed = true\n{config.read_text()}")
            policy = {"type": "workspaceWrite"}
            await client.refused("command/exec", **program, sandboxPolicy=policy)
            assert not (home.work / "made").exists()
            await client.call("command/exec", **program)
            assert (home.work / "made").exists()
            home.use_model(model.base_url, more="allow_unsandboxed = true")
            turn = await client.start_turn(old, "go")
            await client.decide(await client.until_asked(), "accept")
            await client.turn_ended(turn)
            assert (home.work / "ran").read_text() == "one\none\n"
            shown = await client.call("thread/resume", threadId=old)
            assert (shown["sandbox"]["type"], shown["approvalPolicy"]) == (
                "dangerFullAccess",
                "untrusted",
            )


@asynccontextmanager
async def _one_command_ran(home: Home, line: str) -> AsyncIterator[tuple[Daemon, Json]]:
    """A daemon in whose workspace one command was confined, and the command."""
    async with scripted_model([command(line), Say(("ok",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work), **WORKSPACE)
            await client.run_turn(thread, "go")
            (ran,) = items(client, "commandExecution")
        yield daemon, ran


@trio_test
async def test_placeholders_are_removed_when_no_command_is_confined(home: Home) -> None:
    async with _one_command_ran(home, "ls -A") as (daemon, ran):
        assert ran["aggregatedOutput"] == ".agents\n.codex\n.git\n"
        daemon.kill()
        assert sorted(path.name for path in home.work.iterdir()) == [".agents", ".codex", ".git"]
        # A person's git does not take them for a repository.
        found = await trio.run_process(
            ["git", "rev-parse", "--git-dir"], cwd=home.work, capture_stderr=True, check=False
        )
        assert found.returncode != 0
        home.start().wait_said("bubblewrap confines commands")
        assert list(home.work.iterdir()) == []


@pytest.mark.slow
@trio_test
async def test_placeholders_go_without_another_daemon_once_nothing_runs(home: Home) -> None:
    async with _one_command_ran(home, "true") as (daemon, _):
        made = home.path / "state" / "sandbox" / "placeholders"
        assert made.exists()
        os.utime(made, (1, 1))  # The command was begun long ago.
        daemon.kill()
        while await trio.to_thread.run_sync(made.exists):
            await trio.lowlevel.checkpoint()
        assert list(home.work.iterdir()) == []

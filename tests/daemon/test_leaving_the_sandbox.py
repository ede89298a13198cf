"""Leaving the sandbox: what a rule allows runs outside of it, and a person grants a thread or a turn more access."""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
import trio

from codexd.core.decide.transition import SECOND_RUN
from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Home
from daemon_screen import commands
from installed_codex import SCHEMAS
from trio_test import trio_test
from wire_schemas import check_permissions_asked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox here is that of Linux")
WORKSPACE = {"sandbox": "workspace-write", "approvalPolicy": "on-request"}
OK = Say(("ok",))


def run(line: str) -> Reply:
    return (Call("shell_command", msgspec.json.encode({"command": line}).decode()),)


def ask(**permissions: object) -> Reply:
    arguments = {"permissions": permissions, "reason": "May I?"}
    return (Call("request_permissions", msgspec.json.encode(arguments).decode()),)


def shown(client: Client) -> str:
    return "".join(note.params["delta"] for note in client.of("item/commandExecution/outputDelta"))


def statuses(client: Client) -> list[str]:
    return [item["status"] for item in commands(client)]


@contextmanager
def outside_folder(*folders: str) -> Iterator[str]:
    """A folder that is no temporary folder of a sandbox."""
    with TemporaryDirectory(dir="/var/tmp") as root:
        for name in folders:
            Path(root, name).mkdir()
        yield root


def made_in(root: str) -> list[str]:
    files = (path for path in Path(root).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(root)) for path in files)


async def answer(client: Client, number: int, **members: object) -> Json:
    asked = await client.until_asked(number)
    assert asked.method == "item/permissions/requestApproval"
    await client.send({"id": asked.id, "result": members})
    return asked.params


@trio_test
async def test_a_command_that_a_rule_allows_runs_outside_of_the_sandbox(home: Home) -> None:
    with outside_folder() as outside:
        lines = [f"touch {outside}/a", f"touch {outside}/b; echo x", f"cp /dev/null {outside}/c"]
        script: list[Part | Reply] = [part for line in lines for part in (run(line), OK)]
        async with scripted_model(script) as model:
            home.use_model(model.base_url)
            (home.path / "rules").mkdir(mode=0o700)
            (home.path / "rules" / "x.rules").write_text('prefix_rule(["touch"])')
            home.start()
            async with connected(home.socket) as client:
                thread = await client.start_thread(cwd=str(home.work), **WORKSPACE)
                checked = await client.call(
                    "policy/check", threadId=thread, command=f"touch {outside}/a"
                )
                assert (checked["decision"], checked["outsideSandbox"]) == ("runs", True)
                for _ in lines[:2]:
                    await client.run_turn(thread, "go")
                assert client.asked == []
                turn = await client.start_turn(thread, "go")
                await client.decide(await client.until_asked(), "decline")
                await client.turn_ended(turn)
        # A line of which a rule allows only a part stays inside, and so does what no rule allows.
        assert statuses(client) == ["completed", "completed", "failed"]
        assert made_in(outside) == ["a"]


@trio_test
async def test_a_person_grants_folders_for_a_turn_or_for_the_thread_and_takes_them_back(
    home: Home,
) -> None:
    with outside_folder("once", "ever", "denied") as root:
        once, ever, denied = (f"{root}/{name}" for name in ("once", "ever", "denied"))
        script: list[Part | Reply] = [
            *(ask(file_system={"write": [once, denied]}), run(f"touch {once}/a")),
            *(run(f"touch {denied}/a"), OK),
            *(run(f"touch {once}/b"), ask(file_system={"write": [ever]}), OK),
            *(run(f"touch {ever}/a"), OK),
            *(run(f"touch {ever}/b"), OK),
            *(ask(network={"enabled": True}), OK),
        ]
        async with scripted_model(script) as model:
            home.use_model(model.base_url)
            daemon = home.start()
            async with connected(home.socket) as client:
                thread = await client.start_thread(cwd=str(home.work), **WORKSPACE)
                turn = await client.start_turn(thread, "go")
                params = await answer(
                    client, 1, permissions={"fileSystem": {"write": [once, "/"]}}, scope="turn"
                )
                if SCHEMAS.exists():
                    check_permissions_asked(params)
                assert params["permissions"] == {"fileSystem": {"write": [once, denied]}}
                assert "the model says: May I?" in params["reason"]
                await client.decide(await client.until_asked(2), "decline")
                await client.turn_ended(turn)
                granted = '{\\"permissions\\":{\\"file_system\\":{\\"write\\":[\\"' + once
                assert granted.encode() in model.requests[1].body
                turn = await client.start_turn(thread, "go")
                await client.decide(await client.until_asked(3), "decline")
                await answer(
                    client, 4, permissions={"fileSystem": {"write": [ever]}}, scope="session"
                )
                await client.turn_ended(turn)
                assert statuses(client) == ["completed", "failed", "failed"]
            daemon.kill()
            home.start()
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread)
                await client.run_turn(thread, "go")
                (grant,) = (await client.call("policy/list", threadId=thread))["grants"]
                assert (grant["kind"], grant["line"]) == ("permissions", f"write in {ever}")
                await client.call("policy/revoke", threadId=thread, all=True)
                turn = await client.start_turn(thread, "go")
                await client.decide(await client.until_asked(1), "decline")
                await client.turn_ended(turn)
                turn = await client.start_turn(thread, "go")
                await answer(client, 2, permissions={})
                await client.turn_ended(turn)
                assert b"a person refused this call" in model.requests[-1].body
        assert made_in(root) == ["ever/a", "once/a"]


@trio_test
async def test_no_patch_of_a_workspace_grants_itself_rules(home: Home) -> None:
    added = '*** Add File: h/rules/x.rules\n+prefix_rule(["rm"])'
    text = f"*** Begin Patch\n{added}\n*** End Patch"
    call = Call("apply_patch", msgspec.json.encode({"input": text}).decode())
    async with scripted_model([(call,), OK]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            # The daemon's own folder is in the workspace, as ~/.config is in that of a thread in the home folder.
            thread = await client.start_thread(cwd=str(home.root), **WORKSPACE)
            turn = await client.start_turn(thread, "go")
            asked = await client.until_asked()
            assert "may grant rights to later commands" in asked.params["reason"]
            await client.decide(asked, "decline")
            await client.turn_ended(turn)
            assert not (home.path / "rules").exists()


@pytest.mark.slow
@trio_test
async def test_what_failed_inside_runs_again_outside_once_a_person_says_so(home: Home) -> None:
    gate, counted = home.root / "gate", "".join(f"{number}\n" for number in range(1, 10_000))
    os.mkfifo(gate)
    with outside_folder() as outside:
        line = f"echo one >> ran; seq 9999; echo begun; touch {outside}/a || exit 1; read x < {gate}; echo $x"
        async with scripted_model([run(line), OK]) as model:
            home.use_model(model.base_url)
            daemon = home.start()
            async with connected(home.socket) as client:
                thread = await client.start_thread(cwd=str(home.work), **WORKSPACE)
                await client.start_turn(thread, "go")
                await client.until_asked()
            daemon.kill()  # The question stays open.
            daemon = home.start()
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread)
                asked = await client.until_asked()
                assert asked.params["reason"].startswith(
                    "It failed in its sandbox (Read-only file system)"
                )
                assert (home.work / "ran").read_text() == "one\n"
                await client.decide(asked, "accept")
                await client.until(lambda: shown(client).count("begun") == 2, "the second attempt")
            daemon.kill()  # The second attempt goes on, and is adopted.
            home.start()
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread)
                await trio.to_thread.run_sync(gate.write_text, "two\n")
                await client.until_notified("turn/completed")
                (item,) = commands(client)
                assert (item["status"], item["exitCode"]) == ("completed", 0)
                inside, outside_of_it = shown(client).split(SECOND_RUN)
                assert inside.startswith(f"{counted}begun\ntouch: ")
                assert outside_of_it == f"{counted}begun\ntwo\n"
                read = await client.call("item/output/read", threadId=thread, itemId=item["id"])
                assert b64decode(read["dataBase64"]).decode() == shown(client)
        assert b"It ran twice: in the sandbox, where it failed with exit code 1" in (
            model.requests[-1].body
        )
        assert (home.work / "ran").read_text() == "one\none\n"
        assert made_in(outside) == ["a"]


@trio_test
async def test_a_session_that_failed_inside_is_one_outside_and_goes_on(home: Home) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    with outside_folder() as outside:
        line = f"echo begun; touch {outside}/a || exit 1; read x < {gate}; echo $x"
        arguments = msgspec.json.encode({"cmd": line, "yield_time_ms": 250}).decode()
        async with scripted_model([(Call("exec_command", arguments),), OK]) as model:
            home.use_model(model.base_url)
            home.start()
            async with connected(home.socket) as client:
                thread = await client.start_thread(cwd=str(home.work), **WORKSPACE)
                turn = await client.start_turn(thread, "go")
                await client.decide(await client.until_asked(), "accept")
                await client.turn_ended(turn)
                assert b"Process running with session ID" in model.requests[-1].body
                assert b"It ran twice" in model.requests[-1].body
                await trio.to_thread.run_sync(gate.write_text, "two\n")
                await client.until(lambda: bool(commands(client)), "the end of the session")
                (item,) = commands(client)
                assert (item["status"], item["exitCode"]) == ("completed", 0)
                assert item["aggregatedOutput"] == shown(client)
                assert shown(client).split(SECOND_RUN)[1] == "begun\ntwo\n"
                # It was begun and failed twice, and is asked about once.
                assert len(client.asked) == 1
        assert made_in(outside) == ["a"]

"""Permission profiles and environments over the wire: what a client chooses, what it is told, and what runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from codexd.runtime.effects.model_call import NO_TOOLS
from daemon_client import Client, Json, connected
from daemon_house import Daemon
from installed_codex import needs_schemas
from trio_test import trio_test
from wire_schemas import check_answer, check_told

PROFILES = """
default_permissions = "dev"
[permissions.dev]
extends = ":workspace"
description = "Work"
[permissions.dev.network]
enabled = true
[permissions.secret.filesystem]
":root" = "read"
"/etc/keys" = "deny"
[permissions.itself]
extends = "itself"
"""
# What Codex's TUI 0.171 asks for, to have a title made beside the person's own thread.
TITLE: Json = {
    "approvalPolicy": "never",
    "permissions": ":read-only",
    "environments": [],
    "ephemeral": True,
    "threadSource": "thread_title",
    "config": {
        "features.shell_tool": False,
        "features.unified_exec": False,
        "features.view_image": False,
        "features.request_permissions_tool": False,
        "tools.update_plan.enabled": False,
        "web_search": "disabled",
        "mcp_servers": {},
    },
}
NO_ENVIRONMENT = "No usable execution environment is available."


def touching(path: Path) -> Call:
    return Call("shell_command", json.dumps({"command": f"touch {path}"}))


def patching(path: Path) -> Call:
    patch = f"*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch"
    return Call("apply_patch", json.dumps({"input": patch}))


def answers(model: ScriptedModel) -> list[str]:
    """What the model was told of the calls that it had made by its last request."""
    sent = json.loads(model.requests[-1].body)["input"]
    return [item["output"] for item in sent if item["type"] == "function_call_output"]


def tools(model: ScriptedModel, at: int = -1) -> list[str]:
    sent = json.loads(model.requests[at].body).get("tools", [])
    return [tool.get("name", tool["type"]) for tool in sent]


async def settings_told(client: Client, times: int) -> Json:
    note = await client.until_notified("thread/settings/updated", times=times)
    check_told(note.method, note.params)
    told: Json = note.params["threadSettings"]
    return told


@needs_schemas
@trio_test
async def test_a_client_chooses_a_profile_and_everybody_is_told(daemon: Daemon) -> None:
    async with scripted_model([]) as model:
        daemon.home.use_model(model.base_url, more=PROFILES)
        async with connected(daemon.home.socket) as client:
            listed = await client.call("permissionProfile/list")
            check_answer("permissionProfile/list", listed)
            assert [(p["id"], p["description"], p["allowed"]) for p in listed["data"]] == [
                (":read-only", None, True),
                (":workspace", None, True),
                (":danger-full-access", None, True),
                ("dev", "Work", True),
                ("itself", None, False),
                ("secret", None, True),
            ]
            page = await client.call("permissionProfile/list", limit=1, cursor="3")
            assert ([p["id"] for p in page["data"]], page["nextCursor"]) == (["dev"], "4")
            # The configured profile, though the file has a sandbox mode as well, as Codex takes it.
            started = await client.call("thread/start")
            check_answer("thread/start", started)
            thread = started["thread"]["id"]
            assert started["activePermissionProfile"] == {"id": "dev", "extends": ":workspace"}
            assert started["sandbox"]["type"] == "workspaceWrite"
            assert started["sandbox"]["networkAccess"] is True
            await client.call("thread/settings/update", threadId=thread, permissions=":read-only")
            told = await settings_told(client, 1)
            assert told["sandboxPolicy"] == {"type": "readOnly", "networkAccess": False}
            assert told["activePermissionProfile"] == {"id": ":read-only", "extends": None}
            full = {"type": "dangerFullAccess"}
            await client.call("thread/settings/update", threadId=thread, sandboxPolicy=full)
            told = await settings_told(client, 2)
            assert (told["sandboxPolicy"], told["activePermissionProfile"]) == (full, None)
            for method in ("thread/resume", "thread/fork"):
                answer = await client.call(method, threadId=thread, permissions=":workspace")
                check_answer(method, answer)
                assert answer["activePermissionProfile"]["id"] == ":workspace"
                assert answer["sandbox"]["type"] == "workspaceWrite"
            for mode, config in (
                ("readOnly", {"config": {"sandbox_mode": "read-only"}}),
                ("readOnly", {"sandbox": "read-only"}),
            ):
                answer = await client.call("thread/start", **config)
                assert answer["sandbox"]["type"] == mode
                assert answer["activePermissionProfile"] is None
            both = {"sandbox_mode": "read-only", "default_permissions": ":danger-full-access"}
            answer = await client.call("thread/start", config=both)
            assert answer["activePermissionProfile"]["id"] == ":danger-full-access"
            await _refusals(client, thread)


async def _refusals(client: Client, thread: str) -> None:
    read_only = {"type": "readOnly"}
    asked: list[tuple[str, Json, str]] = [
        ("thread/start", {"permissions": ":workspace", "sandbox": "read-only"}, "`sandbox`"),
        ("thread/settings/update", {"permissions": "dev", "sandboxPolicy": read_only}, "`sandboxPolicy`"),
        ("turn/start", {"input": [], "permissions": "dev", "sandboxPolicy": read_only}, "`sandboxPolicy`"),
        ("thread/fork", {"permissions": ":nope"}, "found `:nope`"),
        ("thread/resume", {"permissions": "itself"}, "extends itself"),
        ("thread/start", {"environments": [{"environmentId": "cloud", "cwd": "/"}]}, "found `cloud`"),
    ]  # fmt: skip
    for method, params, because in asked:
        more = {} if method == "thread/start" else {"threadId": thread}
        refused = await client.refused(method, **params, **more)
        assert (refused.code, because in refused.message) == (-32600, True), refused.message


@trio_test
async def test_a_title_thread_executes_nothing_whatever_its_model_calls(
    daemon: Daemon, tmp_path: Path
) -> None:
    touched, patched = tmp_path / "touched", tmp_path / "patched"
    calls = (touching(touched), patching(patched), Call("update_plan", '{"plan":[]}'))
    script: list[Part | Reply] = [calls, Say(("A title",))]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            started = await client.call("thread/start", cwd=str(tmp_path), **TITLE)
            assert started["sandbox"]["type"] == "readOnly"
            assert started["thread"]["environments"] == []
            await client.run_turn(started["thread"]["id"], "run touch x")
            assert tools(model, 0) == []
            command, patch, plan = answers(model)
            assert {command, patch, plan} == {NO_TOOLS}
    assert not touched.exists()
    assert not patched.exists()


@trio_test
async def test_without_an_environment_no_call_runs_until_a_folder_is_chosen_again(
    daemon: Daemon, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    script: list[Part | Reply] = [
        *(touching(first), Say(("no",))),
        *((touching(second), Call("view_image", '{"path":"x.png"}')), Say(("no",))),
        *(touching(third), Say(("yes",))),
    ]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(tmp_path))
            await client.run_turn(thread, "a", environments=[])
            assert answers(model)[-1].startswith(NO_ENVIRONMENT)
            assert "shell_command" not in tools(model)
            await client.run_turn(thread, "b")  # It stays so, for later turns.
            assert all(answer.startswith(NO_ENVIRONMENT) for answer in answers(model))
            read = await client.call("thread/read", threadId=thread)
            assert read["thread"]["environments"] == []
            forked = await client.call("thread/fork", threadId=thread)
            assert forked["thread"]["environments"] == []
            await client.run_turn(thread, "c", cwd=str(tmp_path))
            assert answers(model)[-1].startswith("Exit code: 0")
    assert [path.exists() for path in (first, second, third)] == [False, False, True]


@trio_test
async def test_a_profile_that_cannot_be_enforced_runs_nothing_and_says_why(
    daemon: Daemon, tmp_path: Path
) -> None:
    script: list[Part | Reply] = [
        (touching(tmp_path / "a"), patching(tmp_path / "b"), Call("view_image", '{"path":"c.png"}')),
        Say(("ok",)),
    ]  # fmt: skip
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, more=PROFILES)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(tmp_path), permissions="secret")
            await client.run_turn(thread, "go")
            assert [
                "the permission profile secret denies paths" in said for said in answers(model)
            ] == [True] * 3
            warned = [note.params["message"] for note in client.of("warning")]
            assert any("permission profile secret denies paths" in text for text in warned)
    assert os.listdir(tmp_path) == []


@trio_test
async def test_a_profile_is_looked_up_again_only_where_a_thread_moves(
    daemon: Daemon, tmp_path: Path
) -> None:
    table = '[permissions.p]\nextends = ":workspace"\n[permissions.p.filesystem]\n"{}" = "read"\n'
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = str(tmp_path / "a"), str(tmp_path / "b")
    async with scripted_model([(touching(tmp_path / "b" / "c"), Say(("no",)))]) as model:
        daemon.home.use_model(model.base_url, more=table.format(there + "/sub"))
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=here, permissions="p")
            # In that folder is a path that the profile keeps from being written.
            await client.run_turn(thread, "go", cwd=there)
            assert "but not in" in answers(model)[-1]
            daemon.home.use_model(
                model.base_url
            )  # The profile is gone; the thread has what it had.
            resumed = await client.call("thread/resume", threadId=thread, cwd=there)
            assert resumed["activePermissionProfile"]["id"] == "p"
            refused = await client.refused("thread/settings/update", threadId=thread, cwd=here)
            assert "found `p`" in refused.message

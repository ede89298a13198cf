"""MCP servers of config.toml in the real daemon: their tools are offered, asked about, called and shown."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Asked, Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Daemon, Home, is_gone, wait_gone
from daemon_screen import completed
from mcp_house import SUPPORT, free_port, over_http
from trio_test import trio_test

OK: Reply = (Say(("ok",)),)


def call(tool: str, **arguments: object) -> Reply:
    return (Call(tool, json.dumps(arguments)),)


def table(
    name: str, script: str, *arguments: str, flags: tuple[str, ...] = (), more: str = ""
) -> str:
    args = json.dumps([*flags, str(SUPPORT / script), *arguments])
    return f'[mcp_servers.{name}]\ncommand = "{sys.executable}"\nargs = {args}\n{more}\n'


def sdk(name: str = "sdk", more: str = "") -> str:
    return table(name, "sdk_server.py", more=more)


def pipe(mode: str, name: str = "pipe", more: str = "") -> str:
    return table(name, "pipe_server.py", mode, flags=("-I", "-S"), more=more)


@asynccontextmanager
async def daemon_with(
    home: Home, servers: str, *replies: Reply, approval: str = "never", **env: str
) -> AsyncIterator[tuple[Daemon, ScriptedModel]]:
    async with scripted_model(list(replies)) as model:
        home.use_model(model.base_url, approval=approval, more="")
        with (home.path / "config.toml").open("a") as file:
            file.write(servers)
        home.env |= env
        yield home.start() if servers else home.start_anew(), model


def calls(client: Client) -> list[Json]:
    return [item for item in completed(client).values() if item["type"] == "mcpToolCall"]


def outputs(model: ScriptedModel) -> list[Any]:
    """What the model was given as the answers of its calls, in its last request."""
    items = json.loads(model.requests[-1].body)["input"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def tools(model: ScriptedModel) -> list[str]:
    declared = json.loads(model.requests[-1].body)["tools"]
    return [tool["name"] for tool in declared if "mcp" in tool.get("name", "")]


@trio_test
async def test_a_server_with_the_official_sdk_over_stdio(home: Home) -> None:
    replies = [
        call("mcp__sdk__echo", text="hello"),
        call("mcp__sdk__add", a=1, b=2),
        call("mcp__sdk__picture"),
        call("mcp__sdk__fail"),
        call("list_mcp_resources"),
        call("read_mcp_resource", server="sdk", uri="file:///readme"),
        call("mcp__sdk__environment"),
        call("mcp__sdk__crash"),
        call("mcp__sdk__echo", text="back"),
        OK,
    ]
    async with (
        daemon_with(home, sdk(), *replies, MY_TOKEN="secret-token") as (_, model),
        connected(home.socket) as client,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        await client.run_turn(thread, "go")
        told = client.of("mcpServer/startupStatus/updated")
        states = [note.params["status"] for note in told]
        assert states == ["starting", "ready", "failed", "starting", "ready"]
        listed = await client.call("mcpServerStatus/list")
        read = await client.call(
            "mcpServer/resource/read", server="sdk", uri="note://x", threadId=thread
        )
        text, structured, picture, failed, resources, resource, variables, crash, back = outputs(
            model
        )
        items = calls(client)
    assert text == '[{"type":"text","text":"hello"}]'
    assert structured == '{"sum":3}'
    assert picture[0]["image_url"].startswith("data:image/png;base64,")
    assert "it broke" in failed
    assert "Whether the call was carried out is unknown." in crash
    assert "back" in back
    assert json.loads(resources)["resources"][0]["uri"] == "file:///readme"
    assert json.loads(resource)["contents"][0]["text"] == "read me"
    assert "CODEXD_HOME" not in variables
    assert "MY_TOKEN" not in variables
    assert [(item["server"], item["tool"], item["status"]) for item in items[:4]] == [
        ("sdk", "echo", "completed"),
        ("sdk", "add", "completed"),
        ("sdk", "picture", "completed"),
        ("sdk", "fail", "failed"),
    ]
    assert items[0]["arguments"] == {"text": "hello"}
    assert items[0]["result"] == {"content": [{"type": "text", "text": "hello"}]}
    assert items[1]["result"]["structuredContent"] == {"sum": 3}
    assert "iVBOR" not in json.dumps(items[2])
    (server,) = listed["data"]
    assert (server["runtimeStatus"], server["authStatus"]) == ("connected", "unsupported")
    assert server["serverInfo"]["version"] == "1.2.3"
    assert [found["uri"] for found in server["resources"]] == ["file:///readme"]
    assert server["codexd"]["modelNames"]["echo"] == "mcp__sdk__echo"
    assert read["contents"][0]["text"] == "note of x"
    of_the_server = [name for name in tools(model) if name.startswith("mcp__")]
    assert len(of_the_server) > 5
    assert of_the_server == sorted(of_the_server)


@trio_test
async def test_a_server_with_the_official_sdk_over_http_through_a_kill_of_it(home: Home) -> None:
    port = await free_port()
    replies = [
        call("mcp__web__echo", text="one"),
        call("mcp__web__learn", name="more"),
        OK,
        call("mcp__web__echo", text="two"),
        OK,
    ]
    address = f'[mcp_servers.web]\nurl = "http://127.0.0.1:{port}/mcp"\n'
    async with (
        daemon_with(home, address, *replies) as (_, model),
        connected(home.socket) as client,
    ):
        async with over_http(sys.executable, str(SUPPORT / "sdk_server.py"), str(port), port=port):
            thread = await client.start_thread(cwd=str(home.work))
            await client.run_turn(thread, "go")
            assert outputs(model)[0] == '[{"type":"text","text":"one"}]'
            while "mcp__web__more" not in await names_of(client):
                await trio.testing.wait_all_tasks_blocked(0.01)
        async with over_http(sys.executable, str(SUPPORT / "sdk_server.py"), str(port), port=port):
            await client.run_turn(thread, "again")
            assert outputs(model)[-1] == '[{"type":"text","text":"two"}]'


async def names_of(client: Client) -> list[str]:
    (server,) = (await client.call("mcpServerStatus/list", detail="toolsAndAuthOnly"))["data"]
    return list(server["codexd"]["modelNames"].values())


@trio_test
async def test_people_are_asked_by_the_hints_of_the_server_and_see_how_far_a_call_is(
    home: Home,
) -> None:
    replies = [
        call("mcp__pipe__echo", a=1),  # It only reads.
        call("mcp__pipe__change", a="x\u202ey"),
        call("mcp__pipe__change", a=2),  # Allowed for the session.
        OK,
    ]
    async with (
        daemon_with(home, pipe("Server"), *replies, approval="untrusted") as (_, model),
        connected(home.socket) as client,
        connected(home.socket) as other,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        turn = await client.start_turn(thread, "go")
        asked = await client.until_asked()
        await other.call("thread/resume", threadId=thread)
        assert await other.until_asked() == asked
        await client.send({"id": asked.id, "result": accept(persist="session")})
        await other.until_notified("serverRequest/resolved", requestId=asked.id)
        await client.turn_ended(turn)
        assert len(client.asked) == 1
        items = calls(client)
    check_question(asked, thread)
    assert [item["status"] for item in items] == ["completed"] * 3
    assert len(outputs(model)) == 3


def accept(persist: str | None = None) -> Json:
    """As Codex's TUI answers."""
    return {"action": "accept", "content": None, "_meta": persist and {"persist": persist}}


def check_question(asked: Asked, thread: str) -> None:
    assert asked.method == "mcpServer/elicitation/request"
    assert asked.params["threadId"] == thread
    assert asked.params["message"] == 'Allow the pipe MCP server to run tool "change"?'
    assert asked.params["_meta"]["codex_approval_kind"] == "mcp_tool_call"
    assert asked.params["_meta"]["tool_params"] == {"a": "x\\u{202e}y"}
    assert asked.params["codexd"]["reason"] == (
        "The tool of this MCP server is not known to only read."
    )


@trio_test
async def test_a_call_that_is_refused_is_not_made_and_the_turn_goes_on(home: Home) -> None:
    replies = [call("mcp__pipe__change"), OK]
    async with (
        daemon_with(home, pipe("Server"), *replies, approval="untrusted") as (_, model),
        connected(home.socket) as client,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        turn = await client.start_turn(thread, "go")
        asked = await client.until_asked()
        await client.send({"id": asked.id, "result": {"action": "cancel"}})
        assert (await client.turn_ended(turn))["status"] == "completed"
        (item,) = calls(client)
    assert item["status"] == "failed"
    assert item["result"] is None
    assert item["error"]["message"] == outputs(model)[0]


@trio_test
async def test_a_server_asks_the_people_who_follow_and_an_interrupt_takes_the_question_away(
    home: Home,
) -> None:
    replies = [call("mcp__sdk__ask"), OK, call("mcp__sdk__ask")]
    async with (
        daemon_with(home, sdk(), *replies) as (_, model),
        connected(home.socket) as first,
        connected(home.socket) as second,
    ):
        thread = await first.start_thread(cwd=str(home.work))
        turn = await first.start_turn(thread, "go")
        asked = await first.until_asked()
        await second.call("thread/resume", threadId=thread)
        assert await second.until_asked() == asked
        assert asked.params["message"] == "Who are you?"
        assert asked.params["requestedSchema"]["properties"]["name"]["type"] == "string"
        assert (asked.params["serverName"], asked.params["turnId"]) == ("sdk", turn)
        answer = {"action": "accept", "content": {"name": "Ann"}}
        await second.send({"id": asked.id, "result": answer})
        await first.until_notified("serverRequest/resolved", requestId=asked.id)
        await first.send({"id": asked.id, "result": {"action": "decline"}})  # too late
        await first.turn_ended(turn)
        assert "accept Ann" in outputs(model)[0]
        turn = await first.start_turn(thread, "again")
        asked = await first.until_asked(2)
        await first.call("turn/interrupt", threadId=thread, turnId=turn)
        await first.until_notified("serverRequest/resolved", requestId=asked.id)
        assert (await first.turn_ended(turn))["status"] == "interrupted"


@trio_test
async def test_an_interrupt_ends_a_call_and_the_server_is_told(home: Home) -> None:
    told = home.work / "told"
    replies = [call("mcp__sdk__slow", file=str(told)), OK]
    async with daemon_with(home, sdk(), *replies), connected(home.socket) as client:
        thread = await client.start_thread(cwd=str(home.work))
        turn = await client.start_turn(thread, "go")
        progress = await client.until_notified("item/mcpToolCall/progress")
        assert progress.params["message"] == "one of three"
        assert (progress.params["threadId"], progress.params["turnId"]) == (thread, turn)
        await client.call("turn/interrupt", threadId=thread, turnId=turn)
        await client.turn_ended(turn)
        (item,) = calls(client)
        assert item["id"] == progress.params["itemId"]
        assert item["status"] == "failed"
        with trio.fail_after(PATIENCE_SECONDS):
            while not told.exists():
                await trio.testing.wait_all_tasks_blocked(0.01)


@trio_test
async def test_a_server_that_is_killed_comes_back_and_a_call_that_only_reads_is_repeated(
    home: Home,
) -> None:
    mark = home.work / "mark"
    replies = [
        call("mcp__pipe__crash_once", file=str(mark)),
        call("mcp__pipe__crash"),
        call("mcp__pipe__echo", text="back"),
        OK,
    ]
    async with (
        daemon_with(home, pipe("Crashes"), *replies) as (_, model),
        connected(home.socket) as client,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        await client.run_turn(thread, "go")
        states = [note.params["status"] for note in client.of("mcpServer/startupStatus/updated")]
    repeated, unknown, back = outputs(model)
    assert str(mark) in repeated
    assert "Whether the call was carried out is unknown." in unknown
    assert "back" in back
    assert states == ["starting", "ready", "failed"] * 2 + ["starting", "ready"]


@pytest.mark.parametrize(("tool", "mode"), [("echo", "repeated"), ("change", "unknown")])
@trio_test
async def test_a_call_that_a_dead_daemon_was_making_is_repeated_or_declared_unknown(
    home: Home, tool: str, mode: str
) -> None:
    replies = [call(f"mcp__pipe__{tool}", a=1), OK]
    async with (
        daemon_with(home, pipe("Never"), *replies) as (daemon, model),
        connected(home.socket) as client,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        await client.start_turn(thread, "go")
        await client.until_notified("item/started")
        while not any(
            note.params["item"]["type"] == "mcpToolCall" for note in client.of("item/started")
        ):
            await client.until_notified("item/started", times=len(client.of("item/started")) + 1)
        servers = children_running("pipe_server.py", home)
        daemon.kill()
        for pid in servers:
            await wait_gone(pid)  # A server ends with its daemon.
        text = (home.path / "config.toml").read_text()
        home.configure(text.replace("Never", "Server"))
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.until(lambda: bool(client.of("turn/completed")) or len(model.requests) > 1)
            while len(model.requests) < 2:
                await trio.testing.wait_all_tasks_blocked(0.01)
        (answer,) = outputs(model)
    if mode == "repeated":
        assert answer == '[{"type":"text","text":"{\\"a\\": 1}"}]'
    else:
        assert "its result is not known, and it was not started again" in answer


def children_running(script: str, home: Home) -> list[int]:
    """The processes that run a script for this home's servers."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if (
            any(word.endswith(script.encode()) for word in words)
            and str(home.root).encode() in environment
        ):
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("parallel", [False, True])
@trio_test
async def test_calls_that_change_something_run_side_by_side_where_config_says_so(
    home: Home, parallel: bool
) -> None:
    more = f"supports_parallel_tool_calls = {str(parallel).lower()}"
    both: Reply = (*call("mcp__sdk__change_slowly"), *call("mcp__sdk__change_slowly"))
    async with (
        daemon_with(home, sdk(more=more), both, OK) as (_, model),
        connected(home.socket) as client,
    ):
        await client.run_turn(await client.start_thread(cwd=str(home.work)), "go")
        most = max(answer[0]["text"] for answer in map(json.loads, outputs(model)))
    assert most == ("2 under way" if parallel else "1 under way")


@trio_test
async def test_no_server_is_left_when_the_daemon_stops(home: Home) -> None:
    async with (
        daemon_with(home, pipe("Server"), OK) as (daemon, _),
        connected(home.socket) as client,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        await client.run_turn(thread, "go")
        servers = children_running("pipe_server.py", home)
        assert len(servers) == 1
        daemon.stop()
        for pid in servers:
            await wait_gone(pid)
            assert is_gone(pid)


@trio_test
async def test_a_turn_fails_where_a_required_server_is_missing(home: Home) -> None:
    missing = '[mcp_servers.gone]\ncommand = "/no/such/program"\nrequired = true\n'
    async with daemon_with(home, missing, OK) as (_, model), connected(home.socket) as client:
        thread = await client.start_thread(cwd=str(home.work))
        turn = await client.run_turn(thread, "go")
    assert turn["status"] == "failed"
    assert (
        "An MCP server that config.toml requires is not available (gone: "
        in (turn["error"]["message"])
    )
    assert model.requests == []


@trio_test
async def test_servers_are_added_and_removed_while_the_daemon_runs(home: Home) -> None:
    replies = [OK, call("mcp__late__echo", a=1), OK, OK]
    async with daemon_with(home, "# mine\n", *replies) as (_, model):
        config = home.path / "config.toml"
        before, mode = config.read_bytes(), config.stat().st_mode & 0o777
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            await client.run_turn(thread, "go")
            assert tools(model) == []
            command = [sys.executable, "-I", "-S", str(SUPPORT / "pipe_server.py"), "Server"]
            await client.call("mcpServer/config/add", name="late", command=command, env={"A": "b"})
            await client.run_turn(thread, "go")
            assert tools(model) == ["mcp__late__change", "mcp__late__echo"]
            refusal = await client.refused("mcpServer/config/add", name="no good", url="http://a")
            assert "expected a name of letters" in refusal.message
            await client.call("mcpServer/config/remove", name="late")
            assert config.read_bytes() == before
            await client.run_turn(thread, "go")
            assert tools(model) == []
        assert config.stat().st_mode & 0o777 == mode


@trio_test
async def test_a_daemon_without_servers_loads_neither_the_sdk_nor_what_it_is_built_on(
    home: Home,
) -> None:
    async with (
        daemon_with(home, "", OK) as (daemon, _),
        connected(home.socket) as client,
    ):
        thread = await client.start_thread(cwd=str(home.work))
        await client.run_turn(thread, "go")
        assert (await client.call("mcpServerStatus/list"))["data"] == []
        loaded = loaded_by(daemon)
    assert "msgspec" in loaded
    assert "pydantic" not in loaded
    assert "cryptography" not in loaded


def loaded_by(daemon: Daemon) -> str:
    """The names of the libraries that the daemon has loaded."""
    return Path(f"/proc/{daemon.pid}/maps").read_text()

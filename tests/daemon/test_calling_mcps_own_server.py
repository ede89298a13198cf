"""The server that MCP gives to the authors of clients, in the real daemon: over pipes and HTTP, through kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, connected
from daemon_house import PATIENCE_SECONDS, Home
from daemon_screen import completed
from installed_codex import EVERYTHING, needs_everything
from mcp_house import free_port, over_http
from trio_test import trio_test

pytestmark = [needs_everything, pytest.mark.slow]
OK: Reply = (Say(("ok",)),)
TABLE = f'[mcp_servers.every]\ncommand = "node"\nargs = ["{EVERYTHING}", "stdio"]\n'
LONG = "mcp__every__trigger-long-running-operation"


def call(tool: str, **arguments: object) -> Reply:
    return (Call(f"mcp__every__{tool}", json.dumps(arguments)),)


def outputs(model: ScriptedModel) -> list[Any]:
    items = json.loads(model.requests[-1].body)["input"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def configured(home: Home, model: ScriptedModel, table: str) -> None:
    home.use_model(model.base_url)
    with (home.path / "config.toml").open("a") as file:
        file.write(table)


async def answer_questions(client: Client) -> None:
    asked = await client.until_asked()
    properties = asked.params["requestedSchema"]["properties"]
    assert properties["legacyTitledEnum"]["enumNames"]
    content = {"name": "Ann", "check": True, "integer": 7}
    await client.send({"id": asked.id, "result": {"action": "accept", "content": content}})


def of_the_server() -> list[int]:
    """The processes of the server that run."""
    found = subprocess.run(
        ["pgrep", "-f", f"{EVERYTHING} stdio"], check=False, capture_output=True, text=True
    )
    return [int(line) for line in found.stdout.split()]


@trio_test
async def test_what_it_offers_is_used_over_pipes_through_kills_of_it_and_of_the_daemon(
    home: Home,
) -> None:
    replies = [
        call("echo", message="hello"),
        call("get-sum", a=1, b=2),
        call("get-structured-content", location="Chicago"),
        call("get-tiny-image"),
        call("get-resource-reference", resourceType="Blob", resourceId=1),
        call("get-resource-links", count=2),
        call("get-env"),
        call("trigger-elicitation-request"),
        call("trigger-long-running-operation", duration=0.2, steps=2),
        OK,
        call("echo", message="after a kill of the server"),
        OK,
        call("trigger-long-running-operation", duration=2, steps=20),
        OK,
    ]
    async with scripted_model(replies) as model:
        configured(home, model, TABLE)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await answer_questions(client)
            await client.turn_ended(turn)
            echo, added, weather, image, blob, links, variables, elicited, long = outputs(model)
            shown = [item for item in completed(client).values() if item["type"] == "mcpToolCall"]
            progress = client.of("item/mcpToolCall/progress")
            (pid,) = [pid for pid in of_the_server() if is_of(pid, home)]
            os.kill(pid, signal.SIGKILL)
            await client.run_turn(thread, "again")
            assert "after a kill of the server" in outputs(model)[-1]
            told = len(progress)
            await client.start_turn(thread, "once more")
            await client.until(lambda: len(client.of("item/mcpToolCall/progress")) > told)
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            with trio.fail_after(PATIENCE_SECONDS):
                while len(model.requests) < len(replies):
                    await trio.testing.wait_all_tasks_blocked(0.02)
            assert "Long running operation completed." in outputs(model)[-1]
            await client.until(lambda: "ok" in json.dumps([*completed(client).values()]))
            resources = await client.call("mcpServerStatus/list", serverName="every")
    assert "Echo: hello" in echo
    assert "is 3" in added
    assert json.loads(weather)["conditions"]
    assert [part["type"] for part in image].count("input_image") == 1
    assert "blob" in blob
    assert links.count("resource_link") == 2
    assert "CODEXD_HOME" not in variables
    assert "Ann" in elicited
    assert "Long running operation completed." in long
    assert [item["status"] for item in shown] == ["completed"] * 9
    assert progress
    (server,) = resources["data"]
    assert len(server["resources"]) > 3
    assert server["resourceTemplates"]


def is_of(pid: int, home: Home) -> bool:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return f"HOME={home.root}".encode() in file.read().split(b"\0")


@asynccontextmanager
async def everything_over_http(port: int) -> AsyncIterator[None]:
    env = {"PATH": os.environ["PATH"], "PORT": str(port)}
    async with over_http("node", str(EVERYTHING), "streamableHttp", port=port, env=env):
        yield


@trio_test
async def test_what_it_offers_is_used_over_http_through_kills_of_it_and_of_the_daemon(
    home: Home,
) -> None:
    port = await free_port()
    replies = [
        call("echo", message="hello"),
        call("trigger-elicitation-request"),
        call("trigger-long-running-operation", duration=0.2, steps=2),
        OK,
        call("echo", message="after a kill of the server"),
        OK,
        call("echo", message="after a kill of the daemon"),
        OK,
    ]
    async with scripted_model(replies) as model:
        configured(home, model, f'[mcp_servers.every]\nurl = "http://127.0.0.1:{port}/mcp"\n')
        daemon = home.start()
        async with everything_over_http(port), connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await answer_questions(client)
            await client.turn_ended(turn)
            echo, elicited, long = outputs(model)
            progress = client.of("item/mcpToolCall/progress")
        async with everything_over_http(port):
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread)
                await client.run_turn(thread, "again")
                assert "after a kill of the server" in outputs(model)[-1]
            daemon.kill()
            home.start()
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread)
                await client.run_turn(thread, "once more")
                assert "after a kill of the daemon" in outputs(model)[-1]
    assert "Echo: hello" in echo
    assert "Ann" in elicited
    assert "Long running operation completed." in long
    assert progress

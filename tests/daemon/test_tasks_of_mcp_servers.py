"""A server that goes on with a call by itself (MCP's extension Tasks): its handle is in the log, and outlives the daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Home
from mcp_house import SUPPORT, free_port, over_http
from trio_test import trio_test

pytestmark = pytest.mark.slow
OK: Reply = (Say(("ok",)),)


@asynccontextmanager
async def task_server(home: Home) -> AsyncIterator[tuple[ScriptedModel, list[Path]]]:
    """A model that calls the tool four times, and the files of the four tasks."""
    files = [home.root / f"task {number}" for number in range(4)]
    replies: list[Reply] = []
    for file in files:
        replies += [(Call("mcp__tasks__work", json.dumps({"file": str(file)})),), OK]
    port = await free_port()
    async with (
        scripted_model(replies) as model,
        over_http(sys.executable, str(SUPPORT / "task_server.py"), str(port), port=port),
    ):
        home.use_model(model.base_url, approval="never", more="")
        with (home.path / "config.toml").open("a") as config:
            table = f'[mcp_servers.tasks]\nurl = "http://127.0.0.1:{port}/mcp"\n'
            config.write(f'{table}default_tools_approval_mode = "approve"\n')
        yield model, files


def answer(model: ScriptedModel) -> str:
    items = json.loads(model.requests[-1].body)["input"]
    output = [item["output"] for item in items if item["type"] == "function_call_output"][-1]
    return output if isinstance(output, str) else json.dumps(output)


async def until_logged(home: Home, tasks: int) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while sum(log.read_bytes().count(b"tool.task_created") for log in home.logs()) < tasks:
            await trio.testing.wait_all_tasks_blocked(0.01)


def is_cancelled(task: Path) -> bool:
    return Path(f"{task}.cancelled").exists()


async def until_cancelled(task: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not is_cancelled(task):
            await trio.testing.wait_all_tasks_blocked(0.01)


def items(client: Client) -> list[Json]:
    found = [note.params["item"] for note in client.of("item/completed")]
    return [item for item in found if item["type"] == "mcpToolCall"]


@trio_test
async def test_it_outlives_the_daemon_ends_with_an_interrupt_and_asks_people(home: Home) -> None:
    async with task_server(home) as (model, files):
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await until_logged(home, 1)
            first.kill()
        files[0].write_text("the whole result\n")
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.until(lambda: bool(items(client)) or len(model.requests) > 1)
            while len(model.requests) < 2:
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert "the whole result" in answer(model)
            assert not is_cancelled(files[0])
            # An interrupt cancels the task.
            await client.until(lambda: home.logs()[0].read_bytes().count(b"turn.completed") == 1)
            turn = await client.start_turn(thread, "again")
            await until_logged(home, 2)
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            await until_cancelled(files[1])
            assert items(client)[-1]["status"] == "failed"
            # A task that fails says why.
            turn = await client.start_turn(thread, "more")  # The model says OK to the interrupt.
            await client.turn_ended(turn)
            turn = await client.start_turn(thread, "and more")
            await until_logged(home, 3)
            files[2].write_text("fail\n")
            await client.turn_ended(turn)
            assert "tasks.work failed: it broke" in answer(model)
            # A task that asks has people asked.
            turn = await client.start_turn(thread, "and still more")
            await until_logged(home, 4)
            files[3].write_text("ask\n")
            asked = await client.until_asked()
            assert asked.params["message"] == "Which word?"
            given = {"action": "accept", "content": {"word": "fish"}}
            await client.send({"id": asked.id, "result": given})
            await client.turn_ended(turn)
            assert "accept fish" in answer(model)

"""codexctl mcp serve, by MCP's own Python library, and by plain JSON where that says nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

from codexd.models.scripted.scripts import Say
from codexd_frontends.mcp_server.calls import TOOLS, declarations
from codexd_frontends.mcp_server.reading import shortened
from daemon_house import Home
from mcp import ClientSession, MCPError, StdioServerParameters
from paused_model import Held

from .acp_steps import escalated
from .codexctl import begin, command, holding, playing, told

Json = dict[str, Any]
SERVE = ("mcp", "serve")


class Agent:
    """An agent of another program."""

    def __init__(self, session: ClientSession, notes: asyncio.Queue[Json]) -> None:
        self.session, self.notes = session, notes

    async def call(self, tool: str, **arguments: object) -> Json:
        answer = await self.session.call_tool(tool, arguments)
        assert not answer.is_error, answer
        assert json.loads(_text(answer)) == answer.structured_content
        return dict(answer.structured_content)

    async def refused(self, tool: str, **arguments: object) -> str:
        answer = await self.session.call_tool(tool, arguments)
        assert answer.is_error, answer
        return _text(answer)


@asynccontextmanager
async def agent(home: Home, *flags: str) -> AsyncIterator[Agent]:
    program, *words = command(*SERVE, *flags)
    served = StdioServerParameters(command=program, args=words, env=home.env, cwd=home.work)
    notes = asyncio.Queue[Json]()

    async def note(params: Any) -> None:
        notes.put_nowait(params.data)

    async with (
        stdio_client(served) as (read, write),
        ClientSession(read, write, logging_callback=note) as session,
    ):
        greeting = await session.initialize()
        assert greeting.server_info.name == "codexd"
        yield Agent(session, notes)


def test_every_tool_says_whether_it_only_reads_and_what_it_takes() -> None:
    offered = {tool["name"]: tool for tool in declarations(answers=False)}
    assert offered.keys() == TOOLS.keys() - {"answer_question"}
    assert {tool["name"] for tool in declarations(answers=True)} == TOOLS.keys()
    for tool in declarations(answers=True):
        schema = tool["inputSchema"]
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        assert "$ref" not in json.dumps(schema)
        assert len(tool["description"]) > 20
    reads = {name for name, tool in offered.items() if tool["annotations"]["readOnlyHint"]}
    assert reads == {"list_threads", "read_thread", "await_thread", "notify_when_idle"}


def test_a_long_text_says_how_much_of_it_is_missing() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("a" * 10 + "b" * 10, 4) == "aa\n… 16 characters left out …\nbb"


def test_an_agent_starts_awaits_reads_forks_and_archives_threads(home: Home) -> None:
    async def run() -> None:
        async with agent(home) as at:
            names = {tool.name for tool in (await at.session.list_tools()).tools}
            assert names == TOOLS.keys() - {"answer_question"}
            begun = await at.call("start_thread", prompt="say 2 4", name="first")
            thread = begun["threadId"]
            assert begun["delivery"] == "started"
            ended = await at.call("await_thread", thread="first")
            assert (ended["state"], ended["turnStatus"]) == ("idle", "completed")
            assert ended["lastMessage"] == "abc abc "

            sent = await at.call("send_prompt", thread=thread[:8], prompt="say 1 4", mode="steer")
            assert sent["delivery"] == "started"  # Nothing runs that it could be said into.
            await at.call("await_thread", thread=thread)
            read = await at.call("read_thread", thread=thread, turns=1)
            (turn,) = read["turns"]
            assert [item["text"] for item in turn["items"]] == ["say 1 4", "abc "]
            assert read["isWhole"] is False
            short = await at.call("read_thread", thread=thread, turns=9, characters=100)
            assert (len(short["turns"]), short["isWhole"]) == (2, True)

            forked = (await at.call("fork_thread", thread=thread))["threadId"]
            listed = await at.call("list_threads", state="idle", cwd=str(home.work))
            assert {row["threadId"] for row in listed["threads"]} == {thread, forked}
            await at.call("archive_thread", thread=forked)
            rows = (await at.call("list_threads", limit=1))["threads"]
            assert [row["threadId"] for row in rows] == [thread]
            archived = (await at.call("list_threads", archived=True))["threads"]
            assert [row["threadId"] for row in archived] == [forked]
            stopped = await at.call("interrupt_thread", thread=thread)
            assert stopped["wasInterrupted"] is False

            assert "no thread is called 'nobody'" in await at.refused(
                "read_thread", thread="nobody"
            )
            assert "turns" in await at.refused("read_thread", thread=thread, turns=0)
            assert "unknown field" in await at.refused("list_threads", limits=3)

    with playing() as model:
        home.use_model(model.base_url)
        asyncio.run(run())  # No daemon runs: the server starts it.


def test_an_agent_waits_for_a_thread_through_a_killed_daemon(home: Home) -> None:
    async def run() -> None:
        async with agent(home) as at:
            thread = (await at.call("start_thread", prompt="hello"))["threadId"]
            await asyncio.to_thread(model.wait_holding)
            late = await at.call("await_thread", thread=thread, seconds=0)
            assert (late["state"], late["timedOut"]) == ("running", True)
            queued = await at.call("send_prompt", thread=thread, prompt="say 1 4")
            assert queued["delivery"] == "queued"
            steered = await at.call("send_prompt", thread=thread, prompt="be short", mode="steer")
            assert steered["delivery"] == "steered"
            told = await at.call("notify_when_idle", thread=thread)
            assert told["state"] == "running"
            has_moved = asyncio.Event()

            async def moved(progress: float, total: float | None, message: str | None) -> None:
                assert message == f"{thread} is running"
                has_moved.set()

            waits = asyncio.create_task(
                at.session.call_tool("await_thread", {"thread": thread}, progress_callback=moved)
            )
            await has_moved.wait()
            daemon.process.kill()
            answer = await waits
            assert answer.structured_content["state"] == "idle", answer
            note = await at.notes.get()
            assert (note["threadId"], note["state"]) == (thread, "idle")

    held = Held(Say(("one ", "two ")), 1)
    # The first is cut by the steer, the second by the end of the daemon.
    with holding(held, held, Say(("three",)), Say(("four",))) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        asyncio.run(run())


def test_only_a_server_that_may_give_approvals_answers_a_question(home: Home) -> None:
    async def run() -> None:
        made = home.work / "made"
        async with agent(home) as at, agent(home, "--allow-approvals") as trusted:
            prompt = escalated(f"touch {made}")
            thread = (await at.call("start_thread", prompt=prompt))["threadId"]
            asks = await at.call("await_thread", thread=thread)
            assert asks["state"] == "asking"
            (question,) = asks["questions"]
            assert question["text"] == f"touch {made}"
            (asking,) = (await at.call("list_threads", state="asking"))["threads"]
            assert asking["threadId"] == thread
            answer = {"thread": thread, "question": question["question"], "decision": "accept"}
            with pytest.raises(MCPError, match="expected a tool of"):
                await at.session.call_tool("answer_question", answer)
            assert not made.exists()
            late = await at.call("await_thread", thread=thread, until="idle", seconds=0)
            assert (late["state"], late["timedOut"]) == ("asking", True)
            other = {**answer, "question": "another"}
            assert "expected an open question" in await trusted.refused("answer_question", **other)
            await trusted.call("answer_question", **answer)
            assert (await at.call("await_thread", thread=thread))["state"] == "idle"
            assert made.exists()

    with playing() as model:
        home.use_model(model.base_url, approval="on-request")
        home.start()
        asyncio.run(run())


def test_a_client_of_any_version_is_answered_as_it_speaks(home: Home) -> None:
    modern = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
    home.start()
    with begin(home, *SERVE) as child:
        assert child.stdin is not None

        def asked(request_id: object, method: str, params: Json) -> Json:
            _send(child, {"id": request_id, "method": method, "params": params})
            return told(child, until=None)[0]

        early = asked(1, "tools/list", {})
        assert early["error"]["code"] == -32600
        found = asked(2, "server/discover", modern)["result"]
        assert found["supportedVersions"][0] == "2026-07-28"
        assert found["resultType"] == "complete"
        listed = asked("three", "tools/list", modern)
        assert (listed["id"], listed["result"]["resultType"]) == ("three", "complete")
        older = asked(4, "initialize", {"protocolVersion": "2024-11-05", "capabilities": {}})
        assert older["result"]["protocolVersion"] == "2024-11-05"
        newer = asked(5, "initialize", {"protocolVersion": "2099-01-01", "capabilities": {}})
        assert newer["result"]["protocolVersion"] == "2025-11-25"
        assert asked(6, "ping", {})["result"] == {}
        assert asked(7, "resources/list", {})["error"]["code"] == -32601
        assert asked(8, "tools/call", {"name": "rm"})["error"]["code"] == -32602
        assert asked(9, "tools/call", 3)["error"]["code"] == -32602  # type: ignore[arg-type]
        child.stdin.write("{no json\n")
        child.stdin.flush()
        assert told(child, until=None)[0]["error"]["code"] == -32700
        _send(child, {"method": "notifications/cancelled", "params": {"requestId": 77}})
        assert asked(10, "ping", {})["id"] == 10
        child.stdin.close()
        assert child.wait() == 0


def test_a_client_without_a_handshake_uses_the_newest_version(home: Home) -> None:
    async def run() -> None:
        program, *words = command(*SERVE)
        served = StdioServerParameters(command=program, args=words, env=home.env, cwd=home.work)
        async with stdio_client(served) as (read, write), ClientSession(read, write) as session:
            found = await session.discover()
            assert found.supported_versions[0] == "2026-07-28"
            assert {tool.name for tool in (await session.list_tools()).tools} < TOOLS.keys()
            at = Agent(session, asyncio.Queue())
            assert await at.call("list_threads") == {"threads": []}

    home.start()
    asyncio.run(run())


def test_a_call_that_is_cancelled_is_not_answered(home: Home) -> None:
    with holding(Held(Say(("one ", "two ")), 1)) as model:
        home.use_model(model.base_url)
        home.start()
        with begin(home, *SERVE) as child:
            assert child.stdin is not None
            _send(child, {"id": 1, "method": "initialize", "params": {}})
            _call(child, 2, "start_thread", prompt="hello")
            started = told(child, until=2)[-1]["result"]["structuredContent"]
            model.wait_holding()
            _call(child, 3, "await_thread", thread=started["threadId"])
            _send(child, {"method": "notifications/cancelled", "params": {"requestId": 3}})
            arguments = {"thread": started["threadId"]}
            params = {"name": "await_thread", "arguments": arguments, "_meta": {"progressToken": 9}}
            _send(child, {"id": 4, "method": "tools/call", "params": params})
            (progress,) = told(child, until="notifications/progress")
            assert progress["params"]["progressToken"] == 9
            model.resume()
            assert [said.get("id") for said in told(child, until=4)] == [4]
            child.stdin.close()
            assert child.wait() == 0


def _text(answer: CallToolResult) -> str:
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text


def _send(child: subprocess.Popen[str], message: Json) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    child.stdin.flush()


def _call(child: subprocess.Popen[str], request_id: int, tool: str, **arguments: object) -> None:
    params = {"name": tool, "arguments": arguments}
    _send(child, {"id": request_id, "method": "tools/call", "params": params})

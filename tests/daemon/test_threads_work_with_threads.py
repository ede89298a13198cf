"""A model starts, tells, awaits and reads other threads, within what its own thread may do."""

from __future__ import annotations

import json

import pytest

from codexd.agents.looser import is_looser
from codexd.agents.tools import SPECS, WAIT_MS_DEFAULT, agent_tools
from codexd.config.keys import ThreadsTable
from codexd.core.rules.thread_rules import thread_key, thread_line, thread_reason, thread_refusal
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.limits import Traits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.settings import (
    Collaboration,
    Enforcement,
    SandboxAccess,
    Settings,
)
from codexd.core.values.thread_calls import ThreadCall
from codexd.core.values.tool_actions import BadCall
from codexd.models.scripted.server import scripted_model
from codexd.projections.summary import Summary
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.supervisor import Supervisor
from codexd.tools.registry import CallContext, Registry
from daemon_client import Client, Json, connected
from daemon_house import Home
from trio_test import trio_test

HERE = Enforcement(modes=("read-only", "workspace-write"), unsandboxed=False)
A, B = (
    ThreadId("0194d2a0-0000-7000-8000-00000000000a"),
    ThreadId("0194d2a0-0000-7000-8000-00000000000b"),
)
TOOLS = "[threads]\ntools = true\nmax_depth = 1\nmax_children = 1\n"


def settings(
    sandbox: str = "workspace-write", policy: str = "on-request", cwd: str = "/work", **more: object
) -> Settings:
    return Settings(cwd, "m", "p", policy, sandbox, enforcement=HERE, **more)  # type: ignore[arg-type]


def test_a_thread_that_may_do_more_is_looser() -> None:
    own = settings(access=SandboxAccess(writable_roots=("/more",)))
    assert not is_looser(own, own)
    assert not is_looser(settings("read-only", "untrusted", "/elsewhere"), own)
    assert not is_looser(settings(cwd="/work/below"), own)
    assert not is_looser(settings(cwd="/more/x"), own)
    assert not is_looser(settings(cwd="/any"), settings("danger-full-access", "never"))
    # Outside of any sandbox the sender would be asked about what the other does unasked within one.
    assert is_looser(settings(cwd="/any"), settings("danger-full-access"))
    assert is_looser(settings("danger-full-access"), own)
    assert is_looser(settings(policy="never"), own)
    assert is_looser(settings(cwd="/elsewhere"), own)
    assert is_looser(settings(access=SandboxAccess(network_access=True)), own)
    assert is_looser(settings(access=SandboxAccess(writable_roots=("/etc",))), own)
    careful = settings(access=SandboxAccess(exclude_slash_tmp=True))
    assert is_looser(settings(), careful)
    assert not is_looser(careful, settings())


def test_what_changes_another_thread_is_asked_about_and_what_reads_is_not() -> None:
    plans = settings(collaboration=Collaboration("plan"))
    for tool in ("spawnAgent", "sendInput", "interruptAgent"):
        call = ThreadCall(tool, A, (B,), prompt="p" * 3000)
        assert thread_reason(settings(), call, None) is not None
        assert thread_refusal(settings(), call, None) is None
        assert thread_refusal(plans, call, None) is not None
        assert "1000 characters left out" in thread_line(call)
    for tool in ("wait", "listAgents", "readAgent"):
        call = ThreadCall(tool, A, (B,))  # type: ignore[arg-type]
        assert thread_reason(settings(), call, None) is None
        assert thread_refusal(plans, call, None) is None
    other = ThreadId("0194d2a0-0000-7000-8000-00000000000c")
    assert thread_key(ThreadCall("sendInput", A, (B,))) != thread_key(
        ThreadCall("sendInput", A, (other,))
    )
    assert thread_key(ThreadCall("spawnAgent", A, (B,), "x")) == thread_key(
        ThreadCall("spawnAgent", A, (other,), "y")
    )


def call(tool: str, **arguments: object) -> str:
    return f"call {tool} {json.dumps(arguments)}"


async def called(client: Client, thread: str, prompt: str) -> tuple[Json, str]:
    """The item of the call that a turn makes, and what the model was answered."""
    await client.run_turn(thread, prompt)
    return await last_call(client, thread)


async def last_call(client: Client, thread: str) -> tuple[Json, str]:
    turns = await client.call("thread/turns/list", threadId=thread, limit=1, itemsView="full")
    kinds = ("collabAgentToolCall", "dynamicToolCall")
    (item,) = [item for item in turns["data"][0]["items"] if item["type"] in kinds]
    return item, await answer(client, thread)


async def answer(client: Client, thread: str) -> str:
    """The last result of a tool that the model of a thread got."""
    log = await client.call("thread/log/read", threadId=thread, limit=1000)
    ended = [record["data"] for record in log["records"] if record["type"] == "tool.ended"]
    return str(ended[-1]["result"]["modelText"])


def test_no_model_hears_of_the_tools_where_they_are_off() -> None:
    table = ThreadsTable()
    registry = Registry(*agent_tools(nobody, nothing, unheard, lambda: table))
    assert registry.offered(Traits(), ThreadState()) == ()
    refused = registry.read_call("spawn_agent", '{"message": "x"}', CallContext("/work", A, "c1"))
    assert refused == BadCall("unsupported call: spawn_agent. The tools here are: .")
    table = ThreadsTable(tools=True)
    assert len(registry.offered(Traits(), ThreadState())) == len(SPECS)
    assert registry.offered(Traits(), ThreadState(reviews=ReviewOf(B, TurnId("t1")))) == ()


def test_arguments_that_make_no_sense_are_told_to_the_model() -> None:
    registry = Registry(*agent_tools(nobody, nothing, unheard, lambda: ThreadsTable(tools=True)))
    for tool, arguments, problem in (
        ("spawn_agent", {}, "with words"),
        ("spawn_agent", {"message": "x" * 100_001}, "at most 100000 characters"),
        ("send_input", {"id": "x", "message": "hello"}, "invalid thread id"),
        ("send_input", {"id": A, "message": "hello"}, "your own"),
        ("wait_agent", {"ids": []}, "1 to 50 ids"),
        ("wait_agent", {"ids": [B], "timeout_ms": -1}, "timeout_ms from 0"),
        ("wait_agent", [], "Nothing was done"),
    ):
        read = registry.read_call(tool, json.dumps(arguments), CallContext("/work", A, "c1"))
        assert isinstance(read, BadCall)
        assert problem in read.reason
    twice = registry.read_call(
        "wait_agent", json.dumps({"ids": [B, B]}), CallContext("/work", A, "c1")
    )
    assert twice == ThreadCall("wait", A, (B,), timeout_ms=WAIT_MS_DEFAULT)


def nobody() -> Supervisor:
    raise AssertionError("no other thread is looked at")


def unheard(_: ThreadActor) -> None:
    raise AssertionError("no thread is started")


async def nothing(_term: str, _limit: int) -> list[tuple[ThreadId, Summary]]:
    return []


@pytest.mark.slow
@trio_test
async def test_a_thread_starts_another_asked_and_no_deeper_than_the_cap(home: Home) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url, approval="on-request", more=TOOLS)
        home.start()
        async with connected(home.socket) as client:
            parent = await client.start_thread(cwd=str(home.work))
            prompt = call("spawn_agent", message=call("spawn_agent", message="say 1 4"))
            turn = await client.start_turn(parent, prompt)
            asked = await client.until_asked()
            assert asked.method == "item/commandExecution/requestApproval"
            assert asked.params["threadId"] == parent
            assert "spawnAgent call spawn_agent" in asked.params["command"]
            await client.decide(asked, "acceptForSession")
            await client.turn_ended(turn)
            item, _ = await last_call(client, parent)
            (child,) = item["receiverThreadIds"]
            assert (item["tool"], item["status"]) == ("spawnAgent", "completed")
            assert item["senderThreadId"] == parent
            assert item["agentsStates"][child]["status"] == "running"

            started = [note.params["thread"]["id"] for note in client.of("thread/started")]
            assert started == [parent, child]
            read = (await client.call("thread/resume", threadId=child))["thread"]
            assert (read["parentThreadId"], read["threadSource"]) == (parent, "subagent")
            asked = await client.until_asked(2)
            assert asked.params["threadId"] == child
            full, _ = await called_beside(client, parent, "spawn_agent", message="say 1 4")
            assert "as many as `threads.max_children`" in full
            await client.decide(asked, "accept")
            item, _ = await called(client, parent, call("wait_agent", ids=[child]))
            assert item["agentsStates"][child]["status"] == "completed"
            assert "1 deep at most" in await answer(client, child)

            log = await client.call("thread/log/read", threadId=child, limit=10)
            queued = [record for record in log["records"] if record["type"] == "input.queued"]
            assert queued[0]["by"] == f"thread {parent}"
            text = queued[0]["data"]["content"][0]["text"]
            assert text.startswith(f"[This message is from the agent of thread {parent}, not from")

            _, told = await called(client, parent, call("read_agent", id=child))
            assert json.loads(told)["messages"][0]["from"] == "user"
            _, told = await called(client, parent, call("list_agents"))
            (row,) = json.loads(told)["threads"]
            assert (row["id"], row["started_by"]) == (child, parent)
            _, told = await called(client, parent, call("wait_agent", ids=[parent]))
            assert "which is your own" in told
            _, told = await called(client, parent, call("read_agent", id=A))
            assert "there is no thread" in told

            loose = await client.start_thread(
                cwd=str(home.work), sandbox="danger-full-access", approvalPolicy="never"
            )
            await client.run_turn(parent, "say 1 4", sandboxPolicy={"type": "readOnly"})
            turn = await client.start_turn(parent, call("send_input", id=loose, message="say 1 4"))
            await client.decide(await client.until_asked(3), "accept")
            await client.turn_ended(turn)
            assert "may do more than this one" in await answer(client, parent)


async def called_beside(
    client: Client, thread: str, tool: str, **arguments: object
) -> tuple[str, Json]:
    await client.run_turn(thread, call(tool, **arguments))
    item, told = await last_call(client, thread)
    return told, item


@pytest.mark.slow
@trio_test
async def test_a_wait_is_no_circle_and_outlives_the_daemon_but_not_an_interrupt(home: Home) -> None:
    go = home.work / "go"
    async with scripted_model() as model:
        home.use_model(model.base_url, more=TOOLS)
        daemon = home.start()
        async with connected(home.socket) as client:
            first = await client.start_thread(cwd=str(home.work))
            other = await client.start_thread(cwd=str(home.work))
            busy = f"run while ! test -f {go}; do :; done\n{call('wait_agent', ids=[first])}"
            await client.start_turn(other, busy)
            await client.until_notified("item/started", threadId=other)
            waits = call("wait_agent", ids=[other], timeout_ms=600_000)
            turn = await client.start_turn(first, waits)
            await waiting(client, first)
            await client.call("turn/interrupt", threadId=first, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            running = await client.call("thread/read", threadId=other)
            assert running["thread"]["status"]["type"] == "active"

            _, told = await called(client, first, call("wait_agent", ids=[other], timeout_ms=0))
            assert json.loads(told)["timed_out"] is True
            await client.start_turn(first, waits)
            await waiting(client, first)
        daemon.process.kill()
        daemon.process.wait()
        home.start()
        async with connected(home.socket) as client:
            for thread in (first, other):
                await client.call("thread/resume", threadId=thread)
            go.touch()
            await client.until(lambda: idle(client, first) and idle(client, other))
            item, _ = await last_call(client, first)
            assert item["agentsStates"][other]["status"] == "completed"
            assert "so neither would go on" in await answer(client, other)


def idle(client: Client, thread: str) -> bool:
    return bool(client.of("turn/completed", threadId=thread))


async def waiting(client: Client, thread: str) -> None:
    """The call of a thread has begun."""
    seen = len(client.of("turn/started", threadId=thread))

    def begun() -> bool:
        items = [note.params["item"] for note in client.of("item/started", threadId=thread)]
        return [item["type"] for item in items].count("collabAgentToolCall") >= seen

    await client.until(begun)

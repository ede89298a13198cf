"""Plan mode over the wire: it is chosen, questions are asked and answered, and the plan is an item of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from codexd.core.prompts.collaboration import DEFAULT_MODE, PLAN_MODE
from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from installed_codex import needs_schemas
from paused_model import Held, held_model
from trio_test import trio_test
from wire_schemas import check_answer, check_told, check_user_input_asked

QUESTION = {
    "id": "where",
    "header": "Storage",
    "question": "Where is it kept?",
    "options": [
        {"label": "File (Recommended)", "description": "Simple."},
        {"label": "Base", "description": "Fast."},
    ],
}
ASKS = Call("request_user_input", json.dumps({"questions": [QUESTION]}))
PLAN = "# Plan\n- write it\n"
PROPOSES = Say(("I thought.\n<propos", "ed_plan>\n# Plan\n- wr", "ite it\n</proposed", "_plan>\n"))


def mode(name: str, **settings: object) -> Json:
    return {"mode": name, "settings": {"model": "scripted", **settings}}


def outputs(body: bytes) -> list[str]:
    items = json.loads(body)["input"]
    return [item["output"] for item in items if item["type"].endswith("_output")]


def developer_texts(body: bytes) -> list[str]:
    items = json.loads(body)["input"]
    return [item["content"][0]["text"] for item in items if item.get("role") == "developer"]


def tools(body: bytes) -> set[str]:
    return {tool.get("name", tool["type"]) for tool in json.loads(body)["tools"]}


def flags(client: Client) -> list[list[str]]:
    statuses = [note.params["status"] for note in client.of("thread/status/changed")]
    return [status["activeFlags"] for status in statuses if status["type"] == "active"]


def check_plan(client: Client) -> None:
    """The plan was one item, and its deltas are its text."""
    done = [note.params["item"] for note in client.of("item/completed")]
    (plan,) = [item for item in done if item["type"] == "plan"]
    assert plan["text"] == PLAN
    deltas = [note.params for note in client.of("item/plan/delta", itemId=plan["id"])]
    assert "".join(delta["delta"] for delta in deltas) == PLAN
    for note in client.notified:
        check_told(note.method, note.params)


async def check_after_plan_mode(client: Client, thread: str, request: Callable[[], bytes]) -> None:
    """In the default mode the model has its tools again, and is told so."""
    await client.run_turn(thread, "go", collaborationMode=mode("default"))
    assert developer_texts(request())[-1] == DEFAULT_MODE
    assert {"apply_patch", "update_plan"} <= tools(request())
    items = (await client.call("thread/items/list", threadId=thread))["data"]
    assert {"plan", "agentMessage"} <= {each["item"]["type"] for each in items}
    resumed = await client.call("thread/resume", threadId=thread)
    check_answer("thread/resume", resumed)
    assert resumed["collaborationMode"]["mode"] == "default"
    assert resumed["reasoningEffort"] is None
    long = mode("plan", developer_instructions="x" * 40_000)
    refused = await client.refused(
        "thread/settings/update", threadId=thread, collaborationMode=long
    )
    assert "32768 characters" in str(refused)
    odd = await client.refused("turn/start", threadId=thread, input=[], outputSchema=[1])
    assert "an object, found [1]" in str(odd)


@needs_schemas
@trio_test
async def test_a_plan_is_made_with_the_person_and_carried_out_after_it(
    daemon: Daemon, tmp_path: Path
) -> None:
    writes = Call("shell_command", json.dumps({"command": f"touch {tmp_path}/made"}))
    patch = f"*** Begin Patch\n*** Add File: {tmp_path}/made\n+x\n*** End Patch\n"
    patches = Call("apply_patch", json.dumps({"input": patch}))
    replies: list[Part | Reply] = [ASKS, patches, PROPOSES, writes, Say(("done",))]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            listed = await client.call("collaborationMode/list")
            check_answer("collaborationMode/list", listed)
            assert [each["mode"] for each in listed["data"]] == ["plan", "default"]
            thread = await client.start_thread(cwd=str(tmp_path), approvalPolicy="never")
            chosen = mode("plan", reasoning_effort="medium", developer_instructions=None)
            await client.call("thread/settings/update", threadId=thread, collaborationMode=chosen)
            told = (await client.until_notified("thread/settings/updated")).params
            check_told("thread/settings/updated", told)
            settings = told["threadSettings"]
            assert settings["collaborationMode"]["mode"] == "plan"
            assert settings["collaborationMode"]["settings"]["developer_instructions"] == PLAN_MODE
            assert (settings["effort"], settings["sandboxPolicy"]["type"]) == (
                "medium",
                "dangerFullAccess",
            )
            turn = await client.start_turn(thread, "store it")
            asked = await client.until_asked()
            assert asked.method == "item/tool/requestUserInput"
            check_user_input_asked(asked.params)
            assert asked.params["questions"][0]["options"] == QUESTION["options"]
            assert flags(client)[-1] == ["waitingOnUserInput"]
            read = await client.call("thread/read", threadId=thread)
            assert read["thread"]["status"]["activeFlags"] == ["waitingOnUserInput"]
            given = {"where": {"answers": ["Base"]}}
            await client.send({"id": asked.id, "result": {"answers": given}})
            ended = await client.turn_ended(turn)
            assert ended["items"][0]["text"] == "I thought.\n"
            assert outputs(model.requests[1].body) == [
                json.dumps({"answers": given}, separators=(",", ":"))
            ]
            assert "plan mode" in outputs(model.requests[2].body)[1]
            assert not (tmp_path / "made").exists()
            assert developer_texts(model.requests[0].body)[-1] == PLAN_MODE
            assert "request_user_input" in tools(model.requests[0].body)
            assert not {"apply_patch", "update_plan"} & tools(model.requests[0].body)
            check_plan(client)
            await check_after_plan_mode(client, thread, lambda: model.requests[3].body)
            assert (tmp_path / "made").exists()


@needs_schemas
@trio_test
async def test_who_attaches_while_a_plan_streams_gets_all_of_it_once(daemon: Daemon) -> None:
    async with held_model([Held(PROPOSES, after=2)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as first:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "plan", collaborationMode=mode("plan"))
            await model.holding.wait()
            await first.until_notified("item/plan/delta")
            async with connected(daemon.home.socket) as late:
                await late.call("thread/resume", threadId=thread)
                await late.until_notified("item/plan/delta")
                model.resume()
                for client in (first, late):
                    await client.turn_ended(turn)
                    check_plan(client)
                    starts = [
                        note.params["item"]["type"]
                        for note in client.of("item/started")
                        if note.params["item"]["type"] in ("plan", "agentMessage")
                    ]
                    assert sorted(starts) == ["agentMessage", "plan"]


@pytest.mark.slow
@trio_test
async def test_a_question_outlives_the_daemon_that_asked_it(home: Home) -> None:
    async with scripted_model([ASKS, Say(("thanks",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "plan", collaborationMode=mode("plan"))
            await client.until_asked()
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            assert resumed["collaborationMode"]["mode"] == "plan"
            asked = await client.until_asked()
            # An error of one client is no answer for the others.
            await client.send({"id": asked.id, "error": {"code": -32601, "message": "no"}})
            await client.send({"id": asked.id, "result": {"answers": {}}})
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert "did not answer" in outputs(model.requests[1].body)[0]

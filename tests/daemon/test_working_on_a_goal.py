"""The goal of a thread over the wire: it is set, pursued without a word of a person, and lives through the daemon's death."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from installed_codex import needs_schemas
from paused_model import Held, held_model
from trio_test import trio_test
from wire_schemas import check_answer, check_told

COMPLETE = Call("update_goal", json.dumps({"status": "complete"}))


def statuses(client: Client) -> list[str]:
    return [note.params["goal"]["status"] for note in client.of("thread/goal/updated")]


@needs_schemas
@trio_test
async def test_a_thread_pursues_its_goal_until_the_model_says_that_it_is_reached(
    daemon: Daemon,
) -> None:
    replies: list[Part | Reply] = [
        Say(("first",)),
        Call("get_goal", "{}"),
        COMPLETE,
        Say(("done",)),
    ]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            nothing = await client.call("thread/goal/get", threadId=thread)
            assert nothing == {"goal": None}
            assert await client.call("thread/goal/clear", threadId=thread) == {"cleared": False}
            assert not client.of("thread/goal/cleared")
            no_goal = await client.refused("thread/goal/set", threadId=thread, status="paused")
            assert "no goal exists" in str(no_goal)
            answered = await client.call(
                "thread/goal/set",
                threadId=thread,
                objective="Port it.",
                tokenBudget=10**6,
                origin="user",
            )
            check_answer("thread/goal/set", answered)
            await client.until_notified("turn/completed", times=2)
            assert len(model.requests) == 4
            told = json.loads(model.requests[0].body)["input"][-1]
            assert told["role"] == "user"
            assert "Port it." in told["content"][0]["text"]
            goal = (await client.call("thread/goal/get", threadId=thread))["goal"]
            assert goal["status"] == "complete"
            assert goal["tokensUsed"] > 0
            assert statuses(client)[0] == "active"
            assert statuses(client)[-1] == "complete"
            for note in client.notified:
                check_told(note.method, note.params)
            shown = (await client.call("thread/items/list", threadId=thread))["data"]
            assert {each["item"]["type"] for each in shown} == {"agentMessage"}
            async with connected(daemon.home.socket) as late:
                await late.call("thread/resume", threadId=thread)
                await late.until_notified("thread/goal/updated")
                assert not late.of("thread/goal/cleared")
                assert await late.call("thread/goal/clear", threadId=thread) == {"cleared": True}
                await client.until_notified("thread/goal/cleared")


@trio_test
async def test_a_goal_goes_on_after_a_crash_and_stops_at_an_interrupt(home: Home) -> None:
    held = Held(Say(("so ", "far ", "so good")), after=1)
    async with held_model([held, Say(("after all",)), held]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.call("thread/goal/set", threadId=thread, objective="Port it.")
            await model.holding.wait()
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await model.wait_asked(3)
            await client.call("turn/interrupt", threadId=thread, turnId="")
            await client.until(lambda: "paused" in statuses(client))
            goal = (await client.call("thread/goal/get", threadId=thread))["goal"]
            assert goal["status"] == "paused"
            read = await client.call("thread/read", threadId=thread)
            assert read["thread"]["status"]["type"] == "idle"
            assert len(model.bodies) == 3

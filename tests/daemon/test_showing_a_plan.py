"""The model's plan: every terminal shows it, those that come late as well, and no crash loses it or shows another."""

from __future__ import annotations

import json
from collections.abc import Sequence

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import items_of
from installed_codex import needs_schemas
from paused_model import Held, held_model
from trio_test import trio_test
from wire_schemas import check_told

LOOK, MEND = "Look at the parser", "Mend it"


def planning(*statuses: str, explanation: str | None = None) -> Call:
    steps = [
        {"step": s, "status": status} for s, status in zip((LOOK, MEND), statuses, strict=True)
    ]
    return Call("update_plan", json.dumps({"plan": steps, "explanation": explanation}))


def plan(*statuses: str) -> list[Json]:
    return [{"step": s, "status": status} for s, status in zip((LOOK, MEND), statuses, strict=True)]


FIRST = planning("in_progress", "pending")
SECOND = planning("completed", "in_progress", explanation="It is in the lexer.")


def plans(client: Client) -> list[tuple[str | None, list[Json]]]:
    notes = [note.params for note in client.of("turn/plan/updated")]
    return [(note["explanation"], note["plan"]) for note in notes]


BOTH: Sequence[tuple[str | None, list[Json]]] = (
    (None, plan("inProgress", "pending")),
    ("It is in the lexer.", plan("completed", "inProgress")),
)


@needs_schemas
@trio_test
async def test_each_plan_is_a_notification_of_its_own_and_the_last_is_in_its_turn(
    daemon: Daemon,
) -> None:
    replies: list[Part | Reply] = [FIRST, SECOND, Say(("done",)), Say(("again",))]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert plans(client) == [*BOTH]
            for note in client.of("turn/plan/updated"):
                check_told(note.method, note.params)
                assert (note.params["threadId"], note.params["turnId"]) == (thread, turn)
            answers = [
                item["output"]
                for item in json.loads(model.requests[2].body)["input"]
                if item["type"] == "function_call_output"
            ]
            assert answers == ["Plan updated"] * 2
            await client.turn_ended(await client.start_turn(thread, "and now?"))
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            first, second = read["thread"]["turns"]
            assert first["plan"] == {"explanation": BOTH[1][0], "plan": BOTH[1][1]}
            assert "plan" not in second
            said = {item["type"] for item in items_of(read["thread"])}
            assert said == {"userMessage", "agentMessage"}
            listed = await client.call("thread/turns/list", threadId=thread, itemsView="summary")
            assert ["plan" in turn for turn in listed["data"]] == [False, False]


@trio_test
async def test_a_terminal_that_attaches_in_mid_turn_is_told_the_plan(daemon: Daemon) -> None:
    words = ("so ", "I mend")
    async with held_model([(FIRST,), (SECOND,), Held(Say(words), after=1)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as first:
            thread = await first.start_thread()
            turn = await first.start_turn(thread, "go")
            await model.holding.wait()
            async with connected(daemon.home.socket) as late:
                resumed = await late.call("thread/resume", threadId=thread)
                assert resumed["thread"]["turns"][-1]["plan"]["plan"] == BOTH[1][1]
                await late.until_notified("turn/plan/updated")
                model.resume()
                await late.turn_ended(turn)
                assert plans(late) == [BOTH[1]]
            async with connected(daemon.home.socket) as after:
                await after.call("thread/resume", threadId=thread)
                await after.call("thread/read", threadId=thread)
                assert plans(after) == []


@trio_test
async def test_a_plan_that_cannot_be_read_changes_nothing(daemon: Daemon) -> None:
    both = planning("in_progress", "in_progress")
    async with scripted_model([(FIRST,), (both,), (Say(("done",)),)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "go"))
            assert plans(client) == [BOTH[0]]
            (told,) = [
                note.params["item"]
                for note in client.of("item/completed")
                if note.params["item"]["type"] == "dynamicToolCall"
            ]
            assert (told["tool"], told["status"]) == ("update_plan", "failed")


@trio_test
async def test_a_daemon_that_is_killed_after_a_plan_shows_it_again(home: Home) -> None:
    async with held_model([(FIRST,), Held(Say(("a", "b")), after=1), Say(("c",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await model.holding.wait()
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            model.resume()
            if resumed["thread"]["turns"][-1]["status"] == "inProgress":
                await client.turn_ended(turn)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            for answer in (resumed, read):
                assert answer["thread"]["turns"][-1]["plan"]["plan"] == BOTH[0][1]

"""What Codex does badly with several clients on one thread, and codexd does not: a test for each point."""

from __future__ import annotations

import json

import pytest

from codexd.models.scripted.scripts import Call, Hang, Part, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected, listed, typed
from daemon_house import Daemon, Home
from trio_test import trio_test


@trio_test
async def test_a_thread_is_attached_before_its_first_message_and_is_in_no_list_until_then(
    home: Home,
) -> None:
    async with scripted_model([Say(("hi",))] * 2) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread = await client.start_thread()
            left = await client.start_thread()
            attached = await other.call("thread/resume", threadId=thread, excludeTurns=True)
            assert (attached["thread"]["id"], attached["thread"]["preview"]) == (thread, "")
            assert await listed(client) == await listed(client, searchTerm="") == []
            assert (await client.call("thread/loaded/list"))["data"] == []
            await client.run_turn(thread, "say 1")
            assert await listed(client) == [thread]
            assert (await client.call("thread/loaded/list"))["data"] == [thread]
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            assert await listed(client) == [thread]
            again = await client.call("thread/resume", threadId=left, excludeTurns=True)
            assert (again["thread"]["historyMode"], again["thread"]["source"]) == (
                "paginated",
                "vscode",
            )
            assert await listed(client) == [thread]
            await client.run_turn(left, "say 1")
            assert await listed(client) == [left, thread]


@trio_test
async def test_settings_in_a_resume_are_applied_and_the_last_writer_is_told_to_all(
    daemon: Daemon,
) -> None:
    async with scripted_model([]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as other:
            thread = await client.start_thread()
            resumed = await other.call("thread/resume", threadId=thread, model="m-2")
            assert resumed["model"] == "m-2"
            told = await client.until_notified("thread/settings/updated")
            assert told.params["threadSettings"]["model"] == "m-2"
            for who, effort in ((client, "low"), (other, "high")):
                await who.call("thread/settings/update", threadId=thread, effort=effort)
            for who in (client, other):
                await who.until(lambda who=who: len(efforts(who)) >= 2, "both changes")  # type: ignore[misc]
                assert efforts(who)[-2:] == ["low", "high"]


def efforts(client: Client) -> list[str | None]:
    told = client.of("thread/settings/updated")
    found = [note.params["threadSettings"]["effort"] for note in told]
    return [effort for effort in found if effort is not None]


@trio_test
async def test_who_attaches_causes_no_message_to_others(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        await client.until_notified("thread/started")
        before = len(client.notified)
        async with connected(daemon.home.socket) as other:
            await other.call("thread/resume", threadId=thread, excludeTurns=True)
            await other.call("thread/unsubscribe", threadId=thread)
        await client.call("server/status")
        assert client.notified[before:] == []


@trio_test
async def test_two_clients_that_mark_a_thread_as_read_meet_no_error(daemon: Daemon) -> None:
    async with scripted_model([Say(("hi",))] * 2) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        async with (
            connected(daemon.home.socket) as other,
            connected(daemon.home.socket) as beside,
        ):
            thread = await client.start_thread()
            await other.call("thread/resume", threadId=thread)
            first = await client.run_turn(thread, "say 1")
            for who in (client, other, beside):
                told = await who.until_notified("thread/readState/changed")
                unread = {"type": "turn", "turnId": first["id"]}
                assert told.params["readState"]["firstUnread"] == unread
            states = (await beside.call("thread/list"))["readStates"]
            assert states[thread] == told.params["readState"]
            mark: Json = {
                "threadId": thread,
                "operation": {"type": "read"},
                "expectedRevision": told.params["readState"]["revision"],
            }
            answers = [await who.call("thread/readState/update", **mark) for who in (client, other)]
            assert answers[0] == answers[1]
            assert answers[0]["readState"]["firstUnread"] is None
            # Who has not seen a later result does not mark it as read.
            await client.run_turn(thread, "say 1")
            refused = await other.refused("thread/readState/update", **mark)
            assert (refused.code, refused.message) == (-32600, "read state changed")
            assert refused.data["reason"] == "readStateConflict"
            states = (await beside.call("thread/list"))["readStates"]
            assert refused.data["readState"] == states[thread]
            empty = await client.start_thread()
            nothing = await other.refused("thread/readState/update", **mark | {"threadId": empty})
            assert nothing.message == "thread read state unavailable"


TITLE: Json = {
    "ephemeral": True,
    "threadSource": "thread_title",
    "environments": [],
    "permissions": ":read-only",
    "approvalPolicy": "never",
    "config": {"features.shell_tool": False, "web_search": "disabled"},
}
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}


@trio_test
async def test_a_title_is_made_once_for_all_clients_and_its_threads_are_in_no_list(
    daemon: Daemon,
) -> None:
    title = Say(('{"title":"A title"}',))
    script: list[Part | Reply] = [
        Call("shell_command", '{"command":"touch by-a-title"}'),
        title,
        title,
    ]
    async with scripted_model(script) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as other:
            threads = []
            # Two versions of Codex begin these threads under different policies.
            for who, policy in ((client, "never"), (other, "on-request")):
                started = await who.call("thread/start", **TITLE | {"approvalPolicy": policy})
                assert started["sandbox"]["type"] == "readOnly"
                threads.append(started["thread"]["id"])
            turns = [
                (who, await who.start_turn(thread, "name this", outputSchema=SCHEMA))
                for who, thread in zip((client, other), threads, strict=True)
            ]
            for who, turn in turns:
                ended = await who.turn_ended(turn)
                assert ended["items"][0]["text"] == '{"title":"A title"}'
                assert who.of("item/commandExecution/outputDelta") == []
                assert who.asked == []
            assert not (daemon.home.work / "by-a-title").exists()
            # One answer, after the refusal of a call: no request has a tool.
            assert [request.get("tools", []) for request in asked_of(model)] == [[], []]
            kinds = ["cli", "vscode", "exec", "appServer"]
            shown = {
                *(await client.call("thread/loaded/list"))["data"],
                *await listed(client, sourceKinds=kinds),
            }
            assert shown.isdisjoint(threads)
            # Another prompt is asked by itself.
            ended = await other.run_turn(threads[1], "name that", outputSchema=SCHEMA)
            assert len(asked_of(model)) == 3
            named = await client.start_thread()
            for who in (client, other):
                await who.call("thread/name/set", threadId=named, name="A title")
            assert (await client.call("thread/read", threadId=named))["thread"]["name"] == "A title"


def asked_of(model: ScriptedModel) -> list[Json]:
    return [json.loads(request.body) for request in model.requests]


@trio_test
async def test_a_list_says_of_which_thread_a_fork_is(daemon: Daemon) -> None:
    async with scripted_model([Say(("hi",))]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread()
        await client.run_turn(thread, "say 1")
        child = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
        page = (await client.call("thread/list", includedThreadIds=[thread, child]))["data"]
        forks = {shown["id"]: shown["forkedFromId"] for shown in page}
        assert forks == {child: thread, thread: None}


@pytest.mark.slow
@trio_test
async def test_a_queue_is_kept_and_in_order_through_a_death_of_the_daemon(home: Home) -> None:
    hang = Hang(("wait",))
    async with scripted_model([hang, hang, Say(("b",)), Say(("a",))]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client, connected(home.socket) as other:
            thread = await client.start_thread()
            await other.call("thread/resume", threadId=thread)
            turn = await client.start_turn(thread, "first")
            await client.until_notified("item/agentMessage/delta", delta="wait")
            ids = [await queued(client, thread, word) for word in ("a", "b", "gone")]
            update = {"threadId": thread, "queuedSubmissionId": ids[0], "input": typed("A")}
            updated = await other.call("thread/queue/update", **update)
            assert updated["queuedSubmission"]["clientUserMessageId"] == "a"
            for expected in (True, False):
                deleted = await other.call(
                    "thread/queue/delete", threadId=thread, queuedSubmissionId=ids[2]
                )
                assert deleted == {"deleted": expected}
            order = [ids[1], ids[0]]
            await other.call("thread/queue/reorder", threadId=thread, queuedSubmissionIds=order)
            for params in ({"queuedSubmissionIds": ids[:1]}, {"queuedSubmissionIds": ids}):
                refused = await other.refused("thread/queue/reorder", threadId=thread, **params)
                assert "exactly once" in refused.message
            refused = await client.refused("thread/queue/start", threadId=thread)
            assert refused.message == "thread already has an active or pending turn"
            before = await client.call("thread/queue/list", threadId=thread, limit=1)
            rest = await client.call(
                "thread/queue/list", threadId=thread, cursor=before["nextCursor"]
            )
            waiting = [*before["data"], *rest["data"]]
            assert [entry["input"][0]["text"] for entry in waiting] == ["b", "A"]
            assert rest["nextCursor"] is None
            assert client.of("thread/queue/changed") != []
            daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            assert (await client.call("thread/queue/list", threadId=thread))["data"] == waiting
            await client.call("thread/resume", threadId=thread)
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.until(lambda: len(client.of("turn/completed")) == 3, "three turns")
            assert (await client.call("thread/queue/list", threadId=thread))["data"] == []
            items = (await client.call("thread/items/list", threadId=thread))["data"]
            said = [entry["item"] for entry in items if entry["item"]["type"] == "userMessage"]
            assert [item["content"][0]["text"] for item in said] == ["first", "b", "A"]
            assert [item["clientId"] for item in said[1:]] == ["b", "a"]
            refused = await client.refused("thread/queue/start", threadId=thread)
            assert refused.message == "thread has no queued submission"


async def queued(client: Client, thread: str, word: str) -> str:
    added = await client.call(
        "thread/queue/add", threadId=thread, input=typed(word), clientUserMessageId=word
    )
    return str(added["queuedSubmission"]["id"])


@trio_test
async def test_what_is_injected_reaches_the_model_and_no_screen(daemon: Daemon) -> None:
    async with scripted_model([Say(("hi",))]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread()
        words = {"type": "input_text", "text": "a side question"}
        item = {"type": "message", "role": "developer", "content": [words]}
        assert await client.call("thread/inject_items", threadId=thread, items=[item]) == {}
        for items, problem in (([], "items must not be empty"), ([{"role": 5}], "items[0]")):
            refused = await client.refused("thread/inject_items", threadId=thread, items=items)
            assert (refused.code, problem in refused.message) == (-32600, True)
        plan = await client.call(
            "thread/prepareApprovedPlan",
            threadId=thread,
            markdown="# Plan\n- a\n",
            attachmentPath=None,
        )
        assert plan == {"prompt": "Implement the plan."}
        refused = await client.refused(
            "thread/prepareApprovedPlan", threadId=thread, markdown=" \n"
        )
        assert (refused.code, refused.message) == (-32600, "The approved plan is empty.")
        assert thread not in await listed(client)
        await client.run_turn(thread, "say 1")
        assert item in asked_of(model)[0]["input"]
        (approved,) = [
            each["content"][0]["text"]
            for each in asked_of(model)[0]["input"]
            if "# Plan" in str(each.get("content"))
        ]
        assert approved == "The person approved this plan:\n\n# Plan\n- a"
        shown = (await client.call("thread/items/list", threadId=thread))["data"]
        assert [entry["item"]["type"] for entry in shown] == ["userMessage", "agentMessage"]
        turn = shown[0]["turnId"]
        ids = [entry["item"]["id"] for entry in shown]
        asked: Json = {"threadId": thread, "turnId": turn}
        for wanted, expected in (([ids[1]], shown[1:]), (["none"], []), (ids[::-1], shown)):
            read = await client.call("thread/items/read", **asked, itemIds=wanted)
            assert read["data"] == expected
        for wanted in ([], ["x"] * 101):
            refused = await client.refused("thread/items/read", **asked, itemIds=wanted)
            assert "itemIds: expected 1 to 100" in refused.message


@trio_test
async def test_a_setting_of_what_codexd_does_not_have_is_refused(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        for params, word in (
            ({"approvalsReviewer": "auto_review", "effort": "high"}, "no agent that reviews"),
            ({"disabledPluginIds": ["p"]}, "no plugins"),
            ({"permissions": ":nope"}, ":nope"),
            ({"environments": [{"environmentId": "cloud", "cwd": "/"}]}, "cloud"),
        ):
            refused = await client.refused("thread/settings/update", threadId=thread, **params)
            assert (refused.code, word in refused.message) == (-32600, True), refused.message
        harmless: Json = {
            "approvalsReviewer": "user",
            "disabledPluginIds": [],
            "personality": "none",
        }
        await client.call("thread/settings/update", threadId=thread, **harmless)
        assert client.of("thread/settings/updated") == []
        refused = await client.refused("turn/settings/update", threadId=thread, turnId="t")
        assert "step_model_switching" in refused.message

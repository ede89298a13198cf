"""A reviewer looks at the work: its instructions, its findings, and what the conversation keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from codexd.models.scripted.scripts import Break, Call, Hang, Reply, Say, Think
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import CURSOR, Client, Json, connected
from daemon_house import Daemon, Home
from hostile_repositories import made
from installed_codex import needs_schemas
from paused_model import Held, Script, held_model
from trio_test import trio_test
from wire_schemas import check_answer, check_asked, check_told, is_theirs

UNCOMMITTED: Final[Json] = {"type": "uncommittedChanges"}
ANSWER: Final = {
    "findings": [
        {
            "title": "[P1] Close the file",
            "body": "It stays open\nwhen reading fails.",
            "confidence_score": 0.9,
            "priority": None,
            "code_location": {
                "absolute_file_path": "/w/a.py",
                "line_range": {"start": 3, "end": 5},
            },
        }
    ],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "A file leaks.",
    "overall_confidence_score": 1,
}
RENDERED: Final = """\
A file leaks.

Review comment:

- [P1] Close the file — /w/a.py:3-5
  It stays open
  when reading fails."""


def answered(text: str = json.dumps(ANSWER)) -> Say:
    return Say((text,))


async def start(client: Client, thread: str, target: Json = UNCOMMITTED) -> str:
    """Begin a review; its turn."""
    answer = await client.call("review/start", threadId=thread, target=target, delivery="inline")
    return str(answer["turn"]["id"])


def bodies(model: ScriptedModel) -> list[Json]:
    return [json.loads(request.body) for request in model.requests]


def texts(body: Json) -> list[str]:
    """Who said what in a request."""
    return [f"{item['role']}: {part['text']}" for item in body["input"] for part in item["content"]]


def items_of(client: Client, turn: str) -> list[tuple[str, str]]:
    """What began and ended in a turn, as its followers heard it."""
    return [
        (message.method.removeprefix("item/"), message.params["item"]["type"])
        for message in client.notified
        if message.method in ("item/started", "item/completed") and message.params["turnId"] == turn
    ]


@trio_test
async def test_the_findings_are_in_order_and_the_model_gets_nothing_else(
    daemon: Daemon, tmp_path: Path
) -> None:
    replies = [(Say(("Hi.",)),), (Think(("Look.",)), answered()), (Say(("Ok.",)),)]
    repo = made(tmp_path)
    repo.git("checkout", "-qB", "main")
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(repo.folder))
            await client.run_turn(thread, "hello")
            answer = await client.call(
                "review/start", threadId=thread, target={"type": "baseBranch", "branch": "main"}
            )
            turn = answer["turn"]["id"]
            assert answer["reviewThreadId"] == thread
            (said,) = answer["turn"]["items"]
            assert said["content"][0]["text"] == "changes against 'main'"
            ended = await client.turn_ended(turn)
            assert ended["status"] == "completed"
            assert ended["items"] == []
            assert items_of(client, turn) == [
                ("started", "enteredReviewMode"),
                ("completed", "enteredReviewMode"),
                ("started", "reasoning"),
                ("completed", "reasoning"),
                ("started", "exitedReviewMode"),
                ("completed", "exitedReviewMode"),
                ("started", "agentMessage"),
                ("completed", "agentMessage"),
            ]
            await client.run_turn(thread, "go on")
            first, _, last = bodies(model)
            assert last["input"][: len(first["input"])] == first["input"]
            _, _, answered_first, told, own, asked = texts(last)
            assert (answered_first, asked) == ("assistant: Hi.", "user: go on")
            assert told.startswith("user: <user_action>")
            assert RENDERED in told
            assert own == f"assistant: {RENDERED}"


def running(command: str) -> Call:
    return Call("shell_command", json.dumps({"command": command}))


async def told_last(client: Client, thread: str, model: ScriptedModel) -> list[str]:
    """What the model of the thread is told with the next turn, but for where it works."""
    await client.run_turn(thread, "go on")
    return [text for text in texts(bodies(model)[-1]) if "<environment_context>" not in text]


async def events(client: Client, thread: str) -> list[Json]:
    """The records of a thread."""
    answer = await client.call("thread/log/read", threadId=thread, after=0, limit=500)
    return list(answer["records"])


async def reviewers(client: Client, thread: str) -> list[str]:
    """The threads of those who have looked at it."""
    return [
        str(event["data"]["childId"])
        for event in await events(client, thread)
        if event["type"] == "review.entered"
    ]


@trio_test
async def test_the_reviewer_knows_its_task_and_nothing_else(daemon: Daemon, tmp_path: Path) -> None:
    repo = made(tmp_path)
    repo.write("AGENTS.md", "Always sing.")
    sha = repo.git("rev-parse", "HEAD")[:10]
    async with scripted_model([(Say(("Hi.",)),), (answered(),)]) as model:
        daemon.home.use_model(
            model.base_url,
            more='review_model = "critic"\nproject_root_markers = []\n[titles]\nby_model = true',
        )
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(
                cwd=str(repo.folder), developerInstructions="Be rude.", ephemeral=True
            )
            await client.run_turn(thread, "hello")
            turn = await start(client, thread, {"type": "commit", "sha": sha})
            await client.turn_ended(turn)
            first, review = bodies(model)
            assert "sing" in json.dumps(first)
            assert (review["model"], first["model"]) == ("critic", "scripted")
            assert review["instructions"].startswith("You review a change")
            place, prompt = texts(review)
            assert place.startswith("user: <environment_context>")
            assert f"git show {sha}" in prompt
            assert review["prompt_cache_key"] != first["prompt_cache_key"]


@trio_test
async def test_a_reviewer_is_on_no_list_and_found_by_no_search(home: Home) -> None:
    async with scripted_model([(answered("nothing but prose"),)]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await start(client, thread))
            (child,) = await reviewers(client, thread)
            listed = await client.call("thread/list")
            loaded = (await client.call("thread/loaded/list"))["data"]
            for ids in ([entry["id"] for entry in listed["data"]], loaded):
                assert thread in ids
                assert child not in ids
            found = await client.call("thread/search", searchTerm="prose")
            assert [hit["thread"]["id"] for hit in found["data"]] == [thread]
            assert {
                message.params["threadId"] for message in client.of("thread/status/changed")
            } == {thread}
            read = await client.call("thread/read", threadId=child, includeTurns=True)
            assert [turn["status"] for turn in read["thread"]["turns"]] == ["completed"]


@trio_test
async def test_the_reviewers_questions_go_to_the_followers_of_the_thread(
    daemon: Daemon,
) -> None:
    async with scripted_model([(running("touch it; echo looked"),), (answered(),)]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with (
            connected(daemon.home.socket) as client,
            connected(daemon.home.socket) as late,
        ):
            thread = await client.start_thread()
            turn = await start(client, thread)
            asked = await client.until_asked()
            assert (asked.params["threadId"], asked.params["turnId"]) == (thread, turn)
            await late.call("thread/resume", threadId=thread, excludeTurns=True)
            again = await late.until_asked()
            assert again == asked
            await late.decide(again, "accept")
            assert (await client.turn_ended(turn))["status"] == "completed"
            for peer in (client, late):
                resolved = await peer.until_notified("serverRequest/resolved")
                assert resolved.params["requestId"] == asked.id
                assert resolved.params["threadId"] == thread
                assert resolved.params["codexd"]["decision"] == "accept"
                output = peer.of("item/commandExecution/outputDelta", turnId=turn)
                assert "".join(each.params["delta"] for each in output) == "looked\n"
            await late.turn_ended(turn)
            assert items_of(client, turn)[2:4] == items_of(late, turn)[:2]
            assert items_of(client, turn)[2:4] == [
                ("started", "commandExecution"),
                ("completed", "commandExecution"),
            ]


@trio_test
async def test_an_interrupt_ends_the_reviewer_and_its_commands_too(
    daemon: Daemon,
) -> None:
    replies: list[Reply] = [(running("echo begun; exec sleep 1000"),), (Say(("Ok.",)),)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await start(client, thread)
            await client.until_notified("item/commandExecution/outputDelta")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            begun = [kind for what, kind in items_of(client, turn) if what == "started"]
            ended = [kind for what, kind in items_of(client, turn) if what == "completed"]
            assert (
                begun
                == ended
                == ["enteredReviewMode", "commandExecution", "exitedReviewMode", "agentMessage"]
            )
            (child,) = await reviewers(client, thread)
            records: list[Json] = []
            while not records or records[-1]["type"] != "turn.interrupted":
                records = await events(client, child)
            told, own, marker, asked = await told_last(client, thread, model)
            assert "stopped before it had come to a result" in told
            assert own.startswith("assistant: The review was stopped")
            assert marker.startswith("user: <turn_aborted>")
            assert asked == "user: go on"


@trio_test
async def test_on_a_busy_thread_it_waits_and_ends_nobodys_turn(daemon: Daemon) -> None:
    """Points 7 and 19 of what Codex does badly: nobody's turn is interrupted, and a review has one id."""
    replies: Script = [Held(Say(("one", "!")), after=1), answered(), answered(), Say(("two",))]
    async with held_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            running_turn = await client.start_turn(thread, "hello")
            await model.holding.wait()
            target = {"type": "custom", "instructions": "look"}
            reviews = [
                await client.call("review/start", threadId=thread, target=target) for _ in range(3)
            ]
            assert [review["queued"] for review in reviews] == [True] * 3
            turns = [review["turn"]["id"] for review in reviews]
            after = await client.start_turn(thread, "and then?")
            withdrawn = turns.pop(1)
            answer = await client.call("turn/interrupt", threadId=thread, turnId=withdrawn)
            assert answer == {"withdrawn": True}
            model.resume()
            for turn in (running_turn, *turns, after):
                assert (await client.turn_ended(turn))["status"] == "completed"
            begun = [note.params["turn"]["id"] for note in client.of("turn/started")]
            ended = [note.params["turn"]["id"] for note in client.of("turn/completed")]
            assert begun == ended == [running_turn, *turns, after]
            exited = client.of("item/completed", turnId=turns[0])[-2].params["item"]
            assert exited["output"]["findings"][0]["priority"] == 1


@trio_test
async def test_a_prompt_waits_for_the_end_of_a_review_and_cannot_steer_it(
    daemon: Daemon,
) -> None:
    async with held_model([Held(answered(), after=0), Say(("Ok.",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await start(client, thread)
            await model.wait_asked(1)
            refusal = await client.refused(
                "turn/steer",
                threadId=thread,
                expectedTurnId=turn,
                input=[{"type": "text", "text": "and this"}],
            )
            assert refusal.data["code"] == "turn_not_steerable"
            waiting = await client.start_turn(thread, "then")
            model.resume()
            await client.turn_ended(turn)
            assert (await client.turn_ended(waiting))["status"] == "completed"


@trio_test
async def test_a_reviewer_that_fails_says_why(daemon: Daemon) -> None:
    async with scripted_model([(Break("insufficient_quota"),), (Say(("Ok.",)),)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            ended = await client.turn_ended(await start(client, thread))
            assert ended["status"] == "failed"
            assert ended["error"]["message"]
            told, own, _ = await told_last(client, thread, model)
            assert "failed before it had come to a result" in told
            assert own.startswith("assistant: The review failed")


@pytest.mark.parametrize(
    "target",
    [
        {"type": "baseBranch", "branch": " "},
        {"type": "commit", "sha": ""},
        {"type": "custom", "instructions": "\n"},
    ],
    ids=["branch", "commit", "prompt"],
)
@trio_test
async def test_there_must_be_something_to_review(daemon: Daemon, target: Json) -> None:
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        turn = (await client.call("review/start", threadId=thread, target=target))["turn"]["id"]
        ended = await client.turn_ended(turn)
        assert ended["status"] == "failed"
        assert "expected something to review" in ended["error"]["message"]


@pytest.mark.slow
@trio_test
async def test_a_killed_daemon_takes_the_reviewer_up_where_it_was(home: Home) -> None:
    replies: Script = [
        running("echo looked"),
        Held(Think(("a", "b")), after=1),
        answered(),
        Say(("Ok.",)),
    ]
    async with held_model(replies) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await start(client, thread)
            await model.holding.wait()
            first.kill()
        home.start()
        async with connected(home.socket, codexd=CURSOR) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turn)
                assert ("completed", "commandExecution") in items_of(client, turn)
            (child,) = await reviewers(client, thread)
            started = [event["type"] for event in await events(client, child)].count("turn.started")
            assert started == 1
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))[
                "thread"
            ]["turns"]
            assert [turn["status"] for turn in found] == ["completed"]
            assert [item["type"] for item in found[0]["items"]] == [
                "enteredReviewMode",
                "exitedReviewMode",
                "agentMessage",
            ]
            assert found[0]["items"][-1]["text"] == RENDERED
            assert model.bodies[2] == model.bodies[1]


@trio_test
async def test_a_client_that_attaches_in_the_middle_gets_the_reviewers_steps(
    daemon: Daemon,
) -> None:
    replies: Script = [running("echo looked"), Held((Think(("a", "b")), answered()), after=1)]
    async with held_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with (
            connected(daemon.home.socket) as client,
            connected(daemon.home.socket, codexd=CURSOR) as late,
        ):
            thread = await client.start_thread()
            turn = await start(client, thread)
            await model.holding.wait()
            await client.until_notified("item/reasoning/summaryTextDelta")
            await late.call("thread/resume", threadId=thread, excludeTurns=True)
            await late.until_notified("item/reasoning/summaryTextDelta")
            model.resume()
            await client.turn_ended(turn)
            await late.turn_ended(turn)
            assert items_of(late, turn) == items_of(client, turn)[2:]
            for peer in (client, late):
                words = peer.of("item/reasoning/summaryTextDelta", turnId=turn)
                assert "".join(each.params["delta"] for each in words) == "ab"


@pytest.mark.slow
@trio_test
async def test_a_reviewer_without_a_review_is_stopped(home: Home) -> None:
    thought = Held(Think(("a", "b")), after=1)
    async with held_model([thought, thought]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await start(client, thread)
            await model.holding.wait()
            (child,) = await reviewers(client, thread)
            first.kill()
        (log,) = [path for path in home.logs() if thread in path.name]
        log.unlink()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=child, excludeTurns=True)
            while (await events(client, child))[-1]["type"] != "turn.interrupted":
                pass


@trio_test
async def test_a_thread_is_deleted_with_its_reviewers(daemon: Daemon) -> None:
    async with scripted_model([(answered(),), (Hang(("Hm",)),)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await start(client, thread))
            await start(client, thread)
            await model.wait_requests(2)
            children = await reviewers(client, thread)
            assert len(children) == 2
            await client.call("thread/delete", threadId=thread)
            left = [log.name for log in daemon.home.logs()]
            assert not [name for name in left for id_ in (thread, *children) if id_ in name]


@trio_test
async def test_a_fork_that_is_deleted_leaves_the_reviewers_of_its_parent(daemon: Daemon) -> None:
    async with scripted_model([(answered(),)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await start(client, thread))
            (child,) = await reviewers(client, thread)
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.call("thread/delete", threadId=fork)
            assert [log for log in daemon.home.logs() if child in log.name]


@trio_test
async def test_the_reviewers_usage_is_separate(daemon: Daemon) -> None:
    async with scripted_model([(Say(("Hi.",)),), (running("true"),), (answered(),)]) as model:
        daemon.home.use_model(model.base_url, more='review_model = "critic"')
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            used = client.of("thread/tokenUsage/updated")
            await client.turn_ended(await start(client, thread))
            assert client.of("thread/tokenUsage/updated") == used
            read = await client.call("thread/usage/read", threadId=thread)
            by_kind = {kind["kind"]: kind["used"]["tokens"] for kind in read["kinds"]}
            assert (
                by_kind["turn"]["totalTokens"]
                == used[-1].params["tokenUsage"]["total"]["totalTokens"]
            )
            assert by_kind["review"]["inputTokens"] == 200
            turn = next(row for row in read["turns"] if row["kind"] == "review")
            assert turn["models"] == ["critic"]


@pytest.mark.slow
@trio_test
async def test_a_follower_that_does_not_read_hears_all_of_it_later(daemon: Daemon) -> None:
    # Together more than a socket takes, each no more than its record holds.
    printed: list[Reply] = [(running("seq 1 5000"),)] * 30
    async with scripted_model([*printed, (Think(("a", "b")), answered())]) as model:
        daemon.home.use_model(model.base_url)
        async with (
            connected(daemon.home.socket) as client,
            connected(daemon.home.socket, codexd=CURSOR) as slow,
        ):
            thread = await client.start_thread()
            await slow.call("thread/resume", threadId=thread, excludeTurns=True)
            slow.stop_reading()
            turn = await start(client, thread)
            await model.wait_requests(20)
            slow.read_on()
            await client.turn_ended(turn)
            await slow.turn_ended(turn)
            assert items_of(slow, turn) == items_of(client, turn)
            whole = [
                [each.params["item"] for each in peer.of("item/completed", turnId=turn)]
                for peer in (client, slow)
            ]
            assert whole[0] == whole[1]


@needs_schemas
@trio_test
async def test_a_review_is_sent_as_codexs_schemas_say(daemon: Daemon) -> None:
    async with scripted_model([(Think(("a",)), running("touch it")), (answered(),)]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await start(client, thread)
            asked = await client.until_asked()
            check_asked(asked.params)
            await client.decide(asked, "accept")
            await client.turn_ended(turn)
            for method, result in client.results:
                if is_theirs(method):
                    check_answer(method, result)
            for message in client.notified:
                check_told(message.method, message.params)

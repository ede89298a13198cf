"""Two patches of one file in one answer of the model: the second continues the first, and is applied after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Asked, Client, connected
from daemon_house import Daemon, Home
from trio_test import trio_test


def patch(*lines: str) -> Call:
    return Call(
        "apply_patch",
        json.dumps({"input": "\n".join(["*** Begin Patch", *lines, "*** End Patch"])}),
    )


FIRST = patch("*** Update File: f", "@@", " a", "-b", "+B", " c")
# It fits only what the first makes.
SECOND = patch("*** Update File: f", "@@", "-B", "+two", "*** Add File: g", "+new")
OTHER = patch("*** Add File: other", "+x")
REPLIES: list[Part | Reply] = [(FIRST, SECOND, OTHER), Say(("done",))]
NOT_APPLIED = "The patch was not applied, and no file is changed."


def answers(model: ScriptedModel) -> list[str]:
    items = json.loads(model.requests[-1].body)["input"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


async def asked(client: Client) -> list[Asked]:
    """The questions about the patches, in the order of their calls."""
    await client.until(lambda: len(client.asked) == 3)
    order = [note.params["item"]["id"] for note in client.of("item/started")]
    return sorted(client.asked, key=lambda question: order.index(question.params["itemId"]))


def work_in(home: Home) -> Path:
    folder = home.work / "twice"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    (folder / "f").write_text("a\nb\nc\n")
    return folder


@pytest.mark.parametrize(
    ("decisions", "came"),
    [
        (((0, "accept"), (1, "accept")), "a\ntwo\nc\n"),
        (((1, "accept"), (0, "accept")), "a\ntwo\nc\n"),
        (((0, "decline"), (1, "accept")), "a\nb\nc\n"),
        (((1, "accept"), (0, "decline")), "a\nb\nc\n"),
        (((0, "accept"), (1, "decline")), "a\nB\nc\n"),
    ],
)
@trio_test
async def test_each_is_asked_about_as_it_will_be_and_applied_in_its_turn(
    daemon: Daemon, decisions: tuple[tuple[int, str], ...], came: str
) -> None:
    folder = work_in(daemon.home)
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(folder))
            turn = await client.start_turn(thread, "go")
            questions = await asked(client)
            assert "-B\n+two" in questions[1].params["codexd"]["diff"]
            await client.decide(questions[2], "accept")
            for which, decision in decisions:
                await client.decide(questions[which], decision)
            await client.turn_ended(turn)
            assert (folder / "f").read_text() == came
            assert (folder / "g").exists() == ("two" in came)
            assert (folder / "other").exists()
            is_void = dict(decisions) == {0: "decline", 1: "accept"}
            assert any(NOT_APPLIED in answer for answer in answers(model)) == is_void
            diffs = [note.params["diff"] for note in client.of("turn/diff/updated")]
            if "two" in came:
                assert "-b\n+two\n" in diffs[-1]
                assert diffs[-1].count("diff --git a/f b/f") == 1


@trio_test
async def test_without_questions_they_are_applied_one_after_the_other(daemon: Daemon) -> None:
    folder = work_in(daemon.home)
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url, approval="never")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(folder))
            await client.turn_ended(await client.start_turn(thread, "go"))
            assert (folder / "f").read_text() == "a\ntwo\nc\n", answers(model)


@trio_test
async def test_one_that_waits_for_the_other_waits_through_a_crash(home: Home) -> None:
    folder = work_in(home)
    async with scripted_model(REPLIES) as model:
        home.use_model(model.base_url, approval="untrusted")
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(folder))
            turn = await client.start_turn(thread, "go")
            questions = await asked(client)
            for which in (2, 1):
                await client.decide(questions[which], "accept")
            await client.until_notified("serverRequest/resolved", times=2)
            daemon.kill()
        assert (folder / "f").read_text() == "a\nb\nc\n"
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.until(lambda: len(client.asked) == 1)
            await client.decide(client.asked[0], "accept")
            await client.turn_ended(turn)
            assert (folder / "f").read_text() == "a\ntwo\nc\n", answers(model)
            assert (folder / "g").read_text() == "new\n"

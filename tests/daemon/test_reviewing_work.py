"""A reviewer looks at the work: what it is told, what comes back, and what of it the conversation keeps."""

from __future__ import annotations

import json
from typing import Final

from codexd.models.scripted import ScriptedModel, scripted_model
from codexd.models.scripts import Say, Think
from daemon_client import Client, Json, connected
from daemon_house import Daemon
from trio_test import trio_test

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
        (one.method.removeprefix("item/"), one.params["item"]["type"])
        for one in client.told
        if one.method in ("item/started", "item/completed") and one.params["turnId"] == turn
    ]


@trio_test
async def test_the_findings_come_back_in_order_and_the_model_hears_of_nothing_else(
    daemon: Daemon,
) -> None:
    replies = [(Say(("Hi.",)),), (Think(("Look.",)), answered()), (Say(("Ok.",)),)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
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

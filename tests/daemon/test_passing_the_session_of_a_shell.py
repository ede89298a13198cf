"""A client passes variables for the commands of its turn: they are checked, and belong to that turn."""

from __future__ import annotations

import pytest

from codexd.models.scripted.server import scripted_model
from codexd.server.methods.turns import PASSED_BYTES_MAX, PASSED_VARIABLES_MAX
from daemon_client import connected, typed
from daemon_house import Daemon
from trio_test import trio_test

RUN = "run echo $SSH_AUTH_SOCK"


@pytest.mark.parametrize(
    "passed",
    [
        {"": "hidden"},
        {"A=B": "hidden"},
        {"A\0": "hidden"},
        {"A": "hid\0den"},
        {"A": 5},
        {"A": "hidden" * PASSED_BYTES_MAX},
        dict.fromkeys([f"A{number}" for number in range(PASSED_VARIABLES_MAX + 1)], "hidden"),
        ["A=hidden"],
    ],
)
@trio_test
async def test_an_invalid_environment_is_refused_and_no_value_is_repeated(
    daemon: Daemon, passed: object
) -> None:
    async with scripted_model() as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread()
        params = {"threadId": thread, "input": typed("x"), "updateEnvironment": passed}
        refusal = await client.refused("turn/start", **params)
        assert refusal.code == -32602
        assert "updateEnvironment" in refusal.message
        assert "hid" not in refusal.message
        review = {"threadId": thread, "target": {"type": "uncommittedChanges"}}
        refusal = await client.refused("review/start", **review, updateEnvironment=passed)
        assert refusal.code == -32602
        assert model.requests == []


@trio_test
async def test_a_queued_turn_a_review_and_a_running_turn_have_each_its_own(daemon: Daemon) -> None:
    async with scripted_model() as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread()
        turns = [
            await client.start_turn(thread, RUN, updateEnvironment={"SSH_AUTH_SOCK": f"/a/{name}"})
            for name in ("one", "two")
        ]
        for turn in turns:
            await client.turn_ended(turn)
        printed = [
            note.params["item"]["aggregatedOutput"]
            for note in client.of("item/completed")
            if note.params["item"]["type"] == "commandExecution"
        ]
        assert printed == ["/a/one\n", "/a/two\n"]
        target = {"type": "custom", "instructions": RUN}
        review = await client.call("review/start", threadId=thread, target=target)
        await client.turn_ended(review["turn"]["id"])
        assert b"/a/two" in model.requests[-1].body

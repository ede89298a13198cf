"""Some servers count their tool calls from 0 in every response: a call may have the id of a call that still ends."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Part, Raw, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test

STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


def event(kind: str, **members: object) -> bytes:
    return b"data: %b\n\n" % json.dumps({"type": kind, **members}).encode()


def calling(command: str, end: bytes) -> Raw:
    """A call that is always `call_1`."""
    item = {
        "type": "function_call",
        "call_id": "call_1",
        "name": "shell_command",
        "arguments": json.dumps({"command": command}),
    }
    return Raw(event("response.output_item.done", output_index=0, item=item) + end)


@trio_test
async def test_it_runs_once_the_earlier_call_has_ended(home: Home) -> None:
    broken = event("response.failed", response={"error": {"code": "invalid_prompt"}})
    whole = event("response.completed", response={})
    script: list[Part | Reply] = [
        calling(STUBBORN, broken),
        calling("echo again", whole),
        Say(("Done.",)),
    ]
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        async with connected(home.start().home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "1"))["status"] == "failed"
            assert (await client.run_turn(thread, "2"))["status"] == "completed"
            ended = [message.params["item"] for message in client.of("item/completed")]
            ran = [item for item in ended if item["type"] == "commandExecution"]
            assert [item["aggregatedOutput"] for item in ran][-1] == "again\n"

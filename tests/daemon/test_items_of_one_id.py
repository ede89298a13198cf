"""The real daemon and a provider whose items have the same ids in each response: each item is shown."""

from __future__ import annotations

import json
from typing import Any

from codexd.models.scripted.scripts import Raw, Reply
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from daemon_screen import answers, texts_of
from trio_test import trio_test


def response(*items: dict[str, Any]) -> Reply:
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.done", "output_index": index, "item": item}
        for index, item in enumerate(items)
    ]
    events.append({"type": "response.completed", "response": {"id": "resp_0"}})
    return (Raw(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)),)


def message(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "id": "msg_0", "role": "assistant", "content": content}


CALL = {
    "type": "function_call",
    "id": "fc_0",
    "call_id": "call_0",
    "name": "shell_command",
    "arguments": '{"command":"echo A"}',
}


@trio_test
async def test_each_message_is_shown(daemon: Daemon) -> None:
    replies = [response(message("First."), CALL), response(message("Second."))]
    async with scripted_model([*replies, response(message("Third."))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "Go."))["status"] == "completed"
            assert (await client.run_turn(thread, "On."))["status"] == "completed"
            assert answers(client) == ["First.", "Second.", "Third."]
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
            shown = [text for text in texts_of(read["thread"]) if text.endswith(".")]
            assert shown == ["> Go.", "First.", "Second.", "> On.", "Third."]

"""Encrypted reasoning is sent back to its own model only, through the real daemon; and the bytes are stable."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from trio_test import trio_test


@trio_test
async def test_reasoning_is_sent_back_to_its_own_model_and_to_no_other(
    daemon: Daemon,
) -> None:
    replies: list[Reply] = [(Think(("hm",)), Say.words("done"))] * 4
    async with scripted_model(replies) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread(model="gpt-5")
        for prompt, name in (("1", "gpt-5"), ("2", "gpt-5"), ("3", "o3"), ("4", "gpt-5")):
            await client.run_turn(thread, prompt, model=name)
        requests = [json.loads(request.body) for request in model.requests]
        page = await client.call("thread/log/read", threadId=thread, after=0, limit=500)
    thoughts = [
        [item["encrypted_content"] for item in request["input"] if item["type"] == "reasoning"]
        for request in requests
    ]
    assert [len(thought) for thought in thoughts] == [0, 1, 0, 2]
    assert thoughts[3][0] == thoughts[1][0]
    assert len({request["prompt_cache_key"] for request in requests}) == 1
    assert all(request["store"] is False for request in requests)
    assert not any("id" in item for request in requests for item in request["input"])
    calls = [r["data"]["request"] for r in page["records"] if r["type"] == "model.call_started"]
    assert [call.get("withheld", 0) for call in calls] == [0, 0, 2, 1]

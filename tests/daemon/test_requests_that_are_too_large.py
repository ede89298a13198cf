"""The real daemon and a server before the provider that takes no body over a limit: the thread goes on."""

from __future__ import annotations

from codexd.core.prompts.compaction import SUMMARY_PREFIX
from codexd.models.scripted.scripts import Fail, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import connected
from daemon_house import Daemon
from images_e2e import OK, PNG, picture, run
from trio_test import trio_test

NGINX = Fail(
    413,
    (("Content-Type", "text/html"),),
    b"<html><head><title>413 Request Entity Too Large</title></head><body></body></html>",
)


def pictures(model: ScriptedModel) -> list[int]:
    """How many pictures each request has."""
    return [request.body.count(b"data:image/png;base64,") for request in model.requests]


@trio_test
async def test_with_pictures_the_newest_is_left_out(daemon: Daemon) -> None:
    async with scripted_model([OK, OK, NGINX, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for number in range(3):
                turn = await run(client, thread, picture(PNG + bytes([number])))
                assert turn["status"] == "completed"
            assert (await run(client, thread, prompt="go on"))["status"] == "completed"
        assert pictures(model) == [1, 2, 3, 2, 2]


@trio_test
async def test_a_summary_is_asked_for_without_pictures(daemon: Daemon) -> None:
    async with scripted_model([OK, OK, NGINX, Say(("Two pictures.",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            await run(client, thread, picture(PNG + b"2"))
            answer = await client.call("thread/compact/start", threadId=thread)
            ended = await client.turn_ended(answer["turnId"])
            assert ended["status"] == "completed"
            assert (await run(client, thread, prompt="go on"))["status"] == "completed"
        assert pictures(model)[:4] == [1, 2, 2, 0]
        assert f"{SUMMARY_PREFIX}\\n\\nTwo pictures.".encode() in model.requests[4].body


@trio_test
async def test_without_a_picture_the_history_is_compacted(daemon: Daemon) -> None:
    async with scripted_model([OK, NGINX, Say(("We talked.",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread)
            assert (await run(client, thread, prompt="and now?"))["status"] == "completed"
        assert f"{SUMMARY_PREFIX}\\n\\nWe talked.".encode() in model.requests[3].body

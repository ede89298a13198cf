"""The real daemon and a server before the provider that takes no body over a limit: the thread continues."""

from __future__ import annotations

import json

import pytest

from codexd.core.prompts.compaction import SUMMARY_PREFIX
from codexd.models.scripted.scripts import Fail, Raw, Say
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
async def test_of_several_images_the_older_are_left_out(daemon: Daemon) -> None:
    async with scripted_model([OK, OK, NGINX, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for number in range(3):
                turn = await run(client, thread, picture(PNG + bytes([number])))
                assert turn["status"] == "completed"
            assert (await run(client, thread, prompt="go on"))["status"] == "completed"
        assert pictures(model) == [1, 2, 3, 1, 1]


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


@trio_test
async def test_the_newest_goes_too_before_anything_is_compacted(daemon: Daemon) -> None:
    async with scripted_model([OK, OK, NGINX, NGINX, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for number in range(3):
                turn = await run(client, thread, picture(PNG + bytes([number])))
                assert turn["status"] == "completed"
            assert (await run(client, thread, prompt="go on"))["status"] == "completed"
        assert pictures(model) == [1, 2, 3, 1, 0, 0]


@trio_test
async def test_a_summary_that_is_refused_so_is_asked_for_of_fewer_items(daemon: Daemon) -> None:
    async with scripted_model([OK, OK, NGINX, NGINX, NGINX, Say(("We talked.",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            await run(client, thread)
            answer = await client.call("thread/compact/start", threadId=thread)
            assert (await client.turn_ended(answer["turnId"]))["status"] == "completed"
            assert (await run(client, thread, prompt="go on"))["status"] == "completed"
        assert pictures(model)[2:] == [1, 0, 0, 0, 0]
        sizes = [len(request.body) for request in model.requests[3:6]]
        assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    "message",
    [
        "messages.0.content.0.image.source.base64: image exceeds 5 MB maximum: 6 bytes > 5 bytes",
        "Too many images in request: 21 images, at most 20 are allowed",
        "Could not process image",
        "At most 1 image(s) may be provided in one prompt.",
    ],
)
@trio_test
async def test_pictures_that_are_refused_by_size_count_or_kind_do_not_stop_a_thread(
    daemon: Daemon, message: str
) -> None:
    error = {"type": "invalid_request_error", "message": message}
    refused = Fail(400, body=json.dumps({"type": "error", "error": error}).encode())
    async with scripted_model([OK, refused, refused, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for number in range(2):
                turn = await run(client, thread, picture(PNG + bytes([number])))
                assert turn["status"] == "completed"
            assert (await run(client, thread, prompt="go on"))["status"] == "completed"
        assert pictures(model) == [1, 2, 1, 0, 0]


@trio_test
async def test_a_refusal_within_a_stream_is_compacted_too(daemon: Daemon) -> None:
    refused = Raw(b'data: {"error":{"message":"Input is too long for requested model."}}\n\n')
    async with scripted_model([OK, (refused,), Say(("We talked.",)), OK]) as model:
        daemon.home.use_model(
            model.base_url, provider_more='wire_api = "chat"\nstream_max_retries = 0'
        )
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread)
            assert (await run(client, thread, prompt="and now?"))["status"] == "completed"
        assert f"{SUMMARY_PREFIX}\\n\\nWe talked.".encode() in model.requests[3].body

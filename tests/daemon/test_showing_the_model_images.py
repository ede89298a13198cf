"""Images: stored once, sent to the model and shown again as they were sent, even if their files change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Fail
from codexd.models.scripted.server import scripted_model
from daemon_client import connected, typed
from daemon_house import Daemon, Home
from daemon_screen import items_of
from images_e2e import GIF, OK, PNG, log_of, name_of, picture, read, run, shown, told, url_of
from trio_test import trio_test


@trio_test
async def test_an_image_is_named_in_the_log_and_is_itself_everywhere_else(daemon: Daemon) -> None:
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            await run(client, thread, picture() | {"detail": "low"}, prompt="and now?")
            log = log_of(daemon, thread)
            assert url_of(PNG) not in log
            assert log.count(name_of(PNG)) == 2
            first, second = told(model, 0)[-1], told(model, 1)[-1]
            assert first["content"] == [
                {"type": "input_image", "image_url": url_of(PNG), "detail": "high"},
                {"type": "input_text", "text": "what is it?"},
            ]
            assert second["content"][0]["detail"] == "low"
            assert told(model, 1)[: len(told(model, 0))] == told(model, 0)
            live = client.of("item/started") + client.of("item/completed")
            said = [
                note.params["item"] for note in live if note.params["item"]["type"] == "userMessage"
            ]
            assert [item["content"][0]["url"] for item in said] == [url_of(PNG)] * 4
            assert shown(await read(client, thread)) == [picture(), picture() | {"detail": "low"}]
            blobs = daemon.home.path / "blobs"
            assert sum(path.read_bytes() == PNG for path in blobs.rglob("*") if path.is_file()) == 1


@trio_test
async def test_every_answer_that_has_items_has_their_images(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            resumed = await client.call(
                "thread/resume", threadId=thread, initialTurnsPage={"itemsView": "full"}
            )
            assert shown(resumed["thread"]) == [picture()]
            assert shown({"turns": resumed["initialTurnsPage"]["data"]}) == [picture()]
            turns = await client.call("thread/turns/list", threadId=thread)
            assert shown({"turns": turns["data"]}) == [picture()]
            items = await client.call("thread/items/list", threadId=thread)
            assert shown({"turns": [{"items": [item["item"] for item in items["data"]]}]}) == [
                picture()
            ]
            for ephemeral in (False, True):
                fork = await client.call("thread/fork", threadId=thread, ephemeral=ephemeral)
                assert shown(fork["thread"]) == [picture()]
                await run(client, fork["thread"]["id"], prompt="again")
                assert told(model, -1)[0]["content"][0]["image_url"] == url_of(PNG)
            raw = await client.call("thread/log/read", threadId=thread)
            assert name_of(PNG) in json.dumps(raw)


@trio_test
async def test_an_image_file_is_shown_as_it_was_when_it_was_sent(
    daemon: Daemon, tmp_path: Path
) -> None:
    file = tmp_path / 'a "b" & c.gif'
    file.write_bytes(GIF)
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(tmp_path))
            part = {"type": "localImage", "path": file.name}
            await run(client, thread, part)
            file.unlink()
            await run(client, thread, part, part, prompt="again")
            path = 'path="a &quot;b&quot; &amp; c.gif"'
            assert told(model, 1)[0]["content"] == [
                {"type": "input_text", "text": f"<image name=[Image #1] {path}>"},
                {
                    "type": "input_image",
                    "image_url": url_of(GIF, "image/gif"),
                    "detail": "high",
                },
                {"type": "input_text", "text": "</image>"},
                {"type": "input_text", "text": "what is it?"},
            ]
            gone = [piece["text"] for piece in told(model, 1)[-1]["content"]]
            why = f"{file.name} could not be shown: no such file or directory]"
            assert gone == [f"[Image #1: {why}", f"[Image #2: {why}", "again"]
            assert shown(await read(client, thread)) == [part] * 3


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.org/a.png", "as a data URL"),
        ("file:///tmp/a.png", "expected a data URL"),
        (name_of(PNG), "expected a data URL"),
        ("data:text/plain;base64,aGk=", "expected data:image/"),
        ("data:image/png,rawbytes", "expected data:image/"),
        ("data:image/png;base64,%%%", "in base64"),
        ("data:image/png;base64,aGkgdGhlcmU=", "expected a PNG, JPEG, GIF or WebP"),
    ],
)
@trio_test
async def test_a_file_that_is_no_image_is_refused_before_anything_is_written(
    daemon: Daemon, url: str, reason: str
) -> None:
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        before = log_of(daemon, thread)
        part = {"type": "image", "url": url}
        refusal = await client.refused("turn/start", threadId=thread, input=[part])
        assert reason in refusal.message
        assert refusal.message.endswith("nothing was sent")
        assert log_of(daemon, thread) == before


@trio_test
async def test_an_image_that_the_provider_refuses_is_left_out_from_then_on(daemon: Daemon) -> None:
    refusal = Fail(400, body=b'{"error":{"message":"Invalid image.","code":"invalid_image"}}')
    async with scripted_model([refusal, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await run(client, thread, picture())
            assert turn["status"] == "completed"
            await run(client, thread, prompt="go on")
            for request in (1, 2):
                first = told(model, request)[0]["content"][0]
                assert first["type"] == "input_text"
                assert "did not accept it" in first["text"]
            assert shown(await read(client, thread)) == [picture()]
            assert '"images":["' in log_of(daemon, thread)


@trio_test
async def test_a_provider_that_refuses_again_fails_the_turn(daemon: Daemon) -> None:
    refusal = Fail(400, body=b'{"error":{"message":"Invalid image.","code":"invalid_image"}}')
    async with scripted_model([refusal, refusal]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await run(client, thread, picture())
            assert turn["status"] == "failed"
            assert turn["error"]["codexErrorInfo"] == "badRequest"
            assert len(model.requests) == 2


@trio_test
async def test_a_model_looks_at_a_file_by_itself(daemon: Daemon, tmp_path: Path) -> None:
    tmp_path.joinpath("shot.png").write_bytes(PNG)
    tmp_path.joinpath("notes.txt").write_bytes(b"no image")
    looks = tuple(
        Call("view_image", json.dumps({"path": path}))
        for path in ("shot.png", "notes.txt", "absent.png")
    )
    async with scripted_model([looks, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(tmp_path))
            await run(client, thread, prompt="look")
            # They run beside each other, and are answered in the order in which they end.
            outputs = [item["output"] for item in told(model, 1) if "output" in item]
            (image,) = [output for output in outputs if not isinstance(output, str)]
            assert image == [{"type": "input_image", "image_url": url_of(PNG), "detail": "high"}]
            texts = " ".join(output for output in outputs if isinstance(output, str))
            assert "notes.txt was not shown: expected a PNG" in texts
            assert "absent.png was not shown: no such file" in texts
            items = items_of(await read(client, thread))
            (viewed,) = [item for item in items if item["type"] == "imageView"]
            assert viewed["path"] == str(tmp_path / "shot.png")
            failed = [item for item in items if item["type"] == "dynamicToolCall"]
            assert [item["status"] for item in failed] == ["failed", "failed"]
            assert url_of(PNG) not in log_of(daemon, thread)


@trio_test
async def test_a_model_that_reads_no_images_gets_a_note_for_each(daemon: Daemon) -> None:
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(model="gpt-oss")
            await run(client, thread, picture())
            request = json.loads(model.requests[0].body)
            assert "view_image" not in [tool["name"] for tool in request["tools"]]
            left_out = told(model, 0)[0]["content"][0]
            assert left_out["type"] == "input_text"
            assert "reads no images" in left_out["text"]
            await client.call(
                "turn/start", threadId=thread, input=typed("and you?"), model="scripted"
            )
            await client.until(lambda: len(client.of("turn/completed")) == 2)
            request = json.loads(model.requests[1].body)
            assert "view_image" in [tool["name"] for tool in request["tools"]]
            assert told(model, 1)[0]["content"][0]["image_url"] == url_of(PNG)


@trio_test
async def test_images_outlive_the_daemon_and_a_sweep(home: Home) -> None:
    async with scripted_model([OK, OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
        daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("store/blobs/sweep")
            assert shown(await read(client, thread)) == [picture()]
            await client.call("thread/resume", threadId=thread, after={"seq": 1})
            await run(client, thread, prompt="again")
            assert told(model, 1)[0]["content"][0]["image_url"] == url_of(PNG)
            said = [message.params["item"] for message in client.of("item/completed")]
            first = next(item for item in said if item["type"] == "userMessage")
            assert first["content"][0] == picture()

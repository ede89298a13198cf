"""Images stay as long as a thread names them: through restarts, copies and scrubs, and no longer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Hang, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected, typed
from daemon_house import Daemon, Home
from images_e2e import OK, PNG, log_of, name_of, picture, read, run, shown, told, url_of
from paused_model import Held, Script, held_model
from trio_test import trio_test


def blobs_with(home: Home, content: bytes) -> list[Path]:
    files = (path for path in home.path.joinpath("blobs").rglob("*") if path.is_file())
    return [path for path in files if path.read_bytes() == content]


def user_items(client: Client) -> list[object]:
    """The pictures of the live items, in order."""
    items = [message.params["item"] for message in client.of("item/completed")]
    return [part for item in items if item["type"] == "userMessage" for part in item["content"][:1]]


@trio_test
async def test_images_that_are_not_in_memory_are_shown_live_too(home: Home) -> None:
    script: Script = [Held(Say(("one",)), after=0), Held(Say(("one",)), after=0), OK]
    async with held_model(script) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "wait")
            await client.call("turn/start", threadId=thread, input=[picture(), *typed("and it?")])
            await model.holding.wait()
        daemon.kill()
        model.holding = trio.Event()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await model.holding.wait()
            model.resume()
            await client.until(lambda: len(client.of("turn/completed")) == 2)
            assert user_items(client)[-1] == picture()
            assert b'"image_url":"%b"' % url_of(PNG).encode() in model.bodies[2]


@trio_test
async def test_an_image_that_steers_a_turn_is_kept_too(daemon: Daemon) -> None:
    async with held_model([Held(Say(("one",)), after=0), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await model.holding.wait()
            await client.call("turn/steer", threadId=thread, expectedTurnId=turn, input=[picture()])
            model.resume()
            await client.turn_ended(turn)
            assert user_items(client)[-1] == picture()
            assert url_of(PNG).encode() in model.bodies[1]
            assert name_of(PNG) in log_of(daemon, thread)


@pytest.mark.slow
@trio_test
async def test_prompts_stay_in_their_order_whichever_has_an_image(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            large = PNG + b"\0" * 3_000_000
            parts = [[*typed("0")], [picture(large), *typed("1")], typed("2"), typed("3")]
            asked = [await client.post("turn/start", threadId=thread, input=part) for part in parts]
            for request in asked:
                await client.answered(request)
            queued = [
                json.loads(line)["data"]["content"][-1]["text"]
                for line in log_of(daemon, thread).splitlines()
                if '"input.queued"' in line
            ]
            assert queued == ["0", "1", "2", "3"]
            await client.call("thread/archive", threadId=thread)


@trio_test
async def test_a_server_of_the_chat_api_is_sent_images(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url, provider_more='wire_api = "chat"')
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            messages = json.loads(model.requests[0].body)["messages"]
            assert messages[-1]["content"][-2:] == [
                {"type": "image_url", "image_url": {"url": url_of(PNG), "detail": "high"}},
                {"type": "text", "text": "what is it?"},
            ]


@trio_test
async def test_a_compaction_does_not_keep_images(daemon: Daemon) -> None:
    async with scripted_model([OK, Say(("We saw it.",)), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            await client.call("thread/compact/start", threadId=thread)
            await client.until_notified("turn/completed", times=2)
            await run(client, thread, prompt="go on")
            assert url_of(PNG) in json.dumps(told(model, 1))
            assert url_of(PNG) not in json.dumps(told(model, 2))
            assert "what is it?" in json.dumps(told(model, 2))
            assert shown(await read(client, thread)) == [picture()]


@trio_test
async def test_a_reviewer_looks_at_no_images(daemon: Daemon) -> None:
    async with scripted_model([Say(('{"findings":[]}',))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            target = {"type": "custom", "instructions": "Is it sound?"}
            await client.call("review/start", threadId=thread, target=target)
            await client.until_notified("turn/completed", threadId=thread)
            tools = json.loads(model.requests[0].body)["tools"]
            assert [tool["name"] for tool in tools] == ["shell_command"]


@trio_test
async def test_an_image_that_is_gone_from_the_store_fails_nothing(daemon: Daemon) -> None:
    lost = PNG + b"lost"
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture(lost))
            (blob,) = blobs_with(daemon.home, lost)
            blob.write_bytes(b"damaged")
            # Until it is read again: then it is not in memory, and not in the store either.
            fork = await client.call("thread/fork", threadId=thread, ephemeral=True)
            await run(client, fork["thread"]["id"], prompt="again")
            (first, *_) = told(model, 1)
            assert first["content"][0]["type"] == "input_text"
            assert "not in the store any more" in first["content"][0]["text"]
            assert shown(fork["thread"]) == [{"type": "image", "url": name_of(lost)}]


@pytest.mark.slow
@trio_test
async def test_an_exported_thread_takes_its_images_along(home: Home, tmp_path: Path) -> None:
    async with scripted_model([OK]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            file = str(tmp_path / "thread.tar")
            await client.call("thread/export", threadId=thread, path=file)
    with Home() as other:
        other.start()
        async with connected(other.socket) as client:
            await client.call("thread/import", paths=[file])
            assert shown(await read(client, thread)) == [picture()]
        assert len(blobs_with(other, PNG)) == 1


@trio_test
async def test_a_deleted_thread_takes_its_images_with_it(home: Home) -> None:
    async with scripted_model([OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture())
            await client.call("thread/delete", threadId=thread)
            daemon.wait_said("1 blobs of deleted threads were removed")
            assert blobs_with(home, PNG) == []


@trio_test
async def test_a_scrubbed_record_no_longer_names_its_image(daemon: Daemon) -> None:
    secret = PNG + b"a screenshot of a key"
    path = daemon.home.work / "key.png"
    path.write_bytes(secret)
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture(secret), {"type": "localImage", "path": str(path)})
            log = log_of(daemon, thread)
            lines = log.splitlines()
            seqs = [json.loads(line)["seq"] for line in lines if name_of(secret) in line]
            await client.call("thread/scrub", threadId=thread, seqs=seqs)
            assert name_of(secret) not in log_of(daemon, thread)
            await run(client, thread, prompt="again")
            sent = json.dumps(told(model, 1))
            assert "input_image" not in sent
            assert (await read(client, thread))["turns"]


@trio_test
async def test_bytes_of_an_image_that_look_like_a_secret_stay_and_so_does_its_name(
    daemon: Daemon,
) -> None:
    token = b"ghp_" + b"0123456789abcdefghijABCDEFGHIJ012345"
    content = PNG + b"tEXtComment " + token
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await run(client, thread, picture(content), prompt=f"it has {token.decode()}")
            assert token.decode() not in log_of(daemon, thread)
            assert name_of(content) in log_of(daemon, thread)
            assert len(blobs_with(daemon.home, content)) == 1
            assert shown(await read(client, thread)) == [picture(content)]

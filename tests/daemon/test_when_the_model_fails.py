"""After any failure of a provider, the person gets the reason, and the turn ends or is tried again."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from codexd.models.scripted.scripts import Break, Call, Cut, Fail, Hang, Part, Raw, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import answers, completed
from trio_test import trio_test

OK = Say(("ok",))


def errors(client: Client) -> list[tuple[str, bool]]:
    """The errors that were told: message, and whether it is tried again."""
    return [
        (note.params["error"]["message"], note.params["willRetry"]) for note in client.of("error")
    ]


async def one_turn(client: Client) -> Json:
    return await client.run_turn(await client.start_thread(), "hello")


@trio_test
async def test_no_key_is_set(daemon: Daemon) -> None:
    async with scripted_model([]) as model:
        daemon.home.use_model(model.base_url, provider_more='env_key = "NO_SUCH_KEY"')
        async with connected(daemon.home.socket) as client:
            turn = await one_turn(client)
            assert turn["status"] == "failed"
            assert turn["error"]["codexErrorInfo"] == "unauthorized"
            assert "NO_SUCH_KEY" in turn["error"]["message"]
            assert errors(client) == [(turn["error"]["message"], False)]
            assert not model.requests


@trio_test
async def test_the_provider_is_unreachable(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    daemon.home.use_model(f"http://127.0.0.1:{port}/v1", provider_more="request_max_retries = 1")
    async with connected(daemon.home.socket) as client:
        turn = await one_turn(client)
        assert turn["status"] == "failed"
        assert turn["error"]["codexErrorInfo"] == {"httpConnectionFailed": {"httpStatusCode": None}}
        assert f"127.0.0.1:{port}" in turn["error"]["message"]
        assert [retried for _, retried in errors(client)] == [True, False]


SORTED: list[tuple[list[Part], str, Any, int]] = [
    ([Fail(401)], "failed", "unauthorized", 0),
    ([Fail(400)], "failed", "badRequest", 0),
    ([Fail(429), OK], "completed", None, 1),
    ([Fail(429, (("retry-after", "0"),)), OK], "completed", None, 1),
    ([Fail(429, (("retry-after", "100000"),))], "failed", "rateLimitExceeded", 0),
    ([Fail(500), Fail(500), Fail(500), OK], "completed", None, 3),
    ([Fail(500)] * 5, "failed", "internalServerError", 4),
    ([Break("server_error"), OK], "completed", None, 1),
]


@pytest.mark.parametrize(("replies", "status", "info", "retries"), SORTED)
@trio_test
async def test_a_temporary_error_is_tried_again_and_others_end_the_turn(
    daemon: Daemon, replies: list[Part], status: str, info: object, retries: int
) -> None:
    # The waits of the last case but three are 0.2, 0.4, 0.8 and 1.6 s: asked for as 0 here.
    hurried = [
        Fail(reply.status, (*reply.headers, ("retry-after-ms", "1")))
        if isinstance(reply, Fail) and not reply.headers and reply.status == 500
        else reply
        for reply in replies
    ]
    async with scripted_model(hurried) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            turn = await one_turn(client)
            assert turn["status"] == status
            if info is not None:
                assert turn["error"]["codexErrorInfo"] == info
                status_now = client.of("thread/status/changed")[-1].params["status"]
                assert status_now == {"type": "systemError"}
            told = [error for error in errors(client) if error[1]]
            assert [text.split(" (")[0] for text, _ in told] == [
                f"Reconnecting... {n + 1}/{4 if isinstance(replies[0], Fail) else 5}"
                for n in range(retries)
            ]
            assert len(model.requests) == retries + 1
            assert len({request.body for request in model.requests}) == 1


@trio_test
async def test_after_a_failure_the_next_turn_runs(daemon: Daemon) -> None:
    async with scripted_model([Fail(400), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "hello"))["status"] == "failed"
            assert (await client.run_turn(thread, "and now"))["status"] == "completed"
            assert answers(client) == ["ok"]


@trio_test
async def test_a_stream_that_is_cut_is_tried_again_and_its_item_closed(daemon: Daemon) -> None:
    async with scripted_model([Cut(("half ", "an ")), Say(("a whole ", "answer"))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            assert (await one_turn(client))["status"] == "completed"
            assert answers(client) == ["half an ", "a whole answer"]
            (retry,) = client.of("error")
            assert retry.params["willRetry"] is True
            # What was cut off is shown to people, and not sent to the model.
            assert b"half" not in model.requests[1].body


@trio_test
async def test_a_stream_that_is_cut_each_time_fails_in_the_end(daemon: Daemon) -> None:
    async with scripted_model([Cut(("half",))] * 3) as model:
        daemon.home.use_model(model.base_url, provider_more="stream_max_retries = 2")
        async with connected(daemon.home.socket) as client:
            turn = await one_turn(client)
            assert turn["status"] == "failed"
            info = {"responseStreamDisconnected": {"httpStatusCode": None}}
            assert turn["error"]["codexErrorInfo"] == info
            assert answers(client) == ["half"] * 3


@trio_test
async def test_a_stream_that_falls_silent_is_given_up_and_tried_again(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",)), OK]) as model:
        daemon.home.use_model(model.base_url, provider_more="stream_idle_timeout_ms = 50")
        async with connected(daemon.home.socket) as client:
            assert (await one_turn(client))["status"] == "completed"
            assert answers(client) == ["wait", "ok"]
            (retry,) = client.of("error")
            assert "silent" in retry.params["error"]["additionalDetails"]
            await model.wait_clients_gone(1)


@trio_test
async def test_garbage_for_a_stream_does_no_harm(daemon: Daemon) -> None:
    garbage: list[Part | Reply] = [
        Raw(b"data: {not json}\n\n"),
        Raw(b'data: {"type":"response.output_item.done","item":5}\n\n'),
        Raw(b"\xff\xfe\x00" * 100),
        OK,
    ]
    async with scripted_model(garbage) as model:
        daemon.home.use_model(model.base_url, provider_more="stream_max_retries = 1")
        async with connected(daemon.home.socket) as client:
            turn = await one_turn(client)
            assert turn["status"] in ("completed", "failed")
            assert (await one_turn(client))["status"] in ("completed", "failed")


CALLS = [
    (Call("shell_command", "{not json"), b"not JSON"),
    (Call("shell_command", '{"cmd":"ls"}'), b"command"),
    (Call("shell_command", '{"command":5}'), b"command"),
    (Call("shell_command", '{"command":""}'), b"empty"),
    (Call("teleport", "{}"), b"unsupported call: teleport"),
    (Call("free", "any text", custom=True), b"unsupported call: free"),
]


@pytest.mark.parametrize(("call", "told"), CALLS)
@trio_test
async def test_a_call_that_cannot_be_made_is_answered_to_the_model_and_the_turn_continues(
    daemon: Daemon, call: Call, told: bytes
) -> None:
    async with scripted_model([call, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            assert (await one_turn(client))["status"] == "completed"
            assert told in model.requests[1].body
            (item,) = [i for i in completed(client).values() if i["type"] == "dynamicToolCall"]
            assert (item["tool"], item["status"]) == (call.name, "failed")


@trio_test
async def test_an_interrupt_closes_the_connection_to_the_provider(daemon: Daemon) -> None:
    async with scripted_model([Hang(("wait",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until_notified("item/agentMessage/delta")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            assert answers(client) == ["wait"]
            await model.wait_clients_gone(1)


@trio_test
async def test_an_interrupt_ends_the_wait_for_a_retry(daemon: Daemon) -> None:
    async with scripted_model([Fail(500, (("retry-after", "100"),))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until_notified("error")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"


@trio_test
async def test_the_key_is_sent_and_is_nowhere_on_disk_nor_on_the_wire(home: Home) -> None:
    key = "sk-secret-0123456789abcdef"
    home.env["THE_KEY"] = key
    async with scripted_model([Fail(401, body=f"bad key {key}".encode()), OK]) as model:
        home.use_model(model.base_url, provider_more='env_key = "THE_KEY"')
        home.start()
        async with connected(home.socket) as client:
            await one_turn(client)
            await one_turn(client)
            assert sent_keys(model) == {f"Bearer {key}"}
            assert key not in repr(client.notified)
            assert all(
                key.encode() not in file.read_bytes()
                for file in home.path.rglob("*")
                if file.is_file()
            )


def sent_keys(model: ScriptedModel) -> set[str]:
    return {request.headers["authorization"] for request in model.requests}

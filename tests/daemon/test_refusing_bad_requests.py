"""Bad requests: the sender gets a clear error, and the connection and the daemon continue."""

from __future__ import annotations

import json

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from codexd.protocol.wire.framing import MESSAGE_BYTES_MAX
from daemon_client import FRAMINGS, Framing, Json, connected, typed
from daemon_house import Daemon
from trio_test import trio_test

UNKNOWN = "01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60"


@trio_test
async def test_unreadable_json_is_answered_and_the_connection_continues(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        for wire in (b'{"id","method"\n', b"hello\n", b"\xff\xfe\n"):
            before = len(client.errors)
            await client.send_bytes(wire)
            await client.until(lambda before=before: len(client.errors) > before)  # type: ignore[misc]
            assert client.errors[-1]["code"] == -32700
            assert client.errors[-1]["data"]["code"] == "unreadable_json"
        await client.call("thread/loaded/list")


WEIRD = [b"[]", b"3", b"null", b'"x"', b"{}", b"[" * 100_000, b'{"id":null,"method":"x"}']


@pytest.mark.parametrize("wire", WEIRD, ids=range(len(WEIRD)))
@trio_test
async def test_json_that_is_no_message_is_answered(daemon: Daemon, wire: bytes) -> None:
    async with connected(daemon.home.socket) as client:
        await client.send_bytes(wire + b"\n")
        await client.until(lambda: bool(client.errors))
        assert client.errors[0]["code"] == -32600
        await client.call("thread/loaded/list")


@trio_test
async def test_a_line_over_the_limit_is_skipped_and_said(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        piece = b"x" * (1 << 20)
        for _ in range(MESSAGE_BYTES_MAX // len(piece) + 2):
            await client.send_bytes(piece)
        await client.send_bytes(b"\n")
        await client.until(lambda: bool(client.errors))
        assert client.errors[0]["data"]["code"] == "overlong_message"
        assert str(MESSAGE_BYTES_MAX) in client.errors[0]["message"]
        await client.call("thread/loaded/list")
        assert len(client.errors) == 1


@pytest.mark.parametrize("framing", FRAMINGS)
@trio_test
async def test_an_unknown_method_names_those_that_are_spelt_nearly_the_same(
    daemon: Daemon, framing: Framing
) -> None:
    async with connected(daemon.home.socket, framing) as client:
        refusal = await client.refused("thread/strat")
        assert refusal.data["code"] == "unknown_method"
        assert "thread/start" in refusal.message


@trio_test
async def test_a_request_before_initialize_and_a_second_initialize(daemon: Daemon) -> None:
    async with connected(daemon.home.socket, initialize=False) as client:
        assert (await client.refused("thread/list")).message == "Not initialized"
        info = {"name": "test", "version": "0"}
        await client.call("initialize", clientInfo=info)
        assert (
            await client.refused("initialize", clientInfo=info)
        ).message == "Already initialized"
        await client.call("thread/list")


@trio_test
async def test_requests_in_one_write_are_handled_in_their_order(daemon: Daemon) -> None:
    for _ in range(10):
        async with connected(daemon.home.socket, initialize=False) as client:
            first = {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "test"}}}
            asked = [{"id": n, "method": "thread/loaded/list", "params": {}} for n in range(2, 6)]
            lines = [json.dumps(request).encode() + b"\n" for request in (first, *asked)]
            await client.send_bytes(b"".join(lines))
            for n in range(1, 6):
                await client.answered(n)


@trio_test
async def test_prompts_in_one_write_run_in_their_order(daemon: Daemon) -> None:
    prompts = [f"prompt {n}" for n in range(4)]
    async with scripted_model([Say(("ok",))] * 40) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            for _ in range(10):
                thread = await client.start_thread()
                lines = b""
                for n, prompt in enumerate(prompts):
                    params = {"threadId": thread, "input": typed(prompt)}
                    request = {"id": 100 + n, "method": "turn/start", "params": params}
                    lines += json.dumps(request).encode() + b"\n"
                await client.send_bytes(lines)
                await client.until_notified("turn/completed", times=4, threadId=thread)
                said = [
                    message.params["item"]["content"][0]["text"]
                    for message in client.of("item/completed", threadId=thread)
                    if message.params["item"]["type"] == "userMessage"
                ]
                assert said == prompts


WITH_A_THREAD: dict[str, Json] = {
    "thread/resume": {},
    "thread/fork": {},
    "thread/read": {},
    "thread/turns/list": {},
    "thread/items/list": {},
    "thread/archive": {},
    "thread/unarchive": {},
    "thread/name/set": {"name": "n"},
    "turn/start": {"input": typed("hello")},
    "turn/steer": {"input": typed("hello"), "expectedTurnId": UNKNOWN},
    "turn/interrupt": {"turnId": UNKNOWN},
    "thread/log/read": {},
    "item/output/read": {"itemId": "x"},
}


@pytest.mark.parametrize("method", WITH_A_THREAD)
@trio_test
async def test_an_unknown_thread_and_an_invalid_id(daemon: Daemon, method: str) -> None:
    params = WITH_A_THREAD[method]
    async with connected(daemon.home.socket) as client:
        unknown = await client.refused(method, threadId=UNKNOWN, **params)
        assert UNKNOWN in unknown.message
        expected = "thread_not_archived" if method == "thread/unarchive" else "thread_not_found"
        assert unknown.data["code"] == expected
        for text in ("", "hello", "../../etc/passwd", UNKNOWN + "0", "\0"):
            malformed = await client.refused(method, threadId=text, **params)
            assert malformed.message.startswith("invalid thread id: ")
        assert "threadId" in (await client.refused(method, **params)).message
        assert "threadId" in (await client.refused(method, threadId=5, **params)).message


@pytest.mark.parametrize(
    "method",
    [
        method
        for method in WITH_A_THREAD
        if method not in ("thread/unarchive", "thread/read", "thread/log/read", "item/output/read")
    ],
)
@trio_test
async def test_an_archived_thread_is_not_worked_with(daemon: Daemon, method: str) -> None:
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        await client.call("thread/archive", threadId=thread)
        if method in ("thread/turns/list", "thread/items/list"):  # but it may be looked at
            assert (await client.call(method, threadId=thread))["data"] == []
            return
        refusal = await client.refused(method, threadId=thread, **WITH_A_THREAD[method])
        assert refusal.data["code"] == "thread_archived"
        assert f"unarchive {thread}" in refusal.message


@pytest.mark.parametrize("content", [[], typed(""), typed(" \n\t ")])
@trio_test
async def test_an_empty_prompt(daemon: Daemon, content: list[object]) -> None:
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        refusal = await client.refused("turn/start", threadId=thread, input=content)
        assert refusal.data["code"] == "empty_input"
        read = await client.call("thread/read", threadId=thread, includeTurns=True)
        assert read["thread"]["turns"] == []


@trio_test
async def test_wrong_params_say_which(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        for method, params, name in (
            ("thread/start", {"cwd": 5}, "cwd"),
            ("thread/start", {"cwd": "/nowhere/at/all", "idempotencyKey": "of no folder"}, "cwd"),
            ("thread/start", {"approvalPolicy": "sometimes"}, "approvalPolicy"),
            ("thread/start", {"sandbox": "sandy"}, "sandbox"),
            ("thread/start", {"modelProvider": "nobody"}, "modelProvider"),
            ("thread/list", {"limit": "ten"}, "limit"),
            ("thread/list", {"limit": -1}, "limit"),
            ("thread/list", {"cursor": "nonsense"}, "cursor"),
            ("model/list", {"cursor": "nonsense"}, "cursor"),
            ("turn/start", {"threadId": UNKNOWN, "input": [{"type": "smell"}]}, "input"),
        ):
            refusal = await client.refused(method, **params)
            assert name in refusal.message, refusal.message
            assert refusal.data["code"] == "invalid_params"

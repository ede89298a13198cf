"""The scripted model answers by the lines of a prompt, or by its script, in the shapes of the real API."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest
import trio

from codexd.core.values.model_output import ModelEvent, ModelItemDone, ModelResponseDone, TextDelta
from codexd.models.client import ModelError, ModelRequest
from codexd.models.http.client import HttpModelClient
from codexd.models.provider import read_provider
from codexd.models.responses.stream import ResponseReader
from codexd.models.scripted.responses import stream_of
from codexd.models.scripted.scripts import (
    Break,
    Call,
    Cut,
    Fail,
    Hang,
    Part,
    PromptScript,
    Raw,
    Reply,
    Say,
    Think,
    Use,
)
from codexd.models.scripted.server import scripted_model
from codexd.models.sse import EventStreamReader
from trio_test import trio_test

SHELL = {"type": "function", "name": "shell_command"}


def body(prompt: str, *outputs: str, tools: tuple[dict[str, str], ...] = (SHELL,)) -> bytes:
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
    done = [{"type": "function_call_output", "call_id": "c", "output": text} for text in outputs]
    request = {"input": [user, *done], "tools": list(tools), "prompt_cache_key": "t"}
    return msgspec.json.encode(request)


def call(command: str) -> Call:
    return Call("shell_command", f'{{"command":"{command}"}}')


PADDING = "abcdefghijklmno "


@pytest.mark.parametrize(
    ("prompt", "outputs", "reply"),
    [
        ("say 2", (), (Say((PADDING, PADDING)),)),
        ("say 1 4", (), (Say(("abc ",)),)),
        ("think 2", (), (Think(("pondering it ", "pondering it ")),)),
        ("run ls", (), (call("ls"),)),
        ("run ls", ("a b",), (Say.words("The length of the last output: 3."),)),
        ("runs 2 ls", ("a",), (call("ls"),)),
        ("runs 2 ls", ("a", "b"), (Say.words("The length of the last output: 1."),)),
        ("fail 503", (), (Fail(503),)),
        ("cut 1", (), (Cut((PADDING,)),)),
        ("hang 1.5", (), (Hang(("waiting ",), 1.5),)),
        ("error slow_down", (), (Break("slow_down"),)),
        ("use 7 5", (), (Use(7, 5),)),
        ("use 7\nsay 1 4", (), (Use(7), Say(("abc ",)))),
        ("Please:\nthink 1\nsay 1 4\n", (), (Think(("pondering it ",)), Say(("abc ",)))),
        ("say 1 4\nrun a\nsay 1 5\nrun b", (), (Say(("abc ",)), call("a"))),
        ("say 1 4\nrun a\nsay 1 5\nrun b", ("x",), (Say(("abcd ",)), call("b"))),
    ],
)
def test_the_lines_of_a_prompt_are_played(
    prompt: str, outputs: tuple[str, ...], reply: Reply
) -> None:
    assert PromptScript().reply(body(prompt, *outputs)) == reply


def test_a_failure_is_played_a_number_of_times_for_each_prompt() -> None:
    script, closing = PromptScript(), (Say.words("There is nothing more in the script."),)
    twice = body("fail 500 2")
    assert [script.reply(twice) for _ in range(3)] == [(Fail(500),), (Fail(500),), closing]
    assert script.reply(body("fail 500")) == (Fail(500),)
    cut = body("cut 1 1\nsay 1 4")
    assert script.reply(cut) == (Cut((PADDING,)), Say(("abc ",)))
    assert script.reply(cut) == (Say(("abc ",)),)


def test_any_other_prompt_is_answered_by_a_demonstration() -> None:
    think, asked = PromptScript().reply(body("Hello, who are you?"))
    assert isinstance(think, Think)
    assert asked == call("uname -sr")
    [said] = PromptScript().reply(body("Hello, who are you?", "Exit code: 0\nLinux 6.1\n\n"))
    assert isinstance(said, Say)
    assert "`uname -sr` and got: Linux 6.1." in "".join(said.deltas)


def test_the_shell_is_called_by_the_name_that_is_offered() -> None:
    def called(name: str) -> Part:
        [part] = PromptScript().reply(body("run ls", tools=({"name": name},)))
        return part

    assert called("exec_command") == Call("exec_command", '{"cmd":"ls"}')
    assert called("shell") == Call("shell", '{"command":["bash","-lc","ls"]}')
    assert called("paint") == Say.words("I would run `ls`, but no shell tool is offered.")


def test_words_add_up_to_the_text() -> None:
    text = "  One  two\nthree"
    assert "".join(Say.words(text).deltas) == text
    assert len(Say.words(text).deltas) == 4


def test_a_reply_is_a_stream_that_the_reader_understands_whole() -> None:
    reply = (Think(("Hm ", "m")), Say(("a ", "b")), call("x"), Call("apply_patch", "***", True))
    frames, reader = EventStreamReader(), ResponseReader()
    events: list[ModelEvent] = []
    for chunk in stream_of(reply, "n"):
        events += reader.feed(frames.feed(chunk))
    done = [event for event in events if isinstance(event, ModelItemDone)]
    assert [(item.item_id, item.kind) for item in done] == [
        ("rs_n_0", "reasoning"),
        ("msg_n_1", "message"),
        ("fc_n_2", "call"),
        ("ctc_n_3", "call"),
    ]
    calls = [item.call for item in done if item.call is not None]
    assert [(made.call_id, made.custom) for made in calls] == [
        ("call_n_2", False),
        ("call_n_3", True),
    ]
    assert isinstance(events[-1], ModelResponseDone)


def request(prompt: str) -> ModelRequest:
    encoded = msgspec.json.encode({"role": "user", "content": prompt})
    return ModelRequest(model="m", instructions="", input=(encoded,), tools=(), cache_key="t")


async def answer(base_url: str, prompt: str) -> str:
    """The text of an answer."""
    client = HttpModelClient(read_provider("scripted", {"base_url": base_url}), {})
    text = ""
    try:
        async with client.stream(request(prompt)) as stream:
            while batch := await stream.receive():
                text += "".join(event.text for event in batch if isinstance(event, TextDelta))
    finally:
        await client.aclose()
    return text


@trio_test
async def test_replies_are_played_in_order_and_then_the_script_is_over() -> None:
    async with scripted_model([Say(("one",)), (Think(("hm",)), Say(("two",)))]) as model:
        assert await answer(model.base_url, "?") == "one"
        assert await answer(model.base_url, "?") == "two"
        with pytest.raises(ModelError, match="the script is over"):
            await answer(model.base_url, "?")
        await model.wait_requests(3)


@trio_test
async def test_no_two_answers_have_an_id_in_common() -> None:
    ids: list[str] = []

    async def ask(client: HttpModelClient) -> None:
        async with client.stream(request("say 1")) as stream:
            while batch := await stream.receive():
                ids.extend(event.item_id for event in batch if isinstance(event, ModelItemDone))

    async with scripted_model() as model, trio.open_nursery() as nursery:
        client = HttpModelClient(read_provider("scripted", {"base_url": model.base_url}), {})
        for _ in range(10):
            nursery.start_soon(ask, client)
        await model.wait_requests(10)
    await client.aclose()
    assert len(set(ids)) == len(ids) == 10


@trio_test
async def test_raw_bytes_are_streamed_as_they_are() -> None:
    raw = b'data: {"type":"response.completed","response":{}}\n\n'
    async with scripted_model([Raw(raw)]) as model:
        assert await answer(model.base_url, "?") == ""


@trio_test
async def test_a_function_may_choose_the_reply() -> None:
    def echo(encoded: bytes) -> Reply:
        asked: dict[str, Any] = msgspec.json.decode(encoded)
        return (Say((asked["input"][0]["content"].upper(),)),)

    async with scripted_model(echo) as model:
        assert await answer(model.base_url, "hello") == "HELLO"


@trio_test
async def test_a_request_that_is_no_request_is_refused() -> None:
    async with (
        scripted_model() as model,
        await trio.open_tcp_stream("127.0.0.1", model.port) as client,
    ):
        await client.send_all(
            b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{"
        )
        assert (await client.receive_some()).startswith(b"HTTP/1.1 400 ")
        await client.send_all(b"GET /v1/files HTTP/1.1\r\nHost: x\r\n\r\n")
        refusal = b""
        while b"no such address" not in refusal:
            refusal += await client.receive_some()
        assert b"HTTP/1.1 404 " in refusal


@pytest.mark.slow
def test_it_runs_as_a_program_that_ends_with_its_parent() -> None:
    program = [sys.executable, "-m", "codexd.models.scripted", "--until-stdin-closes"]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        text = trio.run(answer, f"http://127.0.0.1:{port}/v1", "say 2 4")
        _, complaints = process.communicate(timeout=10)
    assert (text, process.returncode, complaints) == ("abc abc ", 0, "")

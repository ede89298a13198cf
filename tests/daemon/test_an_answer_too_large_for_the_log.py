"""An answer that is larger than any that is kept fails its call once; the thread loses nothing, and continues."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.core.cut_items import CUT_BYTES_MAX
from codexd.models.answer_size import ANSWER_BYTES_MAX, ITEM_BYTES_MAX, ITEMS_MAX
from codexd.models.scripted.scripts import Break, Call, Hang, Part, Raw, Reply, Say, Think
from codexd.models.scripted.server import ScriptedModel, scripted_model
from codexd_eventstore.store import RECORD_BYTES_MAX
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import items_of, said_so_far
from trio_test import trio_test

pytestmark = pytest.mark.slow

APIS = ("responses", "chat")
MIB = 1024 * 1024
LINES = "\n" * 1000
PIECES = (LINES,) * 4_000  # 4 MB, of which each byte takes two in JSON
CALL = "shell_command"


def of_chat(delta: Json) -> bytes:
    """A chunk of a chat completions stream."""
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode()


def of_responses(kind: str, **members: object) -> bytes:
    """An event of a Responses stream."""
    return b"data: %b\n\n" % json.dumps({"type": kind, **members}).encode()


def done(item: Json) -> bytes:
    """An item that comes whole, and by nothing else."""
    return of_responses("response.output_item.done", item=item)


BOTH: dict[str, Part | Reply] = {
    "line ends in many deltas": Say(("word ", *PIECES)),
    "line ends in one delta": Say(("\n" * 4_000_000,)),
    "control characters": Say(("word ", *("\x01" * 1000,) * 3000)),
    "nothing but line ends": Say(PIECES),
    "quotes and backslashes": Say(("word ", *('"\\' * 500,) * 6000)),
    "letters of four bytes": Say(("word ", *("𝄞" * 1000,) * 3000)),
    "reasoning": Think(PIECES),
    "arguments of a call": Call(CALL, json.dumps({"command": "\n" * 3_000_000})),
    "arguments that are no JSON": Call(CALL, "\x01" * 2_000_000),
    "the name of a call": Call("x" * 5_000_000, "{}"),
    "a call after a text": (Say(("said ",)), Call(CALL, "x" * 12_000_000)),
}
ONE: dict[str, tuple[str, bytes]] = {
    "notes of details": (
        "chat",
        of_chat({"reasoning_details": [{"type": "reasoning.text", "text": "\n" * 3_000_000}]}),
    ),
    "many notes of details": (
        "chat",
        of_chat({"reasoning_details": [{"type": "reasoning.text", "text": "\n" * 1000}]}) * 3000,
    ),
    "a signature of a call": (
        "chat",
        of_chat({"tool_calls": [{"index": 0, "extra_content": {"google": "x" * 5_000_000}}]}),
    ),
    "calls in fragments": (
        "chat",
        of_chat({"tool_calls": [{"index": 0, "function": {"name": CALL, "arguments": LINES}}]})
        * 3000,
    ),
    "calls in fragments that may each be whole": (
        "chat",
        of_chat({"tool_calls": [{"index": 0, "function": {"name": CALL, "arguments": "[" + "[]," * 300 + "[]"}}]})
        * 6000,
    ),
    "encrypted reasoning": ("responses", done({"type": "reasoning", "encrypted_content": "x" * 5_000_000})),
    "an item that nobody knows": ("responses", done({"type": "odd", "odd": ["\n"] * 1_000_000})),
    "items without number": ("responses", done({"type": "odd"}) * (ITEMS_MAX + 1)),
    "large items": (
        "responses",
        done({"type": "odd", "odd": "x" * (ITEM_BYTES_MAX - 1000)})
        * (ANSWER_BYTES_MAX // ITEM_BYTES_MAX + 1),
    ),
    "the id of an item": ("responses", done({"type": "odd", "id": "x" * 100_000})),
    "arguments that do not end": (
        "responses",
        of_responses("response.function_call_arguments.delta", item_id="fc", delta=LINES) * 3000,
    ),
    "parts without number": (
        "responses",
        b"".join(
            of_responses("response.reasoning_text.delta", item_id="rs", content_index=n, delta="x")
            for n in range(2000)
        ),
    ),
    "an event": ("responses", b"data: " + b"x" * 17 * MIB + b"\n\n"),
    "what it used": (
        "responses",
        of_responses("response.completed", response={"usage": {"odd": "x" * 5_000_000}}),
    ),
}  # fmt: skip


def records(home: Home, thread: str) -> list[bytes]:
    """The records of a thread."""
    (log,) = [path for path in home.logs() if thread in path.name]
    return log.read_bytes().splitlines()


def data_of(lines: list[bytes], kind: str) -> list[Json]:
    """What all events of a type say."""
    return [found["data"] for line in lines if (found := json.loads(line))["type"] == kind]


def use(home: Home, base_url: str, api: str) -> None:
    """Point the daemon at the model; a retry would show."""
    home.use_model(base_url, provider_more=f'wire_api = "{api}"\nstream_max_retries = 3')


async def fails_and_goes_on(home: Home, client: Client, thread: str, model: ScriptedModel) -> None:
    """One turn fails for the size of its answer; the next one does not know of it."""
    failed = await client.run_turn(thread, "go")
    assert failed["status"] == "failed", failed
    assert "too large" in failed["error"]["message"], failed["error"]
    assert len(failed["error"]["message"]) < 3000
    assert model.requests_count == 1, "it was asked again"
    lines = records(home, thread)
    assert max(map(len, lines)) < RECORD_BYTES_MAX / 2
    for cut in data_of(lines, "model.item_cut"):
        assert len(json.dumps(cut, ensure_ascii=False).encode()) <= CUT_BYTES_MAX
        assert cut.get("text", "") == said_so_far(client), "what was shown is what is kept"
    assert (await client.run_turn(thread, "again"))["status"] == "completed"
    found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
    assert found["status"]["type"] == "idle"
    assert [turn["status"] for turn in found["turns"]] == ["failed", "completed"]
    assert items_of(found)[-1]["type"] == "agentMessage"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", BOTH)
@trio_test
async def test_it_fails_its_turn_with_a_sentence_and_the_next_turn_runs(
    daemon: Daemon, kind: str, api: str
) -> None:
    home = daemon.home
    async with scripted_model([BOTH[kind], Say(("well",))]) as model:
        use(home, model.base_url, api)
        async with connected(home.socket) as client:
            await fails_and_goes_on(home, client, await client.start_thread(), model)


@pytest.mark.parametrize("kind", ONE)
@trio_test
async def test_so_do_items_that_only_one_api_has(daemon: Daemon, kind: str) -> None:
    home, (api, stream) = daemon.home, ONE[kind]
    # What came whole may be more than the model can take: then it is asked for a summary first.
    async with scripted_model([Raw(stream), *[Say(("well",))] * 9]) as model:
        use(home, model.base_url, api)
        async with connected(home.socket) as client:
            await fails_and_goes_on(home, client, await client.start_thread(), model)


@pytest.mark.parametrize("api", APIS)
@trio_test
async def test_the_text_that_came_before_the_bound_stays_shown(daemon: Daemon, api: str) -> None:
    home = daemon.home
    async with scripted_model([BOTH["line ends in many deltas"], Say(("well",))]) as model:
        use(home, model.base_url, api)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "go")
            (cut,) = data_of(records(home, thread), "model.item_cut")
            assert len(json.dumps(cut["text"])) > 0.99 * ITEM_BYTES_MAX
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert items_of(found["thread"])[1]["text"] == cut["text"]


@trio_test
async def test_the_codes_of_a_failure_are_cut_to_a_readable_length(daemon: Daemon) -> None:
    home, long = daemon.home, "x" * 3_000_000
    async with scripted_model([Break(long, long), Say(("well",))]) as model:
        use(home, model.base_url, "responses")
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "go"))["status"] == "failed"
            assert max(map(len, records(home, thread))) < 64 * 1024
            assert (await client.run_turn(thread, "again"))["status"] == "completed"


def only_draft(home: Home) -> Path:
    """The file of the one text that was streaming."""
    (found,) = [path for path in home.path.rglob("*") if path.is_file() and "draft" in str(path)]
    return found


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("more", [0, 12], ids=["as it was", "larger than any record"])
@trio_test
async def test_killed_in_the_middle_of_a_large_answer_the_thread_continues(
    home: Home, more: int, api: str
) -> None:
    begun = ("word ", *(LINES,) * 1000)  # 2 MB in JSON: just within the bound
    async with scripted_model([Hang(begun), Say(("well",)), Say(("again",))]) as model:
        use(home, model.base_url, api)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until(lambda: len(said_so_far(client)) == len("".join(begun)))
            daemon.kill()
        with only_draft(home).open("ab") as draft:
            for _ in range(more):  # as a daemon without the bound left it
                draft.write(json.dumps(["text", 0, "\n" * 1_000_000]).encode() + b"\n")
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await model.wait_requests(2)
            assert (await client.run_turn(thread, "more"))["status"] == "completed"
            found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
            assert [turn["status"] for turn in found["turns"]] == ["completed", "completed"]
            assert found["turns"][0]["id"] == turn
        (cut,) = data_of(records(home, thread), "model.item_cut")
        assert cut["text"].startswith("".join(begun))
        assert len(json.dumps(cut, ensure_ascii=False).encode()) <= CUT_BYTES_MAX
        assert ("characters were left out" in cut["text"]) == bool(more)


@pytest.mark.parametrize(
    "text", ["\n" * 12_000_000, "\x01" * 6_000_000, "𝄞" * 4_500_000], ids=["lines", "controls", "𝄞"]
)
@trio_test
async def test_a_prompt_that_no_record_can_hold_is_refused_with_a_sentence(
    daemon: Daemon, text: str
) -> None:
    home = daemon.home
    async with scripted_model([Say(("well",))]) as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            content = [{"type": "text", "text": text}]
            refusal = await client.refused("turn/start", threadId=thread, input=content)
            assert "expected" in refusal.message
            assert len(refusal.message) < 1000
            assert (await client.run_turn(thread, "short"))["status"] == "completed"

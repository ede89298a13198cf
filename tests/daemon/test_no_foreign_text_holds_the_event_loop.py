"""No work on foreign text holds the event loop long, however large the text is: other threads and clients continue.

The promise is 50 ms. It is held here without a clock on the wall, which says more of the machine and of its other work
than of the daemon: each step of each task of a real daemon is measured in CPU time of the loop's own thread, by an
instrument of trio, and compared with what the same process takes to decode a MiB of JSON. That is some 0.8 ms, so 50 ms
are some 60 of them. Of several runs of one story the best counts, task by task: what another process or a cold cache
adds to a step comes in one run and not in the next, and work that is done in one step takes its time in each of them.
Bytes handled in a step, which would need no time at all, say nothing of what is done with them: 4 MB are searched in
1 ms for a letter, and in 90 for secrets.

Steps in which modules are imported are left out: what they take depends on no text.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from codexd.models.answer_size import ITEM_BYTES_MAX
from codexd.models.scripted.scripts import Call, Fail, Part, Raw, Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from daemon_client import Client, Json, connected
from daemon_house import Home
from trio_test import trio_test

pytestmark = pytest.mark.slow

RUNS = 3
# Before the work was cut into steps, the longest took 200 and more; now they take up to 40.
DECODES_MAX = 80.0
WATCHED = Path(__file__).parent.parent / "support" / "watched_daemon.py"
SIZE = ITEM_BYTES_MAX - 4000  # of a text, in the form of the log
WELL = Say(("well",))
TEXTS = {
    "words": "word " * (SIZE // 5),
    "line ends": "\n" * (SIZE // 2),
    "controls": "\x01" * (SIZE // 6),
    "letters of four bytes": "𝄞" * (SIZE // 4),
}
Story = Callable[[Client], Awaitable[None]]


def done(item: Json) -> bytes:
    """An item that comes whole."""
    event = {"type": "response.output_item.done", "item": item}
    return b"data: %b\n\n" % json.dumps(event).encode()


def message(text: str, item_id: str) -> Json:
    """A message of the model."""
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "id": item_id, "content": content}


COMPLETED = b'data: {"type":"response.completed","response":{"id":"r","usage":{}}}\n\n'
ANSWERS: dict[str, Part | Reply] = {
    **{f"{name} in one delta": Say((text,)) for name, text in TEXTS.items()},
    "words in many deltas": Say(("word " * 200,) * (SIZE // 1000)),
    "reasoning": Think((TEXTS["words"],)),
    "several items in one read": Raw(
        b"".join(done(message(TEXTS["words"], f"m{n}")) for n in range(3)) + COMPLETED
    ),
    "many small values": Raw(done({"type": "odd", "odd": [{"a": 1}] * 90_000}) + COMPLETED),
    "more values than are read": Raw(done({"type": "odd", "odd": ["\n"] * 300_000}) + COMPLETED),
    "arguments of a call": Call("shell_command", json.dumps({"command": "true " + "x" * 900_000})),
    "arguments that are no JSON": Call("shell_command", "[" * (SIZE // 2)),
    "much output": Call(
        "shell_command", json.dumps({"command": "yes 'word word \" x' | head -c 8000000"})
    ),
    "an error's body": Fail(400, body=b'{"error":{"message":"' + b"\\n" * 4_000_000 + b'"}}'),
}


APIS = ("responses", "chat")
OF_BOTH = ("words in one delta", "line ends in one delta", "reasoning", "much output")
CALLS = ("arguments of a call", "arguments that are no JSON", "much output")


async def longest_steps(
    home: Home, replies: list[Part | Reply], story: Story, **how: str
) -> dict[str, float]:
    """The longest step of each task of a daemon, by its name, in decodes."""
    report = home.root / "steps"
    async with scripted_model([*replies, *[WELL] * 9]) as model:
        home.use_model(model.base_url, window=20_000_000, **how)
        daemon = home.launch(program=(str(WATCHED), str(report)))
        daemon.wait_said("answers on")
        async with connected(home.socket) as client:
            await story(client)
        assert daemon.stop() == 0
    found: dict[str, float] = json.loads(report.read_text())
    return found


async def check_steps(replies: list[Part | Reply], story: Story, **how: str) -> None:
    """Run a story until no step in it was long in each of the runs."""
    longest: dict[str, float] | None = None
    for _ in range(RUNS):
        with Home() as home:
            steps = await longest_steps(home, replies, story, **how)
        known = longest if longest is not None else steps
        longest = {name: min(took, steps.get(name, 0.0)) for name, took in known.items()}
        if max(longest.values()) <= DECODES_MAX:
            return
    raise AssertionError(f"steps took more than {DECODES_MAX} decodes of 1 MiB: {longest}")


@pytest.mark.parametrize("api", APIS)
@trio_test
async def test_an_answer_of_any_size_is_taken_in_steps(api: str) -> None:
    kinds = ANSWERS if api == "responses" else [kind for kind in ANSWERS if kind in OF_BOTH]

    async def story(client: Client) -> None:
        for _ in kinds:  # one of them, and a turn whose request has what came in it
            thread = await client.start_thread()
            await client.run_turn(thread, "go")
            await client.run_turn(thread, "again")

    # After a call the model is asked again.
    replies = [
        answer
        for kind in kinds
        for answer in ([ANSWERS[kind], *[WELL] * (2 if kind in CALLS else 1)])
    ]
    more = f'wire_api = "{api}"\nstream_max_retries = 0\nrequest_max_retries = 0'
    await check_steps(replies, story, provider_more=more)


@trio_test
async def test_a_long_past_is_sent_shown_forked_and_summed_up_in_steps() -> None:
    async def story(client: Client) -> None:
        thread = await client.start_thread()
        for _ in range(8):
            await client.run_turn(thread, "go")
        found = await client.call("thread/read", threadId=thread, includeTurns=True)
        assert len(json.dumps(found)) > 8 * SIZE
        for method in ("thread/turns/list", "thread/items/list", "thread/compact/preview"):
            await client.call(method, threadId=thread)
        await client.call("thread/fork", threadId=thread)
        await client.call("thread/resume", threadId=thread)
        await client.call("thread/compact/start", threadId=thread)
        await client.until_notified("thread/compacted")

    await check_steps([Say((TEXTS["words"],))] * 8, story)


@trio_test
async def test_requests_of_any_shape_are_read_or_refused_in_steps() -> None:
    text = "x\n" * (INPUT_CHARACTERS_MAX // 2)
    typed = {"type": "text", "text": "x"}
    place = {"byteRange": {"start": 0, "end": 1}}

    async def story(client: Client) -> None:
        thread = await client.start_thread()
        await client.run_turn(thread, text)
        asks: list[Json] = [
            {"input": [typed] * 400_000},
            {"input": [typed] * 60_000},
            {"input": [{**typed, "text_elements": [place] * 100_000}]},
            {"input": [{**typed, "text_elements": [place] * 30_000}]},
            {"input": [typed], "outputSchema": {"a": "x\n" * 3_000_000}},
            {"input": [typed], "odd": [[]] * 3_000_000},
            {"input": [typed], "model": "x" * 10_000_000},
        ]
        for ask in asks:
            refusal = await client.refused("turn/start", threadId=thread, **ask)
            assert "expected" in refusal.message or "more than" in refusal.message, refusal
        await client.refused("thread/start", baseInstructions="word\n" * 2_000_000)
        await client.refused("thread/import", paths=["/x"] * 100_000)

    await check_steps([], story)

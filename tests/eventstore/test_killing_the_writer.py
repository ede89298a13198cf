"""SIGKILL at any moment: every record whose append had returned is there, and the drafts as they were shown."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from store_engines import append, numbers
from trio_test import trio_test

ROUNDS = 12
# How many words the writer says at most before it is killed.
WORDS_MAX = 120

# Appends to three streams, durable or not, and to a draft, and says each that has returned.
WRITER = """
import sys, trio
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import NewEvent, NotFound

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

async def write(store, stream, durable):
    try:
        version = (await store.head(stream)).version
    except NotFound:
        version = 0
    while True:
        events = [NewEvent("order.placed", b'{"number":%d}' % (version + n + 1)) for n in range(2)]
        answer = await store.append(
            stream, events, expected_version=version, at_us=1, durable=durable
        )
        version = answer.last
        say(stream, version)
        await trio.lowlevel.checkpoint()

async def grow(store):
    draft = store.open_draft("a", "item", b"{}")
    while True:
        say("draft", draft.append(b"word "))
        await trio.lowlevel.checkpoint()

async def main():
    async with open_jsonl_store(sys.argv[1], state_dir=sys.argv[1] + "/state") as store:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, store, "a", True)
            nursery.start_soon(write, store, "b", True)
            nursery.start_soon(write, store, "c", False)
            nursery.start_soon(grow, store)

trio.run(main)
"""


def write_and_kill(folder: Path, words: int) -> dict[str, int]:
    """Run a writer, kill it when it has said so much, and return the last number of each kind."""
    said: dict[str, int] = {}
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            if count == words:
                process.send_signal(signal.SIGKILL)
            if line.endswith(b"\n"):  # the last one may have been cut
                what, number = line.split()
                said[what.decode()] = int(number)
    assert process.returncode == -signal.SIGKILL
    return said


@pytest.mark.slow
@trio_test
async def test_acknowledged_records_outlive_the_process(tmp_path: Path) -> None:
    plan = random.Random(20261121)
    held: dict[str, int] = {}
    for _ in range(ROUNDS):
        held |= write_and_kill(tmp_path, plan.randrange(1, WORDS_MAX))
        async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
            for stream in set("abc") & set(held):
                head = await store.head(stream)
                assert head.version >= held[stream]
                assert head.version % 2 == 0, "half an append was kept"
                assert (await store.verify(stream)).damage is None
                records = await store.read_back(stream, limit=1000)
                assert all(seq == number for seq, number in numbers(records))
            drafts = await store.left_drafts("a")
            if "draft" in held:
                assert len(drafts[-1].content) >= held.pop("draft")
                assert set(drafts[-1].content.split()) == {b"word"}
            await store.drop_left_drafts("a")
            if "a" in held:
                held["a"] = (await append(store, "a", (await store.head("a")).version)).last
                held["a"] = (await append(store, "a", held["a"])).last

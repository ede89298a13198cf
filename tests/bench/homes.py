"""Homes with many threads, written as files in the log's format, many at a time: for measurements.

    python tests/bench/homes.py FOLDER THREADS [TURNS]

Law: what it writes is what the daemon would have written, record by record; only nobody waited for a disk.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from codexd.core.events.events import (
    Event,
    InputQueued,
    ItemCompleted,
    ModelCallEnded,
    ModelCallStarted,
    ThreadStarted,
    ToolCallRef,
    TurnCompleted,
    TurnStarted,
    encode_event,
)
from codexd.core.events.record import encode_members
from codexd.core.events.tools import ToolEnded, ToolSpawned, ToolStarted
from codexd.core.values.ids import CallId, ItemId, ModelCallId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.format.lines import chain_start, crc_of, frame
from codexd_eventstore.store import NewEvent

# 2026-11-21T03:00:00Z; threads begin a minute apart up to it.
NEWEST_MS: Final = 1_795_230_000_000
# Records that one append may have, as the store sees it.
APPEND: Final = 1000
WORDS: Final = [
    "the",
    "test",
    "fails",
    "when",
    "parser",
    "reads",
    "an",
    "empty",
    "line",
    "and",
    "retries",
    "twice",
    "before",
    "socket",
    "closes",
    "so",
    "look",
    "at",
    "config",
    "loader",
    "index",
    "build",
    "cache",
    "worker",
    "queue",
    "lock",
    "file",
    "path",
    "token",
    "stream",
    "merge",
    "branch",
    "commit",
    "diff",
    "error",
    "value",
    "return",
    "type",
    "index",
    "range",
    "buffer",
    "offset",
    "header",
    "size",
    "check",
    "update",
    "remove",
    "insert",
    "select",
]

_raw = msgspec.json.encode


def thread_id(number: int, at_ms: int) -> str:
    """A UUIDv7 of that time."""
    stamp, rest = f"{at_ms:012x}", f"{number:016x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[4:]}"


def events_of(number: int, turns: int) -> list[tuple[Event, str | None]]:
    """A thread: each turn runs a command and answers; about ten records a turn."""
    chance = Random(number)
    settings = Settings(
        f"/home/ann/project-{number % 50}",
        "m-1",
        f"provider-{number % 3}",
        "never",
        "danger-full-access",
    )
    events: list[tuple[Event, str | None]] = [(ThreadStarted(settings, "bench", "0"), None)]
    for turn in range(turns):
        events += _turn(number, TurnId(f"t{number}-{turn}"), settings, chance)
    return events


def _words(chance: Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def _turn(
    number: int, turn: TurnId, settings: Settings, chance: Random
) -> list[tuple[Event, str | None]]:
    call, prompt = CallId(f"{turn}/c"), f"{_words(chance, 12)} thread{number}"
    answer = {"type": "message", "content": [{"type": "output_text", "text": _words(chance, 60)}]}
    thought = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": _words(chance, 20)}],
    }
    asked = {"type": "function_call", "name": "shell", "arguments": '{"command":"make"}'}
    line = f"grep -rn {chance.choice(WORDS)} src/foo_{chance.randrange(99)}.py"
    action = RunCommand(line, ("sh", "-c", line), settings.cwd, 60_000)
    result = ToolResult("completed", "done", _words(chance, 120), 0, 12)
    events: list[Event] = [
        InputQueued(ItemId(f"{turn}/u"), turn, (TextInput(prompt),)),
        TurnStarted(turn, settings, (ItemId(f"{turn}/u"),)),
        ModelCallStarted(ModelCallId(f"{turn}/1"), 1, "m-1", "p"),
        ItemCompleted(ItemId(f"{turn}/r"), "reasoning", msgspec.Raw(_raw(thought))),
        ItemCompleted(
            ItemId(f"{turn}/f"), "call", msgspec.Raw(_raw(asked)), call=ToolCallRef(call, "shell")
        ),
        ModelCallEnded(12, usage=msgspec.Raw(b'{"input_tokens":1000,"output_tokens":100}')),
        ToolStarted(call, action),
        ToolSpawned(call, 42, "7"),
        ToolEnded(call, result),
        ModelCallStarted(ModelCallId(f"{turn}/2"), 1, "m-1", "p"),
        ItemCompleted(ItemId(f"{turn}/a"), "message", msgspec.Raw(_raw(answer))),
        ModelCallEnded(12, usage=msgspec.Raw(b'{"input_tokens":1000,"output_tokens":100}')),
        TurnCompleted(),
    ]
    return [(event, turn) for event in events]


def write_thread(layout: Layout, number: int, turns: int, at_ms: int) -> tuple[str, int]:
    """Write one thread's file; its id and how many records it has."""
    stream = thread_id(number, at_ms)
    path = layout.log(stream)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    chain, after, pieces = chain_start(stream), 0, []
    events = [
        NewEvent(event.type, encode_event(event), event.v, encode_members("bench:1", turn))
        for event, turn in events_of(number, turns)
    ]
    for start in range(0, len(events), APPEND):
        for event in events[start : start + APPEND]:
            records = frame([event], after=after, chain=chain, at_us=at_ms * 1000 + after)
            pieces.append(records[0].line)
            after, chain = after + 1, crc_of(records[0].line)
    with open(path, "wb") as file:
        file.write(b"\n".join([*pieces, b""]))
    os.utime(path, ns=(at_ms * 1_000_000, at_ms * 1_000_000))
    return stream, after


def write_home(folder: Path, threads: int, turns: int) -> int:
    """Write so many threads of so many turns; how many records they have."""
    layout = Layout(FileSystem(), str(folder))
    return sum(
        write_thread(layout, number, turns, NEWEST_MS - (threads - number) * 60_000)[1]
        for number in range(threads)
    )


if __name__ == "__main__":
    count = write_home(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 2)
    print(f"{sys.argv[2]} threads with {count} records")

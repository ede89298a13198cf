"""A rollout may end or be broken anywhere: all that is there is read, and the result leaves nothing open."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterable

import pytest

from codexd.core.events.events import encode_event
from codexd.core.state.state import fold
from codexd.importing.rollout.settings import Heading
from codexd.projections.model.history import ModelHistory
from rollout_files import ANSWERS, CALLS, FILES, Converted, read, read_rollout, recorded, shown

# Every byte takes minutes; a prime steps through the places of all kinds of members.
STEP = 1 if os.environ.get("CODEXD_NIGHTLY") else 211
SEED = 7


def heading_of(path: object) -> Heading:
    return read(path)[1].heading  # type: ignore[arg-type]


def settled(lines: Iterable[bytes], heading: Heading) -> Converted:
    """What the lines tell, every fold of it having been made."""
    converted = read_rollout(lines, heading, "0.0")
    events = [record.event for record in converted.events]
    state = fold(events)
    assert state.turn is None
    assert state.queue == ()
    items = [json.loads(item) for item in ModelHistory().after_all(events).items]
    calls = Counter(str(item.get("call_id")) for item in items if str(item.get("type")) in CALLS)
    answers = Counter(
        str(item.get("call_id")) for item in items if str(item.get("type")) in ANSWERS
    )
    assert calls == answers
    assert shown(converted.events) is not None
    assert all(encode_event(event) for event in events)
    assert [record.seq for record in recorded(converted.events)] == list(range(1, len(events) + 1))
    return converted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[-17:-6])
def test_it_may_end_after_any_line(path: object) -> None:
    lines = path.read_bytes().splitlines()  # type: ignore[attr-defined]
    heading = heading_of(path)
    for count in range(len(lines) + 1):
        settled(lines[:count], heading)
    print(f"rollouts cut behind a line: {len(lines) + 1} cases")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[-17:-6])
def test_it_may_end_within_any_line(path: object) -> None:
    content: bytes = path.read_bytes()  # type: ignore[attr-defined]
    heading, cases = heading_of(path), range(0, len(content), STEP)
    for size in cases:
        settled(content[:size].splitlines(), heading)
    print(f"rollouts cut at a byte: {len(cases)} cases")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[-17:-6])
def test_any_line_may_be_missing(path: object) -> None:
    lines = path.read_bytes().splitlines()  # type: ignore[attr-defined]
    heading = heading_of(path)
    for gone in range(len(lines)):
        settled(lines[:gone] + lines[gone + 1 :], heading)
    print(f"rollouts without a line: {len(lines)} cases")


def test_lines_may_be_in_any_order_and_of_any_file() -> None:
    chance = random.Random(SEED)
    lines = [line for path in FILES for line in path.read_bytes().splitlines()]
    heading = heading_of(FILES[0])
    cases = 400 if STEP == 1 else 40
    for _ in range(cases):
        settled(chance.sample(lines, 30), heading)
    print(f"rollouts of lines in any order: {cases} cases")


def break_one(value: object, chance: random.Random) -> object:
    """The same JSON with one member, however deep, of another type."""
    wrong: tuple[object, ...] = (None, 7, [], {}, "", True, -1.5, ["x", {}], {"type": {}})
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        return {**value, name: break_one(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], break_one(value[at], chance), *value[at + 1 :]]
    return chance.choice(wrong)


def test_members_may_be_of_any_type() -> None:
    chance = random.Random(SEED)
    files = [path.read_bytes().splitlines() for path in FILES]
    headings = [heading_of(path) for path in FILES]
    cases = 20_000 if STEP == 1 else 700
    for case in range(cases):
        lines = list(files[case % len(files)])
        at = chance.randrange(len(lines))
        try:
            lines[at] = json.dumps(break_one(json.loads(lines[at]), chance)).encode()
        except ValueError:
            continue  # A line of the fixtures that is broken already.
        settled(lines, headings[case % len(files)])
    print(f"rollouts with a member of another type: {cases} cases")


DEEP = b'{"timestamp":"2026-11-21T04:05:06Z","type":"event_msg","payload":' + b"[" * 100_000


@pytest.mark.parametrize(
    "line",
    [
        DEEP,
        b'{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_image"}]}}',
        b'{"type":"response_item","payload":{"type":"message","role":"user","content":7}}',
        b'{"timestamp":"9999-99-99T00:00:00Z","type":"event_msg","payload":{"type":"task_started"}}',
        b'{"timestamp":"0001-01-01T00:00:00Z","type":"event_msg","payload":{"type":"task_started"}}',
        b'{"type":"event_msg","payload":{"type":"token_count","info":{"last_token_usage":{"input_tokens":-1}}}}',
        b"\xff\xfe",
        b"[]",
        b"\x00" * 10,
    ],
)
def test_no_line_stops_the_reading(line: bytes) -> None:
    settled([line, line], Heading("x", {}, {}))

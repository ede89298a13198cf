"""What a daemon says in a turn, as the tests of the frontends need it: the recorded shapes, filled in."""

from __future__ import annotations

from typing import Any

import msgspec

from codexd_frontends.client.messages import Message, read_message

Json = dict[str, Any]

THREAD = "019a0000-0000-7000-8000-000000000001"
TURN = "019a0000-0000-7000-8000-00000000a001"


def thread(thread_id: str = THREAD, **members: object) -> Json:
    return {
        "id": thread_id,
        "preview": "say hello",
        "name": None,
        "cwd": "/w",
        "model": "scripted",
        "modelProvider": "scripted",
        "createdAt": 1_795_226_695,
        "updatedAt": 1_795_226_703,
        "status": {"type": "idle"},
        "path": "/h/threads/t.jsonl",
        "turns": [],
        **members,
    }


def turn(status: str = "completed", *items: Json, turn_id: str = TURN, **members: object) -> Json:
    return {
        "id": turn_id,
        "items": list(items),
        "status": status,
        "error": None,
        "durationMs": None if status == "inProgress" else 1200,
        **members,
    }


def user(text: str, item_id: str = "u1", client_id: str | None = None) -> Json:
    return {
        "type": "userMessage",
        "id": item_id,
        "clientId": client_id,
        "content": [{"type": "text", "text": text, "text_elements": []}],
        "completedAtMs": 1,
    }


def agent(text: str, item_id: str = "m1", *, done: bool = True) -> Json:
    return {
        "type": "agentMessage",
        "id": item_id,
        "text": text,
        "completedAtMs": 1 if done else None,
    }


def command(
    line: str,
    output: str | None = None,
    item_id: str = "c1",
    status: str = "completed",
    exit_code: int | None = 0,
) -> Json:
    running = status == "inProgress"
    return {
        "type": "commandExecution",
        "id": item_id,
        "command": f"/bin/bash -lc '{line}'",
        "cwd": "/w",
        "source": "agent",
        "status": status,
        "commandActions": [{"type": "unknown", "command": line}],
        "aggregatedOutput": output,
        "exitCode": None if running or status == "declined" else exit_code,
        "durationMs": None if running else 300,
        "completedAtMs": None if running else 1,
    }


def note(method: str, params: Json, seq: int | None = None, offset: int | None = None) -> Json:
    places = {"seq": seq, "offset": offset}
    given = {name: place for name, place in places.items() if place is not None}
    return {"method": method, "params": params, "emittedAtMs": 1, **given}


def _of_turn(**members: object) -> Json:
    return {"threadId": THREAD, "turnId": TURN, **members}


def item_started(item: Json, seq: int | None = None) -> Json:
    return note("item/started", _of_turn(item=item, startedAtMs=1), seq)


def item_completed(item: Json, seq: int | None = None) -> Json:
    return note("item/completed", _of_turn(item=item, completedAtMs=1), seq)


def text_delta(
    delta: str, item_id: str = "m1", seq: int | None = None, offset: int | None = None
) -> Json:
    params = _of_turn(itemId=item_id, delta=delta)
    return note("item/agentMessage/delta", params, seq, offset)


def output_delta(
    delta: str, item_id: str = "c1", seq: int | None = None, offset: int | None = None
) -> Json:
    params = _of_turn(itemId=item_id, delta=delta)
    return note("item/commandExecution/outputDelta", params, seq, offset)


def turn_started(seq: int | None = None, turn_id: str = TURN) -> Json:
    params = {"threadId": THREAD, "turn": turn("inProgress", turn_id=turn_id)}
    return note("turn/started", params, seq)


def turn_completed(
    status: str = "completed", seq: int | None = None, turn_id: str = TURN, **members: object
) -> Json:
    params = {"threadId": THREAD, "turn": turn(status, turn_id=turn_id, **members)}
    return note("turn/completed", params, seq)


def approval(request_id: int = 7, line: str = "touch x1", item_id: str = "c1") -> Json:
    return {
        "method": "item/commandExecution/requestApproval",
        "id": request_id,
        "params": _of_turn(
            itemId=item_id,
            startedAtMs=1,
            reason="May I do this?",
            command=f"/bin/bash -lc '{line}'",
            cwd="/w",
            commandActions=[{"type": "unknown", "command": line}],
        ),
    }


def resolved(request_id: int = 7) -> Json:
    return note("serverRequest/resolved", {"threadId": THREAD, "requestId": request_id})


def as_message(said: Json) -> Message:
    return read_message(msgspec.json.encode(said))


def typed(stdin: str, process_id: str = "53100", item_id: str = "c1") -> Json:
    params = _of_turn(itemId=item_id, processId=process_id, stdin=stdin)
    return note("item/commandExecution/terminalInteraction", params)

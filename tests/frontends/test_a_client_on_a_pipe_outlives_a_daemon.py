"""codexctl app-server goes on with the next daemon: its client is told nothing twice, and loses no answer in silence."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import Any

import pytest

from codexd.models.scripted.scripts import Say
from codexd_frontends.bridge.relay import Relay
from daemon_house import PATIENCE_SECONDS, Home
from paused_model import Held

from . import said
from .codexctl import begin, holding, told
from .fake_daemon import Json

CLIENT = {"clientInfo": {"name": "sdk", "version": "1"}, "capabilities": {"experimentalApi": True}}
WORDS = Say(("Half", " of it."))


def line(**members: object) -> bytes:
    return json.dumps(members).encode()


def up(relay: Relay, number: int, method: str, **params: object) -> Json:
    """What the daemon is sent for a request."""
    sent = relay.up(line(id=number, method=method, params=params))
    assert sent is not None
    read: Json = json.loads(sent)
    return read


def down(relay: Relay, message: Json) -> Any:
    """What the client is given for a message."""
    given = relay.down(json.dumps(message).encode())
    return None if given is None else json.loads(given)


def test_what_a_client_said_is_said_again_and_places_are_kept_from_it() -> None:
    relay = Relay()
    assert not relay.can_begin_again
    hello = up(relay, 1, "initialize", **CLIENT)
    own = {"experimentalApi": True, "codexd": {"cursor": True}}
    assert hello["params"]["capabilities"] == own
    down(relay, {"id": 1, "result": {"userAgent": "codexd"}})
    key = up(relay, 2, "thread/start", cwd="/w")["params"]["idempotencyKey"]
    assert key
    down(relay, {"id": 2, "result": {"thread": {"id": said.THREAD}, "seq": 3}})
    delta = said.text_delta("Half", seq=7, offset=4)
    told_once = down(relay, delta)
    assert told_once == {name: delta[name] for name in ("method", "params", "emittedAtMs")}
    asked = {"id": 9, "method": "item/x/requestApproval", "params": {"threadId": said.THREAD}}
    assert down(relay, asked) == asked
    list_asked, turn = up(relay, 3, "thread/list"), up(relay, 4, "turn/start", threadId=said.THREAD)
    up(relay, 5, "thread/archive", threadId=said.THREAD)
    unsent = relay.up(line(id=6, method="thread/name/set", params={}))
    assert unsent is not None
    lost = [json.loads(one) for one in relay.lost([unsent])]
    assert lost[0]["params"] == {"threadId": said.THREAD, "requestId": 9}
    assert (lost[1]["id"], lost[1]["error"]["data"]["code"]) == (5, "restarted")
    assert len(lost) == 2
    again = [json.loads(one) for one in relay.begin_again([unsent])]
    assert [one["method"] for one in again[:3]] == ["initialize", "initialized", "thread/resume"]
    assert again[0]["params"] == hello["params"]
    assert again[2]["params"]["after"] == {"seq": 7, "items": {"m1": 4}}
    assert again[3:] == [list_asked, turn, json.loads(unsent)]
    assert down(relay, {"id": again[2]["id"], "result": {}}) is None
    # An answer to a question of the daemon before would be an answer to nothing.
    assert relay.up(line(id=9, result={"decision": "accept"})) is None


def test_a_client_that_asks_for_places_gets_them_and_what_is_no_message_passes() -> None:
    relay = Relay()
    up(relay, 1, "initialize", capabilities={"codexd": {"cursor": True}})
    delta = said.text_delta("Half", seq=7, offset=4)
    assert down(relay, delta) == delta
    for odd in (b"no json\xff", b'{"id":1}', b"[1]", b'{"method":"x","id":1}'):
        assert relay.up(odd) == odd
        assert relay.down(odd) == odd


def ask(child: subprocess.Popen[str], number: int, method: str, **params: object) -> list[Json]:
    """Ask, and read up to the answer."""
    assert child.stdin is not None
    child.stdin.write(f"{json.dumps({'id': number, 'method': method, 'params': params})}\n")
    child.stdin.flush()
    return told(child, until=number)


@pytest.mark.slow
def test_a_turn_goes_on_through_a_killed_daemon_as_if_nothing_had_been(home: Home) -> None:
    with holding(Held(WORDS, after=1), Held(WORDS, after=1)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        with begin(home, "app-server") as child:
            ask(child, 1, "initialize", **CLIENT)
            thread = ask(child, 2, "thread/start", cwd=str(home.work))[-1]["result"]["thread"]["id"]
            words = {"threadId": thread, "input": [{"type": "text", "text": "go"}]}
            heard = ask(child, 3, "turn/start", **words)
            heard += told(child, until="item/agentMessage/delta")
            model.wait_holding()
            daemon.kill()
            home.start()
            model.wait_asked(2)
            model.wait_holding()
            model.resume()
            heard += told(child, until="turn/completed")
            listed = ask(child, 4, "thread/list")[-1]["result"]["data"]
            assert child.stdin is not None
            child.stdin.close()
            assert child.wait(PATIENCE_SECONDS) == 0
    assert [known["id"] for known in listed] == [thread]
    assert heard[-1]["params"]["turn"]["status"] == "completed"
    assert not any("seq" in message or "offset" in message for message in heard)
    items = Counter(
        (message["method"], message["params"]["item"]["id"])
        for message in heard
        if message.get("method") in ("item/started", "item/completed")
    )
    assert set(items.values()) == {1}
    assert {item for _, item in items if ("item/started", item) not in items} == set()
    assert {item for _, item in items if ("item/completed", item) not in items} == set()
    for item in {item for _, item in items}:
        deltas = "".join(
            message["params"]["delta"]
            for message in heard
            if message.get("method") == "item/agentMessage/delta"
            and message["params"]["itemId"] == item
        )
        (whole,) = [
            message["params"]["item"]
            for message in heard
            if message.get("method") == "item/completed" and message["params"]["item"]["id"] == item
        ]
        assert whole["type"] == "userMessage" or deltas == whole["text"]

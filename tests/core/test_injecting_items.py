"""Items of a client in the model's history: what is kept of them, and where they come."""

from __future__ import annotations

import json

import msgspec
import pytest

from builders import ENDED, FIRST_TURN, SETTINGS, STARTED
from codexd.core import commands as c
from codexd.core.events.events import HistoryInjected, TurnCompleted
from codexd.core.state.state import fold
from codexd.core.state.window import json_bytes
from codexd.core.values.injected_items import (
    ITEMS_BYTES_MAX,
    ITEMS_MAX,
    InvalidItems,
    read_injected,
)
from codexd.projections.model.history import ModelHistory
from spec import given

Json = dict[str, object]
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def raw(*items: object) -> tuple[msgspec.Raw, ...]:
    return tuple(msgspec.Raw(msgspec.json.encode(item)) for item in items)


def kept(*items: object) -> list[Json]:
    return [json.loads(bytes(item)) for item in read_injected(raw(*items))]


def message(role: str, *parts: Json) -> Json:
    return {"type": "message", "role": role, "content": list(parts)}


def text(kind: str, words: str) -> Json:
    return {"type": kind, "text": words}


ASKED = message("user", text("input_text", "hello"))
CALL = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
ANSWER = {"type": "function_call_output", "call_id": "c", "output": "done"}


@pytest.mark.parametrize(
    ("given_", "items"),
    [
        ([ASKED | {"id": "msg_1", "status": "completed", "internal": {"a": 1}}], [ASKED]),
        ([message("developer", text("input_text", "d"))], [message("developer", text("input_text", "d"))]),
        # The type of a text is that of its role, or a provider would refuse the request.
        ([message("assistant", text("input_text", "a"))], [message("assistant", text("output_text", "a"))]),
        ([{"role": "user", "content": "plain"}], [message("user", text("input_text", "plain"))]),
        ([CALL, ASKED, ANSWER], [CALL, ASKED, ANSWER]),
        # What no model is given, or a provider would refuse, is accepted and left out.
        ([CALL], []),
        ([ANSWER], []),
        ([ANSWER, CALL], []),
        ([message("system", text("input_text", "s")), {"type": "weird", "x": [1]}], []),
        ([{"type": "reasoning", "summary": [], "encrypted_content": "x"}], []),
        (
            [message("user", {"type": "input_image", "image_url": IMAGE})],
            [message("user", {"type": "input_image", "image_url": IMAGE})],
        ),
        # The names of stored images are the daemon's own, and a URL would be fetched by the provider.
        *(
            (
                [message("user", {"type": "input_image", "image_url": url})],
                [message("user", text("input_text", "[an image that is not here]"))],
            )
            for url in ("codexd-blob:00ff", "https://example.org/x.png", "file:///etc/passwd")
        ),
    ],
)  # fmt: skip
def test_what_is_kept_of_an_item(given_: list[Json], items: list[Json]) -> None:
    assert kept(*given_) == items


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ((), "items must not be empty"),
        (({"type": "message", "role": "user"},), "items[0] is not a valid response item"),
        ((ASKED, 5), "items[1] is not a valid response item"),
        ((ASKED | {"content": 7},), "items[0] is not a valid response item"),
        ((ASKED,) * (ITEMS_MAX + 1), f"at most {ITEMS_MAX}, found {ITEMS_MAX + 1}"),
        ((message("user", text("input_text", "x" * ITEMS_BYTES_MAX)),), "at most 1048576 bytes"),
    ],
)
def test_what_cannot_be_read_is_refused_as_a_whole(items: tuple[Json, ...], problem: str) -> None:
    with pytest.raises(InvalidItems) as refused:
        read_injected(raw(*items))
    assert problem in str(refused.value)


def test_json_that_is_nested_without_end_is_refused() -> None:
    deep = msgspec.Raw(
        b'{"type":"message","role":"user","content":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    )
    with pytest.raises(InvalidItems, match=r"items\[0\]"):
        read_injected((deep,))


def test_they_follow_what_the_model_had_and_come_before_what_it_is_asked_next() -> None:
    items = read_injected(raw(ASKED))
    outcome = given(STARTED).when(c.InjectItems(items=items)).then(HistoryInjected(items))
    assert outcome.state.window.since_bytes == json_bytes(items[0])
    assert outcome.state.settings == SETTINGS
    busy = fold(FIRST_TURN)
    history = ModelHistory().after_all(FIRST_TURN)
    before = history.items
    # A response that streams has not seen it: it comes after that, before the next request.
    later = history.after_all([HistoryInjected(items), ENDED, TurnCompleted()])
    assert later.items == [*before, bytes(items[0])]
    assert given(*FIRST_TURN).when(c.InjectItems(items=items)).state.turn == busy.turn

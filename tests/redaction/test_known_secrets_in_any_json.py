"""A known secret, planted anywhere in any JSON in any spelling, is gone, and the JSON is what it was."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.events.events import EVENTS, decode_event, encode_event
from codexd.core.events.tools import ToolStarted
from codexd.core.values.ids import CallId
from codexd.core.values.tool_actions import RunCommand
from codexd.redaction.redactor import Redactor

SECRETS = {
    "PLAIN_TOKEN": "k3yWithoutAnythingOdd",
    "QUOTED_PASSWORD": 'he said "no\\way"\tor\nso',
    "FOREIGN_PASSWORD": "pässwörd/日本-🙂",
    "NUMBER_PASSWORD": "1234567890123",
    "WORD_PASSWORD": "nabcdefghij",
}
REDACTOR = Redactor(SECRETS)
plain = st.text(alphabet=st.sampled_from('ab "\\/\n\tnuü🙂«»{}:,[]0123456789'), max_size=12)
planted = st.builds(
    lambda before, secret, after: before + secret + after,
    plain,
    st.sampled_from(sorted(SECRETS.values())),
    plain,
)
texts = plain | planted
documents = st.recursive(
    texts | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=12,
)


def shape(value: object) -> object:
    """The value without its texts."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value]
    return "" if isinstance(value, str) else value


def holds(value: object, secret: str) -> bool:
    if isinstance(value, dict):
        return any(holds(member, secret) for pair in value.items() for member in pair)
    if isinstance(value, list):
        return any(holds(member, secret) for member in value)
    return isinstance(value, str) and secret in value


@st.composite
def spelled(draw: st.DrawFn, value: object) -> str:
    """JSON of the value in which any character may stand as an escape, and spaces anywhere."""
    gap = draw(st.sampled_from(["", " ", "\n"]))
    if isinstance(value, dict):
        members = [
            f"{draw(spelled(key))}{gap}:{gap}{draw(spelled(part))}" for key, part in value.items()
        ]
        return "{" + f",{gap}".join(members) + "}"
    if isinstance(value, list):
        return "[" + f"{gap},".join([draw(spelled(member)) for member in value]) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    style = draw(st.sampled_from(["usual", "ascii", "escaped", "slashes"]))
    if style == "usual":
        return json.dumps(value, ensure_ascii=False)
    if style == "ascii":
        return json.dumps(value)
    if style == "slashes":
        return json.dumps(value, ensure_ascii=False).replace("/", "\\/")
    units = value.encode("utf-16-be")
    return (
        '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)) + '"'
    )


@settings(max_examples=120, derandomize=True, deadline=None)
@given(st.data(), documents)
def test_any_json_stays_json_of_the_same_shape_without_the_secret(
    data: st.DataObject, document: object
) -> None:
    text = data.draw(spelled({"document": document}))
    clean = REDACTOR(text.encode())
    found = json.loads(clean)
    assert shape(found) == shape({"document": document})
    for secret in SECRETS.values():
        assert not holds(found, secret)
    if not any(holds(document, secret) for secret in SECRETS.values()):
        assert clean == text.encode()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(planted, st.integers(1, 3))
def test_json_within_json_within_json(text: str, depth: int) -> None:
    inner = text
    for _ in range(depth):
        inner = msgspec.json.encode({"arguments": inner}).decode()
    clean = json.loads(REDACTOR(inner.encode()))
    for _ in range(depth - 1):
        clean = json.loads(clean["arguments"])
    assert not any(secret in clean["arguments"] for secret in SECRETS.values())


@pytest.mark.parametrize("secret", SECRETS.values())
def test_in_base64_and_in_a_url(secret: str) -> None:
    for form in (base64.b64encode(secret.encode()).decode(), quote(secret, safe="")):
        assert form not in REDACTOR.text(f"data: {form}\n")


def test_the_longer_of_two_secrets_is_replaced_first() -> None:
    redactor = Redactor({"A": "abcdefgh", "B": "abcdefghijkl"})
    assert redactor.text("x abcdefghijkl").startswith("x «secret B sha256:")


def test_no_secret_makes_an_event_unreadable() -> None:
    words = {f"S{n}": word for n, word in enumerate(["justification", "completed", "timeoutMs"])}
    redactor = Redactor(words, own=())
    event = ToolStarted(
        CallId("c"), RunCommand("justification", ("sh",), "/", 5, False, "completed!")
    )
    clean = redactor(encode_event(event))
    read = decode_event("tool.started", 1, clean)
    assert isinstance(read, ToolStarted)
    assert isinstance(read.action, RunCommand)
    assert read.action.justification != "completed!"
    assert len(EVENTS) > 20


def test_a_lone_half_of_a_pair_does_not_stop_it() -> None:
    event = b'{"text":"\\ud83d k3yWithoutAnythingOdd"}'
    clean = REDACTOR(event)
    assert b"k3yWithout" not in clean
    assert json.loads(clean)["text"].startswith("\ud83d «secret PLAIN_TOKEN")

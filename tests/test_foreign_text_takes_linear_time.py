"""All readers of foreign text take time in proportion to its length, on all texts that are known to be slow.

The expressions within them are looked at one by one elsewhere; here are the functions, with what they do
around an expression: loops, slices, searches for a line's end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from attacks import is_linear
from codexd.core.events.title import request_in, title_of
from codexd.core.values.provider_items import read_item
from codexd.core.values.redacted import find_stand_in
from codexd.core.values.review_findings import read_output, render
from codexd.index.query.terms import InvalidTerm, read_term, snippet_of
from codexd.models.chat.think_tags import ThinkTags
from codexd.models.complaints import read_complaint
from codexd.models.errors import refused, scrubbed
from codexd.models.provider import Provider
from codexd.models.rate_limits import wait_named_in
from codexd.models.sse import EventStreamReader, InvalidEventStream
from codexd.protocol.display.visible import visible_json, visible_line, visible_prose, visible_text
from codexd.redaction.redactor import Redactor
from codexd.redaction.streaming import StreamRedactor
from codexd.redaction.strings import edit_strings, edit_values, is_json
from codexd.runtime.actor.streaming_output import ends_of

REDACTOR = Redactor({"API_TOKEN": "k3yWithoutAnythingOdd"})
PROVIDER = Provider(key="p", name="P", base_url="http://127.0.0.1:1/v1")
PHRASES = read_term('word "two words"')

# Piece, how it begins and how it ends: the piece is repeated.
ATTACKS: dict[str, tuple[str, str, str]] = {
    "escaped line ends in a key": ("-----BEGIN PRIVATE KEY-----", "\\n", ""),
    "headers in a key": ("-----BEGIN PRIVATE KEY-----\n", "Proc-Type: 4,ENCRYPTED\n", ""),
    "header-like lines": ("-----BEGIN PRIVATE KEY-----\n", "X-A: b\\n", "MIIE"),
    "keys that begin": ("", "-----BEGIN PRIVATE KEY-----\n", ""),
    "keys that end": ("", "-----END PRIVATE KEY-----\n", ""),
    "keys that begin and are cut": ("", "-----BEGIN PRIVATE KEY-----\n", "-----END "),
    "base64 in front of a key": ("", "A", "PRIVATE KEY"),
    "lines of base64 in front of a key's end": ("", "A" * 64 + "\n", "-----END PRIVATE KEY-----"),
    "short lines in front of a key's end": ("", "=AAAA\n", "-----END PRIVATE KEY-----"),
    "dots and an address": ("", ".", " a@b"),
    "addresses": ("", "aa://", " a@b"),
    "addresses with a user": ("", "aa://b:", "@c a@b"),
    "a long user": ("https://", "a", "@b"),
    "assignments": ("", "PASSWORD=", "12345678"),
    "a long name": ("", "A_", "PASSWORD=12345678"),
    "names": ("", "password ", "=12345678"),
    "machines": ("machine a ", "login a ", "password b"),
    "tokens cut short": ("", " eyJaaaaaaaaaaaa.", ""),
    "dashes": ("", "-", "PRIVATE KEY"),
    "backslashes": ("PRIVATE KEY authorization", "\\", ""),
    "blanks": ("authorization", " ", ":"),
    "stand-ins cut short": ("", "«secret ", "x"),
    "a fence and blanks": ("```json\n", " ", ""),
    "a fence and lines": ("```\n", "\n", " ```x"),
    "fences": ("", "```\n", "x"),
    "braces and blanks": ("", "{ ", '"'),
    "braces": ("", "{", '"findings"'),
    "brackets": ('{"findings":', "[", ""),
    "objects that begin": ("", '{"a":', ""),
    "quotes": ("", '"', ""),
    "escaped quotes": ('"', '\\"', ""),
    "waits": ("try again in ", "1 s ", "x"),
    "waits that begin": ("", "try again in 1", ""),
    "digits": ("try again in ", "1", "x"),
    "tags that begin": ("<think>", "<", ""),
    "tags": ("", "<think></think>", ""),
    "ends of tags cut short": ("<think>", "</think", ""),
    "lines without words": ("", "-\n", ""),
    "headings": ("", "#", " x"),
    "quotations": ("", ">", "x"),
    "carriage returns": ("", "\r", "\n"),
    "events without an end": ("data: x", "\ndata: x", ""),
    "marks on letters": ("a", "\u0301", "b"),
    "filler characters": ("", "\u200b\u3164", "x"),
    "signs that join": ("", "\u200d", "x"),
    "words": ("", "word ", ""),
    "a long word": ("", "w", ""),
    "surrogate escapes": ('"', "\\ud83d", '"'),
}


def feed_all(feed: Callable[[bytes], object], text: str) -> None:
    content = text.encode()
    for at in range(0, len(content), 1000):
        feed(content[at : at + 1000])


def stream(text: str) -> None:
    cleaner = StreamRedactor(lambda: REDACTOR)
    feed_all(cleaner.feed, text)
    cleaner.rest()


def events(text: str) -> None:
    with suppress(InvalidEventStream):
        feed_all(EventStreamReader().feed, text)


def thoughts(text: str) -> None:
    tags = ThinkTags()
    for at in range(0, len(text), 100):
        tags.feed(text[at : at + 100])
    tags.end()


def term(text: str) -> None:
    with suppress(InvalidTerm):
        read_term(text)


def as_json(text: str) -> bytes:
    return json.dumps({"text": text, "list": [text[: len(text) // 2]]}).encode()


READERS: dict[str, Callable[[str], object]] = {
    "redaction of a text": REDACTOR.text,
    "redaction of JSON": lambda text: REDACTOR(as_json(text)),
    "redaction of a part": lambda text: REDACTOR.raw(text.encode()),
    "redaction of a stream": stream,
    "whether it is JSON": lambda text: is_json(text.encode()),
    "edits of its strings": lambda text: edit_strings(as_json(text), lambda run, _: run + b"x"),
    "edits of its values": lambda text: edit_values(as_json(text), lambda _, run: run + b"x"),
    "stand-ins": find_stand_in,
    "a review": read_output,
    "a review as text": lambda text: render(read_output(text)),
    "a title": title_of,
    "a request": request_in,
    "an error's body": lambda text: read_complaint(text.encode()),
    "an error": lambda text: refused(PROVIDER, 429, {}, as_json(text), now=0.0),
    "an error's text": lambda text: scrubbed(text, ("sk-secret",)),
    "a wait": wait_named_in,
    "events of a stream": events,
    "thoughts": thoughts,
    "a search": term,
    "a snippet": lambda text: snippet_of(PHRASES, text),
    "an item": lambda text: read_item(text.encode()),
    "an item's text": lambda text: read_item(b'{"content":[%b]}' % as_json(text)),
    "the ends of an output": ends_of,
    "a line for a screen": lambda text: visible_line(text, 400),
    "a text for a screen": visible_text,
    "prose for a screen": visible_prose,
    "JSON for a screen": lambda text: visible_json(as_json(text)),
}


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_no_text_makes_it_slow(reader: str) -> None:
    slow = []
    for name, (begin, piece, end) in ATTACKS.items():

        def attack(size: int, begin: str = begin, piece: str = piece, end: str = end) -> str:
            return begin + piece * (size // len(piece)) + end

        if not is_linear(READERS[reader], attack):
            slow.append(name)
    assert slow == []
    print(f"{reader}: {len(ATTACKS)} attacks")


def test_a_reviewers_fence_and_a_quarter_of_a_megabyte_of_blanks_is_an_explanation() -> None:
    for end in ("", "x", "\n```x"):
        text = "```json\n" + " " * 250_000 + end
        assert read_output(text).findings == ()
    assert read_output("```\nAll is well.\n```").overall_explanation == "All is well."
    assert read_output("```text\nAll is\nwell.  ```").overall_explanation == "All is\nwell."
    assert read_output("``` a b\nx\n```").overall_explanation == "``` a b\nx\n```"

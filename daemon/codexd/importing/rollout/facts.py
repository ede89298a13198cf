"""What the lines of a rollout say of each other: read before its conversion, which goes through the lines once. Pure.

A message in the user's role is a person's if an event repeats it, whatever it looks like. Without such an event it is
not a person's between a call and its answer, nor beside a message that an event repeats: Codex put it there.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable

import msgspec

from codexd.core.values.items import TextInput
from codexd.importing.rollout.kinds import Author, Part, user_parts
from codexd.importing.rollout.lines import (
    Members,
    UnreadableLine,
    list_of,
    members_of,
    read_line,
    read_time,
    text_of,
)

# The types of a line are within its first characters, whatever the order of its members.
_HEAD_BYTES = 4096
_TYPE = re.compile(rb'"type"\s*:\s*"([A-Za-z_]{1,60})"')
_CALL_ID = re.compile(rb'"call_id"\s*:\s*"([^"\\]{1,200})"')
_TIME = re.compile(rb'"timestamp"\s*:\s*("[^"\\]{1,60}"|[0-9.]{1,30})')
_CWD = re.compile(
    r"<cwd>([^<]{1,4096})</cwd>|^Current working directory: (.{1,4096})$", re.MULTILINE
)
_CALLS = {b"function_call", b"custom_tool_call", b"local_shell_call"}
_ANSWERS = {b"function_call_output", b"custom_tool_call_output"}
_OF_MODEL = {b"reasoning", *_CALLS}
_ENDS = {b"task_started", b"turn_started", b"task_complete", b"turn_complete", b"turn_aborted"}
# Bounds for what is remembered while a file is read, and for what is found: no real rollout has more.
OPEN_MAX = 1024
FOUND_MAX = 100_000


class Facts(msgspec.Struct, frozen=True):
    """What a file's lines say of each other."""

    context: Members = {}  # of the first `turn_context`
    cwd: str = ""  # of the first environment that the model was told
    at_us: int = 0  # the first time in it
    rolls_back: bool = False  # turns were rolled back
    persons: frozenset[tuple[int, int]] = (
        frozenset()
    )  # lines, and the parts of them that a person wrote
    injected: frozenset[int] = (
        frozenset()
    )  # lines in the user's role of which a person wrote nothing
    within: frozenset[int] = frozenset()  # lines between a call and its answer
    has_prompts: bool = (
        True  # its items have the messages of persons, so that no event need be read for them
    )
    has_answers: bool = True  # the same for the model's messages

    def parts(self, line: int, payload: Members) -> list[Part]:
        """The parts of a message in the user's role, each with its author."""
        parts = user_parts(payload)
        if line in self.injected:
            return [_by(part, "other") if part.whose == "person" else part for part in parts]
        if not self.persons:
            return parts
        return [
            _by(part, "person") if (line, index) in self.persons else part
            for index, part in enumerate(parts)
        ]


def _by(part: Part, whose: Author) -> Part:
    return part if part.named else msgspec.structs.replace(part, whose=whose)


class _Said(msgspec.Struct, gc=False):
    """A message in the user's role, or a part of it, as an event would repeat it."""

    line: int
    doubtful: tuple[int, ...]  # its parts that look like Codex's


class Survey:
    """The fold over a file's lines."""

    def __init__(self) -> None:
        self._context: Members | None = None
        self._cwd, self._at_us = "", 0
        self._rolls_back = self._has_prompts = self._has_answers = False
        self._persons = set[tuple[int, int]]()
        self._injected, self._within = set[int](), set[int]()
        self._spoken = set[
            int
        ]()  # lines that an event repeats, among those between a call and its answer
        self._calls: dict[bytes, int] = {}  # those without an answer, and their lines
        self._waiting: list[int] = []  # messages after the first of these calls
        self._said: dict[
            bytes, _Said
        ] = {}  # messages that no event has repeated yet, by their text
        self._repeated: dict[bytes, None] = {}  # texts of events that came before their message
        self._gap: dict[
            int, bool
        ] = {}  # messages that the model has not answered: whether repeated

    def facts(self) -> Facts:
        """The facts, after the last line."""
        self._close_gap()
        return Facts(
            self._context or {},
            self._cwd,
            self._at_us,
            self._rolls_back,
            frozenset(self._persons),
            frozenset(self._injected | (self._within - self._spoken)),
            frozenset(self._within),
            self._has_prompts,
            self._has_answers,
        )

    def apply(self, number: int, text: bytes) -> None:
        """Apply the next line."""
        head = text[:_HEAD_BYTES]
        if not self._at_us:
            self._at_us = _time_in(head)
        types = set(_TYPE.findall(head))
        if b"event_msg" in types:
            self._event(number, types, text)
        elif b"turn_context" in types:
            if self._context is None:
                self._context = _payload(number, text)
        elif b"response_item" in types or b'"payload"' not in head:
            self._item(number, types, text)
        elif b"compacted" in types:
            self._close_gap()

    def _item(self, number: int, types: set[bytes], text: bytes) -> None:
        if types & _ANSWERS:
            self._answered(text)
        elif types & _OF_MODEL:
            self._close_gap()
            if types & _CALLS:
                self._called(number, text)
        elif b"message" in types:
            if b'"assistant"' in text:
                self._close_gap()
                self._has_answers = True
            elif b'"user"' in text:
                self._message(number, _payload(number, text) or {})

    def _called(self, number: int, text: bytes) -> None:
        found = _CALL_ID.search(text)
        if found is not None and len(self._calls) < OPEN_MAX:
            self._calls[found[1]] = number

    def _answered(self, text: bytes) -> None:
        found = _CALL_ID.search(text)
        since = self._calls.pop(found[1], None) if found is not None else None
        if since is not None and len(self._within) < FOUND_MAX:
            self._within.update(line for line in self._waiting if line > since)
            self._waiting = [line for line in self._waiting if line < since]
        if not self._calls:
            self._waiting = []

    def _message(self, number: int, payload: Members) -> None:
        if payload.get("role") != "user":
            return
        parts = user_parts(payload)
        for part in parts:
            if part.whose == "environment" and not self._cwd:
                found = _CWD.search(part.text)
                self._cwd = html.unescape((found[1] or found[2]).strip()) if found else ""
        self._has_prompts = self._has_prompts or any(part.whose == "person" for part in parts)
        if self._calls and len(self._waiting) < OPEN_MAX:
            self._waiting.append(number)
        if len(self._gap) < OPEN_MAX:
            self._gap[number] = False
        for key, said in _keys(number, parts).items():
            if key in self._repeated:
                del self._repeated[key]
                self._found(said)
                return
            self._said[key] = said
        while len(self._said) > OPEN_MAX:
            del self._said[next(iter(self._said))]

    def _event(self, number: int, types: set[bytes], text: bytes) -> None:
        if b"thread_rolled_back" in types:
            self._rolls_back = True
        if types & _ENDS:
            self._close_gap()
            self._calls.clear()
            self._waiting = []
        elif b"user_message" in types or b"UserMessage" in types:
            words = prompt_of(_payload(number, text) or {})
            if words is not None:
                self._repeat(_key([words]))

    def _repeat(self, key: bytes) -> None:
        said = self._said.pop(key, None)
        if said is not None:
            self._found(said)
        elif len(self._repeated) < OPEN_MAX:
            self._repeated[key] = None

    def _found(self, said: _Said) -> None:
        """An event repeats a message."""
        if said.line in self._gap:
            self._gap[said.line] = True
        self._has_prompts = True
        if len(self._persons) < FOUND_MAX:
            self._persons.update((said.line, part) for part in said.doubtful)
        if said.line in self._waiting and len(self._spoken) < FOUND_MAX:
            self._spoken.add(said.line)

    def _close_gap(self) -> None:
        """The model speaks, or a turn begins or ends."""
        if not self._gap:
            return
        if any(self._gap.values()) and len(self._injected) < FOUND_MAX:
            self._injected.update(line for line, repeated in self._gap.items() if not repeated)
        self._gap.clear()


def prompt_of(event: Members) -> str | None:
    """The text of a person's message that an event repeats; None for another event."""
    if event.get("type") == "user_message" and event.get("kind", "plain") in ("plain", None):
        return text_of(event.get("message"))
    item = members_of(event.get("item"))
    if item.get("type") != "UserMessage":
        return None
    return "".join(text_of(members_of(part).get("text")) for part in list_of(item.get("content")))


def _keys(number: int, parts: Iterable[Part]) -> dict[bytes, _Said]:
    """The texts by which an event may repeat a message: as a whole, or one part."""
    texts = [
        (index, part)
        for index, part in enumerate(parts)
        if isinstance(part.content, TextInput) and not part.is_label
    ]
    doubtful = tuple(index for index, part in texts if part.whose != "person")
    keys = {
        _key([part.text]): _Said(number, (index,) if index in doubtful else ())
        for index, part in texts
    }
    return {**keys, _key([part.text for _, part in texts]): _Said(number, doubtful)}


def _key(texts: Iterable[str]) -> bytes:
    """The same for texts that differ in their white space."""
    words = "".join("".join(texts).split())
    return hashlib.blake2b(words.encode(errors="replace"), digest_size=16).digest()


def _payload(number: int, text: bytes) -> Members | None:
    try:
        return read_line(number, text).payload
    except UnreadableLine:
        return None


def _time_in(head: bytes) -> int:
    found = _TIME.search(head)
    if found is None:
        return 0
    try:
        return read_time(msgspec.json.decode(found[1])) or 0
    except ValueError:
        return 0

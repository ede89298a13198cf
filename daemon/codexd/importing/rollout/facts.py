"""What the lines of a rollout say of each other: read before its conversion, which goes through the lines once. Pure.

A message in the user's role is a person's if an event repeats it, with any text. Without such an event it is
not a person's between a call and its answer, nor beside a message that an event repeats, nor later in the turn of
such a message, if the turn's beginning was recorded: Codex put it there.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import deque
from collections.abc import Iterable

import msgspec

from codexd.core.values.items import TextInput
from codexd.importing.rollout.kinds import Author, Part, user_parts
from codexd.importing.rollout.lines import (
    Members,
    line_of,
    list_of,
    members_of,
    read_time,
    text_of,
)

# The types of a line are within its first or its last characters, whatever the order of its members.
_HEAD_BYTES = 4096
_ENVELOPES = {b"session_meta", b"response_item", b"event_msg", b"turn_context", b"compacted"}
_TYPE = re.compile(rb'"type"\s*:\s*"([A-Za-z_]{1,60})"')
_CALL_ID = re.compile(rb'"call_id"\s*:\s*"([^"\\]{1,200})"')
_TIME = re.compile(rb'"timestamp"\s*:\s*("[^"\\]{1,60}"|[0-9.]{1,30})')
_CWD = re.compile(
    r"<cwd>([^<]{1,4096})</cwd>|^Current working directory: (.{1,4096})$", re.MULTILINE
)
_CALLS = {b"function_call", b"custom_tool_call", b"local_shell_call"}
_ANSWERS = {b"function_call_output", b"custom_tool_call_output"}
_OF_MODEL = {b"reasoning", *_CALLS}
_BEGINNINGS = {b"task_started", b"turn_started"}
_ENDS = {*_BEGINNINGS, b"task_complete", b"turn_complete", b"turn_aborted"}
# A bound for what is remembered while a file is read: no real rollout has more.
OPEN_MAX = 1024
# Each answer looks at the newest messages alone: a call that is never answered would keep all of them.
WAITING_MAX = 64
# Each line up to the last mark has a byte in memory; no rollout that may be imported has so many.
LINES_MAX = 32 * 1024 * 1024
# The marks of a message: an event repeats it, or a part of it; or another message beside it or before it in the turn;
# or it is between a call and its answer; or an event repeats all of its parts.
_REPEATED, _BESIDE, _WITHIN, _WHOLE = 1, 2, 4, 8


class Facts(msgspec.Struct, frozen=True):
    """What a file's lines say of each other."""

    context: Members = {}  # of the first `turn_context`
    cwd: str = ""  # of the first environment that the model got
    at_us: int = 0  # the first time in it
    rolls_back: bool = False  # turns were rolled back
    marks: bytes = b""  # of each line, from 0
    parts: frozenset[tuple[int, int]] = frozenset()  # lines and parts: events repeat these parts
    # Whether its items have the messages of persons and of the model; else events have them.
    has_prompts: bool = True
    has_answers: bool = True

    def is_within(self, line: int) -> bool:
        """Whether a line is between a call and its answer."""
        return bool(self._marks(line) & _WITHIN)

    def parts_of(self, line: int, payload: Members) -> list[Part]:
        """The parts of a message in the user's role, each with its author."""
        parts, marks = user_parts(payload), self._marks(line)
        if not marks & _REPEATED:
            if marks & (_BESIDE | _WITHIN):
                return [_by(part, "other") if part.whose == "person" else part for part in parts]
            return parts
        return [
            _by(part, "person")
            if (marks & _WHOLE and isinstance(part.content, TextInput))
            or (line, index) in self.parts
            else part
            for index, part in enumerate(parts)
        ]

    def _marks(self, line: int) -> int:
        return self.marks[line] if line < len(self.marks) else 0


def _by(part: Part, whose: Author) -> Part:
    return part if part.named else msgspec.structs.replace(part, whose=whose)


class _Said(msgspec.Struct, gc=False):
    """A message in the user's role, or a part of it, as an event would repeat it."""

    line: int
    part: int | None  # None: all of them


class Survey:
    """The fold over a file's lines."""

    def __init__(self) -> None:
        self._context: Members | None = None
        self._cwd, self._at_us = "", 0
        self._rolls_back = self._has_prompts = self._has_answers = False
        self._marks = bytearray()
        self._parts = set[tuple[int, int]]()
        self._calls: dict[bytes, int] = {}  # those without an answer, and their lines
        self._waiting = deque[int](maxlen=WAITING_MAX)  # messages after the first of these calls
        self._said: dict[bytes, _Said] = {}  # messages that no event has repeated, by their text
        self._repeated: dict[bytes, None] = {}  # texts of events that came before their message
        self._gap: list[int] = []  # messages that the model has not answered
        # Whether the lines are in a turn whose beginning was recorded, and an event has repeated its prompt.
        self._in_turn = self._prompted = False

    def facts(self) -> Facts:
        """The facts, after the last line."""
        self._close_gap()
        return Facts(
            self._context or {},
            self._cwd,
            self._at_us,
            self._rolls_back,
            bytes(self._marks),
            frozenset(self._parts),
            self._has_prompts,
            self._has_answers,
        )

    def apply(self, number: int, text: bytes) -> None:
        """Apply the next line."""
        head = text[:_HEAD_BYTES]
        if not self._at_us:
            self._at_us = _time_in(head)
        types = set(_TYPE.findall(head))
        if len(text) > _HEAD_BYTES and not types & _ENVELOPES:
            types.update(_TYPE.findall(text[-_HEAD_BYTES:]))
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
        if found is not None:
            self._calls.pop(found[1], None)
            self._calls[found[1]] = number
        if len(self._calls) > OPEN_MAX:
            del self._calls[next(iter(self._calls))]

    def _answered(self, text: bytes) -> None:
        found = _CALL_ID.search(text)
        since = self._calls.pop(found[1], None) if found is not None else None
        while since is not None and self._waiting and self._waiting[-1] > since:
            self._mark(self._waiting.pop(), _WITHIN)
        if not self._calls:
            self._waiting.clear()

    def _message(self, number: int, payload: Members) -> None:
        if payload.get("role") != "user":
            return
        parts = user_parts(payload)
        for part in parts:
            if part.whose == "environment" and not self._cwd:
                found = _CWD.search(part.text)
                self._cwd = html.unescape((found[1] or found[2]).strip()) if found else ""
        self._has_prompts = self._has_prompts or any(part.whose == "person" for part in parts)
        if self._calls:
            self._waiting.append(number)
        if len(self._gap) < OPEN_MAX:
            self._gap.append(number)
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
            self._prompted, self._in_turn = False, bool(types & _BEGINNINGS)
            self._calls.clear()
            self._waiting.clear()
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
        self._has_prompts = True
        self._mark(said.line, _REPEATED if said.part is not None else _REPEATED | _WHOLE)
        if said.part is not None and len(self._parts) < OPEN_MAX:
            self._parts.add((said.line, said.part))

    def _close_gap(self) -> None:
        """The model speaks, or a turn begins or ends."""
        if not self._gap:
            return
        repeated = any(self._marks_of(line) & _REPEATED for line in self._gap)
        if repeated or self._prompted:
            for line in self._gap:
                self._mark(line, _BESIDE)
        self._prompted = self._prompted or (repeated and self._in_turn)
        self._gap = []

    def _mark(self, line: int, mark: int) -> None:
        if line < LINES_MAX:
            if line >= len(self._marks):
                self._marks.extend(bytes(line + 1 - len(self._marks)))
            self._marks[line] |= mark

    def _marks_of(self, line: int) -> int:
        return self._marks[line] if line < len(self._marks) else 0


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
        (index, part.text)
        for index, part in enumerate(parts)
        if isinstance(part.content, TextInput) and not part.is_label
    ]
    of_parts = {_key([text]): _Said(number, index) for index, text in texts}
    return {**of_parts, _key([text for _, text in texts]): _Said(number, None)}


def _key(texts: Iterable[str]) -> bytes:
    """The same for texts that differ in their white space."""
    words = "".join("".join(texts).split())
    return hashlib.blake2b(words.encode(errors="replace"), digest_size=16).digest()


def _payload(number: int, text: bytes) -> Members | None:
    line = line_of(number, text)
    return None if line is None else line.payload


def _time_in(head: bytes) -> int:
    found = _TIME.search(head)
    if found is None:
        return 0
    try:
        return read_time(msgspec.json.decode(found[1])) or 0
    except ValueError:
        return 0

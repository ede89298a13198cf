"""Where a subcommand reads and writes: stdout carries the answer, stderr the talk. I/O."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

import msgspec

from codexd.protocol.display.visible import visible_json
from codexd_frontends.cli.streams import talk_on_stderr, write_text, writing_stdout
from codexd_frontends.client.client import FRONTEND
from codexd_frontends.screen.drawn import last_look, last_look_at_line
from codexd_frontends.screen.question import Room
from codexd_frontends.screen.render import Piece
from codexd_frontends.screen.style import ColorChoice, Style, wants_color

SCHEMA = 1  # of the JSON documents that codexctl prints
# Of a terminal that does not say.
COLUMNS_DEFAULT, ROWS_DEFAULT = 80, 24
ERASE_LINE = "\r\x1b[K"


class Console:
    """The three standard streams, and how to write on them."""

    def __init__(
        self,
        *,
        socket_path: str,
        color: ColorChoice = "auto",
        json: bool = False,
        may_start: bool = True,
        frontend: str = FRONTEND,
    ) -> None:
        self.socket_path = socket_path
        self.json = json
        self.may_start = may_start  # whether a daemon that is not running is started
        self.frontend = frontend  # the name of this program for the daemon
        self.observes = False  # whether connections are made that are asked nothing
        self.out_style = _style_of(sys.stdout, color)
        self.talk_style = _style_of(sys.stderr, color)
        self.written = 0  # characters, by `write`

    @property
    def room(self) -> Room | None:
        """How large the terminal is on which questions are drawn; None where there is none."""
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        try:
            columns, rows = os.get_terminal_size(stream.fileno())
        except OSError:
            return None
        return Room(columns or COLUMNS_DEFAULT, rows or ROWS_DEFAULT)

    @property
    def may_ask(self) -> bool:
        """Whether a person is there to be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def is_seen(self) -> bool:
        """Whether stdout is a terminal, where a person sees an answer grow."""
        return sys.stdout.isatty()

    @property
    def one_screen(self) -> bool:
        """Whether stdout and stderr end up on the same screen."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    @property
    def can_erase(self) -> bool:
        """Whether a line on stdout can be erased."""
        return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write pieces in order, each on its stream."""
        for piece in pieces:
            if piece.is_answer:
                _answer(last_look(piece.text))
            else:
                talk_on_stderr(last_look(piece.text))
            self.written += len(piece.text)

    def answer(self, line: str) -> None:
        _answer(f"{last_look_at_line(line)}\n")

    def raw(self, data: bytes) -> None:
        """Bytes on stdout as they are, which is no terminal."""
        with writing_stdout():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def answers(self, lines: Iterable[str]) -> None:
        """Lines on stdout."""
        for line in lines:
            self.answer(line)

    def talk(self, line: str) -> None:
        """A line on stderr."""
        talk_on_stderr(f"{last_look_at_line(line)}\n")

    def ask(self, question: str) -> None:
        """Write a question that is answered on the same line, where it is visible with any stdout."""
        talk_on_stderr(last_look_at_line(question))

    def prompt(self, words: str) -> None:
        """The prompt before the input."""
        _answer(last_look_at_line(words))

    def end_prompt(self, *, erase: bool) -> None:
        """Take the prompt away where that can be done and is wanted; else go to the next line."""
        _answer(ERASE_LINE if erase and self.can_erase else "\n")

    def result(self, members: Mapping[str, object], *lines: str) -> None:
        """The result of a command: one JSON document, or lines for a person."""
        if self.json:
            self.document(members)
        else:
            self.answers(lines)

    def document(self, members: Mapping[str, object]) -> None:
        """The JSON document of a command."""
        self.json_line(msgspec.json.encode({"schema": SCHEMA, **members}))

    def document_with(
        self, members: dict[str, object], name: str, values: Iterable[msgspec.Raw]
    ) -> None:
        """The same with one more member, a list that is written as it comes, however long it is."""
        first = msgspec.json.encode({"schema": SCHEMA, **members})[:-1]
        _write(first + b"," + msgspec.json.encode(name) + b":[")
        for number, value in enumerate(values):
            _write((b"," if number else b"") + bytes(value))
        _write(b"]}\n", flush=True)

    def json_line(self, line: bytes) -> None:
        """A line of a JSON stream; into a file or a pipe as it is."""
        write_json(line)


def write_json(line: bytes) -> None:
    """A line of JSON on stdout; on a terminal what is not seen is escaped, and the value is the same."""
    _write(line + b"\n", flush=True)


def _answer(text: str) -> None:
    with writing_stdout():
        write_text(sys.stdout, text)


def _write(json: bytes, *, flush: bool = False) -> None:
    with writing_stdout():
        sys.stdout.buffer.write(visible_json(json) if sys.stdout.isatty() else json)
        if flush:
            sys.stdout.buffer.flush()


def _style_of(stream: TextIO, choice: ColorChoice) -> Style:
    return Style(wants_color(choice, os.environ, is_terminal=stream.isatty()))

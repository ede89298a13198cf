"""Where a subcommand reads and writes: stdout carries the answer, stderr the talk. I/O."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO

import msgspec

from codexd_frontends.render import Piece
from codexd_frontends.style import ColorChoice, Style, wants_color

SCHEMA = 1  # of the JSON documents that codexctl prints


class Console:
    """The three standard streams, and how to write on them."""

    def __init__(
        self,
        *,
        socket_path: str,
        color: ColorChoice = "auto",
        json: bool = False,
        may_start: bool = True,
    ) -> None:
        self.socket_path = socket_path
        self.json = json
        self.may_start = may_start  # whether a daemon that is not running is started
        self.out_style = _style_of(sys.stdout, color)
        self.talk_style = _style_of(sys.stderr, color)

    @property
    def may_ask(self) -> bool:
        """Whether a person is there to be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def one_screen(self) -> bool:
        """Whether stdout and stderr end up on the same screen."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    @property
    def can_erase(self) -> bool:
        """Whether a line on stdout can be taken back."""
        return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write pieces in order, each on its stream."""
        for piece in pieces:
            stream = sys.stdout if piece.is_answer else sys.stderr
            stream.write(piece.text)
            stream.flush()

    def answer(self, line: str) -> None:
        """A line on stdout."""
        print(line, flush=True)

    def talk(self, line: str) -> None:
        """A line on stderr."""
        print(line, file=sys.stderr, flush=True)

    def document(self, members: dict[str, object]) -> None:
        """The one JSON document of a command."""
        self.json_line(msgspec.json.encode({"schema": SCHEMA, **members}))

    def document_with(
        self, members: dict[str, object], name: str, values: Iterable[msgspec.Raw]
    ) -> None:
        """The same with one more member, a list that is written as it comes, however long it is."""
        sys.stdout.flush()
        first = msgspec.json.encode({"schema": SCHEMA, **members})[:-1]
        out = sys.stdout.buffer
        out.write(first + b"," + msgspec.json.encode(name) + b":[")
        for number, value in enumerate(values):
            out.write((b"," if number else b"") + bytes(value))
        out.write(b"]}\n")
        out.flush()

    def json_line(self, line: bytes) -> None:
        """A line of a JSON stream, as it is."""
        sys.stdout.flush()
        _write_whole(sys.stdout, line + b"\n")


def _write_whole(stream: TextIO, line: bytes) -> None:
    stream.buffer.write(line)
    stream.buffer.flush()


def _style_of(stream: TextIO, choice: ColorChoice) -> Style:
    return Style(wants_color(choice, os.environ, is_terminal=stream.isatty()))

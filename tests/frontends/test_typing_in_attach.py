"""Input that is typed or pasted in `attach` is sent whole and unchanged, or refused with a line."""

from __future__ import annotations

import os
import pty
import tty

import pytest

from codexd.models.scripted.scripts import Say
from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from codexd_frontends.cli.watch import (
    TERMINAL_LINE_BYTES,
    TYPED_BYTES_MAX,
    InputLines,
    NotTaken,
    Typed,
)
from daemon_house import Daemon

from .codexctl import new_thread, playing, terminal

IDLE = " tokens › "


def lines_of(pasted: bytes) -> InputLines:
    """Lines of a pipe that holds what was pasted."""
    reader, writer = os.pipe()
    try:
        os.write(writer, pasted)
        lines = InputLines(reader)
        lines.read()
    finally:
        os.close(reader)
        os.close(writer)
    return lines


@pytest.mark.slow
def test_a_line_that_is_too_long_is_refused_and_the_next_line_is_sent(daemon: Daemon) -> None:
    with playing(Say(("Before.",)), Say(("One.",)), Say(("Two.",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
        with terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for(IDLE)
            attached.type("x" * 6009 + "\n")
            attached.wait_for(f"not sent: a terminal keeps {TERMINAL_LINE_BYTES} bytes of a line")
            attached.wait_for(IDLE)
            attached.type_bytes(b"caf\xe9\n")
            attached.wait_for("not sent: expected what is typed to be UTF-8, found byte 0xe9 at 3")
            attached.wait_for(IDLE)
            attached.type_bytes(b"a\x16\x00b\n")
            attached.wait_for("not sent: expected what is typed to be UTF-8, found a zero")
            attached.wait_for(IDLE)
            attached.type("caf\xe9\n")
            attached.wait_for("One.\r\n")
            attached.wait_for(IDLE)
            attached.type("\x1b[200~" + "".join(f"line {n}\n" for n in range(2000)) + "\x1b[201~\n")
            attached.wait_for("Two.\r\n")
            attached.wait_for(IDLE)
            attached.type("/quit\n")
            assert attached.wait_exit() == 0
        _, typed, pasted = model.asked
        assert '"text":"caf\xe9"'.encode() in typed
        assert b"line 0\\nline 1\\n" in pasted
        assert b"\\nline 1999" in pasted
        assert b"200~" not in pasted


@pytest.mark.slow
def test_a_half_line_is_not_sent_at_the_end_of_the_input(daemon: Daemon) -> None:
    with playing(Say(("Before.",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
        with terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for(IDLE)
            attached.type("half a line\x04")
            attached.wait_for("half a line")
            attached.type("\x04")
            attached.wait_for("not sent: expected Enter at the end of the line")
            assert attached.wait_exit() == 0
        assert len(model.asked) == 1


def test_a_paste_that_is_larger_than_any_prompt_is_refused_whole() -> None:
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)  # So that it gives what there is, whatever it is.
        lines = InputLines(theirs)
        for _ in range(TYPED_BYTES_MAX // 1000 + 2):
            os.write(ours, b"x" * 999 + b"\n")
            lines.read()
        refused = lines.next(join_pasted=True)
        os.write(ours, b"next\n")
        lines.read()
        assert isinstance(refused, NotTaken)
        assert str(TYPED_BYTES_MAX) in refused.why
        assert lines.next(join_pasted=True) == Typed("next")
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_largest_prompt_fits_in_characters_of_any_length() -> None:
    assert len("\N{PARTY POPPER}".encode()) * INPUT_CHARACTERS_MAX <= TYPED_BYTES_MAX


@pytest.mark.parametrize(
    ("pasted", "taken"),
    [
        (b"\xef\xbb\xbfmarked\n", "marked"),
        (b"two\r\n", "two"),
        (b"\x1b[200~pasted\x1b[201~\n", "pasted"),
        ("\N{PARTY POPPER}\n".encode(), "\N{PARTY POPPER}"),
        (b"x" * 9000 + b"\n", "x" * 9000),  # A pipe keeps lines of any length.
    ],
    ids=["mark", "return", "bracketed", "emoji", "long in a pipe"],
)
def test_a_line_is_taken_without_what_is_no_part_of_it(pasted: bytes, taken: str) -> None:
    assert lines_of(pasted).next(join_pasted=True) == Typed(taken)


@pytest.mark.parametrize(
    "pasted", [b"caf\xe9\n", b"\xff\xfeh\x00i\x00\n", b"a\x00\n", b"\xed\xa0\xbd\n"]
)
def test_input_that_is_no_text_is_refused(pasted: bytes) -> None:
    assert isinstance(lines_of(pasted).next(join_pasted=True), NotTaken)

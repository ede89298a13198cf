"""Nothing that a client, a model or a path brings into the daemon's log makes a line of it, or drives a screen."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys

import pytest

from codexd.machine import log_lines
from codexd.machine.log_lines import LogLines
from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from codexd.redaction.daemon_secrets import clean_logs
from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test

POISON = "\x1b[31m\x9b2J\x7f\u202e\u200b\u2028\r\n2026-01-01 00:00:00,000 INFO forged"
DRAWN = "\\u{1b}[31m\\u{9b}2J\\u{7f}\\u{202e}\\u{200b}\\u{2028}\\u{d}\\u{a}2026-01-01 00:00:00,000 INFO forged"
# A time and a level, a line below such a line, or what codexd says before it has a log.
ENTRY = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR|CRITICAL) .*|    .*|codexd: .*"
)


def test_an_entry_is_a_line_and_its_traceback_is_indented() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LogLines(logging.Formatter("%(levelname)s %(message)s")))
    logger = logging.getLogger("codexd.test")
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(f"of {POISON}")
        except ValueError:
            logger.exception("a name: %s", POISON)
    finally:
        logger.removeHandler(handler)
    first, *more = out.getvalue().splitlines()
    assert first == f"ERROR a name: {DRAWN}"
    assert more[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in more)
    assert all(line.isprintable() for line in (first, *more))


def test_a_long_foreign_text_does_not_fill_the_log() -> None:
    shape = LogLines(logging.Formatter("%(message)s"))
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%s", ("\x1b" * 1_000_000,), None)
    assert len(shape.format(record)) <= log_lines.ENTRY_CHARACTERS_MAX
    try:
        raise ValueError("x" * 1_000_000)
    except ValueError:
        record.exc_info = sys.exc_info()
    assert len(shape.format(record)) < 2 * log_lines.TRACEBACK_CHARACTERS_MAX


def test_a_secret_of_several_lines_is_removed_before_its_lines_are_joined() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LogLines(logging.Formatter("%(message)s")))
    logging.getLogger().addHandler(handler)
    try:
        with clean_logs(lambda text: text.replace("one\ntwo", "«taken out»")):
            logging.getLogger("codexd.test").error("with one\ntwo\nin it")
    finally:
        logging.getLogger().removeHandler(handler)
    assert out.getvalue() == "with «taken out»\\u{a}in it\n"


@trio_test
async def test_the_name_of_a_client_forges_no_entry(home: Home) -> None:
    daemon = home.start()
    asks = (Call("shell_command", '{"command":"touch asked"}'),)
    async with scripted_model([asks, Say(("ok",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        async with connected(home.socket, name=f"evil {POISON}") as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            asked = await client.until_asked()
            await client.decide(asked, f"decided {POISON}")
            daemon.wait_said(f"connection evil {DRAWN}:")
            await client.decide(asked, "decline")
            await client.turn_ended(turn)
    daemon.stop()
    strange = [line for line in daemon.log if not ENTRY.fullmatch(line.removesuffix("\n"))]
    assert not strange
    assert all(line.removesuffix("\n").isprintable() for line in daemon.log)


@pytest.mark.parametrize("option", ["--listen", "--none-such"])
def test_refused_arguments_are_drawn_as_foreign_text(home: Home, option: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "codexd", f"{option}={POISON}"],
        env=home.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 2
    assert "\\u{1b}[31m" in ended.stderr or "\\x1b[31m" in ended.stderr
    assert all(line.isprintable() for line in ended.stderr.splitlines())

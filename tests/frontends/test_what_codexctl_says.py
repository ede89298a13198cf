"""The messages of codexctl on numbers that name nothing, on lists that were cut, and on keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codexd.core.values.images import IMAGE_BYTES_MAX, IMAGES_MAX
from codexd.models.scripted.scripts import Say
from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from codexd_frontends.cli.arguments import LIST_LIMIT_DEFAULT
from codexd_frontends.ctl import main
from daemon_house import Daemon, Home

from . import said
from .codexctl import codexctl, new_thread, playing
from .fake_daemon import FakeDaemon

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("words", [("show", "--at"), ("scrub", "--seq")])
@pytest.mark.parametrize("number", ["99999", "0"])
def test_the_number_of_no_record_is_named(
    daemon: Daemon, words: tuple[str, str], number: str
) -> None:
    with playing(Say(("Hello.",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
    command, option = words
    refused = codexctl(daemon.home, command, thread, option, number)
    assert (refused.code, refused.out) == (2, ""), refused
    assert f"found {number}" in refused.err


def test_a_log_from_a_record_that_is_not_there_is_refused_unless_it_is_followed(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/log/read", {"records": [], "nextAfter": None})
        assert main(["--socket", fake.path, "log", said.THREAD, "--from", "99999"]) == 2
    assert "found 99999" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--limit", "0"],
        ["search", "x", "--limit", "0"],
        ["list", "--limit", "1_0"],
        ["show", "t", "--at", "\u0663"],
        ["show", "t", "--turns", "-1"],
        ["log", "t", "--from", "9" * 5000],
    ],
)
def test_an_invalid_number_is_refused(words: list[str], capfd: Captured) -> None:
    assert main(words) == 2
    assert f"found {words[-1]!r}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["send", "-m", "", "x"], "MODEL"),
        (["send", "-i", "", "x"], "IMAGES"),
        (["send", "-C", "", "x"], "CWD"),
        (["show", ""], "THREAD"),
        (["scrub", "t", ""], "PATTERNS"),
        (["review", "--base", ""], "BASE"),
    ],
)
def test_an_empty_argument_is_no_default(words: list[str], name: str, capfd: Captured) -> None:
    assert main(words) == 2
    assert f"expected a value for {name}, found an empty word" in capfd.readouterr().err


def test_a_list_that_was_cut_says_so_on_stderr(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        threads = [said.thread()] * LIST_LIMIT_DEFAULT
        fake.answer("thread/list", {"data": threads, "nextCursor": "more"})
        assert main(["--socket", fake.path, "list"]) == 0
        out, err = capfd.readouterr()
        assert len(out.splitlines()) == LIST_LIMIT_DEFAULT
        assert "there are more threads" in err
        assert "--limit" in err
        fake.answer("thread/list", {"data": threads, "nextCursor": None})
        assert main(["--socket", fake.path, "list"]) == 0
        assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("list", ("default: 50",)),
        ("search", ("default: 10",)),
        ("attach", ("/quit", "/interrupt", "/image", "y, a, n or c", "Ctrl-C", "Ctrl-D")),
        ("send", ("the prompt waits for its end",)),
        ("review", ("a turn that runs there is interrupted",)),
        ("approve", ("it is accepted, if no option says otherwise",)),
        ("log", ("default: 1",)),
        ("fork", ("an id or the beginning of one",)),
    ],
)
def test_help_says_what_comes_and_what_can_be_typed(
    command: str, words: tuple[str, ...], capfd: Captured
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capfd.readouterr().out.split())
    assert all(word in shown for word in words)


def test_a_prompt_that_is_too_long_leaves_no_thread(home: Home) -> None:
    refused = codexctl(home, "send", "-", stdin="x" * (INPUT_CHARACTERS_MAX + 1))
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert str(INPUT_CHARACTERS_MAX) in refused.err
    assert home.processes() == []


def test_a_first_turn_that_is_refused_leaves_no_thread(home: Home) -> None:
    image = home.root / "image.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    too_many = f"{image}," * (IMAGES_MAX + 1)
    huge = home.root / "huge.png"
    huge.write_bytes(image.read_bytes())
    os.truncate(huge, IMAGE_BYTES_MAX + 1)
    home.start()
    for words in (
        ["send", "-i", str(huge), "look"],
        ["send", "-i", too_many, "look"],
        ["send", "-m", "x" * 1000, "hello"],
        ["send", "--provider", "nosuch", "hello"],
        ["review", "--base", "nosuch"],
    ):
        refused = codexctl(home, *words)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
    home.configure("model = [")
    assert codexctl(home, "send", "hello").code == 78
    home.configure("")
    assert codexctl(home, "list") == (0, "", "")
    assert home.logs() == []

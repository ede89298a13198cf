"""What codexctl says of numbers that name nothing, of lists that were cut, and of what can be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("attach", ("/quit", "/interrupt", "/image")),
    ],
)
def test_help_says_what_comes_and_what_can_be_typed(
    command: str, words: tuple[str, ...], capfd: Captured
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capfd.readouterr().out
    assert all(word in shown for word in words)


def test_a_prompt_that_is_too_long_leaves_no_thread(home: Home) -> None:
    refused = codexctl(home, "send", "-", stdin="x" * (INPUT_CHARACTERS_MAX + 1))
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert str(INPUT_CHARACTERS_MAX) in refused.err
    assert home.processes() == []

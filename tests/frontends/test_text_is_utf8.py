"""Input that is not UTF-8 is refused before anything is started, and a byte order mark is no part of a text."""

from __future__ import annotations

import codecs
import os
import subprocess

import pytest

from codexd.models.scripted.scripts import Say
from daemon_house import PATIENCE_SECONDS, Daemon, Home

from .codexctl import codexctl, command, playing

LATIN1 = os.fsdecode(b"caf\xe9")


def send_bytes(home: Home, prompt: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("send", "-"),
        check=False,
        env=home.env,
        cwd=home.work,
        input=prompt,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.parametrize(
    "words", [["send", LATIN1], ["rename", "t", LATIN1], ["send", "-t", LATIN1, "x"]]
)
def test_an_argument_that_is_not_utf8_is_refused_before_anything_starts(
    home: Home, words: list[str]
) -> None:
    refused = codexctl(home, *words)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "UTF-8" in refused.err
    assert home.processes() == []


def test_stdin_that_is_not_utf8_is_refused_before_anything_starts(home: Home) -> None:
    no_mark = [b"h\0i\0", b"\0h\0i", "hi".encode("utf-32")]
    for prompt in (b"caf\xe9", codecs.BOM_UTF16_LE + b"x", b"a\0b", *no_mark):
        refused = send_bytes(home, prompt)
        assert (refused.returncode, refused.stdout, refused.stderr.count(b"\n")) == (2, b"", 1)
        assert b"UTF-" in refused.stderr
    assert home.processes() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_stdin_is_read_by_its_mark_and_without_it(daemon: Daemon, encoding: str) -> None:
    with playing(Say(("Hello.",))) as model:
        daemon.home.use_model(model.base_url)
        assert send_bytes(daemon.home, "caf\xe9".encode(encoding)).returncode == 0
        (body,) = model.asked
    assert '"text":"caf\xe9"'.encode() in body


def test_an_argument_is_read_as_utf8_in_any_locale(daemon: Daemon) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with playing(Say(("Hello.",))) as model:
        daemon.home.use_model(model.base_url)
        sent = codexctl(daemon.home, "send", "caf\xe9", **ascii_only)
        (body,) = model.asked
    assert sent.code == 0
    assert '"text":"caf\xe9"'.encode() in body


@pytest.mark.parametrize("variable", ["CODEXD_HOME", "CODEXD_SOCKET"])
def test_a_home_whose_name_is_not_utf8_is_refused_in_a_line(home: Home, variable: str) -> None:
    name = f"{home.root}/{LATIN1}"
    for words in (["list"], ["stop"], ["status"], ["--socket", name, "list"]):
        refused = codexctl(home, *words, **{variable: name})
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
        assert "UTF-8" in refused.err
    assert home.processes() == []
    home.env[variable] = name
    daemon = home.launch()
    assert daemon.wait() == 2
    assert daemon.said("UTF-8")


def test_a_folder_whose_name_is_not_utf8_is_refused_in_a_line(daemon: Daemon) -> None:
    folder = daemon.home.work / LATIN1
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        command("send", "x"), check=False, env=daemon.home.env, cwd=folder, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"UTF-8" in done.stderr

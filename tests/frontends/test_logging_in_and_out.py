"""codexctl login, logout, whoami and limits: a key is read unseen, and nothing is said of it but its ends."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

from codexd.protocol.account import Credits, RateLimits, RateLimitWindow
from codexd_frontends.client.passed_env import session_of_turn
from codexd_frontends.commands.hidden_line import HiddenLine
from codexd_frontends.ctl import main
from codexd_frontends.screen.account import limit_lines

from .fake_daemon import FakeDaemon, Json
from .terminal import Terminal

Captured = pytest.CaptureFixture[str]
KEY = "sk-typed-0123456789abcdefghij"
OWN: Json = {
    "method": "apiKey",
    "maskedKey": "sk-typed***ghij",
    "source": "/h/auth.json",
    "provider": "openai",
    "usesLogin": True,
}
CHATGPT: Json = {
    "method": "chatgpt",
    "email": "ann@example.org",
    "plan": "plus",
    "accountId": "account-1",
    "source": "/c/auth.json",
    "isCodexs": True,
    "provider": "scripted",
}


def run(fake: FakeDaemon, *words: str) -> int:
    return main([*words, "--socket", str(fake.path)])


def answers(fake: FakeDaemon, own: Json) -> None:
    fake.answer("account/read", {"account": None, "requiresOpenaiAuth": True, "codexd": own})


def sent(fake: FakeDaemon, method: str) -> Json:
    (message,) = [message for message in fake.heard() if message.get("method") == method]
    params: Json = message["params"]
    return params


def typed(*pieces: bytes, prefilled: str = "") -> str:
    line = HiddenLine(prefilled)
    for piece in pieces:
        assert not line.is_done
        line.feed(piece)
    assert line.is_done
    return line.text


@pytest.mark.parametrize(
    ("pieces", "prefilled", "text"),
    [
        ((b"sk-1\r",), "", "sk-1"),
        ((b"s", b"k", b"-1", b"\n"), "old", "sk-1"),
        ((b"\r",), "old", "old"),
        ((b"\r",), "", ""),
        ((b"\x1b[200~  sk-1  \x1b[201~\r",), "old", "sk-1"),
        ((b"sk-12\x7f\x08\r",), "old", "sk-"),
        ((b"\x7f\r",), "old", ""),
        ((b"wrong\x15sk-1\r",), "old", "sk-1"),
        ((b"sk-1\x01\x02\r",), "", "sk-1"),
        ((b"sk-1\rmore",), "", "sk-1"),
    ],
)
def test_what_is_typed_takes_the_place_of_what_was_prefilled(
    pieces: tuple[bytes, ...], prefilled: str, text: str
) -> None:
    assert typed(*pieces, prefilled=prefilled) == text


@pytest.mark.parametrize("keys", [b"\x03", b"sk-1\x03", b"\x04"])
def test_ctrl_c_leaves(keys: bytes) -> None:
    with pytest.raises(KeyboardInterrupt):
        HiddenLine().feed(keys)


def test_a_key_comes_from_stdin_and_is_not_said_again(
    tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("account/login/start", {"type": "apiKey"})
        answers(fake, OWN)
        stdin = io.TextIOWrapper(io.BytesIO(f"\ufeff {KEY}\n".encode()))
        monkeypatch.setattr(sys, "stdin", stdin)
        assert run(fake, "login", "--with-api-key") == 0
        assert sent(fake, "account/login/start") == {"type": "apiKey", "apiKey": KEY}
    shown = capfd.readouterr()
    assert shown.out == "logged in: API key sk-typed***ghij\n"
    assert KEY not in shown.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found nothing: `printenv OPENAI_API_KEY | codexctl login --with-api-key`"),
        (b"\xff\xfe", "found bytes that are no text"),
        (b"a" * 70_000, "found more than 65536 bytes"),
    ],
)
def test_what_is_no_key_is_not_sent(
    tmp_path: Path,
    capfd: Captured,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    words: str,
) -> None:
    with FakeDaemon(tmp_path) as fake:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert run(fake, "login", "--with-api-key") == 2
        assert fake.heard() == []
    assert words in capfd.readouterr().err


def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        for words in (("--api-key", KEY), (f"--api-key={KEY}",)):
            assert run(fake, "login", *words) == 2
        assert fake.heard() == []
    said = capfd.readouterr().err
    assert "`printenv OPENAI_API_KEY | codexctl login --with-api-key`" in said
    assert KEY not in said


@pytest.mark.slow
@pytest.mark.parametrize("keys", [f"{KEY}\r", "\r"], ids=["typed", "prefilled"])
def test_a_key_is_typed_unseen_on_a_terminal(tmp_path: Path, keys: str) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("account/login/start", {"type": "apiKey"})
        answers(fake, OWN)
        environ = {"CODEXD_SOCKET": str(fake.path), "OPENAI_API_KEY": f"{KEY}-of-the-shell"}
        with Terminal("login", "--with-api-key", environ=environ) as terminal:
            terminal.wait_for("API key (not shown): ")
            terminal.type(keys)
            assert terminal.wait_exit() == 0
        expected = KEY if keys != "\r" else f"{KEY}-of-the-shell"
        assert sent(fake, "account/login/start")["apiKey"] == expected
    assert "$OPENAI_API_KEY is set" in terminal.screen
    assert KEY not in terminal.screen


@pytest.mark.parametrize(("error", "code"), [(None, 0), ("it was refused\x1b[2J", 1)])
@pytest.mark.parametrize("by_code", [False, True], ids=["browser", "code"])
def test_a_login_shows_the_address_and_waits_for_its_own_end(
    tmp_path: Path, capfd: Captured, error: str | None, code: int, by_code: bool
) -> None:
    method, success = "account/login/completed", error is None
    other = {"loginId": "8", "success": False, "error": "not this one"}
    ends = [
        {"method": method, "params": params}
        for params in (other, {"loginId": "7", "success": success, "error": error})
    ]
    begun: Json = {"type": "chatgpt", "loginId": "7", "authUrl": "https://example.org/a?x=1"}
    words = ("--no-browser",)
    if by_code:
        begun = {"type": "chatgptDeviceCode", "loginId": "7", "userCode": "AB-12"}
        begun["verificationUrl"] = "https://example.org/device"
        words = ("--device-auth",)
    with FakeDaemon(tmp_path) as fake:
        fake.answer("account/login/start", begun, *ends)
        answers(fake, CHATGPT)
        assert run(fake, "login", *words) == code
        assert sent(fake, "account/login/start") == {"type": begun["type"]}
    shown = capfd.readouterr()
    assert f"  {begun.get('authUrl') or begun['verificationUrl']}\n" in shown.err
    assert ("code AB-12, valid for 15 minutes" in shown.err) == by_code
    assert "\x1b" not in shown.err
    assert ("logged in: ChatGPT, ann@example.org, plan plus" in shown.out) == success
    assert ("scripted of config.toml are not paid by a login" in shown.out) == success


def test_whoami_says_what_is_unverified_and_whose_file_it_is(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        answers(fake, CHATGPT)
        assert run(fake, "whoami") == 0
        assert capfd.readouterr().out == (
            "logged in: ChatGPT, ann@example.org, plan plus (as the token says, unverified)\n"
            "  from      /c/auth.json, Codex's own, which codexd only reads\n"
            "  account   account-1\n"
            "  provider  scripted, which takes no login\n"
        )
        answers(fake, {"provider": "openai", "usesLogin": True, "problem": "it is half"})
        assert run(fake, "whoami") == 1
        said = capfd.readouterr().out
        assert "nobody is logged in\n" in said
        assert "  problem   it is half\n" in said
        assert "`codexctl login` logs in" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "nobody was logged in\n"),
        ({"wasLoggedIn": True}, "logged out\n"),
        (
            {"wasLoggedIn": True, "codexKeeps": "/c/auth.json"},
            "logged out\nCodex stays logged in, by /c/auth.json; codexd does not use it any more\n",
        ),
    ],
)
def test_a_logout_says_what_stays(tmp_path: Path, capfd: Captured, answer: Json, said: str) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("account/logout", answer)
        assert run(fake, "logout") == 0
    assert capfd.readouterr().out == said


def test_limits_have_their_age_and_their_resets() -> None:
    now = 1_795_000_000
    limits = RateLimits(
        "codex",
        primary=RateLimitWindow(13, 300, now + 3 * 3600 + 720),
        secondary=RateLimitWindow(100, 10080),
        credits=Credits(True, False, "9.5"),
        plan_type="plus",
        rate_limit_reached_type="rate_limit_reached",
    )
    reset = time.strftime("%d %b %H:%M", time.localtime(now + 3 * 3600 + 720))
    assert list(limit_lines("codex", limits, now * 1000 - 90_000, now)) == [
        "codex, plan plus, reported 1 min 30 s ago",
        f"  5 h: 13 % used, resets in 3 h 12 min ({reset})",
        "  7 d: 100 % used",
        "  credits: 9.5",
        "  reached: rate limit reached",
    ]
    assert list(limit_lines("x", RateLimits("x", "Extra"), None, now)) == [
        "Extra",
        "  reset since then: nothing of it is used",
    ]


def test_that_no_limits_are_known_is_an_answer(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.refuse("account/rateLimits/read", "no", reason="needs_chatgpt_login")
        assert run(fake, "limits") == 0
        assert "no rate limits are known" in capfd.readouterr().out
        assert run(fake, "limits", "--json") == 0
        assert '"limits":[]' in capfd.readouterr().out


def test_a_turn_brings_the_keys_that_the_daemon_asks_for_and_no_others() -> None:
    environ = {"A_KEY": KEY, "B_KEY": "", "C_KEY": "not asked for", "ODD": "\udcff", "PATH": "/bin"}
    given = session_of_turn(("A_KEY", "B_KEY", "ODD", "MISSING"), environ)
    assert given["providerKeys"] == {"A_KEY": KEY}
    assert KEY not in str(given["updateEnvironment"])
    assert "providerKeys" not in session_of_turn((), environ)

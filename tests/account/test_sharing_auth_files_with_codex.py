"""An auth.json of Codex is read here as Codex reads it, and one of codexd is read there: with the real program."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from account_house import AccountHouse, chatgpt_members, issuer_server, write_auth
from codexd.account.login import ApiKey, Chatgpt, Login
from installed_codex import PROGRAM, needs_program
from trio_test import trio_test

pytestmark = [needs_program, pytest.mark.slow]

KEY = "sk-test-0123456789abcdefghijklmnop"
CLIENT = {"clientInfo": {"name": "test", "version": "0"}}


class Codex:
    """An app-server of Codex's own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._last = process, 0

    def call(self, method: str, params: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._last += 1
        asked = {"id": self._last, "method": method, "params": params}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("id") == self._last:
                return cast("dict[str, Any]", message["result"])
        raise AssertionError(f"Codex did not answer {method}")


@contextmanager
def codex(home: Path) -> Iterator[Codex]:
    """Codex, in a home; it reads auth.json when it starts."""
    address = 'chatgpt_base_url="http://127.0.0.1:9/backend-api"'
    with subprocess.Popen(
        [PROGRAM, "-c", address, "app-server"],
        env=os.environ | {"CODEX_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            asks = Codex(process)
            asks.call("initialize", CLIENT)
            yield asks
        finally:
            process.kill()


def codexs_login(home: Path) -> tuple[str | None, str | None]:
    """How Codex is logged in, and with which token or key."""
    with codex(home) as asks:
        status = asks.call("getAuthStatus", {"includeToken": True, "refreshToken": False})
    return status["authMethod"], status["authToken"]


def as_codex_says(login: Login | None) -> tuple[str | None, str | None]:
    match login:
        case ApiKey(key):
            return "apikey", key
        case Chatgpt():
            return "chatgpt", login.access_token
        case None:
            return None, None


TOKENS = chatgpt_members("http://127.0.0.1:9")["tokens"]
FILES: dict[str, object] = {
    "a key": {"auth_mode": "apikey", "OPENAI_API_KEY": KEY},
    "a key and tokens, without a mode": {"OPENAI_API_KEY": KEY, "tokens": TOKENS},
    "tokens": chatgpt_members("http://127.0.0.1:9"),
    "tokens beside a key": chatgpt_members("http://127.0.0.1:9") | {"OPENAI_API_KEY": KEY},
    "tokens without a mode": {"tokens": TOKENS, "last_refresh": "2026-11-27T23:21:47.262516421Z"},
    "a time that is none": {"tokens": TOKENS, "last_refresh": "yesterday"},
    "an id token that is none": {"tokens": TOKENS | {"id_token": "none"}},
    "a mode of a later Codex": {"auth_mode": "zork", "OPENAI_API_KEY": KEY},
    "half a file": '{"OPENAI_API_KEY": "sk-',
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_the_same_login_for_both(tmp_path: Path, name: str) -> None:
    house = AccountHouse(tmp_path)
    write_auth(house.codexs, cast("Any", FILES[name]))
    assert as_codex_says(house.account.login) == codexs_login(house.codexs)


def log_in(home: Path, *words: str, typed: str = "") -> None:
    """Codex's own login, as its user types it."""
    subprocess.run(
        [PROGRAM, "login", *words],
        env=os.environ | {"CODEX_HOME": str(home)},
        input=typed.encode(),
        capture_output=True,
        check=True,
    )


def test_what_codex_writes_is_read_here(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    house.codexs.mkdir()
    log_in(house.codexs, "--with-api-key", typed=f"{KEY}\n")
    theirs = (house.codexs / "auth.json").read_bytes()
    assert house.account.login == ApiKey(KEY)
    with issuer_server() as issuer:
        log_in(house.codexs, "--device-auth", "--experimental_issuer", issuer.url)
        login = house.account.login
        assert isinstance(login, Chatgpt)
        assert login.claims.email == "ann@example.org"
        assert login.issuer in (issuer.url, None)  # Codex notes it since 0.170.
    trio.run(house.account.log_in_with_key, KEY)
    assert (house.own / "auth.json").read_bytes() == theirs  # byte for byte what Codex wrote


@trio_test
async def test_what_codexd_writes_is_read_there(tmp_path: Path) -> None:
    with issuer_server() as issuer:
        house = AccountHouse(tmp_path, f'[login]\nissuer = "{issuer.url}"')
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.account.run)
            await trio.testing.wait_all_tasks_blocked()
            await house.account.log_in_with_key(KEY)
            by_key = await trio.to_thread.run_sync(codexs_login, house.own)
            assert by_key == ("apikey", KEY)
            await house.account.under_way.by_code(house.account.issuer(), "1")
            while house.account.login == ApiKey(KEY):
                await trio.testing.wait_all_tasks_blocked(0.001)
            by_token = await trio.to_thread.run_sync(codexs_login, house.own)
            assert by_token == as_codex_says(house.account.login)
            login = house.account.login
            assert isinstance(login, Chatgpt)
            await house.account.renewed(login)
            by_newer = await trio.to_thread.run_sync(codexs_login, house.own)
            assert by_newer == as_codex_says(house.account.login) != by_token
            nursery.cancel_scope.cancel()

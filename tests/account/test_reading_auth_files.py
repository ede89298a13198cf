"""auth.json is read as Codex reads it, written as Codex writes it, and Codex's own is never written."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from account_house import AccountHouse, access_token, chatgpt_members, id_token, jwt, write_auth
from codexd.account.claims import read_claims
from codexd.account.login import (
    ApiKey,
    Chatgpt,
    Unusable,
    checked_key,
    masked,
    read_login,
)
from trio_test import trio_test

KEY = "sk-test-0123456789abcdefghijklmnop"
ISSUER = "http://127.0.0.1:9"
TOKENS = chatgpt_members(ISSUER)["tokens"]

# As Codex 0.171 answers `account/read` for each: what the file holds, and the login in it.
FILES: dict[str, tuple[Any, str | None]] = {
    "a key": ({"auth_mode": "apikey", "OPENAI_API_KEY": KEY}, "apiKey"),
    "a key of an older Codex": ({"OPENAI_API_KEY": KEY}, "apiKey"),
    "a key before tokens, without a mode": ({"OPENAI_API_KEY": KEY, "tokens": TOKENS}, "apiKey"),
    "tokens": (chatgpt_members(ISSUER), "chatgpt"),
    "tokens without a mode": ({"tokens": TOKENS, "OPENAI_API_KEY": None}, "chatgpt"),
    "tokens beside a key, of the mode chatgpt": (
        chatgpt_members(ISSUER) | {"OPENAI_API_KEY": KEY},
        "chatgpt",
    ),
    "members that nobody knows": (
        {"auth_mode": "apikey", "OPENAI_API_KEY": KEY, "later": {"a": [1]}},
        "apiKey",
    ),
    "nothing": ({}, None),
    "a mode in other letters": ({"auth_mode": "apiKey", "OPENAI_API_KEY": KEY}, None),
    "a mode of a later Codex": ({"auth_mode": "zork", "OPENAI_API_KEY": KEY}, None),
    "a mode without its key": ({"auth_mode": "apikey", "OPENAI_API_KEY": None}, None),
    "a mode without its tokens": ({"auth_mode": "chatgpt", "OPENAI_API_KEY": None}, None),
    "an id token that is none": ({"tokens": TOKENS | {"id_token": "none"}}, None),
    "a time that is none": (chatgpt_members(ISSUER) | {"last_refresh": "yesterday"}, None),
    "half a file": ('{"OPENAI_API_KEY": "sk-', None),
    "a list": ("[]", None),
    "nothing at all": ("", None),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("is_codexs", [False, True], ids=["own", "codexs"])
def test_a_file_holds_the_login_that_codex_finds_in_it(
    tmp_path: Path, name: str, is_codexs: bool
) -> None:
    content, method = FILES[name]
    house = AccountHouse(tmp_path)
    file = write_auth(house.codexs if is_codexs else house.own, content)
    before = file.read_bytes()
    found = house.account.found()
    assert (found.login.method if found.login is not None else None) == method
    assert found.is_codexs == is_codexs
    assert file.read_bytes() == before
    if method is None and name != "nothing":
        assert found.problem is not None
        assert str(file) in found.problem
        assert KEY not in found.problem


def test_no_file_is_no_login_and_no_problem(tmp_path: Path) -> None:
    found = AccountHouse(tmp_path).account.found()
    assert (found.login, found.problem) == (None, None)


def test_a_link_or_a_pipe_in_the_place_of_the_file_holds_up_nothing(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    os.mkfifo(house.own / "auth.json")
    problem = house.account.found().problem
    assert problem is not None
    assert "expected a file, found a pipe" in problem


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    write_auth(house.own, {"OPENAI_API_KEY": KEY}).chmod(0o666)
    found = house.account.found()
    assert found.login is None
    assert "no other user may write" in str(found.problem)


def test_codexs_file_counts_only_where_there_is_none_of_codexd(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    write_auth(house.codexs, {"OPENAI_API_KEY": KEY})
    assert house.account.login == ApiKey(KEY)
    write_auth(house.own, {"OPENAI_API_KEY": None})
    assert house.account.login is None
    write_auth(house.own, {"OPENAI_API_KEY": KEY + "-own"})
    assert house.account.login == ApiKey(KEY + "-own")


def test_the_claims_of_a_token_are_read_without_a_signature() -> None:
    claims = read_claims(id_token("pro", "account-7", "user-7"))
    assert claims is not None
    assert (claims.email, claims.plan) == ("ann@example.org", "pro")
    assert (claims.account_id, claims.user_id) == ("account-7", "user-7")
    profile = {"https://api.openai.com/profile": {"email": "bob@example.org"}}
    auth = {"https://api.openai.com/auth": {"user_id": "u", "chatgpt_plan_type": 7}}
    other = read_claims(jwt(exp=12.5, **profile, **auth))
    assert other is not None
    assert (other.email, other.user_id, other.plan) == ("bob@example.org", "u", None)
    assert other.expires_at == 12.5


@pytest.mark.parametrize(
    "token",
    ["", "a.b", "a..c", "a.b.c.d", "a.!!!.c", "a.e30.c" * 100_000, "a." + "W1tb" * 5000 + ".c"],
    ids=["empty", "two", "no middle", "four", "no base64", "too long", "no table"],
)
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert read_claims(token) is None


@pytest.mark.parametrize("key", ["", "  \n", "sk two", "sk\x1b[31m", "sk-é", "a" * 70_000])
def test_a_key_that_is_none_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(Unusable) as caught:
        checked_key(key)
    assert "expected an API key" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_blanks_around_a_key_are_not_part_of_it() -> None:
    assert checked_key(f"  {KEY}\r\n") == KEY


def test_a_key_is_shown_by_its_ends_only() -> None:
    assert masked(KEY) == "sk-test-***mnop"
    assert masked("sk-short") == "***"
    assert KEY not in repr(ApiKey(KEY))
    login = read_login(chatgpt_members(ISSUER))
    assert isinstance(login, Chatgpt)
    assert not any(secret in repr(login) for secret in login.secrets)


@trio_test
async def test_a_key_is_written_as_codex_writes_it_for_this_user_alone(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    await house.account.log_in_with_key(f" {KEY}\n")
    file = house.own / "auth.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == (f'{{\n  "auth_mode": "apikey",\n  "OPENAI_API_KEY": "{KEY}"\n}}')
    assert KEY in house.secrets
    [(kind, fact)] = house.noted
    assert kind == "account.logged_in"
    assert fact == {"method": "apiKey", "fingerprint": ApiKey(KEY).fingerprint}
    assert KEY not in json.dumps(fact)


@trio_test
async def test_a_file_that_could_not_be_read_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    write_auth(house.own, '{"half').chmod(0o644)
    await house.account.log_in_with_key(KEY)
    assert house.account.login == ApiKey(KEY)
    kept = house.own / "auth.json.bak"
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == ('{"half', 0o600)
    await house.account.log_out()
    assert not kept.exists()


@trio_test
async def test_a_logout_leaves_codexs_file_and_is_one_all_the_same(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    file = write_auth(house.codexs, {"OPENAI_API_KEY": KEY})
    before = file.read_bytes()
    assert await house.account.log_out() == (True, str(file))
    assert house.account.login is None
    assert file.read_bytes() == before
    assert await house.account.log_out() == (False, str(file))
    assert [kind for kind, _ in house.noted] == ["account.logged_out"]


@trio_test
async def test_a_logout_deletes_codexds_own_file(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    await house.account.log_in_with_key(KEY)
    assert await house.account.log_out() == (True, None)
    assert await house.account.log_out() == (False, None)
    assert not (house.own / "auth.json").exists()


@pytest.mark.parametrize(
    ("config", "members", "allowed"),
    [
        ('forced_login_method = "api"', {"OPENAI_API_KEY": KEY}, True),
        ('forced_login_method = "api"', chatgpt_members(ISSUER), False),
        ('forced_login_method = "chatgpt"', {"OPENAI_API_KEY": KEY}, False),
        ('forced_login_method = "chatgpt"', chatgpt_members(ISSUER), True),
        ('forced_chatgpt_workspace_id = "account-1"', chatgpt_members(ISSUER), True),
        ('forced_chatgpt_workspace_id = "account-2"', chatgpt_members(ISSUER), False),
        ('forced_chatgpt_workspace_id = ["account-2"]', {"OPENAI_API_KEY": KEY}, True),
        (
            'forced_chatgpt_workspace_id = ["account-2", "account-1"]',
            chatgpt_members(ISSUER),
            True,
        ),
    ],
)
def test_a_login_that_the_config_does_not_allow_is_not_used(
    tmp_path: Path, config: str, members: dict[str, Any], allowed: bool
) -> None:
    house = AccountHouse(tmp_path, config)
    write_auth(house.own, members)
    found = house.account.found()
    assert (found.login is not None) == allowed
    assert (found.problem is None) == allowed


def test_another_programs_change_counts_at_once_and_all_are_told(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    assert house.account.login is None
    write_auth(house.codexs, {"OPENAI_API_KEY": KEY})
    assert house.account.login == ApiKey(KEY)
    write_auth(house.codexs, chatgpt_members(ISSUER, access_token=access_token("newer")))
    assert isinstance(house.account.login, Chatgpt)
    told = [msgspec.to_builtins(params) for _, params in house.told]
    assert told == [
        {"authMode": "apikey", "planType": None},
        {"authMode": "chatgpt", "planType": "plus"},
    ]

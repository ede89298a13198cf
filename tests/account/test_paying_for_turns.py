"""What a turn's requests are paid with: a login or a key, as it was when the turn began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from account_house import AccountHouse, chatgpt_members, issuer_server, write_auth
from codexd.account.login import ApiKey
from codexd.models.client import ModelError
from trio_test import trio_test

KEY = "sk-login-0123456789abcdefghij"
OTHER = "sk-other-0123456789abcdefghij"
VARIABLE = "OPENAI_API_KEY"
LOGIN = {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}
CONFIG = """
[model_providers.theirs]
base_url = "http://127.0.0.1:9/v1"
env_key = "THEIR_KEY"
[model_providers.both]
base_url = "http://127.0.0.1:9/v1"
env_key = "THEIR_KEY"
requires_openai_auth = true
[model_providers.login]
base_url = "http://127.0.0.1:9/v1"
requires_openai_auth = true
[model_providers.header]
base_url = "http://127.0.0.1:9/v1"
requires_openai_auth = true
http_headers = { Authorization = "Bearer theirs" }
"""


async def paid(house: AccountHouse, provider: str, turn: str = "turn") -> dict[str, str]:
    """The headers of a request."""
    return dict((await house.providers.payment(provider, turn).headers()).pairs)


async def bearer(house: AccountHouse, provider: str, turn: str = "turn") -> str:
    return (await paid(house, provider, turn))["authorization"].removeprefix("Bearer ")


@trio_test
async def test_a_key_that_came_with_a_turn_of_exec_pays_for_it_in_place_of_the_login(
    tmp_path: Path,
) -> None:
    house = AccountHouse(tmp_path, CONFIG, {"THEIR_KEY": "theirs"})
    write_auth(house.own, LOGIN)
    house.payments.begin("exec", {"CODEX_API_KEY": f"{OTHER}\n"})
    assert await bearer(house, "openai", "exec") == OTHER
    assert await bearer(house, "login", "exec") == OTHER
    assert await bearer(house, "both", "exec") == "theirs"
    house.payments.begin("later", {})
    assert await bearer(house, "openai", "later") == KEY


@pytest.mark.parametrize(
    ("provider", "login", "env", "expected"),
    [
        ("openai", LOGIN, {}, KEY),
        ("openai", LOGIN, {VARIABLE: OTHER}, KEY),
        ("openai", None, {VARIABLE: f" {OTHER}\n"}, OTHER),
        ("theirs", LOGIN, {"THEIR_KEY": OTHER, VARIABLE: "x"}, OTHER),
        ("both", LOGIN, {"THEIR_KEY": OTHER}, OTHER),
        ("both", LOGIN, {}, KEY),
        ("login", LOGIN, {VARIABLE: OTHER}, KEY),
        ("header", LOGIN, {}, "theirs"),
    ],
)
@trio_test
async def test_a_key_that_a_person_named_comes_before_the_login_and_the_built_in_one_after(
    tmp_path: Path, provider: str, login: dict[str, Any] | None, env: dict[str, str], expected: str
) -> None:
    house = AccountHouse(tmp_path, CONFIG, env)
    if login is not None:
        write_auth(house.own, login)
    assert await bearer(house, provider) == expected


@pytest.mark.parametrize(
    ("provider", "ways"),
    [
        ("openai", ("OPENAI_API_KEY", "`codexctl login`", "`codexctl send --oss`")),
        ("login", ("`codexctl login`", "env_key", "`codexctl send --oss`")),
        ("theirs", ("THEIR_KEY", "`codexctl send --oss`")),
    ],
)
@trio_test
async def test_without_any_the_error_names_every_way_out(
    tmp_path: Path, provider: str, ways: tuple[str, ...]
) -> None:
    house = AccountHouse(tmp_path, CONFIG)
    with pytest.raises(ModelError) as caught:
        await paid(house, provider)
    assert (caught.value.info, caught.value.retry) == ("unauthorized", False)
    assert "Nothing was sent." in caught.value.message
    for way in ways:
        assert way in caught.value.message
    assert ("codexctl login" in caught.value.message) == (provider != "theirs")


@trio_test
async def test_a_login_with_chatgpt_has_its_own_headers_and_address(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path, CONFIG + "[projects]\n", {VARIABLE: OTHER})
    members = chatgpt_members("http://127.0.0.1:9")
    write_auth(house.own, members)
    headers = await paid(house, "openai")
    assert headers["authorization"] == f"Bearer {members['tokens']['access_token']}"
    assert (headers["chatgpt-account-id"], headers["originator"]) == ("account-1", "codexd")
    placed = house.providers.placed("openai", "turn")
    assert placed.url_of("responses") == "https://chatgpt.com/backend-api/codex/responses"
    assert house.providers.placed("login", "turn").base_url == "http://127.0.0.1:9/v1"
    write_auth(house.own, LOGIN)
    assert house.providers.placed("openai", "later").base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("config", "base_url"),
    [
        (
            'chatgpt_base_url = "http://127.0.0.1:7/backend-api/"',
            "http://127.0.0.1:7/backend-api/codex",
        ),
        ('openai_base_url = "http://127.0.0.1:8/v1"', "http://127.0.0.1:8/v1"),
    ],
)
@trio_test
async def test_the_config_may_name_another_address(
    tmp_path: Path, config: str, base_url: str
) -> None:
    house = AccountHouse(tmp_path, config)
    write_auth(house.own, chatgpt_members("http://127.0.0.1:9"))
    assert house.providers.placed("openai", "turn").base_url == base_url


@trio_test
async def test_a_turn_keeps_what_it_started_with(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    write_auth(house.own, LOGIN)
    assert await bearer(house, "openai", "running") == KEY
    await house.account.log_in_with_key(OTHER)
    assert await bearer(house, "openai", "running") == KEY
    assert await bearer(house, "openai", "next") == OTHER
    await house.account.log_out()
    assert await bearer(house, "openai", "running") == KEY
    assert await bearer(house, "openai", "next") == OTHER
    with pytest.raises(ModelError):
        await bearer(house, "openai", "last")


@trio_test
async def test_a_change_of_the_providers_table_changes_no_login_of_a_turn(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path, CONFIG)
    write_auth(house.own, LOGIN)
    assert await bearer(house, "login", "running") == KEY
    await house.account.log_in_with_key(OTHER)
    house.config.file.write_text(CONFIG.replace("requires", "stream_max_retries = 1\nrequires"))
    assert house.providers.provider("login").stream_max_retries == 1
    assert await bearer(house, "login", "running") == KEY


@trio_test
async def test_the_shell_that_sends_a_turn_may_bring_the_key(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path, env={VARIABLE: "sk-of-the-daemon-0123456789"})
    house.payments.begin("first", {VARIABLE: KEY})
    house.payments.begin("second", {VARIABLE: OTHER})
    house.payments.begin("third", {})
    assert await bearer(house, "openai", "first") == KEY
    assert await bearer(house, "openai", "second") == OTHER
    assert await bearer(house, "openai", "third") == OTHER  # the newest that any shell has brought
    assert {KEY, OTHER} <= set(house.secrets)
    assert house.payments.value(VARIABLE) == OTHER


@trio_test
async def test_the_same_account_has_the_same_fingerprint_however_it_is_paid(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path, env={VARIABLE: KEY})
    by_variable = house.providers.payment("openai", "one").fingerprint
    await house.account.log_in_with_key(KEY)
    assert house.providers.payment("openai", "two").fingerprint == by_variable
    assert by_variable == ApiKey(KEY).fingerprint
    assert KEY not in by_variable
    keyless = {house.providers.payment(name, "one").fingerprint for name in ("ollama", "vllm")}
    assert len(keyless) == 2
    await house.account.log_in_with_key(OTHER)
    assert house.providers.payment("openai", "three").fingerprint != by_variable


@trio_test
async def test_the_variables_that_a_shell_may_bring_are_those_of_providers(tmp_path: Path) -> None:
    more = '[model_providers.more]\nbase_url = "http://127.0.0.1:9"\n'
    house = AccountHouse(tmp_path, f'{CONFIG}{more}env_http_headers = {{ "X-Key" = "MORE" }}')
    names = house.providers.given_variables()
    assert {"OPENAI_API_KEY", "THEIR_KEY", "MORE", "GROQ_API_KEY"} <= set(names)
    assert "PATH" not in names


@trio_test
async def test_the_limits_of_a_plan_are_asked_of_the_server_that_takes_its_requests(
    tmp_path: Path,
) -> None:
    with issuer_server() as server:
        server.usage = {"plan_type": "plus"}
        house = AccountHouse(tmp_path, f'chatgpt_base_url = "{server.url}/backend-api"\n{CONFIG}')
        write_auth(house.own, LOGIN)
        assert await house.providers.chatgpt_usage("openai") is None
        write_auth(house.own, chatgpt_members(server.url))
        assert await house.providers.chatgpt_usage("login") is None
        assert server.asked == []
        assert await house.providers.chatgpt_usage("openai") == b'{"plan_type": "plus"}'
        [(path, headers)] = server.asked
        assert path == "/backend-api/wham/usage"
        assert headers["chatgpt-account-id"] == "account-1"
        await house.providers.aclose()

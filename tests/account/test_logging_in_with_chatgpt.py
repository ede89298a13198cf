"""A login with ChatGPT: in a browser with a proof of who began it, or by a code; one at a time, and cancelled at will."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
import trio
import trio.testing

from account_house import AccountHouse, IssuerServer, id_token, issuer_server, write_auth
from codexd.account.issuer import Issuer, IssuerFailed
from codexd.account.login import Chatgpt, Unusable
from codexd.account.under_way import Begun
from login_server import get
from trio_test import trio_test

WORKSPACE = 'forced_chatgpt_workspace_id = "account-9"'


class Scene:
    """An account whose logins run, and its issuer."""

    def __init__(self, house: AccountHouse, server: IssuerServer) -> None:
        self.house, self.server = house, server

    async def begin(self, login_id: str = "1", *, by_code: bool = False) -> Begun:
        account = self.house.account
        begin = account.under_way.by_code if by_code else account.under_way.in_browser
        return await begin(account.issuer(), login_id)

    async def grant(self, begun: Begun, **other: str) -> str:
        return await trio.to_thread.run_sync(lambda: self.server.grant(begun.url, **other))

    async def wait_told(self, count: int) -> list[tuple[str, object]]:
        while len(self.house.told) < count:
            await trio.testing.wait_all_tasks_blocked(0.001)
        return [(method, msgspec.to_builtins(params)) for method, params in self.house.told]


@asynccontextmanager
async def scene(root: Path, more: str = "") -> AsyncIterator[Scene]:
    with issuer_server() as server:
        table = f'[login]\nissuer = "{server.url}"\nclient_id = "client-1"'
        house = AccountHouse(root, f"{more}\n{table}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.account.run)
            await trio.testing.wait_all_tasks_blocked()
            yield Scene(house, server)
            nursery.cancel_scope.cancel()


def ended(login_id: str, error: str | None = None) -> tuple[str, object]:
    said = {"loginId": login_id, "success": error is None, "error": error}
    return "account/login/completed", said


LOGGED_IN = ("account/updated", {"authMode": "chatgpt", "planType": "plus"})


@trio_test
async def test_a_browser_comes_back_with_a_code_for_tokens(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        begun = await at.begin()
        query = dict(parse_qsl(urlsplit(begun.url).query))
        assert begun.url.startswith(f"{at.server.url}/oauth/authorize?")
        assert query["code_challenge_method"] == "S256"
        assert (query["client_id"], query["response_type"]) == ("client-1", "code")
        assert "offline_access" in query["scope"]
        assert "You are logged in." in await at.grant(begun)
        assert await at.wait_told(2) == [ended("1"), LOGGED_IN]
        stored = at.house.stored()
        assert stored["auth_mode"] == "chatgpt"
        assert stored["OPENAI_API_KEY"] is None
        assert stored["tokens"]["account_id"] == "account-1"
        assert stored["tokens"]["refresh_token"] == "refresh-1"
        provenance = {"issuer": at.server.url, "client_id": "client-1"}
        assert stored["tokens"]["oauth_provenance"] == provenance
        assert stored["last_refresh"].endswith("Z")
        login = at.house.account.login
        assert isinstance(login, Chatgpt)
        assert set(login.secrets) <= set(at.house.secrets)
        assert [kind for kind, _ in at.house.noted] == ["account.logged_in"]


@trio_test
async def test_only_the_logins_own_browser_ends_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        begun = await at.begin()
        back = dict(parse_qsl(urlsplit(begun.url).query))["redirect_uri"]
        for address in (
            f"{back}?code=c&state=other",
            f"{back}?code=c",
            f"{back}?state=",
            back.replace("/auth/callback", "/"),
        ):
            assert await trio.to_thread.run_sync(get, address) == "404"
        assert at.server.asked == []
        await at.grant(begun)
        assert (await at.wait_told(2))[0] == ended("1")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ({"error": "access_denied", "error_description": "not you"}, "it was refused: not you"),
        ({"code": "unknown"}, "the issuer answered HTTP 400: the verifier is wrong"),
    ],
)
@trio_test
async def test_a_login_that_is_refused_stores_nothing(
    tmp_path: Path, refusal: dict[str, str], words: str
) -> None:
    async with scene(tmp_path) as at:
        begun = await at.begin()
        state = dict(parse_qsl(urlsplit(begun.url).query))
        back = "&".join(f"{name}={value}" for name, value in refusal.items())
        address = f"{state['redirect_uri']}?{back}&state={state['state']}".replace(" ", "+")
        assert words.rsplit(":", maxsplit=1)[-1] in await trio.to_thread.run_sync(get, address)
        assert await at.wait_told(1) == [ended("1", words)]
        assert at.house.account.login is None


@trio_test
async def test_a_login_to_another_workspace_than_the_config_allows_is_refused(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, WORKSPACE) as at:
        assert "another workspace" in await at.grant(await at.begin())
        [(_, said)] = await at.wait_told(1)
        assert isinstance(said, dict)
        assert not said["success"]
        assert not (at.house.own / "auth.json").exists()


@trio_test
async def test_a_code_is_asked_about_until_it_is_granted(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        begun = await at.begin(by_code=True)
        assert begun == Begun("1", f"{at.server.url}/codex/device", "ABCD-1234")
        assert await at.wait_told(2) == [ended("1"), LOGGED_IN]
        asked = [path for path, _ in at.server.asked]
        assert asked == [
            "/api/accounts/deviceauth/usercode",
            "/api/accounts/deviceauth/token",
            "/oauth/token",
        ]
        assert at.server.asked[-1][1]["redirect_uri"] == f"{at.server.url}/deviceauth/callback"


@pytest.mark.parametrize("by_code", [False, True], ids=["browser", "code"])
@trio_test
async def test_a_login_is_cancelled_by_its_id_and_a_new_one_gives_it_up(
    tmp_path: Path, by_code: bool
) -> None:
    async with scene(tmp_path) as at:
        at.server.pending = 1_000_000
        await at.begin("1", by_code=by_code)
        under_way = at.house.account.under_way
        assert not under_way.give_up("other")
        assert under_way.give_up("1")
        assert not under_way.give_up("1")
        await at.begin("2", by_code=by_code)
        await at.begin("3", by_code=by_code)
        given_up = [ended(login, "the login was given up") for login in ("1", "2")]
        assert await at.wait_told(2) == given_up
        await at.house.account.log_in_with_key("sk-0123456789")
        assert (await at.wait_told(3))[2] == ended("3", "the login was given up")


@trio_test
async def test_a_logout_takes_the_tokens_back_from_the_issuer(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.grant(await at.begin())
        await at.wait_told(2)
        assert await at.house.account.log_out() == (True, None)
        while "/oauth/revoke" not in [path for path, _ in at.server.asked]:
            await trio.testing.wait_all_tasks_blocked(0.001)
        assert at.server.asked[-1][1]["token"] == "refresh-1"
        assert not (at.house.own / "auth.json").exists()


@trio_test
async def test_the_method_that_the_config_does_not_allow_is_refused(tmp_path: Path) -> None:
    for forced in ("chatgpt", "api"):
        (tmp_path / forced).mkdir()
        house = AccountHouse(tmp_path / forced, f'forced_login_method = "{forced}"')
        with pytest.raises(Unusable, match=f'allows "{forced}" only'):
            await house.account.log_in_with_key(
                "sk-0123456789"
            ) if forced == "chatgpt" else house.account.refuse_chatgpt()
        house.account.refuse_chatgpt() if forced == "chatgpt" else await (
            house.account.log_in_with_key("sk-0123456789")
        )


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "http://127.0.0.1.example.org"]
)
@trio_test
async def test_tokens_go_over_tls_or_stay_on_this_machine(url: str) -> None:
    with pytest.raises(IssuerFailed, match="expected an issuer at https"):
        await Issuer(url, "client-1", {}).refresh("refresh-0")


@trio_test
async def test_an_issuer_that_is_not_there_is_an_error_with_its_name() -> None:
    with pytest.raises(IssuerFailed, match=r"127\.0\.0\.1:9 cannot be reached"):
        await Issuer("http://127.0.0.1:9", "client-1", {}).device_code()


def test_a_plan_that_nobody_knows_is_unknown_on_the_wire(tmp_path: Path) -> None:
    house = AccountHouse(tmp_path)
    house.account.found()
    members = {
        "tokens": {
            "id_token": id_token("zork"),
            "access_token": id_token(),
            "refresh_token": "r",
        }
    }
    write_auth(house.own, members)
    house.account.found()
    assert msgspec.to_builtins(house.told[-1][1]) == {"authMode": "chatgpt", "planType": "unknown"}

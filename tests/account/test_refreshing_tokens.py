"""Tokens are refreshed once for all who need them, before they are used or when they are refused, and never by halves."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from account_house import (
    AccountHouse,
    IssuerServer,
    Json,
    access_token,
    chatgpt_members,
    issuer_server,
    write_auth,
)
from codexd.account.issuer import IssuerFailed
from codexd.account.login import Chatgpt
from codexd.account.refresh import LoginEnded, is_stale
from codexd.models.client import ModelClient, ModelError
from codexd.models.scripted.scripts import Fail, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from over_http import REQUEST
from trio_test import trio_test

HI = Say(("Hi",))
REFUSED = Fail(401, body=b'{"error":{"message":"expired"}}')
PROVIDER = '[model_providers.mock]\nbase_url = "{url}"\nrequires_openai_auth = true\n'


class Scene:
    """A login with ChatGPT, its issuer, and a model that takes it."""

    def __init__(self, house: AccountHouse, issuer: IssuerServer, model: ScriptedModel) -> None:
        self.house, self.issuer, self.model = house, issuer, model

    @property
    def login(self) -> Chatgpt:
        login = self.house.account.login
        assert isinstance(login, Chatgpt)
        return login

    def client(self, turn_id: str = "turn-1") -> ModelClient:
        return self.house.providers.client("mock", turn_id)

    @property
    def tokens(self) -> list[str]:
        """The tokens of the requests that arrived."""
        return [
            request.headers["authorization"].removeprefix("Bearer ")
            for request in self.model.requests
        ]

    async def wait_refreshes(self, count: int) -> None:
        await trio.to_thread.run_sync(self.issuer.arrived.wait, 60)
        while self.issuer.refreshes < count:
            await trio.testing.wait_all_tasks_blocked(0.001)


@asynccontextmanager
async def scene(root: Path, *replies: Say | Fail, **tokens: object) -> AsyncIterator[Scene]:
    with issuer_server() as issuer:
        async with scripted_model(list(replies)) as model, trio.open_nursery() as nursery:
            house = AccountHouse(root, PROVIDER.format(url=model.base_url))
            write_auth(house.own, chatgpt_members(issuer.url, **tokens))
            nursery.start_soon(house.account.run)
            await trio.testing.wait_all_tasks_blocked()
            try:
                yield Scene(house, issuer, model)
            finally:
                with trio.CancelScope(shield=True):
                    await house.providers.aclose()
            nursery.cancel_scope.cancel()


async def ask(client: ModelClient) -> None:
    async with client.stream(REQUEST) as stream:
        while await stream.receive():
            pass


async def error_of(client: ModelClient) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await ask(client)
    return caught.value


@trio_test
async def test_a_refused_token_is_refreshed_and_the_request_is_sent_once_more(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, REFUSED, HI, HI) as at:
        first = at.login.access_token
        before = at.house.stored()
        await ask(at.client())
        assert at.issuer.refreshes == 1
        assert at.issuer.asked[0] == (
            "/oauth/token",
            {"client_id": "client-1", "grant_type": "refresh_token", "refresh_token": "refresh-0"},
        )
        newer = at.login.access_token
        assert at.tokens == [first, newer]
        after = at.house.stored()
        assert after["tokens"]["refresh_token"] == "refresh-1"
        assert after["tokens"]["oauth_provenance"] == before["tokens"]["oauth_provenance"]
        assert after["last_refresh"] > before["last_refresh"]
        await ask(at.client())  # The same turn goes on with the newer token.
        assert at.tokens == [first, newer, newer]
        assert {newer, "refresh-1"} <= set(at.house.secrets)


@trio_test
async def test_a_request_that_is_refused_twice_is_not_sent_a_third_time(tmp_path: Path) -> None:
    async with scene(tmp_path, REFUSED, REFUSED, HI) as at:
        error = await error_of(at.client())
        assert (error.info, error.retry) == ("unauthorized", False)
        assert "It is the login with ChatGPT: `codexctl login` replaces it" in error.message
        assert (len(at.tokens), at.issuer.refreshes) == (2, 1)


@trio_test
async def test_all_who_need_newer_tokens_wait_for_one_refresh(tmp_path: Path) -> None:
    refused = [REFUSED] * 5
    async with scene(tmp_path, *refused, *[HI] * 5) as at:
        at.issuer.gate = threading.Event()
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(ask, at.client(f"turn-{number}"))
            await at.model.wait_requests(5)
            await at.wait_refreshes(1)
            at.issuer.gate.set()
        assert at.issuer.refreshes == 1
        assert len(set(at.tokens)) == 2


@trio_test
async def test_an_interrupt_does_not_end_a_refresh_half_way(tmp_path: Path) -> None:
    async with scene(tmp_path, REFUSED, REFUSED, HI) as at:
        at.issuer.gate = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, at.client())
            await at.wait_refreshes(1)
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, at.client("turn-2"))  # It joins the refresh that goes on.
            await at.model.wait_requests(2)
            at.issuer.gate.set()
        assert at.issuer.refreshes == 1
        assert at.house.stored()["tokens"]["refresh_token"] == "refresh-1"
        assert at.tokens[2] == at.login.access_token


ENDED = "the login with ChatGPT cannot be refreshed: "


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((401, {"error": {"code": "refresh_token_expired"}}), "the login has expired"),
        ((401, {"error": {"code": "refresh_token_reused"}}), "its refresh token was used already"),
        ((401, {"error": {"code": "refresh_token_invalidated"}}), "the login was revoked"),
        ((400, {"error": "invalid_grant"}), "the login was revoked or has expired"),
        ((403, {"error": {"message": "no"}}), "the issuer answered HTTP 403: no"),
    ],
)
@trio_test
async def test_a_refusal_says_what_to_do_and_is_not_asked_for_again(
    tmp_path: Path, refusal: tuple[int, Json], words: str
) -> None:
    async with scene(tmp_path, REFUSED, REFUSED) as at:
        at.issuer.refusal = refusal
        for turn in ("turn-1", "turn-2"):
            error = await error_of(at.client(turn))
            assert f"{ENDED}{words}" in error.message
            assert "Run `codexctl login`." in error.message
            assert (error.info, error.retry) == ("unauthorized", False)
        assert at.issuer.refreshes == 1


@pytest.mark.parametrize("status", [429, 500, 503])
@trio_test
async def test_an_issuer_that_cannot_answer_now_is_asked_again_later(
    tmp_path: Path, status: int
) -> None:
    async with scene(tmp_path, REFUSED, REFUSED, HI) as at:
        at.issuer.refusal = (status, {})
        error = await error_of(at.client())
        assert error.retry
        assert f"could not be refreshed: the issuer answered HTTP {status}" in error.message
        at.issuer.refusal = None
        await ask(at.client())
        assert at.issuer.refreshes == 2


@trio_test
async def test_codexs_tokens_are_used_and_never_refreshed(tmp_path: Path) -> None:
    async with scene(tmp_path, HI, REFUSED, REFUSED, HI) as at:
        own = at.house.own / "auth.json"
        file = write_auth(at.house.codexs, own.read_text())
        own.unlink()
        await ask(at.client())
        error = await error_of(at.client())
        assert f"{file}, which is Codex's, is no longer valid" in error.message
        assert "run `codex` once, or `codexctl login`" in error.message
        newer = access_token("by codex")
        write_auth(at.house.codexs, chatgpt_members(at.issuer.url, access_token=newer))
        await ask(at.client())  # Codex has refreshed them: the turn takes the newer token.
        assert at.tokens[-1] == newer
        assert (at.issuer.refreshes, own.exists()) == (0, False)


@pytest.mark.parametrize("change", ["logged out", "logged in to another account"])
@trio_test
async def test_a_turn_whose_login_is_gone_is_told_so(tmp_path: Path, change: str) -> None:
    async with scene(tmp_path, HI, HI, REFUSED) as at:
        await ask(at.client())
        if change == "logged out":
            await at.house.account.log_out()
        else:
            await at.house.account.log_in_with_key("sk-another-0123456789")
        await ask(at.client())  # It keeps what it started with.
        error = await error_of(at.client())
        assert f"somebody has {change} since this turn started" in error.message
        assert at.issuer.refreshes == 0


@trio_test
async def test_a_refresh_during_a_logout_brings_the_login_back_nowhere(tmp_path: Path) -> None:
    async with scene(tmp_path, REFUSED, HI) as at:
        at.issuer.gate = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, at.client())
            await at.wait_refreshes(1)
            await at.house.account.log_out()
            at.issuer.gate.set()
        assert not (at.house.own / "auth.json").exists()
        assert len(at.tokens) == 2


@trio_test
async def test_tokens_of_another_account_are_not_taken(tmp_path: Path) -> None:
    async with scene(tmp_path, REFUSED) as at:
        at.issuer.account = "account-2"
        before = at.house.stored()
        error = await error_of(at.client())
        assert "the issuer gave the tokens of another account" in error.message
        assert at.house.stored() == before


@trio_test
async def test_an_expired_token_is_refreshed_before_it_is_sent(tmp_path: Path) -> None:
    async with scene(tmp_path, HI, access_token=access_token("old", seconds=30)) as at:
        await ask(at.client())
        assert (at.issuer.refreshes, len(at.tokens)) == (1, 1)
        assert at.tokens == [at.login.access_token]


@trio_test
async def test_an_old_token_is_sent_all_the_same_where_no_newer_one_is_to_be_had(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, HI, access_token=access_token("old", seconds=30)) as at:
        at.issuer.refusal = (503, {})
        await ask(at.client())
        assert (at.issuer.refreshes, len(at.tokens)) == (1, 1)


@trio_test
async def test_whoever_asks_for_newer_tokens_gets_them(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        old = at.login
        newer = await at.house.account.renewed(old)
        assert newer.access_token != old.access_token
        assert await at.house.account.renewed(old) == newer
        at.issuer.refusal = (503, {})
        with pytest.raises(IssuerFailed):
            await at.house.account.renewed(newer)
        at.issuer.refusal = (401, {})
        with pytest.raises(LoginEnded):
            await at.house.account.renewed(newer)


def test_tokens_older_than_four_weeks_are_stale_and_those_without_a_date_are_not(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    house = AccountHouse(tmp_path)
    write_auth(house.own, chatgpt_members("http://127.0.0.1:9"))
    login = house.account.login
    assert isinstance(login, Chatgpt)
    login = msgspec.structs.replace(login, expires_at=None)
    for days, stale in ((27, False), (29, True)):
        written = (now - timedelta(days=days)).isoformat().replace("+00:00", ".062513Z")
        assert is_stale(msgspec.structs.replace(login, last_refresh=written), now) == stale
    assert not is_stale(msgspec.structs.replace(login, last_refresh=None), now)
    soon = msgspec.structs.replace(login, expires_at=now.timestamp() + 30)
    assert is_stale(soon, now)

"""MCP servers over HTTP that want a token: a login by OAuth, or a variable of the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trio
import trio.testing

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import PATIENCE_SECONDS, Home
from login_server import get
from oauth_server import REFRESH, OauthServer, oauth_server
from trio_test import trio_test

OK: Reply = (Say(("ok",)),)


async def status(client: Client) -> Json:
    """The one server, started."""
    (server,) = (await client.call("mcpServerStatus/list", serverName="web", start=True))["data"]
    assert isinstance(server, dict)
    return server


async def until_connected(client: Client) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while (await status(client))["runtimeStatus"] != "connected":
            await trio.testing.wait_all_tasks_blocked(0.05)


async def codexctl(home: Home, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "codexd_frontends.ctl", "mcp", *words]
    return await trio.to_thread.run_sync(
        lambda: subprocess.Popen(
            command, env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    )


async def address_of(login: subprocess.Popen[bytes]) -> str:
    """The address that a login shows."""
    assert login.stderr is not None
    while line := (await trio.to_thread.run_sync(login.stderr.readline)).decode():
        if line.strip().startswith("http"):
            return line.strip()
    raise AssertionError(login.stdout and login.stdout.read())


async def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    output, errors = await trio.to_thread.run_sync(process.communicate)
    return process.returncode, (output + errors).decode()


def bytes_of(folder: Path, *, but: str) -> bytes:
    return b"".join(
        path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and but not in path.parts and path.suffix != ".sock"
    )


def configured(home: Home, model: str, server: OauthServer, more: str = "") -> None:
    home.use_model(model)
    with (home.path / "config.toml").open("a") as file:
        file.write(f'[mcp_servers.web]\nurl = "{server.url}"\n{more}')


@trio_test
async def test_a_login_in_a_browser_gives_tokens_that_are_kept_refreshed_and_forgotten(
    home: Home,
) -> None:
    replies = [(Call("mcp__web__who", "{}"),), OK]
    with oauth_server() as server:
        server.lifetime = 1  # It has expired when it is next used.
        async with scripted_model(replies) as model:
            configured(home, model.base_url, server)
            daemon = home.start()
            async with connected(home.socket) as client:
                before = await status(client)
                login = await codexctl(home, "login", "web", "--no-browser")
                address = await address_of(login)
                page = await trio.to_thread.run_sync(server.grant, address)
                assert await ended(login) == (0, "logged in at web\n")
                await until_connected(client)
                thread = await client.start_thread(cwd=str(home.work))
                await client.run_turn(thread, "go")
                assert "Ann" in model.requests[-1].body.decode()
            asked = {key: value[0] for key, value in parse_qs(urlsplit(address).query).items()}
            (file,) = (home.path / "mcp-logins").iterdir()
            assert file.stat().st_mode & 0o777 == 0o600
            daemon.kill()
            daemon = home.start()
            async with connected(home.socket) as client:
                await until_connected(client)
                logged_in = await status(client)
                logout = await ended(await codexctl(home, "logout", "web"))
                again = await ended(await codexctl(home, "logout", "web"))
                after = await status(client)
    assert "The login is complete." in page
    assert before["runtimeStatus"] == "authenticationRequired"
    assert before["authStatus"] == "notLoggedIn"
    assert before["codexd"]["error"] == "it wants a login: codexctl mcp login web"
    assert asked["resource"] == server.url
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [grant["grant_type"] for grant in server.grants[:2]] == [
        "authorization_code",
        "refresh_token",
    ]
    assert len(server.registered) == 1
    assert logged_in["authStatus"] == "oAuth"
    assert logout == (0, "logged out at web\n")
    assert again == (0, "there was no login at web\n")
    assert not list(file.parent.iterdir())
    assert after["runtimeStatus"] == "authenticationRequired"
    kept = bytes_of(home.path, but="mcp-logins")
    assert REFRESH.encode() not in kept
    assert b"access-token-1" not in kept


@trio_test
async def test_only_the_way_back_of_a_login_ends_it_and_a_refusal_stores_nothing(
    home: Home,
) -> None:
    with oauth_server() as server:
        async with scripted_model([]) as model:
            configured(home, model.base_url, server, "scopes = ['read', 'write']\n")
            home.start()
            login = await codexctl(home, "login", "web", "--no-browser")
            address = await address_of(login)
            asked = {key: value[0] for key, value in parse_qs(urlsplit(address).query).items()}
            back = asked["redirect_uri"]
            assert await trio.to_thread.run_sync(get, f"{back}?code=x&state=other") == "404"
            assert await trio.to_thread.run_sync(get, f"{back}?code=x") == "404"
            refusal = f"{back}?error=access_denied&state={asked['state']}"
            page = await trio.to_thread.run_sync(get, refusal)
            code, words = await ended(login)
    assert asked["scope"] == "read write"
    assert "The login was refused." in page
    assert code == 1
    assert "the server refused the login: access_denied" in words
    assert not (home.path / "mcp-logins").exists()


@trio_test
async def test_a_bearer_token_comes_from_a_variable_and_is_written_nowhere(home: Home) -> None:
    more = (
        'bearer_token_env_var = "WEB_TOKEN"\nhttp_headers = { X-Fixed = "one" }\n'
        'env_http_headers = { X-From = "WEB_HEADER", X-Unset = "NOT_SET" }\n'
    )
    token, header = "bearer-token-of-ann", "header-value-of-ann"
    replies = [(Call("mcp__web__who", "{}"),), OK]
    with oauth_server() as server:
        server.valid = {token}
        async with scripted_model(replies) as model:
            configured(home, model.base_url, server, more)
            daemon = home.start()
            async with connected(home.socket) as client:
                missing = await status(client)
            daemon.kill()
            home.env |= {"WEB_TOKEN": token, "WEB_HEADER": header}
            daemon = home.start()
            async with connected(home.socket) as client:
                thread = await client.start_thread(cwd=str(home.work))
                await client.run_turn(thread, "go")
                assert "Ann" in model.requests[-1].body.decode()
                good = await status(client)
            daemon.kill()
            server.valid = set()
            daemon = home.start()
            async with connected(home.socket) as client:
                refused = await status(client)
        headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert missing["runtimeStatus"] == "authenticationRequired"
    assert "is not set" in missing["codexd"]["error"]
    assert good["authStatus"] == "bearerToken"
    assert refused["runtimeStatus"] == "authenticationRequired"
    assert headers["x-fixed"] == "one"
    assert headers["x-from"] == header
    assert "x-unset" not in headers
    kept = bytes_of(home.path, but="mcp-logins")
    assert token.encode() not in kept
    assert header.encode() not in kept

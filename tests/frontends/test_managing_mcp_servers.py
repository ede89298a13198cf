"""codexctl mcp, and what a person types to answer a question of an MCP server."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from codexd_frontends.cli.elicited import Elicited, elicited, keys_of
from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.ctl import main

from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]
SERVER: Json = {
    "name": "web",
    "authStatus": "notLoggedIn",
    "runtimeStatus": "authenticationRequired",
    "tools": {"who": {"name": "who", "description": "Who\x1b[2J\nis it?"}},
    "codexd": {
        "transport": "https://example.org/mcp",
        "error": "it wants a login",
        "modelNames": {"who": "mcp__web__who"},
    },
}


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", str(fake.path), "mcp", *words])


def sent(fake: FakeDaemon, method: str) -> Json:
    (request,) = [message for message in fake.heard() if message.get("method") == method]
    params: Json = request["params"]
    return params


def test_the_servers_are_listed_with_their_states(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("mcpServerStatus/list", {"data": [], "nextCursor": None})
        assert run(fake, "list") == 0
        assert "has no MCP servers" in capfd.readouterr().out
        fake.answer("mcpServerStatus/list", {"data": [SERVER], "nextCursor": None})
        assert run(fake, "list") == 0
        assert capfd.readouterr().out == (
            "NAME  STATE        AUTH           TOOLS  COMMAND OR ADDRESS\n"
            "web   needs login  not logged in  1      https://example.org/mcp\n"
            "web: it wants a login\n"
        )
        assert run(fake, "list", "--json") == 0
    assert json.loads(capfd.readouterr().out)["servers"] == [SERVER]


def test_one_server_is_started_and_its_tools_are_shown(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("mcpServerStatus/list", {"data": [SERVER], "nextCursor": None})
        assert run(fake, "get", "web") == 0
        assert sent(fake, "mcpServerStatus/list") == {"serverName": "web", "start": True}
        shown = capfd.readouterr().out
        assert "\x1b" not in shown
        assert "  tool       mcp__web__who: Who" in shown
        fake.answer("mcpServerStatus/list", {"data": [], "nextCursor": None})
        assert run(fake, "get", "other") == 1
    assert capfd.readouterr().err == "codexctl: No MCP server named 'other' found.\n"


def test_a_server_is_added_with_its_command_or_its_address(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("mcpServer/config/add", {"file": "/h/config.toml"})
        assert run(fake, "add", "a", "--env", "K=v=w", "--", "npx", "-y", "--json") == 0
        params = sent(fake, "mcpServer/config/add")
        assert params["command"] == ["npx", "-y", "--json"]
        assert params["env"] == {"K": "v=w"}
        assert "added a to /h/config.toml" in capfd.readouterr().out
        assert run(fake, "add", "a", "--url", "http://x", "--bearer-token-env-var", "T") == 0
        params = sent(fake, "mcpServer/config/add")
        assert (params["url"], params["bearerTokenEnvVar"]) == ("http://x", "T")
        assert run(fake, "add", "a") == 2
        assert run(fake, "add", "a", "--url", "http://x", "--", "npx") == 2
        assert run(fake, "add", "a", "--env", "K", "--", "npx") == 2
        assert not [said for said in fake.heard() if said["method"] == "mcpServer/config/add"]
        fake.refuse("mcpServer/config/remove", "No MCP server named 'a' found.")
        assert run(fake, "remove", "a") == 2
    assert "No MCP server named 'a' found." in capfd.readouterr().err


@pytest.mark.parametrize(("error", "exit_code"), [(None, 0), ("it was refused\x1b[2J", 1)])
def test_a_login_shows_the_address_and_waits_for_its_own_end(
    tmp_path: Path, capfd: Captured, error: str | None, exit_code: int
) -> None:
    method = "mcpServer/oauthLogin/completed"
    other = {"name": "web", "success": False, "error": "not this one", "loginId": "8"}
    own = {"name": "web", "success": error is None, "error": error, "loginId": "7"}
    begun = {"authorizationUrl": "https://example.org/authorize?x=1", "loginId": "7"}
    with FakeDaemon(tmp_path) as fake:
        ends = [{"method": method, "params": params} for params in (other, own)]
        fake.answer("mcpServer/oauth/login", begun, *ends)
        assert run(fake, "login", "web", "--no-browser", "--scopes", "a,b") == exit_code
        assert sent(fake, "mcpServer/oauth/login")["scopes"] == ["a", "b"]
    shown = capfd.readouterr()
    assert "  https://example.org/authorize?x=1\n" in shown.err
    assert "\x1b" not in shown.err
    assert ("logged in at web" in shown.out) is (error is None)


@pytest.mark.parametrize("removed", [True, False])
def test_a_logout_says_whether_there_was_a_login(
    tmp_path: Path, capfd: Captured, removed: bool
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("mcpServer/oauth/logout", {"removed": removed})
        assert run(fake, "logout", "web") == 0
    said = "logged out at web" if removed else "there was no login at web"
    assert capfd.readouterr().out == f"{said}\n"


def question(required: list[str], **properties: str) -> ApprovalRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": required,
    }
    params = {
        "threadId": "t",
        "turnId": "u",
        "serverName": "s",
        "mode": "form",
        "message": "?",
        "requestedSchema": schema,
    }
    return msgspec.convert(params, ApprovalRequest)


@pytest.mark.parametrize(
    ("typed", "properties", "answer"),
    [
        ("y", {}, Elicited("accept")),
        ("NO", {}, Elicited("decline")),
        ("c", {}, Elicited("cancel")),
        ("perhaps", {}, None),
        ("", {"name": "string"}, None),
        ("Ann", {"name": "string"}, Elicited("accept", {"name": "Ann"})),
        ("y", {"name": "string"}, Elicited("accept", {"name": "y"})),
        ("n", {"name": "string"}, Elicited("decline")),
        ("3", {"n": "integer"}, Elicited("accept", {"n": 3})),
        ("True", {"b": "boolean"}, Elicited("accept", {"b": True})),
        (
            '{"a":1,"b":"x"}',
            {"a": "integer", "b": "string"},
            Elicited("accept", {"a": 1, "b": "x"}),
        ),
        ('{"a":1}', {"a": "integer", "b": "string"}, None),
        ("[1]", {"a": "integer", "b": "string"}, None),
    ],
)
def test_what_is_typed_is_yes_or_no_or_the_values(
    typed: str, properties: dict[str, str], answer: Elicited | None
) -> None:
    assert elicited(typed, question(list(properties), **properties)) == answer


def test_the_keys_say_what_may_be_typed() -> None:
    assert keys_of(question([])) == "[y] yes   [n] no   [c] no answer"
    assert keys_of(question([], a="string")) == "[a] the value   [n] no   [c] no answer"
    both = '[{"a": …, "b": …}] the values as JSON   [n] no   [c] no answer'
    assert keys_of(question([], a="string", b="string")) == both

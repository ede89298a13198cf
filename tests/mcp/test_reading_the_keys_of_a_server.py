"""The tables [mcp_servers.NAME] of config.toml: read whole, or refused with the key and the line."""

from __future__ import annotations

import pytest

from codexd.config.file import InvalidConfig, parse_config
from codexd.config.mcp_table import McpServerTable

PROCESS = """\
[mcp_servers.a]
command = "npx"
args = ["-y", "x"]
env_vars = ["A", { name = "B", source = "local" }]
cwd = "/w"
required = true
startup_timeout_ms = 1500
tool_timeout_sec = 0.5
enabled_tools = ["x", "y"]
disabled_tools = ["y"]
default_tools_approval_mode = "prompt"

[mcp_servers.a.env]
C = "d"

[mcp_servers.a.tools.x]
approval_mode = "approve"
"""
HTTP = """\
[mcp_servers.b]
url = "https://example.org/mcp"
bearer_token_env_var = "TOKEN"
http_headers = { X-A = "1" }
env_http_headers = { X-B = "HEADER" }
scopes = ["read"]
oauth_resource = "https://example.org"

[mcp_servers.b.oauth]
client_id = "me"
"""


def server(text: str, name: str) -> McpServerTable:
    read = parse_config(text.encode(), "c.toml")
    assert not read.warnings
    return read.config.mcp_servers[name]


def test_a_server_that_is_a_process() -> None:
    table = server(PROCESS, "a")
    assert (table.command, table.args, table.env) == ("npx", ("-y", "x"), {"C": "d"})
    assert table.passed_variables == ("A", "B")
    assert (table.startup_seconds, table.tool_seconds) == (1.5, 0.5)
    assert [table.allows(tool) for tool in "xyz"] == [True, False, False]
    assert [table.approval_mode(tool) for tool in "xz"] == ["approve", "prompt"]
    assert table.required
    assert table.enabled


def test_a_server_over_http() -> None:
    table = server(HTTP, "b")
    assert table.variables == {"TOKEN", "HEADER"}
    assert table.oauth.client_id == "me"
    assert (table.startup_seconds, table.tool_seconds) == (30, 300)
    assert table.allows("any")


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("[mcp_servers.a]\nenabled = true\n", 1, "mcp_servers.a"),
        ('[mcp_servers.a]\ncommand = "c"\nurl = "http://x"\n', 3, "mcp_servers.a.url"),
        ('[mcp_servers.a]\nurl = "http://x"\ncwd = "/"\n', 3, "mcp_servers.a.cwd"),
        ('[mcp_servers.a]\nurl = "ftp://x"\n', 2, "mcp_servers.a.url"),
        ('[mcp_servers.a]\ncommand = " "\n', 2, "mcp_servers.a.command"),
        ('[mcp_servers.a]\ncommand = "c\\u0000"\n', 2, "mcp_servers.a.command"),
        ('[mcp_servers.a]\ncommand = "c"\nargs = ["\\u0000"]\n', 3, "mcp_servers.a.args"),
        ('[mcp_servers.a]\ncommand = "c"\nenv = { "A=B" = "c" }\n', 3, "mcp_servers.a.env"),
        ('[mcp_servers.a]\ncommand = "c"\nargs = "x"\n', 3, "mcp_servers.a.args"),
        (
            '[mcp_servers.a]\ncommand = "c"\ntool_timeout_sec = 0\n',
            3,
            "mcp_servers.a.tool_timeout_sec",
        ),
        (
            '[mcp_servers.a]\ncommand = "c"\n[mcp_servers.a.tools.x]\napproval_mode = "no"\n',
            4,
            "mcp_servers.a.tools.x.approval_mode",
        ),
        (
            '[mcp_servers.a]\nurl = "http://x"\n[mcp_servers.a.oauth]\nclient_id = 3\n',
            4,
            "mcp_servers.a.oauth.client_id",
        ),
    ],
)
def test_a_key_that_makes_no_sense_is_named(text: str, line: int, key: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_config(text.encode(), "c.toml")
    assert f"c.toml:{line}: `{key}" in str(caught.value)


def test_a_secret_in_the_file_is_not_in_the_error() -> None:
    text = '[mcp_servers.a]\nurl = "http://x"\nhttp_headers = { Authorization = ["s3cret"] }\n'
    with pytest.raises(InvalidConfig) as caught:
        parse_config(text.encode(), "c.toml")
    assert "s3cret" not in str(caught.value)


def test_a_key_that_is_not_known_is_a_warning() -> None:
    text = '[mcp_servers.a]\ncommand = "c"\nfuture = 1\n'
    (warning,) = parse_config(text.encode(), "c.toml").warnings
    assert "mcp_servers.a.future" in str(warning)

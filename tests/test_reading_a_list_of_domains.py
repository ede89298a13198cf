"""config.toml has the list of domains under Codex's keys, and a list that says nothing clear is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.config.file import InvalidConfig, parse_config
from codexd.config.keys import Config, NetworkProxyTable
from codexd.config.rule_files import RuleFiles
from codexd.core.values.tool_actions import ReachHost


def config(text: str) -> Config:
    return parse_config(text.encode(), "c.toml").config


def test_the_list_has_codexs_keys() -> None:
    found = config(
        """
        [features]
        unified_exec = true
        [features.network_proxy]
        enabled = true
        proxy_url = "http://127.0.0.1:3128"
        allow_local_binding = true
        domains = { "**.example.com" = "allow", "bad.example.com" = "deny", "localhost:5432" = "allow" }
        """
    ).features.proxy
    assert found == NetworkProxyTable(
        enabled=True,
        domains={
            "**.example.com": "allow",
            "bad.example.com": "deny",
            "localhost:5432": "allow",
        },
        allow_local_binding=True,
    )


def test_a_bool_stands_for_a_list_without_domains() -> None:
    assert config("features.network_proxy = true").features.proxy == NetworkProxyTable(enabled=True)
    assert config("features.network_proxy = false").features.proxy == NetworkProxyTable()


def test_other_features_are_codexs() -> None:
    assert parse_config(b"[features]\nshell_snapshot = true\nx = {}\n", "c.toml").warnings == ()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('domains = { "region*.com" = "allow" }', 2, "expected a name, or one after `*.`"),
        ('domains."https://example.com" = "allow"', 2, "expected"),
        ('domains = { "*" = "deny" }', 2, "nothing would be left"),
        ('domains = { "a.com" = "ask" }', 2, "`domains`, each"),
        ('domains = ["a.com"]', 2, "`domains`, each"),
        ('mode = "limited"', 2, '`mode` "full"'),
    ],
)
def test_a_list_that_says_nothing_clear_is_refused(text: str, line: int, problem: str) -> None:
    with pytest.raises(InvalidConfig, match=r"features\.network_proxy") as refused:
        config(f"[features.network_proxy]\n{text}\n")
    assert refused.value.line in (1, line)
    assert problem in refused.value.problem


def test_rules_for_hosts_are_read_from_the_files_of_rules_and_added_to_them(tmp_path: Path) -> None:
    own, codexs = tmp_path / "own", tmp_path / "codex"
    (codexs / "rules").mkdir(0o700, parents=True)
    theirs = codexs / "rules" / "default.rules"
    theirs.write_text(
        'network_rule(host="Example.com.", protocol="https", decision="deny", justification="no")\n'
        'network_rule("b.com", "http", "prompt")\nnetwork_rule("c.com", "socks5_tcp", "allow")\n'
    )
    theirs.chmod(0o600)
    files = RuleFiles([own, codexs], tmp_path)
    assert files.hosts() == (("example.com", "deny"), ("c.com", "allow"))
    assert files.add_host(ReachHost("2606:4700::1", 22, "socks5Tcp"), "allow")
    assert not files.add_host(ReachHost("2606:4700::1", 443, "socks5Tcp"), "allow")
    assert files.add_host(ReachHost("d.com", 443, "https"), "deny")
    assert files.own_file.read_text() == (
        'network_rule(host="2606:4700::1", protocol="socks5_tcp", decision="allow")\n'
        'network_rule(host="d.com", protocol="https", decision="deny")\n'
    )
    # They hold at once.
    assert files.hosts()[:2] == (("2606:4700::1", "allow"), ("d.com", "deny"))
    assert files.current().problems == ()

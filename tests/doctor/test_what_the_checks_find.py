"""What each check finds where it works and where it does not, and that no finding has a secret."""

from __future__ import annotations

import functools
import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import trio
import trio.testing

from account_house import chatgpt_members, write_auth
from codexd.doctor.examine import examine
from codexd.doctor.examined import examined_here
from codexd.machine.paths import find_paths
from codexd.protocol.doctor import Finding

KEY = "sk-doctor-0123456789abcdefghij"
LONG_NAME = f"http://{'x' * 64}.example/v1"  # which no name server has to be asked about
Found = dict[str, list[Finding]]


class Answering(http.server.ThreadingHTTPServer):
    """Answers every request in one way, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.status, self.date = 200, formatdate(usegmt=True)
        self.asked: list[tuple[str, str, str]] = []  # method, path, authorization


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        authorization = self.headers.get("authorization", "")
        self.server.asked.append((self.command, self.path, authorization))
        self.send_response_only(self.server.status)
        self.send_header("date", self.server.date)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def answering() -> Iterator[Answering]:
    with Answering() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def found_by(
    home: Path,
    config: str = "",
    *,
    folder: Path | None = None,
    clock: trio.abc.Clock | None = None,
    env: Mapping[str, str] | None = None,
) -> Found:
    """The findings in a home, by their ids; none of them has the key."""
    home.mkdir(mode=0o700, exist_ok=True)
    if config:
        home.joinpath("config.toml").write_text(config)
        home.joinpath("config.toml").chmod(0o600)
    own = {"CODEXD_HOME": str(home), "HOME": str(home.parent), "PATH": os.environ["PATH"]}
    env = {**own, **(env or {})}
    temporary = home.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    where = None if folder is None else str(folder)
    examined = examined_here(find_paths(env), env, where, temporary)
    findings = trio.run(functools.partial(examine, examined), clock=clock)
    assert KEY not in repr(findings)
    found: Found = {}
    for finding in findings:
        assert finding.status in ("ok", "warn", "fail")
        assert (finding.status == "ok") == (not finding.mend), finding
        found.setdefault(finding.id, []).append(finding)
    return found


def provider(url: str, more: str = "") -> str:
    return f'model_provider = "p"\n[model_providers.p]\nbase_url = "{url}/v1"\n{more}\n'


def only(found: Found, check: str) -> Finding:
    (finding,) = found[check]
    return finding


def bad(found: Found) -> dict[str, str]:
    """What is not ok, by its id."""
    return {
        check: finding.status
        for check, findings in found.items()
        for finding in findings
        if finding.status != "ok"
    }


def test_a_provider_that_answers_is_asked_for_its_models_once_and_with_the_key(
    tmp_path: Path,
) -> None:
    with answering() as server:
        config = provider(server.url, 'env_key = "THEIR_KEY"')
        found = found_by(tmp_path / "h", config, env={"THEIR_KEY": KEY})
    assert server.asked == [("GET", "/v1/models", f"Bearer {KEY}")]
    assert bad(found) == {}
    assert "THEIR_KEY" in only(found, "key").says
    assert "sk-docto***ghij" in only(found, "key").says
    assert only(found, "provider.answer").says == "it answers, and accepts the key"
    assert sorted(found) == [
        *("certificates", "clock", "collector", "config.files", "config.keys", "config.model"),
        *("disk.inodes", "disk.space", "folders.owner", "key", "limits.files", "provider.answer"),
        *("provider.dns", "provider.settings", "provider.tcp", "proxy", "sandbox"),
        *("state.writable", "store.logs", "store.writable"),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, {"key.accepted": "fail"}),
        (403, {"key.accepted": "fail"}),
        (404, {}),
        (429, {"provider.answer": "warn"}),
        (503, {"provider.answer": "warn"}),
    ],
)
def test_a_provider_says_by_its_status_what_is_wrong(
    tmp_path: Path, status: int, expected: dict[str, str]
) -> None:
    with answering() as server:
        server.status = status
        config = provider(server.url, 'env_key = "THEIR_KEY"')
        assert bad(found_by(tmp_path / "h", config, env={"THEIR_KEY": KEY})) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(200, {}), (400, {"clock": "warn"}), (-400, {"clock": "warn"})]
)
def test_a_clock_that_differs_by_five_minutes_is_said(
    tmp_path: Path, seconds: int, expected: dict[str, str]
) -> None:
    with answering() as server:
        server.date = formatdate(time() + seconds, usegmt=True)
        found = found_by(tmp_path / "h", provider(server.url))
    assert bad(found) == expected
    word = "behind" if seconds > 0 else "ahead of"
    assert (word in only(found, "clock").says) == bool(expected)


def test_tokens_of_chatgpt_are_neither_sent_nor_refreshed(tmp_path: Path) -> None:
    with answering() as server:
        write_auth(tmp_path / "h", chatgpt_members(server.url))
        config = provider(server.url, "requires_openai_auth = true")
        found = found_by(tmp_path / "h", config)
    assert server.asked == [("GET", "/v1/models", "")]
    assert "ann@example.org, plan plus" in only(found, "key").says
    assert "refresh-0" not in repr(found)


@pytest.mark.parametrize(
    ("more", "mend"),
    [
        ('env_key = "THEIR_KEY"', "export THEIR_KEY=…"),
        ("requires_openai_auth = true", "codexctl login"),
    ],
)
def test_a_missing_key_is_said_with_what_gives_one(tmp_path: Path, more: str, mend: str) -> None:
    with answering() as server:
        found = found_by(tmp_path / "h", provider(server.url, more))
    assert bad(found) == {"key": "fail"}
    assert only(found, "key").mend == mend


@pytest.mark.parametrize(
    ("url", "env", "last", "said"),
    [
        ("http://127.0.0.1:1", {}, "provider.tcp", "127.0.0.1 port 1"),
        (LONG_NAME, {}, "provider.dns", "x.example of the provider is not found"),
        ("ftp://x", {}, "provider.settings", "base_url"),
        (
            "http://127.0.0.2:1",
            {"HTTP_PROXY": f"http://u:{KEY}@127.0.0.1:1"},
            "proxy.tcp",
            "port 1",
        ),
        ("http://127.0.0.2:1", {"ALL_PROXY": f"socks5://u:{KEY}@h:1"}, "proxy", "ALL_PROXY"),
        ("https://{plain}", {}, "provider.tls", "does not answer"),
        ("https://{plain}", {"SSL_CERT_FILE": "/nowhere"}, "certificates", "/nowhere"),
    ],
)
def test_the_way_to_a_provider_ends_where_it_is_broken(
    tmp_path: Path, url: str, env: dict[str, str], last: str, said: str
) -> None:
    with answering() as server:
        plain = server.url.removeprefix("http://")
        found = found_by(tmp_path / "h", provider(url.format(plain=plain)), env=env)
    assert bad(found) == {last: "fail"}
    assert said in only(found, last).says
    way = [check for check in found if check.startswith(("provider", "proxy", "certificates"))]
    assert way[-1] == last


@pytest.mark.slow
def test_a_provider_that_never_answers_holds_up_nothing(tmp_path: Path) -> None:
    # Twice as fast as the clock on the wall.
    clock = trio.testing.MockClock(rate=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = found_by(tmp_path / "h", provider(url), clock=clock)
    assert {check.partition(".")[0]: status for check, status in bad(found).items()} == {
        "provider": "fail"
    }
    assert "clock" not in found


def test_misspelt_keys_and_a_file_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    home = tmp_path / "h"
    found = found_by(home, 'modle = "m"\n' + provider("http://127.0.0.1:1"))
    assert only(found, "config.keys").status == "warn"
    assert f"{home}/config.toml:1: unknown key `modle`" in only(found, "config.keys").says
    assert f"user {home}/config.toml (sha256:" in only(found, "config.files").says
    found = found_by(home, "model = 1\n")
    assert only(found, "config.files").status == "fail"
    assert f"{home}/config.toml:1" in only(found, "config.files").says


def test_the_settings_of_the_project_are_looked_at_too(tmp_path: Path) -> None:
    project = tmp_path / "p"
    project.joinpath(".git").mkdir(parents=True)
    project.joinpath(".codex").mkdir()
    project.joinpath(".codex", "config.toml").write_text("modle_verbosity = 1\n")
    found = found_by(tmp_path / "h", provider("http://127.0.0.1:1"), folder=project)
    assert "is not used" in only(found, "config.project").says
    trusted = f'\n[projects."{project}"]\ntrust_level = "trusted"\n'
    found = found_by(tmp_path / "h", provider("http://127.0.0.1:1") + trusted, folder=project)
    assert "config.project" not in found
    assert "modle_verbosity" in only(found, "config.keys").says


def test_a_mode_that_lets_others_in_is_mended_by_the_command(tmp_path: Path) -> None:
    home = tmp_path / "h"
    auth = write_auth(home, {"auth_mode": "apikey", "OPENAI_API_KEY": KEY})
    auth.chmod(0o644)
    home.chmod(0o755)
    config = provider("http://127.0.0.1:1")
    found = found_by(home, config)
    assert {finding.mend for finding in found["folders.mode"]} == {
        f"chmod go-rwx {home}",
        f"chmod go-rwx {auth}",
    }
    for finding in found["folders.mode"]:
        assert os.system(finding.mend) == 0
    assert "folders.mode" not in found_by(home, config)


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir(mode=0o700)
    (tmp_path / "h" / "state").write_text("a file where a folder belongs")
    found = found_by(tmp_path / "h", provider("http://127.0.0.1:1"))
    assert only(found, "state.writable").status == "fail"
    assert only(found, "store.writable").status == "ok"


def test_each_collector_is_connected_to_and_its_headers_are_not_shown(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        url = f"http://127.0.0.1:{there.getsockname()[1]}"
        tables: list[dict[str, Any]] = [
            {"endpoint": f"{url}/v1/logs", "protocol": "json", "headers": {"x": KEY}},
            {"endpoint": "http://127.0.0.1:1/v1/traces", "protocol": "binary"},
        ]
        lines = [
            f"[otel.{key}.otlp-http]\n"
            + "\n".join(
                f"{name} = {json.dumps(value) if isinstance(value, str) else '{x = ' + json.dumps(KEY) + '}'}"
                for name, value in table.items()
            )
            for key, table in zip(("exporter", "trace_exporter"), tables, strict=True)
        ]
        config = provider("http://127.0.0.1:1") + "\n".join(lines)
        found = found_by(tmp_path / "h", config)
    said = {finding.status: finding.says for finding in found["collector"]}
    assert f"{url}/v1/logs accepts connections" in said["ok"]
    assert "127.0.0.1:1/v1/traces" in said["fail"]

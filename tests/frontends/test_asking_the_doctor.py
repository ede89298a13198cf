"""codexctl doctor: with a daemon, without one, and with one that is damaged or of another version."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from codexd import __version__
from codexd.protocol.wire.rpc import METHOD_NOT_FOUND
from codexd_frontends.ctl import main
from daemon_house import Home

from .codexctl import Ended, codexctl, new_thread, playing
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]
KEY = "sk-doctor-0123456789abcdefghij"


def statuses(ended: Ended) -> dict[str, str]:
    """What is not ok, by its id; the counts are right, and the exit code says whether something fails."""
    document = ended.json
    findings = document["findings"]
    counted = {"ok": 0, "warn": 0, "fail": 0}
    for finding in findings:
        assert sorted(finding) == ["id", "mend", "says", "status"]
        counted[finding["status"]] += 1
    assert document["counts"] == counted
    assert ended.code == (1 if counted["fail"] else 0), document
    return {each["id"]: each["status"] for each in findings if each["status"] != "ok"}


def test_a_damaged_log_is_found_and_mended_by_the_command_and_no_daemon_is_started(
    home: Home,
) -> None:
    with playing() as model:
        home.use_model(model.base_url)
        nobody = codexctl(home, "doctor", "--json")
        assert statuses(nobody) == {"daemon.running": "warn"}
        assert [path.name for path in home.path.iterdir()] == ["config.toml"]
        daemon = home.start()
        thread = new_thread(home)
        well = codexctl(home, "doctor")
        assert well.code == 0
        assert well.out.splitlines()[0].split()[:2] == ["ok", "daemon.running"]
        assert f"codexctl {__version__}, codexd {__version__}" in well.out
        assert daemon.stop() == 0
        (log,) = home.path.rglob(f"*{thread}*.jsonl")
        content = log.read_bytes()
        at = content.index(b"\n", len(content) // 2) - 20  # within a record that others follow
        log.write_bytes(content[:at] + b"#" + content[at + 1 :])
        damaged = codexctl(home, "doctor", "--json")
        assert statuses(damaged) == {"daemon.running": "warn", "store.logs": "fail"}
        (mend,) = [f["mend"] for f in damaged.json["findings"] if f["id"] == "store.logs"]
        assert codexctl(home, *mend.split()[1:]).code == 0
        # `fsck` has started the daemon.
        assert statuses(codexctl(home, "doctor", "--json")) == {}
        assert codexctl(home, "stop").code == 0


def test_a_key_of_the_shell_counts_by_its_name_and_is_not_said(home: Home) -> None:
    with playing() as model:
        home.use_model(model.base_url, provider_more='env_key = "THEIR_KEY"')
        daemon = home.start()
        assert statuses(codexctl(home, "doctor", "--json")) == {"key": "fail"}
        given = codexctl(home, "doctor", "--json", THEIR_KEY=KEY)
        assert statuses(given) == {}
        assert KEY not in given.out + given.err
        assert "the variable THEIR_KEY of your shell" in given.out
        assert daemon.stop() == 0
        alone = codexctl(home, "doctor", "--json", THEIR_KEY=KEY)
        assert statuses(alone) == {"daemon.running": "warn"}
        assert KEY not in alone.out + alone.err


@pytest.mark.slow
def test_a_daemon_of_another_version_is_said_with_what_to_do(
    tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEXD_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("THEIR_KEY", KEY)
    greeting: Json = {
        "userAgent": "codexd/0.0.9 (x)",
        "codexHome": "/h",
        "codexd": {"keyVariables": ["THEIR_KEY", "OTHER_KEY"]},
    }
    with FakeDaemon(tmp_path) as fake:
        fake.answer("initialize", greeting)
        fake.refuse("server/doctor", "unknown", METHOD_NOT_FOUND)
        main(["doctor", "--json", "--socket", fake.path])
        asked = [message for message in fake.heard() if message.get("method") == "server/doctor"]
    said = Ended(1, *capfd.readouterr())
    found = {finding["id"]: finding for finding in said.json["findings"]}
    assert found["daemon.version"]["status"] == "warn"
    assert "`codexctl restart` starts the newer one" in found["daemon.version"]["mend"]
    assert found["daemon.checks"]["status"] == "warn"
    assert "provider.settings" in found  # by its own checks
    assert asked[0]["params"] == {"cwd": os.getcwd(), "givenVariables": ["THEIR_KEY"]}
    assert KEY not in said.out


@pytest.mark.skipif(sys.platform != "linux", reason="the units are those of systemd")
def test_a_service_whose_manager_does_not_answer_is_said(
    tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = tmp_path / "systemd" / "user"
    units.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with FakeDaemon(tmp_path) as fake:
        fake.answer("server/doctor", {"findings": []})
        (units / "codexd.socket").write_text(f"[Socket]\nListenStream={fake.path}\n")
        (units / "codexd.service").write_text("[Service]\n")
        assert main(["doctor", "--json", "--socket", fake.path]) == 0
    found = {f["id"]: f for f in Ended(0, *capfd.readouterr()).json["findings"]}
    assert found["service"]["status"] == "warn"
    assert "expected the program systemctl" in found["service"]["says"]

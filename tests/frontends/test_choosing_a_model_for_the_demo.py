"""Which model the demo uses: that of a key, else the local one that the daemon finds, else a script."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.demo import ModelChoice, choose_model, do_task

from .fake_daemon import FakeDaemon

FOUND = {
    "modelProvider": "ollama",
    "model": "small",
    "name": "Ollama",
    "baseUrl": "http://127.0.0.1:11434/v1",
    "models": [{"id": "small", "contextWindow": None}, {"id": "big", "contextWindow": None}],
}


@pytest.fixture
def fake(tmp_path: Path) -> FakeDaemon:
    return FakeDaemon(tmp_path)


def chosen(fake: FakeDaemon, environ: dict[str, str]) -> ModelChoice | None:
    with fake, Daemon.connect(fake.path) as daemon:
        return choose_model(daemon, environ)


def test_a_key_in_the_environment_comes_first(fake: FakeDaemon) -> None:
    choice = chosen(fake, {"OPENAI_API_KEY": "k"})
    assert choice == ModelChoice("$OPENAI_API_KEY is set")
    assert choice.params() == {}


def test_then_a_model_on_this_machine(fake: FakeDaemon) -> None:
    fake.answer("provider/findLocal", FOUND)
    choice = chosen(fake, {})
    assert choice == ModelChoice("Ollama answers at http://127.0.0.1:11434/v1", "small", "ollama")
    assert choice.params() == {"model": "small", "modelProvider": "ollama"}


def test_without_any_there_is_none(fake: FakeDaemon) -> None:
    fake.refuse("provider/findLocal", "no local model was found", reason="no_local_model")
    assert chosen(fake, {"OPENAI_API_KEY": ""}) is None


@pytest.mark.slow
def test_a_script_runs_a_whole_turn_and_does_a_task_that_ask_nothing(tmp_path: Path) -> None:
    home = tmp_path / "h"
    names = ("HOME", "PATH", "XDG_RUNTIME_DIR")
    demo = subprocess.run(
        [sys.executable, "-m", "codexd_frontends.demo", "--scripted", "--home", str(home)],
        env={name: os.environ[name] for name in names if name in os.environ}
        | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "Hello! I am the scripted model" in demo.stdout
    assert "The daemon has ended; its home stays." in demo.stdout
    config = tomllib.loads((home / "config.toml").read_text())
    (table,) = config["model_providers"].values()
    assert config["model_context_window"] == 272_000
    assert table["base_url"].startswith("http://127.0.0.1:")
    logs = [log.read_text() for log in sorted(home.glob("threads/*/*/*/*.jsonl"))]
    assert '"approvalPolicy":"never"' in logs[0]
    # The task, in a folder of its own: its test fails when the package is broken, and passes before and after.
    assert "The task was done, and nobody was asked." in demo.stdout
    codes = [line.split()[1] for line in demo.stdout.splitlines() if line.startswith("  exit ")]
    assert codes == ["0", "0", "0", "1", "0"]
    (folder,) = tmp_path.glob("codexd-demo-task-*")
    assert (folder / "greet/__init__.py").read_text().endswith('f"Hello, {name}!"\n')
    assert "approval.requested" not in logs[1]
    (sandbox,) = [line for line in demo.stdout.splitlines() if line.startswith("sandbox")]
    mode = "danger-full-access" if sandbox.startswith("sandbox none") else "workspace-write"
    assert f'"sandbox":"{mode}"' in logs[1]


def test_without_a_sandbox_the_task_says_so_and_runs_its_own_commands(
    fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status = {"pid": 1, "sandbox": None, "sandboxModes": ["danger-full-access"]}
    fake.answer("server/status", {**status, "sandboxMissing": ["bwrap is not installed"]})
    fake.refuse("thread/start", "enough")
    with fake, Daemon.connect(fake.path) as daemon, pytest.raises(RequestRefused):
        do_task(daemon, ModelChoice("", "scripted", "scripted"))
    said = capsys.readouterr().out
    assert "sandbox none, since this machine has nothing that could enforce one" in said
    assert "bwrap is not installed" in said
    asked = fake.wait_for("thread/start")
    assert (asked["sandbox"], asked["approvalPolicy"]) == ("danger-full-access", "never")
    assert asked["cwd"] in said
    Path(asked["cwd"]).rmdir()

"""The SDKs of Codex, unchanged, with codexctl in place of Codex: their documented examples, on a real daemon."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from checkout import CHECKOUT
from codexd_frontends.client.client import Daemon as Connection
from daemon_house import PATIENCE_SECONDS, Daemon
from installed_codex import SDK_PYTHON, SDKS, needs_sdks

from .codexctl import playing
from .fake_daemon import Json

BIN = Path(sys.executable).parent / "codexctl"
STEPS = CHECKOUT / "tests" / "support" / "sdk_steps.py"
TYPESCRIPT = SDKS / "node_modules/@openai/codex-sdk/dist/index.js"
REPLY = "abcde "


def ran(daemon: Daemon, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program that uses an SDK."""
    return subprocess.run(
        [*map(str, words), str(BIN), str(daemon.home.work)],
        check=False,
        env=daemon.home.env,
        cwd=daemon.home.work,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@needs_sdks
@pytest.mark.slow
def test_the_typescript_sdk_runs_its_documented_examples(daemon: Daemon) -> None:
    with playing() as model:
        daemon.home.use_model(model.base_url)
        done = ran(daemon, "node", STEPS.with_suffix(".mjs"), TYPESCRIPT)
        asked = model.asked
    assert done.returncode == 0, done.stderr
    found = {read.pop("step"): read for read in map(msgspec.json.decode, done.stdout.splitlines())}
    assert found["run"]["answer"] == 2 * REPLY
    assert found["run again"]["output"] == f"{daemon.home.work}\n"
    totals = [found[step]["usage"]["input_tokens"] for step in ("run", "run again")]
    assert totals == [100, 300]
    assert [kind for kind in found["stream"]["types"] if not kind.endswith(" error")] == [
        "thread.started",
        "turn.started",
        "item.started command_execution",
        "item.completed command_execution",
        "item.completed agent_message",
        "turn.completed",
    ]
    assert found["output schema"] == found["image"] == {"answer": REPLY}
    assert any(b'"json_schema"' in body and b'"summary"' in body for body in asked)
    assert any(b'"input_image"' in body for body in asked)
    assert found["resume"] == {"answer": REPLY, "same": True}
    assert found["abort"]["error"] == "AbortError"
    assert found["failed turn"]["error"].startswith("as scripted")
    assert "--skip-git-repo-check" in found["no repository"]["error"]
    with Connection.connect(str(daemon.home.socket)) as connection:
        params = {"threadId": found["abort"]["thread"], "limit": 1}
        (turn,) = connection.call("thread/turns/list", params, Json)["data"]
    assert turn["status"] == "interrupted"


@needs_sdks
@pytest.mark.slow
def test_the_python_sdk_takes_each_of_its_steps(daemon: Daemon) -> None:
    with playing() as model:
        daemon.home.use_model(model.base_url, more="model_auto_compact_token_limit = 200000")
        done = ran(daemon, SDK_PYTHON, STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == names_of_steps()
    assert (daemon.home.work / "sdk.txt").read_text() == "hello\n"


def names_of_steps() -> list[str]:
    """The names in the table of the program."""
    tables = [node for node in ast.walk(ast.parse(STEPS.read_text())) if isinstance(node, ast.Dict)]
    table = max(tables, key=lambda node: len(node.keys))
    names = [str(key.value) for key in table.keys if isinstance(key, ast.Constant)]
    assert len(names) >= 25
    return names

"""A command has the umask of the shell that started the daemon, and the session of the shell that sent its turn."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from codexd.models.scripted.scripts import Call, Say
from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test

from .codexctl import Beside, codexctl, new_thread, playing

# What the commands print, a value a line: without its name, a value is known to be a secret only by itself.
PRINTED = ("SSH_AUTH_SOCK", "VIRTUAL_ENV", "PATH", "HTTPS_PROXY", "OPENAI_API_KEY", "DEPLOY_TOKEN")
LINES = "; ".join(f'echo "${name}"' for name in PRINTED)
SHOWN = Call("shell_command", msgspec.json.encode({"command": LINES}).decode())


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)]
)
def test_a_command_makes_files_with_the_umask_of_the_shell(
    home: Home, umask: int, file: int, folder: int
) -> None:
    arguments = msgspec.json.encode({"command": "touch f; mkdir d"}).decode()
    with playing((Call("shell_command", arguments),), Say(("Done.",))) as model:
        home.use_model(model.base_url)
        home.start_anew(umask=umask)
        assert codexctl(home, "send", "x").code == 0
    assert (_mode(home.work / "f"), _mode(home.work / "d")) == (file, folder)
    assert [_mode(log) for log in home.logs()] == [0o600]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_unit_of_systemd_leaves_commands_the_umask_of_the_user() -> None:
    unit = Path(__file__).parents[2] / "systemd" / "codexd.service"
    assert "UMask" not in unit.read_text()  # The daemon's own files are private anyway.


def test_a_command_has_the_session_of_the_shell_that_sent_and_not_of_the_first(home: Home) -> None:
    home.root.joinpath(".profile").write_text("PATH=/of/profile:/usr/bin:/bin\nexport PATH\n")
    first = {
        "SSH_AUTH_SOCK": "/tmp/agent-one",
        "VIRTUAL_ENV": "/venv/one",
        "PATH": f"/venv/one/bin:{home.env['PATH']}",
        "DEPLOY_TOKEN": "token-of-the-first-shell",
    }
    second = {
        "SSH_AUTH_SOCK": "/tmp/agent-two",
        "PATH": f"/only/here:{home.env['PATH']}",
        "HTTPS_PROXY": "http://user:not-for-the-log@proxy.example",
        "OPENAI_API_KEY": "sk-of-the-second-shell",
        "DEPLOY_TOKEN": "token-of-the-second-shell",
        "CODEXD_PASS_ENV": "DEPLOY_TOKEN, OPENAI_API_KEY",
    }
    with playing(*(SHOWN, Say(("Done.",))) * 3) as model:
        home.use_model(model.base_url)
        assert codexctl(home, "send", "x", **first).code == 0
        printed = _printed(model)
        assert printed["SSH_AUTH_SOCK"] == "/tmp/agent-one"
        assert printed["VIRTUAL_ENV"] == "/venv/one"
        assert printed["PATH"].startswith("/venv/one/bin:")
        assert codexctl(home, "send", "--last", "x", **second).code == 0
        printed = _printed(model)
        assert printed["SSH_AUTH_SOCK"] == "/tmp/agent-two"
        assert printed["VIRTUAL_ENV"] == ""
        assert printed["PATH"].startswith("/only/here:")
        assert "/venv/one" not in printed["PATH"]
        assert "/of/profile" in printed["PATH"]
        assert printed["OPENAI_API_KEY"] == ""  # a provider's key, for the daemon only
        assert printed["DEPLOY_TOKEN"] == "token-of-the-second-shell"
        assert printed["HTTPS_PROXY"] == second["HTTPS_PROXY"]
        # One that passes nothing goes on in the session of the thread's last turn.
        _another_client(home, str(codexctl(home, "list", "--json").json["threads"][0]["id"]))
        assert _printed(model)["SSH_AUTH_SOCK"] == "/tmp/agent-two"
    assert codexctl(home, "stop").code == 0
    kept = b"".join(file.read_bytes() for file in home.path.rglob("*") if file.is_file())
    for secret in (b"of-the-first-shell", b"of-the-second-shell", b"not-for-the-log"):
        assert secret not in kept


@trio_test
async def _another_client(home: Home, thread: str) -> None:
    async with connected(home.socket) as client:
        await client.call("thread/resume", threadId=thread)
        await client.run_turn(thread, "x")


def test_after_a_restart_a_turn_has_the_session_of_the_new_daemon_until_one_is_passed(
    home: Home,
) -> None:
    with playing(*(SHOWN, Say(("Done.",))) * 3) as model:
        home.use_model(model.base_url)
        thread = new_thread(home)
        assert codexctl(home, "stop").code == 0
        home.start_anew(SSH_AUTH_SOCK="/tmp/agent-of-the-daemon")
        _another_client(home, thread)
        assert _printed(model)["SSH_AUTH_SOCK"] == "/tmp/agent-of-the-daemon"
        assert codexctl(home, "send", "-t", thread, "x").code == 0
        assert _printed(model)["SSH_AUTH_SOCK"] == ""


def _printed(model: Beside) -> dict[str, str]:
    """What the last command printed, as the model was sent it."""
    items = msgspec.json.decode(model.asked[-1])["input"]
    (output,) = [item["output"] for item in items if item["type"] == "function_call_output"][-1:]
    lines = output.partition("Output:\n")[2].splitlines()
    return dict(zip(PRINTED, lines, strict=True))

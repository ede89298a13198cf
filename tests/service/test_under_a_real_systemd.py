"""The units, under a systemd that is booted for this: what survives a restart, a stop and a crash of the daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from booted_systemd import HOME, Booted, CannotBoot, booted
from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from daemon_house import PATIENCE_SECONDS
from trio_test import trio_test

CODEXCTL = str(Path(sys.executable).parent / "codexctl")
PLACE = f"{HOME}/.config/codexd"
CONFIG = """
model = "scripted"
model_provider = "scripted"
model_context_window = 272000
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.scripted]
base_url = "{base_url}"
"""
# It says which process it is to whoever reads the pipe, and waits for a word.
COMMAND = "echo $$ > told; read x < gate; echo it was $x"


@pytest.fixture
def system() -> Iterator[Booted]:
    try:
        with booted() as system:
            yield system
    except CannotBoot as why:
        pytest.skip(str(why))


def shown(system: Booted, name: str, unit: str = "codexd.service") -> str:
    return system.said("systemctl", "--user", "show", "--value", f"--property={name}", unit)


def daemon_pid(system: Booted) -> str:
    """The process that answers; a connection waits while the daemon restarts."""
    return str(json.loads(system.said(CODEXCTL, "status", "--json"))["pid"])


@pytest.mark.slow
@trio_test
async def test_a_service_goes_on_through_all_that_ends_its_daemon(system: Booted) -> None:
    call = Call("shell_command", json.dumps({"command": COMMAND}))
    async with scripted_model([(call,), Say(("Done.",))]) as model:
        system.said("mkdir", "-p", "-m", "700", PLACE)
        system.path(f"{PLACE}/config.toml").write_text(CONFIG.format(base_url=model.base_url))
        system.said("mkfifo", "gate", "told")
        await trio.to_thread.run_sync(installed, system)
        await trio.to_thread.run_sync(goes_on_with_a_command, system)
    await trio.to_thread.run_sync(writes_to_the_journal, system)
    await trio.to_thread.run_sync(starts_by_its_socket, system)
    await trio.to_thread.run_sync(uninstalled, system)


def installed(system: Booted) -> None:
    assert "loginctl enable-linger root" in system.said(CODEXCTL, "service", "install")
    assert shown(system, "ActiveState") == "active"
    assert shown(system, "StatusText").startswith("serves: 0 turns run")
    assert shown(system, "SubState", "codexd.socket") == "running"
    assert daemon_pid(system) == shown(system, "MainPID")
    state = json.loads(system.said(CODEXCTL, "service", "status", "--json"))
    assert (state["installed"], state["active"], state["socket"]) == (True, True, True)
    assert state["pid"] == state["daemon"]
    assert not [line for line in state["advice"] if "again" in line]
    # Nothing in the unit keeps bubblewrap from confining commands where it can.
    can = system.start("bwrap", "--dev-bind", "/", "/", "true")
    assert can.communicate(timeout=PATIENCE_SECONDS)
    modes = json.loads(system.said(CODEXCTL, "status", "--json"))["sandboxModes"]
    assert can.returncode != 0 or "workspace-write" in modes


def goes_on_with_a_command(system: Booted) -> None:
    """The command, and the terminal that follows its turn, survive a restart, an upgrade and a crash."""
    with system.start(CODEXCTL, "send", "hi") as sending:
        command = system.said("cat", "told")
        first = shown(system, "MainPID")

        system.said("systemctl", "--user", "restart", "codexd.service")
        second = shown(system, "MainPID")
        assert daemon_pid(system) == second != first

        assert "goes on" in system.said(CODEXCTL, "restart")
        assert daemon_pid(system) == second == shown(system, "MainPID")

        system.said("systemctl", "--user", "reload", "codexd.service")
        system.said("kill", "-9", second)
        third = daemon_pid(system)
        assert third not in (first, second)
        assert shown(system, "NRestarts") == "1"

        system.said("kill", "-0", command)
        system.said("sh", "-c", "echo open > gate")
        out, err = sending.communicate(timeout=PATIENCE_SECONDS)
    assert (sending.returncode, out) == (0, "Done.\n"), err
    assert "it was open" in err
    assert err.count("connected again") == 3


def writes_to_the_journal(system: Booted) -> None:
    found = system.said("journalctl", "--quiet", "--user-unit=codexd.service", "--output=json")
    entries = [json.loads(line) for line in found.splitlines()]
    (entry, *_) = [entry for entry in entries if "answers on" in entry["MESSAGE"]]
    assert entry["MESSAGE"].startswith("codexd ")  # without a time of its own
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", "codexd")
    assert (entry["LOGGER"], entry["_TRANSPORT"]) == ("codexd.app", "journal")
    assert any("reloaded: serves" in entry["MESSAGE"] for entry in entries)
    assert "answers on" in system.said(CODEXCTL, "service", "logs")


def starts_by_its_socket(system: Booted) -> None:
    system.said(CODEXCTL, "stop")
    assert shown(system, "ActiveState") == "inactive"
    assert shown(system, "SubState", "codexd.socket") == "listening"
    system.said(CODEXCTL, "list")
    started = shown(system, "MainPID")
    assert (shown(system, "ActiveState"), daemon_pid(system)) == ("active", started)

    # What empties the runtime folder takes the socket along: the daemon binds it again.
    system.said("rm", "-r", "/run/user/0/codexd")
    assert daemon_pid(system) == started


def uninstalled(system: Booted) -> None:
    system.said(CODEXCTL, "service", "uninstall")
    assert shown(system, "LoadState") == "not-found"
    assert not list(system.path(f"{HOME}/.config/systemd/user").rglob("codexd*"))

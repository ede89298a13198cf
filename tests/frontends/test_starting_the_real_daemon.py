"""codexctl starts the daemon, once, and ends it; for an IDE it is a bridge to the same daemon."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd_frontends.client.process import wait_gone
from daemon_house import PATIENCE_SECONDS, Home, is_gone

from .codexctl import begin, codexctl, playing, told

HELLO = Say(("Hel", "lo ", "there."))


def test_two_commands_that_send_at_once_start_one_daemon(home: Home) -> None:
    with playing(HELLO, HELLO) as model:
        home.use_model(model.base_url)
        with begin(home, "send", "one") as first, begin(home, "send", "two") as second:
            assert first.communicate(timeout=PATIENCE_SECONDS)[0] == "Hello there.\n"
            assert second.communicate(timeout=PATIENCE_SECONDS)[0] == "Hello there.\n"
    status = codexctl(home, "status", "--json").json
    assert status["threads"]["total"] == 2
    for pid in daemons(home) - {status["pid"]}:
        assert wait_gone(pid, PATIENCE_SECONDS)  # the one that was slower
    assert daemons(home) == {status["pid"]}


def daemons(home: Home) -> set[int]:
    """The processes that are daemons of this home; what they start, a login shell say, is none."""
    found = set()
    for pid in home.processes():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[2:4] == [b"-m", b"codexd"]:
                found.add(pid)
    return found


def test_stop_ends_the_daemon_and_names_it(home: Home) -> None:
    daemon = home.start_anew()
    assert codexctl(home, "stop", "--json").json == {
        "schema": 1,
        "running": False,
        "stopped": daemon.pid,
        "unfinished": [],
    }
    assert is_gone(daemon.pid)
    assert daemon.wait() == 0
    assert codexctl(home, "stop").out == "no daemon was running\n"


@pytest.mark.slow
@pytest.mark.parametrize("before", ["the daemon runs", "the daemon was killed"])
@pytest.mark.parametrize("now", [(), ("--now",)], ids=["stop", "stop --now"])
def test_stop_ends_all_that_runs(home: Home, before: str, now: tuple[str, ...]) -> None:
    fifo = home.root / "pids"
    os.mkfifo(fifo)
    command = json.dumps({"command": f"setsid sleep 1000 & echo $$ $! > {fifo}; wait"})
    with playing((Call("shell_command", command),)) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        with begin(home, "send", "go") as sending:
            pids = [int(word) for word in fifo.read_text().split()]
            if before == "the daemon was killed":
                sending.kill()  # It would start another one.
                daemon.kill()
            keepers = home.keepers()
            assert len(keepers) == 2
            said = codexctl(home, "stop", *now).out
            sending.kill()
    if before == "the daemon was killed":
        assert said.startswith("no daemon was running; stopped process ")
    else:
        stopped, goes_on = said.splitlines()
        assert stopped == f"stopped process {daemon.pid}"
        assert goes_on.endswith(
            "  go: its command was ended, and the turn goes on at the next start"
        )
    for pid in [*pids, *keepers]:
        assert wait_gone(pid, PATIENCE_SECONDS)
    assert home.processes() == []


def test_start_starts_it_once(home: Home) -> None:
    first = codexctl(home, "start", "--json").json
    assert codexctl(home, "start", "--json").json == first
    assert daemons(home) == {first["pid"]}
    assert codexctl(home, "stop", "--now").code == 0
    assert daemons(home) == set()


def test_status_of_no_daemon_is_unreachable_and_starts_none(home: Home) -> None:
    ended = codexctl(home, "status")
    assert ended == (69, "", f"codexctl: no daemon is running at {home.socket}\n")
    asked = codexctl(home, "status", "--json")
    assert asked.code == 69
    assert asked.json == {"schema": 1, "running": False, "socket": str(home.socket)}
    assert home.processes() == []


def test_app_server_is_the_daemon_on_stdin_and_stdout(home: Home) -> None:
    with playing(HELLO) as model:
        home.use_model(model.base_url)
        with begin(home, "app-server") as child:
            info = {"name": "an-ide", "title": None, "version": "1"}
            ask(child, 1, "initialize", clientInfo=info)
            assert "userAgent" in told(child, until=1)[-1]["result"]
            tell(child, method="initialized")
            ask(child, 2, "thread/start", cwd=str(home.work))
            thread = told(child, until=2)[-1]["result"]["thread"]["id"]
            ask(child, 3, "turn/start", threadId=thread, input=[{"type": "text", "text": "hello"}])
            said = told(child, until="turn/completed")
            deltas = [note for note in said if note.get("method") == "item/agentMessage/delta"]
            assert "".join(delta["params"]["delta"] for delta in deltas) == "Hello there."
            assert child.communicate(timeout=PATIENCE_SECONDS) == ("", "")
            assert child.returncode == 0
    assert len(daemons(home)) == 1  # it stays


def ask(child: subprocess.Popen[str], request_id: int, method: str, **params: object) -> None:
    tell(child, id=request_id, method=method, params=params)


def tell(child: subprocess.Popen[str], **members: object) -> None:
    assert child.stdin is not None
    child.stdin.write(msgspec.json.encode(members).decode() + "\n")
    child.stdin.flush()

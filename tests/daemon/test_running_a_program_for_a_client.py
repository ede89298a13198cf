"""`command/exec`: a client runs a program by itself, writes to it, and loses it with its connection."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from daemon_client import Client, Json, connected
from daemon_house import Daemon, wait_gone
from trio_test import trio_test

pytestmark = pytest.mark.slow


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def streamed(client: Client, name: str, stream: str = "stdout") -> bytes:
    notes = client.of("command/exec/outputDelta", processId=name, stream=stream)
    return b"".join(b64decode(note.params["deltaBase64"]) for note in notes)


@pytest.fixture
def folder(daemon: Daemon) -> Path:
    return daemon.home.work


@trio_test
async def test_it_is_run_to_its_end_and_its_streams_are_apart(daemon: Daemon, folder: Path) -> None:
    async with connected(daemon.home.socket) as client:
        answer = await client.call(
            "command/exec",
            command=["sh", "-c", "pwd; echo $GIVEN-$HOME; echo bad >&2; exit 3"],
            cwd=str(folder),
            env={"GIVEN": "x", "HOME": None},
            timeoutMs=30_000,
            disableOutputCap=True,
        )
        assert answer == {"exitCode": 3, "stdout": f"{folder}\nx-\n", "stderr": "bad\n"}
        cut = await client.call("command/exec", command=["seq", "9"], outputBytesCap=4)
        assert cut["stdout"] == "1\n2\n"
        late = await client.call("command/exec", command=["sleep", "60"], timeoutMs=100)
        assert late["exitCode"] == 124


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"command": []}, "must not be empty"),
    ({"command": ["no-such-program"]}, "failed to spawn command"),
    (
        {"command": ["true"], "cwd": "/nope"},
        "failed to spawn command: the directory /nope does not",
    ),
    ({"command": ["cat"], "tty": True}, "requires a client-supplied processId"),
    ({"command": ["true"], "timeoutMs": 5, "disableTimeout": True}, "both timeoutMs"),
    ({"command": ["true"], "outputBytesCap": 5, "disableOutputCap": True}, "both outputBytesCap"),
    ({"command": ["true"], "size": {"rows": 1, "cols": 1}}, "requires tty"),
    ({"command": ["true"], "timeoutMs": -1}, "0 or more"),
    ({"command": ["true\0"]}, "NUL"),
    ({"command": ["true"], "permissionProfile": "p"}, "no profiles"),
]


@trio_test
async def test_what_makes_no_sense_is_refused(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        for params, reason in WRONG:
            refused = await client.refused("command/exec", **params)
            assert reason in refused.message, params
        for method in ("write", "resize", "terminate"):
            params = {"closeStdin": True} if method == "write" else {}
            size = {"size": {"rows": 1, "cols": 1}} if method == "resize" else {}
            gone = await client.refused(f"command/exec/{method}", processId="zz", **params, **size)
            assert "no active command/exec" in gone.message
        for wrong in ({}, {"deltaBase64": "!!"}):
            await client.refused("command/exec/write", processId="zz", **wrong)


@trio_test
async def test_its_input_is_written_and_closed(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        params: Json = {"streamStdin": True, "streamStdoutStderr": True, "disableTimeout": True}
        asked = await client.post("command/exec", command=["cat"], processId="c", **params)
        await client.call("command/exec/write", processId="c", deltaBase64=b64(b"\xff\n"))
        await client.until(lambda: streamed(client, "c") == b"\xff\n")
        twice = await client.refused("command/exec", command=["true"], processId="c", **params)
        assert "duplicate active" in twice.message
        await client.call(
            "command/exec/write", processId="c", deltaBase64=b64(b"end"), closeStdin=True
        )
        assert await client.answered(asked) == {"exitCode": 0, "stdout": "", "stderr": ""}
        assert streamed(client, "c") == b"\xff\nend"
        capped = await client.call(
            "command/exec", command=["seq", "9"], processId="c", outputBytesCap=3, **params
        )
        assert capped["exitCode"] == 0
        assert client.of("command/exec/outputDelta")[-1].params["capReached"]


@trio_test
async def test_a_terminal_is_resized_and_ended(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        line = "stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done"
        asked = await client.post(
            "command/exec",
            command=["sh", "-c", line],
            processId="t",
            tty=True,
            size={"rows": 10, "cols": 33},
            disableTimeout=True,
        )
        await client.until(lambda: b"ready" in streamed(client, "t"))
        await client.call("command/exec/resize", processId="t", size={"rows": 11, "cols": 44})
        assert (await client.answered(asked))["exitCode"] == 5
        assert streamed(client, "t") == b"10 33\r\nready\r\n11 44\r\n"
        asked = await client.post(
            "command/exec",
            command=["sh", "-c", "echo up; exec sleep 60"],
            processId="u",
            tty=True,
        )
        await client.until(lambda: streamed(client, "u") == b"up\r\n")
        await client.call("command/exec/terminate", processId="u")
        assert (await client.answered(asked))["exitCode"] == 143


@trio_test
async def test_it_ends_with_its_connection_and_is_nobody_elses(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
        await client.post(
            "command/exec",
            command=["sh", "-c", "echo $$; exec sleep 1000"],
            sandboxPolicy={"type": "dangerFullAccess"},  # its number is that of this machine
            processId="p",
            streamStdoutStderr=True,
            disableTimeout=True,
        )
        await client.until(lambda: streamed(client, "p").endswith(b"\n"))
        pid = int(streamed(client, "p"))
        os.kill(pid, 0)
        await other.refused("command/exec/terminate", processId="p")
        assert other.of("command/exec/outputDelta") == []
        await client.cut()
        await wait_gone(pid)


@trio_test
async def test_it_runs_in_the_sandbox_that_it_names(daemon: Daemon, folder: Path) -> None:
    async with connected(daemon.home.socket) as client:
        asked = {"command": ["touch", "made"], "cwd": str(folder)}
        closed = await client.call("command/exec", **asked, sandboxPolicy={"type": "readOnly"})
        assert closed["exitCode"] == 1
        assert not (folder / "made").exists()
        opened = await client.call(
            "command/exec", **asked, sandboxPolicy={"type": "workspaceWrite"}
        )
        assert opened["exitCode"] == 0
        assert (folder / "made").exists()

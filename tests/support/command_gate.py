"""Commands that wait at a fifo until the test lets them go on: the fixture `gate` of the daemon's tests makes it."""

from __future__ import annotations

from pathlib import Path

import trio

from daemon_client import Client


async def through(gate: Path, word: str) -> None:
    """Let a command that reads the fifo go on."""
    await trio.to_thread.run_sync(gate.write_text, f"{word}\n")


def printed(client: Client) -> str:
    """The output of commands that a client was told so far."""
    return "".join(note.params["delta"] for note in client.of("item/commandExecution/outputDelta"))

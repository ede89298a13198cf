"""The index's own process, as the daemon sees it: started, read from, and ended with the daemon."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import trio

from codexd.index.build.reconcile import Progress
from codexd.machine.python_child import plain_environment, python_command

# Exit codes: the file is useless and has to be rebuilt; it cannot be written just now.
BROKEN: Final = 3
UNWRITABLE: Final = 4


class ChildFailed(Exception):
    """It could not bring the index up to the logs."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the process that indexes ended with code {code}")
        self.is_broken = code == BROKEN


class Child:
    """One run of it."""

    def __init__(self, root: str, path: Path, *, check: bool) -> None:
        options = ["--check"] if check else []
        self._command = [*python_command("codexd.index"), root, str(path), *options]

    async def run(self, only: Sequence[str], tell: Callable[[Progress], None]) -> None:
        """Take in these streams' logs, or all; returns when it has. Raises: ChildFailed, OSError."""
        process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=plain_environment(),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            await process.stdin.send_all(" ".join(only).encode() + b"\n")
            rest = b""
            async for piece in process.stdout:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    tell(msgspec.json.decode(line, type=Progress))
            code = await process.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            code = await process.wait()
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.stdin.aclose()
                await process.stdout.aclose()
                await process.wait()
        if code != 0:
            raise ChildFailed(code)

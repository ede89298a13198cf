"""Looks at what a daemon would find here, where none runs: `python -m codexd.doctor FOLDER` writes JSON."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import msgspec
import trio

from codexd.doctor.examine import examine
from codexd.doctor.examined import examined_here
from codexd.machine.paths import UnusablePath, default_paths
from codexd.protocol.doctor import ServerDoctorResponse


def main(arguments: list[str]) -> int:
    """Write the findings as the daemon would answer them."""
    try:
        paths = default_paths()
    except UnusablePath as error:
        sys.stderr.write(f"{error}\n")
        return 1
    folder = arguments[0] if arguments else None
    with tempfile.TemporaryDirectory(prefix="codexd-doctor-") as temporary:
        examined = examined_here(paths, os.environ, folder, Path(temporary))
        findings = trio.run(examine, examined)
    sys.stdout.buffer.write(msgspec.json.encode(ServerDoctorResponse(findings)) + b"\n")
    sys.stdout.buffer.flush()
    # A thread that waits for a dead disk or name server would hold the process up.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

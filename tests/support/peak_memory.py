"""How much memory something takes at most: measured in a process of its own, which can take no more than it may.

grown = peak_mib("work = b'x' * 10_000_000", "decode(work)", limit_mib=2000)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import resource, sys
from pathlib import Path

def most():
    # Not ru_maxrss: a child begins with that of its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])

limit = int(sys.argv[3]) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
scope = {}
exec(sys.argv[1], scope)
before = most()
exec(sys.argv[2], scope)
print((most() - before) // 1024)
"""
HAS_PROC = Path("/proc/self/status").exists()


def peak_mib(prepare: str, work: str, *, limit_mib: int = 2000) -> int:
    """So many MiB more than before are held at most while `work` runs; it fails beyond a limit on all of them."""
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, prepare, work, str(limit_mib)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout.split()[-1])

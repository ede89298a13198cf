"""What `codexctl ps` shows of a command: its processor time and memory, with all that it has started."""

from __future__ import annotations

import os
import subprocess
import sys

from codexd.exec.figures import figures_of

MEGABYTES = 64
# One process that holds memory and has used a processor, and its child that holds as much.
HOLDS = f"""
import os, sys, time
child = os.fork()
held = b"x" * ({MEGABYTES} << 20)
while time.process_time() < 0.03:
    pass
if child:
    os.read(0, 1)  # until the child has it, too
    print("held", flush=True)
else:
    os.write(int(sys.argv[1]), b"x")
os.read(int(sys.argv[2]), 1)
"""


def test_they_are_those_of_a_command_and_of_all_that_it_started() -> None:
    told, tell = os.pipe()
    ends, end = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tell), str(ends)],
        stdin=told,
        stdout=subprocess.PIPE,
        pass_fds=(tell, ends),
        start_new_session=True,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"held\n"
        found = figures_of([command.pid])[command.pid]
        for descriptor in (end, told, tell, ends):
            os.close(descriptor)
    assert found.rss_kb >= 2 * MEGABYTES * 1024
    assert found.cpu_percent > 0
    # A process that is gone has none.
    assert figures_of([command.pid]) == {}

"""Records are decoded in two threads at once: the event loop's and the index's. Neither may end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROCESSES = 8
PROGRAM = """
import sys, threading
import msgspec
from codexd.core.events import record
from codexd.core.events.events import EVENTS

sys.setswitchinterval(1e-6)
if sys.argv[1] == "made":
    record.make_decoders()
lines = [
    b'{"seq":1,"at":"2026-11-27T00:00:00.000000Z","type":"%s","v":1,"data":{},"crc":"00000000"}' % tag.encode()
    for tag in EVENTS
]
begin = threading.Barrier(4)

def decode(order):
    begin.wait()
    for line in order:
        try:
            record.decode_record(line)
        except record.InvalidEvent:
            pass  # its data lack members: what matters is that it was looked at

orders = [lines, lines[::-1], lines[1::2] + lines[::2], lines[::2] + lines[1::2]]
threads = [threading.Thread(target=decode, args=[order]) for order in orders]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def codes(how: str) -> list[int]:
    command = [sys.executable, "-I", "-c", PROGRAM, how]
    return [subprocess.run(command, check=False, timeout=60).returncode for _ in range(PROCESSES)]


@pytest.mark.slow
def test_with_their_decoders_made_any_threads_may_decode() -> None:
    assert codes("made") == [0] * PROCESSES

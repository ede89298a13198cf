"""A daemon that measures its own event loop: the program of a child process, with the file for its report.

The report is JSON: for each task, by its name, its longest step, as a multiple of what it takes here to decode
`CALIBRATION_BYTES` of JSON. Both are CPU time of the loop's thread. Steps in which a module was imported are left out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import msgspec
import trio

from codexd.machine.log_lines import log_to
from codexd.machine.paths import default_paths, parse_socket_url, socket_address
from codexd.service.manager import Begun, Manager
from codexd.serving import serve
from codexd_eventstore.log.committer import SWITCH_SECONDS

CALIBRATION_BYTES = 1024 * 1024
CALIBRATIONS = 30


def decode_seconds() -> float:
    """How long it takes to decode so much JSON: the best of several."""
    text = msgspec.json.encode("word\n " * (CALIBRATION_BYTES // 7))
    best = float("inf")
    for _ in range(CALIBRATIONS):
        begun = time.thread_time()
        msgspec.json.decode(text)
        best = min(best, time.thread_time() - begun)
    return best


class LongestSteps(trio.abc.Instrument):
    """The longest step of each task."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._modules = 0
        self._begun = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._modules = len(sys.modules)
        self._begun = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = time.thread_time() - self._begun
        if len(sys.modules) == self._modules and took > self.seconds.get(task.name, 0.0):
            self.seconds[task.name] = took


def main(report: Path) -> None:
    """Serve until told to stop, and write the report."""
    log_to(sys.stderr, 20, "%(asctime)s %(levelname)s %(message)s")
    os.umask(0o077)
    sys.setswitchinterval(SWITCH_SECONDS)
    paths, steps = default_paths(), LongestSteps()
    place = socket_address(parse_socket_url("unix://", paths.socket))
    before = decode_seconds()
    trio.run(serve, paths, place, os.environ.copy(), Begun(Manager()), instruments=[steps])
    decode = max(before, decode_seconds())
    report.write_text(json.dumps({name: took / decode for name, took in steps.seconds.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What commands that run take of the machine, with all that they have started. I/O."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from codexd.keeper.session import ps
from codexd.keeper.tree import living


class Figures(NamedTuple):
    """Of a command and of all processes below it or in its session."""

    cpu_percent: float  # its processor time in percent of the time since its start, as ps(1) has it
    rss_kb: int  # resident memory; pages that processes share count once for each


class _Process(NamedTuple):
    pid: int
    parent: int
    session: int  # 0: not known
    cpu_seconds: float
    started_seconds: float  # after the start of the machine
    cpu_percent: float  # 0 where it follows from the times
    rss_kb: int


# Fields of proc_pid_stat(5), counted from the third on.
_PARENT, _SESSION, _CPU, _STARTED, _PAGES = 1, 3, slice(11, 15), 19, 21


def figures_of(leaders: Collection[int]) -> Mapping[int, Figures]:
    """The figures of commands by the pids of their leaders, without those that are gone.

    It reads the state of every process of the machine, so it is called in a thread.
    """
    processes = {found.pid: found for found in _processes()}
    now = _uptime_seconds()
    return {
        leader: _summed(processes[leader], _below(leader, processes), now)
        for leader in leaders
        if leader in processes
    }


def _below(leader: int, processes: Mapping[int, _Process]) -> list[_Process]:
    found = {leader} | {pid for pid, process in processes.items() if process.session == leader}
    while more := {pid for pid, process in processes.items() if process.parent in found} - found:
        found |= more
    return [processes[pid] for pid in found]


def _summed(leader: _Process, family: list[_Process], now: float) -> Figures:
    percent = sum(process.cpu_percent for process in family)
    seconds = now - leader.started_seconds
    if seconds > 0:
        percent += 100 * sum(process.cpu_seconds for process in family) / seconds
    return Figures(round(percent, 1), sum(process.rss_kb for process in family))


def _processes() -> Iterator[_Process]:
    if sys.platform != "linux":
        yield from _processes_of_ps()
        return
    ticks, page_kb = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") // 1024
    for pid, stat in living():
        yield _Process(
            pid,
            int(stat[_PARENT]),
            int(stat[_SESSION]),
            sum(map(int, stat[_CPU])) / ticks,
            int(stat[_STARTED]) / ticks,
            0.0,
            int(stat[_PAGES]) * page_kb,
        )


def _processes_of_ps() -> Iterator[_Process]:
    for line in ps("-ax", "-o", "pid=,ppid=,%cpu=,rss=").splitlines():
        pid, parent, percent, rss = line.split()
        yield _Process(
            int(pid), int(parent), 0, 0.0, 0.0, float(percent.replace(b",", b".")), int(rss)
        )


def _uptime_seconds() -> float:
    if sys.platform != "linux":
        return 0.0
    with open("/proc/uptime", "rb", buffering=0) as file:
        return float(file.read().split()[0])

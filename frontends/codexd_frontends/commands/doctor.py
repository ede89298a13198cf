"""codexctl doctor: what is configured, from where, what works, and what mends the rest."""

from __future__ import annotations

import argparse
import itertools

import msgspec

from codexd.protocol.doctor import FAIL, OK, WARN, Finding
from codexd_frontends.cli.console import Console
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.doctor.asking import daemon_findings
from codexd_frontends.doctor.surroundings import service, terminal
from codexd_frontends.screen.drawn import drawn_once, one_line

# A check is a function, and stands here; those of the daemon stand in `codexd.doctor`.
CHECKS = (daemon_findings, service, terminal)
# As wide as the longest id of ours.
ID_COLUMNS = 18
SAYS_CHARACTERS_MAX = 600


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Say all of it; the exit code says whether something has failed."""
    found = list(itertools.chain.from_iterable(check(console) for check in CHECKS))
    counts = {status: sum(each.status == status for each in found) for status in (OK, WARN, FAIL)}
    last = f"{counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} failed"
    members = {"findings": msgspec.to_builtins(found), "counts": counts}
    lines = [line for finding in found for line in _lines(finding, console)]
    console.result(members, *lines, last)
    return FAILED if counts[FAIL] else DONE


def _lines(finding: Finding, console: Console) -> list[str]:
    style = console.out_style
    colours = {OK: style.green, WARN: style.yellow, FAIL: style.red}
    status = f"{one_line(finding.status, 10):4}"
    if finding.status in colours:
        status = colours[finding.status](status)
    says = drawn_once(finding.says, SAYS_CHARACTERS_MAX)
    lines = [f"{status}  {one_line(finding.id, 40):{ID_COLUMNS}} {says}"]
    if finding.mend:
        lines.append(
            f"{'':6}{'':{ID_COLUMNS}} mend: {drawn_once(finding.mend, SAYS_CHARACTERS_MAX)}"
        )
    return lines

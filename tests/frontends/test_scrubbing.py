"""codexctl scrub: the request to the daemon, and the report of the result."""

from __future__ import annotations

import argparse

import pytest

from codexd.protocol.codexd_methods import ScrubbedThread, ThreadScrubResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.client.errors import UsageError
from codexd_frontends.commands import scrub
from codexd_frontends.ctl import build_parser

CONSOLE = Console(socket_path="/nowhere", color="never", json=False, may_start=False)


def parsed(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["scrub", *words])


def test_patterns_records_and_what_is_known_can_be_asked_for_together() -> None:
    found = parsed("t", "a+", "b+", "--seq", "3", "--seq", "5", "--known", "--dry-run")
    assert (found.patterns, found.seqs, found.known, found.dry_run) == (
        ["a+", "b+"],
        [3, 5],
        True,
        True,
    )


def test_without_anything_to_look_for_nothing_is_asked() -> None:
    with pytest.raises(UsageError, match="expected a PATTERN"):
        scrub.run(parsed("t"), CONSOLE)


def test_it_says_what_was_replaced_and_that_the_disk_may_still_have_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    threads = (
        ScrubbedThread("t1", tuple(range(1, 31)), 40, archived=False),
        ScrubbedThread("t2", (), 0, archived=True),
    )
    scrub._say(ThreadScrubResponse(threads, 1, 0, dry_run=False, parent="t0"), CONSOLE)
    said = capsys.readouterr().out
    assert "t1: 40 replaced in records 1, 2, 3" in said
    assert "20, …" in said
    assert "t2 (archived): 0 replaced\n" in said
    assert "1 large outputs replaced" in said
    assert "shares with its parent t0" in said
    assert "overwritten by nothing" in said


def test_a_dry_run_says_what_would_be_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    threads = (ScrubbedThread("t1", (4,), 1, archived=False),)
    scrub._say(ThreadScrubResponse(threads, 0, 0, dry_run=True), CONSOLE)
    assert capsys.readouterr().out == "t1: 1 would be replaced in records 4\n"

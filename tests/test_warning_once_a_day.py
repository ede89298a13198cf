"""A warning about a model comes once a day, in whatever thread comes first, also after a restart."""

from __future__ import annotations

from pathlib import Path

import trio
import trio.testing

from codexd.catalog.daily_warnings import WARNINGS_MAX, DailyWarnings
from codexd.core.values.settings import Notice
from trio_test import trio_test

A, B = Notice("window:a", "a is unknown"), Notice("window:b", "b is unknown")


@trio_test
async def test_each_comes_once_a_day_and_a_restart_repeats_none(tmp_path: Path) -> None:
    day, file = ["2026-11-27"], tmp_path / "warned.json"
    daily = DailyWarnings(file, lambda: day[0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daily.run)
        assert daily.due((A,)) == (A,)
        assert daily.due((A, B)) == (B,)
        assert daily.due((A, B)) == ()
        while len(DailyWarnings(file, lambda: day[0]).due((A, B))):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    day[0] = "2026-11-28"
    assert DailyWarnings(file, lambda: day[0]).due((A, B)) == (A, B)


@trio_test
async def test_a_damaged_file_repeats_a_warning_and_the_number_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "warned.json"
    file.write_bytes(b'{"window:a": 3}')
    daily = DailyWarnings(file, lambda: "today")
    assert daily.due((A,)) == (A,)
    many = [Notice(f"window:{n}", "m") for n in range(2 * WARNINGS_MAX)]
    assert daily.due(many) == tuple(many)
    assert daily.due(many[-WARNINGS_MAX:]) == ()

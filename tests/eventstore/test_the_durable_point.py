"""With a note of how far the disk was known to have a log, nothing that was acknowledged is ever taken for a torn tail.

Without one, a cut in the last append looks like an append that never finished (`test_torn_tails.py`), and so
does a flip in the last record (`test_bit_flips.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codexd_eventstore.log.recovery_check import judge
from codexd_eventstore.log.scan import Scan, scan_log
from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.sidecar.rows import OpenHint
from simulated_files import SimulatedFileSystem
from store_engines import NOON_US, FastFiles, append, content, log_path, placed
from trio_test import trio_test

NIGHTLY = "CODEXD_NIGHTLY" in os.environ
# One and several events, with and without keys.
APPENDS = (1, 3, 1, 2, 3) * (6 if NIGHTLY else 1)

Tear = Callable[[bytes, int], bytes]
TEARS: dict[str, Tear] = {
    "cut off": lambda whole, at: whole[:at],
    "zeros to the end": lambda whole, at: whole[:at] + bytes(len(whole) - at),
    "zeros for a sector": lambda whole, at: whole[:at] + bytes(512),
}


class Witnessed:
    """A log with its hint and where each append ends, and what is made of any other bytes in its place."""

    def __init__(
        self, stream: str, whole: bytes, hint: OpenHint, ends: list[tuple[int, int]]
    ) -> None:
        self.stream, self.whole, self.hint, self.ends = stream, whole, hint, ends
        self._files = SimulatedFileSystem()
        self._fd = self._files.create("/log")

    def judged(self, found: bytes, hint: OpenHint | None) -> Scan:
        """What stands of these bytes, and what is said of the rest."""
        self._files.truncate(self._fd, 0)
        self._files.write(self._fd, found)
        self._files.sync(self._fd)
        scan = scan_log(self._files, "/log", self.stream, hint=hint)
        judge(scan, hint)
        return scan


async def window(store: JsonlStore, stream: str, version: int) -> list[tuple[int, int]]:
    """Durable appends; version and size at the end of each."""
    ends = []
    for count in APPENDS:
        events = [placed(version + n) for n in range(1, count + 1)]
        key = f"k{version}" if count % 2 else None
        version = (await append(store, stream, version, *events, durable=True, key=key)).last
        ends.append((version, len(content(await log_path(store, stream)))))
    return ends


async def witnessed(folder: Path, stream: str, appends_behind: int = 0) -> Witnessed:
    """The log of a stream with its hint, and so many appends after the hint."""
    state = folder / "state"
    async with open_jsonl_store(folder, state_dir=state, files=FastFiles()) as store:
        ends = await window(store, "a", 0)
        if stream == "b":
            await store.fork("a", ends[1][0], "b", [placed(0), placed(0)], at_us=NOON_US)
            ends = await window(store, "b", ends[1][0] + 2)
    async with open_jsonl_store(folder, state_dir=state, files=FastFiles()) as store:
        hint = store.notes.hint(stream)
        assert hint is not None
        assert hint.durable.seq == ends[-1][0]
        for _ in range(appends_behind):
            version = (await append(store, stream, ends[-1][0], placed(1), placed(2))).last
            ends.append((version, len(content(await log_path(store, stream)))))
        whole = content(await log_path(store, stream))
    return Witnessed(stream, whole, hint, ends)


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["a", "b"])
@trio_test
async def test_a_tail_torn_in_front_of_it_is_damage(stream: str, tmp_path: Path) -> None:
    log = await witnessed(tmp_path, stream)
    count = 0
    for tear in TEARS.values():
        for at in range(len(log.whole)):
            scan = log.judged(tear(log.whole, at), log.hint)
            assert scan.tail is not None, f"byte {at} was accepted"
            assert scan.tail.damage is not None, f"byte {at} would have cost acknowledged records"
            count += 1
    print(f"torn tails: {count} cases of {stream} with a durable point: all damage")


@pytest.mark.slow
@trio_test
async def test_a_tail_torn_after_it_is_cut_back_to_the_last_whole_append(tmp_path: Path) -> None:
    log = await witnessed(tmp_path, "a", appends_behind=3)
    marked = next(size for version, size in log.ends if version == log.hint.durable.seq)
    count = 0
    for tear in TEARS.values():
        for at in range(marked, len(log.whole)):
            scan = log.judged(tear(log.whole, at), log.hint)
            assert scan.tail is None or scan.tail.damage is None, f"byte {at}"
            assert (scan.version, scan.size) == max(end for end in log.ends if end[1] <= at)
            count += 1
    print(f"torn tails: {count} cases behind a durable point: all torn")


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["a", "b"])
@trio_test
async def test_every_flipped_bit_in_front_of_it_is_damage(stream: str, tmp_path: Path) -> None:
    log = await witnessed(tmp_path, stream)
    flipped = bytearray(log.whole)
    for bit in range(len(log.whole) * 8):
        flipped[bit // 8] ^= 1 << bit % 8
        scan = log.judged(bytes(flipped), log.hint)
        assert scan.tail is not None, f"bit {bit} was accepted"
        assert scan.tail.damage is not None, f"bit {bit} would have cost an acknowledged record"
        flipped[bit // 8] ^= 1 << bit % 8
    print(f"bit flips: {len(log.whole) * 8} of {stream} with a durable point: all damage")

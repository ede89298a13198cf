"""The committer alone: records that are framed already, so many bytes of them under way at any time."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from statistics import mean, median

from bench import bare
from bench.orders import AT_US, placed
from bench.scale import scaled
from bench.table import Table
from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.format.lines import chain_start, frame
from codexd_eventstore.log.committer import Committer
from codexd_eventstore.log.log import Log, WriteBatch
from codexd_eventstore.store import Record

RECORDS = scaled(40_000, 5_000)
BURST = 20
REPEATS = scaled(9, 1)


async def run(table: Table, folder: Path) -> None:
    """Windows that lead to rounds of some 100 to 200 records, and of 1,000 and more."""
    for window, demand in ((300, 0.6), (4096, 0.8)):
        ratios, rates, raws, sizes = [], [], [], []
        for attempt in range(REPEATS):
            stream = f"fed-{window}-{attempt}"
            each, size = await fed(folder, stream, window, framed(stream))
            # The mean, as that of the rounds: a disk has slow syncs for both.
            raw = mean(bare.durable_appends(folder, size, RECORDS // size)) / size
            ratios.append(raw / each)
            rates.append(1 / each)
            raws.append(1 / raw)
            sizes.append(size)
        ratio = median(ratios)
        table.add(
            f"the committer, fed framed records, {median(sizes):.0f} a round",
            f"{median(rates):,.0f}/s",
            f"raw {median(raws):,.0f}/s",
            found=f"{ratio:.2f} of raw",
            asked=f"≥ {demand}",
            holds=ratio >= demand,
        )


def framed(stream: str) -> list[list[Record]]:
    """Appends of a few records each, chained."""
    events = [placed(number) for number in range(BURST)]
    appends, chain = [], chain_start(stream)
    for after in range(0, RECORDS, BURST):
        records = frame(events, after=after, chain=chain, at_us=AT_US)
        chain = int(records[-1].line[-10:-2], 16)
        appends.append(records)
    return appends


async def fed(
    folder: Path, stream: str, window: int, appends: list[list[Record]]
) -> tuple[float, int]:
    """Seconds a record, and how many there were in a round."""
    fs = FileSystem()
    layout = Layout(fs, str(folder))
    committer = Committer(fs, layout)
    log = Log(stream, layout.log(stream), base=0, chain=chain_start(stream), origin=None)
    waiting: deque[WriteBatch] = deque()
    rounds, under_way = 0, 0
    start = time.perf_counter()
    for records in appends:
        batch = committer.append(log, records, at_us=AT_US, durable=True, key=None)
        assert batch is not None
        if not waiting or waiting[-1] is not batch:
            waiting.append(batch)
            rounds += 1
        under_way += len(records)
        while under_way > window:
            first = waiting.popleft()
            await first.wait()
            under_way -= len(first.records)
    for batch in waiting:
        await batch.wait()
    took = time.perf_counter() - start
    committer.release(log)
    await committer.stop()
    return took / RECORDS, RECORDS // rounds

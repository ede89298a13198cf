"""Any call to the file system may fail in any way: nothing acknowledged is lost, and the store continues or says why not."""

from __future__ import annotations

import errno
import os

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import StoreError
from fault_plans import ANY, FILLING, FaultAt
from simulated_files import SimulatedFileSystem
from simulated_power import AllKept, AllLost, after_power_cut
from store_engines import append
from store_ledger import judge
from store_script import Script
from trio_test import trio_test

NIGHTLY = "CODEXD_NIGHTLY" in os.environ
SEEDS = range(6) if NIGHTLY else range(1)
OPERATIONS = 40 if NIGHTLY else 16
# Every so many calls fail in turn; each kind of fault begins at another one, so that together they meet all.
STEP = 1 if NIGHTLY else 5

DATA, STATE = "/disk/data", "/disk/state"

# How a call fails: with what, which calls, and how much of a write gets into the file all the same.
FAULTS = {
    "full": (errno.ENOSPC, FILLING, 0.0),
    "full in the middle of a write": (errno.ENOSPC, FILLING, 0.6),
    "broken": (errno.EIO, ANY, 0.0),
    "broken in the middle of a write": (errno.EIO, ANY, 0.6),
    "interrupted": (errno.EINTR, ANY, 0.3),
}


async def play(seed: int, faults: FaultAt) -> tuple[Script, SimulatedFileSystem]:
    """A script on a disk with faults; when they are over, what is open is usable or says why not."""
    files = SimulatedFileSystem(faults=faults)
    script = Script(seed, OPERATIONS, reopens=False)
    try:
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            faults.start()
            while script.ledger.numbers < OPERATIONS * 3 and await script.step(store):
                pass
            faults.stop()
            for name, life in script.ledger.lives.items():
                try:
                    version = (await store.head(name)).version
                    answer = await append(store, name, version, durable=True)
                except StoreError as error:
                    script.failures.append(error)
                else:
                    life.accept(answer.first, [version + 1])
                    life.ack(answer.last, durable=True)
            faults.start()
    finally:
        faults.stop()
    assert all(len(str(error)) > 20 for error in script.failures)
    return script, files


@pytest.mark.slow
@pytest.mark.parametrize("goes_on", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
@trio_test
async def test_a_call_that_fails_costs_nothing_that_was_acknowledged(
    seed: int, fault: str, goes_on: bool
) -> None:
    number, kinds, part = FAULTS[fault]
    nth = 1 + (list(FAULTS).index(fault) + 2 * goes_on) % STEP - STEP
    tried = 0
    while True:
        nth += STEP
        faults = FaultAt(nth, number, kinds=kinds, goes_on=goes_on, writes_part=part)
        try:
            script, files = await play(seed, faults)
            for outcome in (AllLost(), AllKept()):
                found = after_power_cut(files.disk(), outcome)
                async with open_jsonl_store(DATA, state_dir=STATE, files=found) as store:
                    await judge(store, script.ledger, died=False)
            assert files.descriptors() == []
            async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
                await judge(store, script.ledger, died=False)
        except Exception as error:
            error.add_note(f"seed {seed}, call {nth}")
            raise
        if faults.failed == 0:
            break
        tried += 1
    how = "from then on" if goes_on else "once"
    print(f"faults: {fault}, {how}: {tried} of {faults.calls} calls")

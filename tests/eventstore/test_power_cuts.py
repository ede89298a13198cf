"""The machine loses power at any moment: acknowledged records are there, whole, and all records there were accepted."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from simulated_files import Disk, SimulatedFileSystem
from simulated_power import AllKept, AllLost, Outcome, Sampled, after_power_cut
from store_engines import put
from store_ledger import Ledger, judge
from store_script import Script
from trio_test import trio_test

NIGHTLY = "CODEXD_NIGHTLY" in os.environ
SEEDS = range(10) if NIGHTLY else range(1)
OPERATIONS = 200
# How many throws of the dice there are at the end of each operation, and in front of each call within one.
SAMPLES_AFTER, SAMPLES_WITHIN = (6, 3) if NIGHTLY else (1, 1)
# Every so many calls within an operation are looked at.
STEP_WITHIN = 1 if NIGHTLY else 8
# Every so many operations are looked at with notes, which cost ten times as much.
STEP_NOTES = 2 if NIGHTLY else 40

DATA, STATE = "/disk/data", "/disk/state"
# In front of other calls the disk has what it had before.
CHANGING = frozenset(
    {"create", "write", "sync", "sync_folder", "rename", "unlink", "truncate", "make_folder"}
)


class Picture:
    """One moment: the disk, what was promised by then, and the place in the script."""

    def __init__(self, script: Script, files: SimulatedFileSystem, call: str) -> None:
        self.disk: Disk = files.disk()
        self.ledger: Ledger = script.ledger.copy()
        self.place = f"operation {script.done}, {call}"
        self.is_after = call == "done"

    def some_streams(self, number: int) -> set[str]:
        """Two of them, others for each number."""
        names = sorted(self.ledger.lives) or [""]
        return {names[number % len(names)], names[(number * 7 + 3) % len(names)]}

    def outcomes(self, seed: int) -> list[tuple[str, Outcome]]:
        """What may be found of it."""
        count = SAMPLES_AFTER if self.is_after else SAMPLES_WITHIN
        some: list[tuple[str, Outcome]] = [
            (f"dice {n}", Sampled(random.Random(f"{seed} {self.place} {n}"))) for n in range(count)
        ]
        if self.is_after or NIGHTLY:
            some += [("all lost", AllLost()), ("all kept", AllKept())]
        return some


async def pictures_of(seed: int) -> list[Picture]:
    """A picture after each operation and in front of each call that changes anything."""
    files = SimulatedFileSystem()
    script = Script(seed, OPERATIONS)
    pictures: list[Picture] = []
    calls = 0

    def on_call(kind: str, path: str) -> None:
        nonlocal calls
        calls += kind in CHANGING
        if kind in CHANGING and calls % STEP_WITHIN == 0:
            pictures.append(Picture(script, files, f"{kind} {path}"))

    files.on_call = on_call
    script.on_done = lambda: pictures.append(Picture(script, files, "done"))
    await script.run(files, DATA, STATE)
    assert script.failures == []
    return pictures


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@trio_test
async def test_a_power_cut_at_any_moment_loses_nothing_that_was_promised(
    seed: int, tmp_path: Path
) -> None:
    pictures = await pictures_of(seed)
    count = 0
    for picture in pictures:
        for name, outcome in picture.outcomes(seed):
            files = after_power_cut(picture.disk, outcome)
            try:
                async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
                    some = None if NIGHTLY else picture.some_streams(count)
                    await judge(store, picture.ledger, died=name == "all kept", goes_on=some)
            except Exception as error:
                error.add_note(f"seed {seed}, {picture.place}, {name}")
                raise
            count += 1
    print(f"power cuts: {count} outcomes of {OPERATIONS} operations at {len(pictures)} moments")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@trio_test
async def test_records_of_a_dead_process_are_on_disk_before_the_next_append(seed: int) -> None:
    """The next process finds it in the memory of the system, appends, and then the power goes."""
    pictures = [picture for picture in await pictures_of(seed) if picture.is_after][::STEP_WITHIN]
    for picture in pictures:
        files = SimulatedFileSystem(picture.disk)
        versions = dict[str, int]()
        try:
            async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
                await judge(store, picture.ledger, died=True)
                for row in await store.streams():
                    versions[row.stream] = (await store.head(row.stream)).version
                disk = files.disk()
            found = after_power_cut(disk, AllLost())
            async with open_jsonl_store(DATA, state_dir=STATE, files=found) as store:
                for name, version in versions.items():
                    assert (await store.head(name)).version == version
                    assert (await store.verify(name)).damage is None
        except Exception as error:
            error.add_note(f"seed {seed}, {picture.place}")
            raise
    print(f"power cuts after a death: {len(pictures)}")


def notes_in(folder: Path) -> dict[str, bytes]:
    """The files of the notes as they are now, perhaps in the middle of a write."""
    return {path.name: path.read_bytes() for path in folder.glob("notes.sqlite*")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@trio_test
async def test_present_or_older_notes_never_take_a_cut_for_damage(
    seed: int, tmp_path: Path
) -> None:
    """Marks say what the disk had; a power cut leaves at least that, and whatever else the dice say."""
    state = tmp_path / "state"
    state.mkdir()
    files, script = SimulatedFileSystem(), Script(seed, OPERATIONS)
    pictures: list[tuple[Picture, dict[str, bytes]]] = []
    script.on_done = lambda: pictures.append((Picture(script, files, "done"), notes_in(state)))
    await script.run(files, DATA, str(state))
    count = 0
    for number, (picture, notes) in enumerate(pictures[::STEP_NOTES]):
        older = pictures[max(0, number - 3) * STEP_NOTES][1]
        for name, outcome in picture.outcomes(seed):
            for kept in (notes, older):
                folder = tmp_path / f"state-{count}"
                for file, content in kept.items():
                    put(folder / file, content)
                found = after_power_cut(picture.disk, outcome)
                try:
                    async with open_jsonl_store(DATA, state_dir=folder, files=found) as store:
                        some = picture.some_streams(count)
                        died = name == "all kept"
                        await judge(store, picture.ledger, died=died, goes_on=some)
                except Exception as error:
                    error.add_note(f"seed {seed}, {picture.place}, {name}, {kept is older}")
                    raise
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
    print(f"power cuts with notes: {count} outcomes of {OPERATIONS} operations")

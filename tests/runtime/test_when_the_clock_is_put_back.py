"""The clock of the machine jumps: every record is sent with its own time, and no duration is negative."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from builders import FINISHED, SETTINGS, finished_message
from codexd.core import commands as c
from codexd.core.events.record import Recorded, decode_record
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Traits
from codexd.models.client import ModelClient
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.supervisor import Supervisor
from codexd.tools.registry import Registry
from codexd_eventstore.memory.store import MemoryStore
from trio_test import trio_test

THREAD = ThreadId("019aa8f0-0000-7000-8000-000000000001")
NOON_US = 1_795_230_000_000_000
HOUR_US = 3_600_000_000


class Ear:
    """Hears what is in the log, and when."""

    watched = False

    def __init__(self) -> None:
        self.heard: list[Recorded] = []

    def appended(self, records: Sequence[Recorded]) -> None:
        self.heard += records

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def nobody(provider: str, turn_id: str) -> ModelClient:
    raise AssertionError("no model is asked here")


async def forever(effect: object, thread: ThreadActor) -> None:
    await trio.sleep_forever()


@trio_test
async def test_the_listener_gets_the_written_records_and_time_does_not_run_back(
    tmp_path: Path,
) -> None:
    clock = [NOON_US]
    ear: Any = Ear()
    world = World(
        store=MemoryStore(),
        client=nobody,
        traits=lambda name: Traits(),
        registry=Registry(),
        unfinished=UnfinishedFiles(tmp_path / "unfinished"),
        processes=ProcessFiles(tmp_path / "processes"),
        instructions="",
        now_us=lambda: clock[0],
    )
    supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: ear, forever)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
        thread = await supervisor.start(THREAD, begin, by=None, key=None)
        content = (TextInput("go"),)
        await thread.submit(
            c.StartTurn(turn_id=TurnId("t1"), item_id=ItemId("u1"), content=content)
        )
        clock[0] -= HOUR_US
        turn = thread.state.turn
        assert turn is not None
        assert turn.call is not None
        report = c.ReportModel(
            call_id=turn.call.call_id,
            attempt=turn.call.attempt,
            seen=(finished_message("m1", "done"), FINISHED),
        )
        await thread.submit(report)
        assert thread.state.turn is None
        # Also a thread that is loaded anew has its own time.
        await supervisor.unload(THREAD)
        thread = await supervisor.load(THREAD)
        await thread.submit(c.RenameThread(name="later"))
        nursery.cancel_scope.cancel()
    written = [decode_record(record.line) for record in await world.store.read(THREAD)]
    assert [replace(record, key=None) for record in ear.heard] == written
    times = [record.at_ms for record in written]
    assert times == sorted(times)
    assert times[-1] == NOON_US // 1000

"""A store, and an importer into it: for tests that import rollouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from codexd.core.events.events import TurnStarted, encode_event
from codexd.core.events.record import Recorded, decode_record, encode_members
from codexd.core.values.ids import ThreadId
from codexd.importing.importer import Importer
from codexd.protocol.transfer import ImportedFile, ThreadImportProgressNotification
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import EventStore, NewEvent
from rollout_files import MODEL

NOW_US = 1_795_300_000_000_000


class House:
    """A store, and an importer into it."""

    def __init__(self) -> None:
        self.store: EventStore = MemoryStore()
        self.unload: list[str] = []
        self.progress: list[ThreadImportProgressNotification] = []
        self.importer = Importer(
            self.store,
            daemon_version="0.0",
            now_us=lambda: NOW_US,
            unload=self._unload,
            default_model=MODEL,
        )

    async def _unload(self, thread: ThreadId) -> None:
        self.unload.append(thread)

    async def bring_in(self, *paths: Path, dry_run: bool = False) -> list[ImportedFile]:
        planned = await self.importer.plan([str(path) for path in paths])
        return await self.importer.run(planned, self.progress.append, dry_run=dry_run)

    async def import_file(self, *paths: Path) -> ImportedFile:
        (report,) = await self.bring_in(*paths)
        return report

    async def records(self, stream: str) -> list[Recorded]:
        return [decode_record(record.line) for record in await self.store.read(stream)]

    async def append(self, stream: str, *events: TurnStarted) -> None:
        new = [
            NewEvent(e.type, encode_event(e), e.v, encode_members("cli:1", None)) for e in events
        ]
        version = (await self.store.head(stream)).version
        await self.store.append(stream, new, expected_version=version, at_us=NOW_US, durable=True)


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    yield House()

"""A store that counts the records that are read."""

from __future__ import annotations

from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import Record


class CountingStore(MemoryStore):
    """A store in memory, and how many of its records were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_records = 0

    async def read(self, stream: str, *, after: int = 0, limit: int = 1024) -> list[Record]:
        page = await super().read(stream, after=after, limit=limit)
        self.read_records += len(page)
        return page

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = 1024
    ) -> list[Record]:
        page = await super().read_back(stream, before=before, limit=limit)
        self.read_records += len(page)
        return page

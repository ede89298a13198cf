"""thread/scrub: removes a text from a thread, from its forks and from the blobs that they name.

Law: no running thread is scrubbed, and no thread continues from memory afterwards: a loaded thread is unloaded
first, and its followers go on with the scrubbed log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import trio

from codexd.core.events.record import decode_envelope
from codexd.core.values.ids import ThreadId
from codexd.machine.linear import NotLinear, linear_pattern
from codexd.protocol import codexd_methods as c
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.redaction.scrubbing import Scrub, blobs_in
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services
from codexd_eventstore.reading import records
from codexd_eventstore.store import NotFound, Record


async def thread_scrub(
    services: Services, connection: Connection, params: c.ThreadScrubParams
) -> c.ThreadScrubResponse:
    """Scrub a thread and its forks, archived or not."""
    scrub = _scrub_of(services, params)
    thread_id = thread_id_of(params.thread_id)
    parent = (await services.store.head(thread_id)).parent
    family = [stream async for stream in _family(services, thread_id)]
    _check_quiet(services, family)
    last = max([(await services.store.head(stream)).version for stream in family])
    for seq in params.seqs:
        if not 1 <= seq <= last:
            raise invalid_params(
                f"expected numbers of records from 1 to {last}, found {seq}; nothing was scrubbed"
            )
    work = _Work(services, scrub)
    for stream in family:
        await work.look_at(stream)
    if not params.dry_run:
        await work.carry_out()
    return c.ThreadScrubResponse(
        threads=tuple(work.found[stream] for stream in family),
        blobs=len(work.blobs),
        blobs_left=work.blobs_left,
        dry_run=params.dry_run,
        parent=parent,
    )


def _scrub_of(services: Services, params: c.ThreadScrubParams) -> Scrub:
    if not (params.patterns or params.seqs or params.known):
        raise invalid_params("expected patterns, seqs or known, found none: nothing was scrubbed")
    patterns = []
    for text in params.patterns:
        try:
            pattern = linear_pattern(text)
        except NotLinear as error:
            raise invalid_params(f"patterns: {text!r}: {error}; nothing was scrubbed") from error
        if pattern.match(b"") is not None:
            raise invalid_params(f"patterns: {text!r} matches an empty text: nothing was scrubbed")
        patterns.append(pattern)
    return Scrub(patterns, params.seqs, services.known_secrets() if params.known else None)


async def _family(services: Services, thread_id: ThreadId) -> AsyncIterator[ThreadId]:
    waiting, seen = [thread_id], {thread_id}
    while waiting:
        stream = waiting.pop(0)
        yield stream
        for child in await services.store.children(stream):
            if child not in seen:
                seen.add(ThreadId(child))
                waiting.append(ThreadId(child))


def _check_quiet(services: Services, family: list[ThreadId]) -> None:
    for stream in family:
        loaded = services.supervisor.loaded(stream)
        if loaded is not None and not loaded.idle:
            raise state_error(
                f"thread {stream} has a turn under way: expected it to be idle. Interrupt it or wait, and "
                "try again; nothing was scrubbed",
                "turn_in_progress",
            )


class _Work:
    """The replacements of one scrub."""

    def __init__(self, services: Services, scrub: Scrub) -> None:
        self._services, self._scrub = services, scrub
        self.found: dict[ThreadId, c.ScrubbedThread] = {}
        self.blobs: dict[str, bytes] = {}  # by their old names: what they are to hold
        self.blobs_left = 0
        self._looked_at: set[str] = set()

    async def look_at(self, stream: ThreadId) -> None:
        """Find the matches in a thread's own records and in the blobs that they name."""
        store, before = self._services.store, self._scrub.places
        head = await store.head(stream)
        seqs: list[int] = []
        async for record in records(store, stream, after=head.parent_seq, upto=head.version):
            data = decode_envelope(record.line).data
            named = [await self._look_into(name, record.seq) for name in blobs_in(data)]
            clean = await trio.to_thread.run_sync(self._scrub.data, record.seq, data, {})
            if clean is not None or any(named):
                seqs.append(record.seq)
        self.found[stream] = c.ScrubbedThread(
            stream, tuple(seqs), self._scrub.places - before, head.archived
        )

    async def _look_into(self, name: str, seq: int) -> bool:
        whole = self._scrub.is_meant(seq)
        if name not in self._looked_at or whole:
            self._looked_at.add(name)
            try:
                content = await self._services.store.read_blob(name)
            except NotFound:
                return False
            clean = await trio.to_thread.run_sync(lambda: self._scrub.blob(content, whole=whole))
            if clean != content:
                self.blobs[name] = clean
        return name in self.blobs

    async def carry_out(self) -> None:
        """Write the blobs under their new names, then the logs, then let the old blobs go."""
        store = self._services.store
        names = {old: (await store.put_blob(content)).sha256 for old, content in self.blobs.items()}

        def edit(record: Record) -> bytes | None:
            return self._scrub.data(record.seq, decode_envelope(record.line).data, names)

        for stream, found in self.found.items():
            if found.seqs:
                await self._rewrite(stream, edit)
        if any(found.seqs for found in self.found.values()):
            await self._services.directory.index.make_anew("a thread was scrubbed")
        if names:
            swept = await store.sweep_blobs(frozenset(names))
            self.blobs_left = len(names) - swept.removed

    async def _rewrite(self, stream: ThreadId, edit: Callable[[Record], bytes | None]) -> None:
        services = self._services
        followed = services.hub.feed(stream).watched
        await services.supervisor.unload(stream)
        await services.store.scrub(stream, edit, at_us=services.now_us())
        services.hub.forget(stream)
        if followed:
            await services.supervisor.load(stream)

"""Imports rollouts: converts them in a worker thread, and appends their events, line by line. I/O.

A thread is imported as a whole, continued if its rollout has grown, or left unchanged. An import that was cut
off, by a crash or by the client, is started again by the next import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from codexd.core.events import events as e
from codexd.core.events.events import InvalidEvent
from codexd.core.events.record import decode_record
from codexd.core.state.state import ThreadState, evolve
from codexd.core.values.ids import ThreadId
from codexd.importing.import_state import ImportState, fork_point, import_state_of
from codexd.importing.plan import ImportPlan, plan, refused
from codexd.importing.record_size import Fitted, fitted
from codexd.importing.rollout.lines import read_time, text_of
from codexd.importing.rollout.settings import MODEL_UNKNOWN, agent_of
from codexd.importing.rollouts import NOT_READ, ImportedUpTo, Rollout, RolloutPage
from codexd.importing.sources import RolloutFile, UnreadableSource, given_name, thread_id_for
from codexd.importing.writing import Writing
from codexd.protocol.transfer import (
    ImportedFile,
    ImportProblem,
    ThreadImportProgressNotification,
)
from codexd_eventstore.reading import records
from codexd_eventstore.store import EventStore, StoreError

# Lines that are appended before other tasks run: some 2 ms.
LINES_WITHOUT_A_BREATH = 16
_OF_AGENT = "it is an agent's thread, which no list shows"


class _Refused(Exception):
    """A thread cannot be imported; the message says why."""


Tell = Callable[[ThreadImportProgressNotification], None]


class Importer:
    """Imports into one store."""

    def __init__(
        self,
        store: EventStore,
        *,
        daemon_version: str,
        now_us: Callable[[], int],
        unload: Callable[[ThreadId], Awaitable[None]],
        default_model: str = MODEL_UNKNOWN,
    ) -> None:
        """`unload` unloads a thread, so that no actor writes its log."""
        self._store, self._version, self._now_us = store, daemon_version, now_us
        self._unload, self._model = unload, default_model
        self._alone = trio.Lock()

    async def plan(self, paths: Sequence[str]) -> ImportPlan:
        """Find the threads that the paths hold."""
        return await trio.to_thread.run_sync(plan, tuple(paths), abandon_on_cancel=True)

    async def run(
        self, planned: ImportPlan, tell: Tell, *, dry_run: bool = False
    ) -> list[ImportedFile]:
        """Import the rollouts of a plan, parents before their forks."""
        async with self._alone:
            run = _Run(self, planned, tell, dry_run)
            for source_id in planned.threads:
                await run.thread(source_id)
            return [*planned.refused, *run.reports.values()]


class _Run:
    """One import request."""

    def __init__(self, importer: Importer, planned: ImportPlan, tell: Tell, dry_run: bool) -> None:
        self._of, self._store, self._planned = importer, importer._store, planned
        self._tell, self._dry_run = tell, dry_run
        self.reports: dict[str, ImportedFile] = {}

    async def thread(self, source_id: str) -> ImportedFile:
        """Import a thread and its ancestors, unless this run has already imported them."""
        if source_id in self.reports:
            return self.reports[source_id]
        sources = self._planned.threads[source_id]
        path = sources[-1].path
        self.reports[source_id] = refused(path, f"{path}: forks of each other")
        try:
            report = await self._thread(source_id, sources)
        except (_Refused, UnreadableSource, StoreError, InvalidEvent) as problem:
            report = refused(path, str(problem))
        self.reports[source_id] = report
        return report

    async def _thread(self, source_id: str, sources: list[RolloutFile]) -> ImportedFile:
        rollout = await trio.to_thread.run_sync(
            Rollout, sources, self._of._version, self._of._model, abandon_on_cancel=True
        )
        stream, import_state = await self._place(source_id)
        path = str(rollout.source.path)
        if import_state.kind == "cut_off" and not self._dry_run:
            await self._of._unload(ThreadId(stream))
            await self._store.delete(stream)
            import_state = ImportState("absent")
        writing = Writing(self._store, stream, import_state.version, dry=self._dry_run)
        earlier = None
        problems: list[ImportProblem] = []
        if import_state.imported is not None:
            imported = import_state.imported
            earlier = ImportedUpTo(imported.lines, imported.size_bytes, imported.sha256)
            await self._resume_fork(rollout, stream)
        elif rollout.heading.forked_before is not None:
            problems += await self._fork(rollout, writing)
        await self._write(rollout, writing, import_state, earlier)
        if rollout.up_to == earlier:
            return ImportedFile(path, "rollout", "already_here", (stream,))
        await self._finish(rollout, writing)
        problems += [ImportProblem(str(s.path), c.line, c.text) for s, c in rollout.complaints]
        problems += [ImportProblem(path, c.line, c.message) for c in writing.complaints]
        return ImportedFile(
            path,
            "rollout",
            "imported" if earlier is None else "grown",
            (stream,),
            writing.count,
            message=_OF_AGENT if agent_of(rollout.sources[0].meta) is not None else None,
            problems=tuple(problems),
            problems_in_all=len(problems) - len(rollout.complaints) + rollout.complained,
        )

    async def _place(self, source_id: str) -> tuple[str, ImportState]:
        """The stream of the thread, new or imported earlier."""
        stream = thread_id_for(source_id)
        import_state = await import_state_of(self._store, stream, source_id)
        if import_state.kind == "foreign":
            stream = thread_id_for(source_id, other=True)
            import_state = await import_state_of(self._store, stream, source_id)
        if import_state.kind == "foreign":
            raise _Refused(f"thread {stream}: another thread has this id: nothing was imported")
        return stream, import_state

    async def _fork(self, rollout: Rollout, writing: Writing) -> list[ImportProblem]:
        """Fork it from its parent if that is here; else report that the shared records are missing."""
        heading, source = rollout.heading, rollout.sources[0]
        parent_id, before = heading.forked_from or source.base_id or "", heading.forked_before or 0
        parent, point = None, 0
        if parent_id in self._planned.threads:
            parent = next(iter((await self.thread(parent_id)).thread_ids), None)
        else:
            stream, import_state = await self._place(parent_id)
            parent = stream if import_state.imported is not None else None
        if self._dry_run and parent is not None and parent_id in self._planned.threads:
            return []
        if parent is not None:
            point = await fork_point(self._store, parent, before)
        if parent is None or point == 0:
            text = (
                f"expected the lines of thread {parent_id} before ordinal {before}, which this thread "
                f"continues, found none: these lines were not imported"
            )
            return [ImportProblem(str(source.path), 1, text)]
        state = await self._state_at(parent, point)
        assert state.settings is not None
        rollout.go_on_from(state.settings)
        ordinal = "" if heading.forked_before is None else f"#{heading.forked_before}"
        at_us = read_time(heading.meta.get("timestamp")) or 0
        await writing.fork(ThreadId(parent), point, state, f"import:1{ordinal}", at_us)
        return []

    async def _write(
        self,
        rollout: Rollout,
        writing: Writing,
        import_state: ImportState,
        earlier: ImportedUpTo | None,
    ) -> None:
        size = sum(source.path.stat().st_size for source in rollout.sources)
        path, pages = str(rollout.source.path), rollout.pages(earlier)
        ready = earlier is None

        def following() -> tuple[RolloutPage, list[list[Fitted]]] | None:
            page = next(pages, None)
            if page is None:
                return None
            return page, [[fitted(timed) for timed in group] for group in page.groups]

        while (
            found := await trio.to_thread.run_sync(following, abandon_on_cancel=True)
        ) is not None:
            page, groups = found
            if not ready and (groups or rollout.up_to not in (earlier, NOT_READ)):
                ready = True
                self._check(writing.stream, import_state)
                if not self._dry_run:
                    await self._of._unload(ThreadId(writing.stream))
            for number, group in enumerate(groups):
                if number % LINES_WITHOUT_A_BREATH == 0:
                    await trio.lowlevel.checkpoint()
                await writing.append(group)
            self._tell(
                ThreadImportProgressNotification(path, page.size_bytes, max(size, page.size_bytes))
            )

    def _check(self, stream: str, import_state: ImportState) -> None:
        """Refuse if the new lines may not be appended here."""
        if import_state.kind == "continued":
            raise _Refused(
                f"thread {stream} was gone on with here since it was imported, and its rollout has grown "
                f"as well: the new lines were not imported"
            )
        if import_state.archived:
            raise _Refused(
                f"thread {stream} is archived here, and its rollout has grown: unarchive it first; the "
                f"new lines were not imported"
            )

    async def _finish(self, rollout: Rollout, writing: Writing) -> None:
        """Append the last records: the name, `thread.imported`, and whether it is archived."""
        source, up_to = rollout.source, rollout.up_to
        agent = agent_of(rollout.sources[0].meta)
        at_us = rollout.last_at_us or self._of._now_us()
        events: list[e.Event] = []
        name = await trio.to_thread.run_sync(given_name, source, abandon_on_cancel=True)
        if name is not None:
            events.append(e.ThreadRenamed(name))
        events.append(
            e.ThreadImported(
                str(source.path),
                source.source_id,
                up_to.sha256,
                up_to.size_bytes,
                up_to.lines,
                text_of(source.meta.get("originator")) or None,
                text_of(source.meta.get("cli_version")) or None,
                rollout.heading.forked_from,
                rollout.complained + len(writing.complaints),
                self._of._now_us() // 1000,
                agent.kind if agent is not None else None,
                ThreadId(thread_id_for(agent.parent_id)) if agent and agent.parent_id else None,
            )
        )
        if source.archived:
            events.append(e.ThreadArchived())
        await writing.close(events, at_us)
        if source.archived and not self._dry_run:
            await self._store.archive(writing.stream)
        if not self._dry_run:
            self._store.close(writing.stream)

    async def _resume_fork(self, rollout: Rollout, stream: str) -> None:
        """Load the settings at the fork point for a fork that was imported earlier."""
        head = await self._store.head(stream)
        if head.parent is not None:
            state = await self._state_at(stream, head.parent_seq)
            assert state.settings is not None
            rollout.go_on_from(state.settings)

    async def _state_at(self, stream: str, seq: int) -> ThreadState:
        state = ThreadState()
        async for record in records(self._store, stream, upto=seq):
            state = evolve(state, decode_record(record.line).event)
        return state

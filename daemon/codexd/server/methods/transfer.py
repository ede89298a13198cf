"""Answers to `thread/import` and `thread/export`."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from codexd.core.decide.take_in import brings
from codexd.core.events.events import InvalidEvent
from codexd.core.values.ids import ThreadId, is_thread_id
from codexd.core.values.taken_from import TakenFrom
from codexd.machine.patience import patiently
from codexd.protocol import transfer as t
from codexd.protocol.notifications import encode_notification
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.runtime.snapshots.load import load
from codexd.runtime.snapshots.writer import SnapshotWriter
from codexd.runtime.supervisor import ThreadGone
from codexd.server.connection.connection import Connection
from codexd.server.methods.export_targets import ExportTarget, NoTarget
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services
from codexd_eventstore.store import Refused, StoreError

# Each takes some microseconds before anything else is done. A client with more files names their folder.
PATHS_MAX = 5000


async def thread_export(
    services: Services, connection: Connection, params: t.ThreadExportParams
) -> t.ThreadExportResponse:
    """Pack a thread. An old file stays until the new file is whole."""
    thread_id, path = thread_id_of(params.thread_id), _absolute(params.path)
    beside = f".codexd-export-{services.new_id()}"
    look = partial(ExportTarget, path, services.paths.folders, beside, force=params.force)
    target = None
    try:
        # What is written is waited for, also by a stop: so nothing is where nothing answers already.
        target = await patiently(str(path.parent), look)
        package = await services.store.pack(thread_id, str(target.new))
        size = await trio.to_thread.run_sync(target.take)
    except (Refused, NoTarget) as error:
        raise state_error(str(error), "export_refused") from error
    except OSError as error:
        raise state_error(
            f"{path}: expected a place to write to, found {error.strerror}: nothing was exported",
            "export_refused",
        ) from error
    finally:
        if target is not None:
            with suppress(OSError):
                target.new.unlink()  # where it was not renamed
    return t.ThreadExportResponse(thread_id, str(path), size, len(package.logs), len(package.blobs))


async def thread_import(
    services: Services, connection: Connection, params: t.ThreadImportParams
) -> t.ThreadImportResponse:
    """Import the files at the paths; a file's content says its format."""
    if not 0 < len(params.paths) <= PATHS_MAX:
        raise invalid_params(
            f"paths: expected 1 to {PATHS_MAX} files or folders, found {len(params.paths)}; nothing was read"
        )
    paths = [str(_absolute(path)) for path in params.paths]

    def tell(progress: t.ThreadImportProgressNotification) -> None:
        if connection.reader.cursor and connection.outbox.idle:
            body = encode_notification(t.IMPORT_PROGRESS, progress, services.now_us() // 1000)
            connection.notify(t.IMPORT_PROGRESS, body)

    importer = services.importer()
    planned = await importer.plan(paths)
    files = [await _unpack(services, path, dry=params.dry_run) for path in planned.packages]
    reports = await importer.run(planned, tell, dry_run=params.dry_run)
    return t.ThreadImportResponse((*files, *reports))


async def _unpack(services: Services, path: Path, *, dry: bool) -> t.ImportedFile:
    if dry:
        message = "a package: whether it is whole is checked when it is imported"
        return t.ImportedFile(str(path), "package", "imported", message=message)
    try:
        unpacked = await services.store.unpack(str(path), is_thread_id)
    except StoreError as error:
        return t.ImportedFile(str(path), "package", "refused", message=str(error))
    streams = (*unpacked.added, *unpacked.extended)
    said = [await _take_in(services, ThreadId(stream), path) for stream in streams]
    return t.ImportedFile(
        str(path),
        "package",
        "imported" if unpacked.added else "grown" if unpacked.extended else "already_here",
        tuple(dict.fromkeys((unpacked.stream, *streams))),
        unpacked.version,
        "; ".join(filter(None, said)) or None,
    )


async def _take_in(services: Services, thread_id: ThreadId, path: Path) -> str | None:
    """Close what is open in the log of a package; returns what was dropped, for people.

    A log with nothing open stays as it is until a client opens it: nothing in it acts by itself.
    """
    supervisor = services.supervisor
    await supervisor.unload(thread_id)  # An actor that has it loaded has folded less of it.
    try:
        await services.brought_in.note(thread_id, str(path))
        if (await services.store.head(thread_id)).archived:
            return None  # It takes no records until it is brought back.
        found = await load(services.store, thread_id, SnapshotWriter(services.store, thread_id))
        if not brings(found.folds.state, services.lookups.here()):
            services.store.close(thread_id)
            return None
        thread = await supervisor.load(thread_id, taken_from=TakenFrom("package", str(path)))
        brought = thread.summary.brought
        await supervisor.unload(thread_id)
    except (StoreError, InvalidEvent, ThreadGone) as error:
        return f"thread {thread_id} cannot be opened: {error}"
    return None if brought is None else "; ".join(brought.dropped)


def _absolute(path: str) -> Path:
    if not os.path.isabs(path) or "\0" in path:
        raise invalid_params(f"path: expected an absolute path, found {path!r}")
    return Path(path)

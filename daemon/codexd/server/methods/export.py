"""The answer to thread/export."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from codexd.machine.patience import patiently
from codexd.protocol.transfer import ThreadExportParams, ThreadExportResponse
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.server.connection.connection import Connection, MethodResult
from codexd.server.methods.export_targets import ExportTarget, NoTarget
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services
from codexd_eventstore.store import NotFound, Refused


async def thread_export(
    services: Services, connection: Connection, params: ThreadExportParams
) -> MethodResult:
    """Pack a thread. A file that is to be replaced stays until the new one is whole."""
    thread_id, path = thread_id_of(params.thread_id), Path(params.path)
    if not path.is_absolute() or "\0" in params.path:
        raise invalid_params(f"path: expected an absolute path, found {params.path!r}")
    beside = f".codexd-export-{services.new_id()}"
    look = partial(ExportTarget, path, services.own_folders, beside, force=params.force)
    target = None
    try:
        # What is written is waited for, also by a stop: so nothing is where nothing answers already.
        target = await patiently(str(path.parent), look)
        package = await services.store.pack(thread_id, str(target.new))
        size = await trio.to_thread.run_sync(target.take)
    except NotFound as error:
        raise state_error(
            f"no rollout found for thread id {thread_id}", "thread_not_found"
        ) from error
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
                target.new.unlink()  # where it did not get its name
    return MethodResult(
        ThreadExportResponse(thread_id, str(path), size, len(package.logs), len(package.blobs))
    )

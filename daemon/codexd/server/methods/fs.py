"""Answers to `fs/*`: files that a client reads and changes as its person, with what the daemon refuses of them."""

from __future__ import annotations

import binascii
import errno
import os
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec

from codexd.machine.foreign_files import NotAFile
from codexd.machine.patience import NoAnswer, patiently
from codexd.protocol import fs as p
from codexd.protocol.notifications import encode_notification
from codexd.protocol.wire.rpc import (
    INTERNAL_ERROR,
    ErrorData,
    RpcError,
    invalid_params,
    state_error,
)
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.files import disk
from codexd.server.files.disk import NotDone
from codexd.server.files.places import absolute, refuse_own
from codexd.server.files.watching import WATCHES_MAX, Watch
from codexd.server.methods.terminals import check_authority
from codexd.server.services import Services

T = TypeVar("T")

# A look at a file or folder, and a file of the largest size on a slow disk.
LOOK_SECONDS_MAX: Final = 10.0
FILE_SECONDS_MAX: Final = 60.0
# A folder with all that is in it.
TREE_SECONDS_MAX: Final = 600.0
CHANGED: Final = "fs/changed"


async def fs_read_file(
    services: Services, connection: Connection, params: p.FsReadFileParams
) -> p.FsReadFileResponse:
    """Read a file."""
    path = _path(connection, "path", params.path)
    return p.FsReadFileResponse(
        msgspec.Raw(await _on_disk(path, partial(disk.read, path), FILE_SECONDS_MAX))
    )


async def fs_write_file(
    services: Services, connection: Connection, params: p.FsWriteFileParams
) -> p.FsWriteFileResponse:
    """Write a file."""
    path = _path(connection, "path", params.path)

    def write() -> None:
        try:
            data = b64decode(params.data_base64, validate=True)
        except ValueError as error:
            reason = error if isinstance(error, binascii.Error) else "a character is none of it"
            raise invalid_params(
                f"fs/writeFile requires valid base64 dataBase64: {reason}"
            ) from error
        _refuse_own(services, path, "written")
        disk.write(path, data)

    await _on_disk(path, write, FILE_SECONDS_MAX)
    return p.FsWriteFileResponse()


async def fs_create_directory(
    services: Services, connection: Connection, params: p.FsCreateDirectoryParams
) -> p.FsCreateDirectoryResponse:
    """Create a folder."""
    path = _path(connection, "path", params.path)

    def create() -> None:
        _refuse_own(services, path, "created")
        disk.create_folder(path, recursive=params.recursive is not False)

    await _on_disk(path, create)
    return p.FsCreateDirectoryResponse()


async def fs_get_metadata(
    services: Services, connection: Connection, params: p.FsGetMetadataParams
) -> p.FsGetMetadataResponse:
    """What a path names."""
    path = _path(connection, "path", params.path)
    return await _on_disk(path, partial(disk.look, path))


async def fs_read_directory(
    services: Services, connection: Connection, params: p.FsReadDirectoryParams
) -> p.FsReadDirectoryResponse:
    """List a folder."""
    path = _path(connection, "path", params.path)
    return p.FsReadDirectoryResponse(await _on_disk(path, partial(disk.entries, path)))


async def fs_remove(
    services: Services, connection: Connection, params: p.FsRemoveParams
) -> p.FsRemoveResponse:
    """Remove a file or folder."""
    path = _path(connection, "path", params.path)

    def remove() -> None:
        _refuse_own(services, path, "removed", follow=False, with_tree=True)
        disk.remove(path, recursive=params.recursive is not False, force=params.force is not False)

    await _on_disk(path, remove, TREE_SECONDS_MAX)
    return p.FsRemoveResponse()


async def fs_copy(
    services: Services, connection: Connection, params: p.FsCopyParams
) -> p.FsCopyResponse:
    """Copy a file or folder."""
    source = _path(connection, "sourcePath", params.source_path)
    destination = _path(connection, "destinationPath", params.destination_path)
    until = time.monotonic() + TREE_SECONDS_MAX

    def copy() -> None:
        _refuse_own(services, destination, "copied")
        disk.copy(source, destination, recursive=params.recursive, until=until)

    await _on_disk(destination, copy, TREE_SECONDS_MAX)
    return p.FsCopyResponse()


async def fs_watch(
    services: Services, connection: Connection, params: p.FsWatchParams
) -> MethodResult:
    """Tell of changes, until `fs/unwatch` or the end of the connection."""
    path, name = _path(connection, "path", params.path), f"watch {params.watch_id}"
    files = connection.files
    if not params.watch_id:
        raise invalid_params("watchId must not be empty")
    if files.has(name):
        raise state_error(f"watchId already exists: {params.watch_id}", "watch_exists")
    if files.count("watch ") >= WATCHES_MAX:
        raise state_error(
            f"this connection watches {WATCHES_MAX} paths, and may watch no more: fs/unwatch ends a watch; "
            f"{path} is not watched",
            "too_many_watches",
        )
    with files.only(name):
        watch = await _awaited(Watch.begin(path))

    async def tell(paths: tuple[str, ...]) -> None:
        await connection.outbox.wait_room()
        told = p.FsChangedNotification(params.watch_id, paths)
        connection.notify(CHANGED, encode_notification(CHANGED, told, services.now_us() // 1000))

    files.begin(name, partial(watch.follow, tell))
    return MethodResult(p.FsWatchResponse(path))


async def fs_unwatch(
    services: Services, connection: Connection, params: p.FsUnwatchParams
) -> p.FsUnwatchResponse:
    """Tell no more; a name that is not watched is no error."""
    connection.files.end(f"watch {params.watch_id}")
    return p.FsUnwatchResponse()


def _path(connection: Connection, name: str, path: str) -> str:
    """Raises: RpcError, also for a command that codexd runs."""
    check_authority(connection)
    return absolute(name, path)


def _refuse_own(
    services: Services, path: str, what: str, *, follow: bool = True, with_tree: bool = False
) -> None:
    paths = services.paths
    own = (paths.data_dir, paths.state_dir, paths.runtime_dir)
    refuse_own(path, own, what, follow=follow, with_tree=with_tree)


async def _on_disk(path: str, act: Callable[[], T], seconds: float = LOOK_SECONDS_MAX) -> T:
    """Do something in a thread. Raises: RpcError."""
    return await _awaited(patiently(os.path.dirname(path), act, seconds))


async def _awaited(work: Awaitable[T]) -> T:
    """Errors of the disk in Codex's words. Raises: RpcError."""
    try:
        return await work
    except NotDone as error:
        raise state_error(str(error), error.code) from error
    except NotAFile as error:
        raise state_error(f"path `{error.filename}` is not a file", "not_a_file") from error
    except NoAnswer as error:
        message = f"{error.strerror}: {error.filename}; it is not known whether it was done"
        raise RpcError(INTERNAL_ERROR, message, ErrorData("disk_silent")) from error
    except OSError as error:
        number = error.errno or errno.EIO
        message = f"{os.strerror(number)} (os error {number})"
        raise RpcError(INTERNAL_ERROR, message, ErrorData("file_error")) from error

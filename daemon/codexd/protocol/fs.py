"""The params and results of `fs/*`: a client's files, by absolute paths."""

from __future__ import annotations

import msgspec


class FsReadFileParams(msgspec.Struct, frozen=True):
    """Read a file."""

    path: str


class FsReadFileResponse(msgspec.Struct, frozen=True):
    """All that is in it."""

    data_base64: str | msgspec.Raw = msgspec.field(name="dataBase64")


class FsWriteFileParams(msgspec.Struct, frozen=True):
    """Write a file in place of what is in it, if it is there; its folder must be."""

    path: str
    data_base64: str = msgspec.field(name="dataBase64")


class FsWriteFileResponse(msgspec.Struct, frozen=True):
    """It was written."""


class FsCreateDirectoryParams(msgspec.Struct, frozen=True):
    """Create a folder."""

    path: str
    recursive: bool | None = None  # with the folders that it is in; false: fails where it is there


class FsCreateDirectoryResponse(msgspec.Struct, frozen=True):
    """It is there."""


class FsGetMetadataParams(msgspec.Struct, frozen=True):
    """Look at a file or folder without reading it."""

    path: str


class FsGetMetadataResponse(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a path names; a link is followed but for `isSymlink`."""

    is_directory: bool
    is_file: bool  # a regular one: neither a pipe nor a device
    is_symlink: bool
    created_at_ms: int  # 0 where the system does not tell
    modified_at_ms: int


class FsReadDirectoryParams(msgspec.Struct, frozen=True):
    """List a folder."""

    path: str


class FsReadDirectoryEntry(msgspec.Struct, frozen=True, rename="camel"):
    """What is in a folder; a link is what it leads to."""

    file_name: str
    is_directory: bool
    is_file: bool


class FsReadDirectoryResponse(msgspec.Struct, frozen=True):
    """All that is in it, by name."""

    entries: tuple[FsReadDirectoryEntry, ...]


class FsRemoveParams(msgspec.Struct, frozen=True):
    """Remove a file, a link, or a folder."""

    path: str
    recursive: bool | None = None  # with all that is in the folder; false: it must be empty
    force: bool | None = None  # a path that is not there is no error; false: it is one


class FsRemoveResponse(msgspec.Struct, frozen=True):
    """It is not there."""


class FsCopyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Copy a file, a link, or a folder with all that is in it."""

    source_path: str
    destination_path: str
    recursive: bool = False  # a folder is only copied with true


class FsCopyResponse(msgspec.Struct, frozen=True):
    """It was copied."""


class FsWatchParams(msgspec.Struct, frozen=True, rename="camel"):
    """Be told of changes of a file, or of what is directly in a folder, for as long as the connection is there."""

    path: str
    watch_id: str  # the client's own name for it


class FsWatchResponse(msgspec.Struct, frozen=True):
    """It is watched from now on."""

    path: str


class FsUnwatchParams(msgspec.Struct, frozen=True, rename="camel"):
    """Be told no more."""

    watch_id: str


class FsUnwatchResponse(msgspec.Struct, frozen=True):
    """Nothing is watched under that name."""


class FsChangedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """Files were made, changed, renamed or removed."""

    watch_id: str
    changed_paths: tuple[str, ...]

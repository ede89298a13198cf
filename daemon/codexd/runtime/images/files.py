"""Reading an image file. I/O, and it blocks: call it in a thread.

A person or a model wrote the path: it may be a folder, a device that never answers, or a file of any size.
"""

from __future__ import annotations

import os
from io import FileIO

from codexd.core.values.images import (
    IMAGE_BYTES_MAX,
    UnreadableImage,
    kind_of,
    not_an_image,
    too_large,
)
from codexd.machine.foreign_files import NotAFile, open_file, read_up_to


def read_image(path: str) -> bytes:
    """The image in a file. Raises: UnreadableImage; BadImage, where it is too large."""
    try:
        with open_file(path) as file:
            content = _read(file)
    except NotAFile as error:
        raise UnreadableImage(f"expected an image file, found {error.kind}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in it
        raise UnreadableImage(_reason(error)) from error
    if kind_of(content) is None:
        raise UnreadableImage(not_an_image(content))
    return content


def _read(file: FileIO) -> bytes:
    size = os.fstat(file.fileno()).st_size
    content = read_up_to(file, IMAGE_BYTES_MAX + 1) if size <= IMAGE_BYTES_MAX else b""
    size = max(size, len(content))
    if size > IMAGE_BYTES_MAX:
        raise too_large(size)
    return content


def _reason(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]

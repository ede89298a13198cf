"""Reading an image file that somebody named. I/O, and it blocks: for a thread of its own.

A path is what a person or a model wrote: it may be a folder, a device that never answers, or a file of any size.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from codexd.core.images import IMAGE_BYTES_MAX, UnreadableImage, kind_of, not_an_image, too_large

_PIECE_BYTES: Final = 1024 * 1024


def read_image(path: str) -> bytes:
    """The image in a file. Raises: UnreadableImage; BadImage, where it is too large."""
    try:
        # Not to wait for somebody who writes to a pipe of that name.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # ValueError: a NUL in it
        raise UnreadableImage(_reason(error)) from error
    try:
        content = _read(fd)
    except OSError as error:
        raise UnreadableImage(_reason(error)) from error
    finally:
        os.close(fd)
    if kind_of(content) is None:
        raise UnreadableImage(not_an_image(content))
    return content


def _read(fd: int) -> bytes:
    state = os.fstat(fd)
    if not stat.S_ISREG(state.st_mode):
        what = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe, a socket or a device"
        raise UnreadableImage(f"expected an image file, found {what}")
    if state.st_size > IMAGE_BYTES_MAX:
        raise too_large(state.st_size)
    pieces, size = [], 0
    # What a file says of its size may be 0, or change while it is read.
    while size <= IMAGE_BYTES_MAX and (piece := os.read(fd, _PIECE_BYTES)):
        pieces.append(piece)
        size += len(piece)
    if size > IMAGE_BYTES_MAX:
        raise too_large(size)
    return b"".join(pieces)


def _reason(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]

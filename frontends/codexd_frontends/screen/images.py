"""Images that go with a prompt: from words on a command line, or paths on a typed line, to parts of an input.

The daemon reads the files, on the same machine; here only their existence is checked, so that a mistyped name is
reported before anything is sent.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

from codexd.machine.foreign_files import read_file
from codexd_frontends.client.errors import UsageError
from codexd_frontends.screen.drawn import one_line

Part = dict[str, str]

# The first bytes of images that models read: PNG, JPEG, GIF, and (after its size) WebP.
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_HEAD_BYTES = 12
# What a path must end in for a line of nothing but paths to be taken for images.
_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def image_parts(words: Iterable[str]) -> list[Part]:
    """Parts for the named files; an argument may be several, with commas. Raises: UsageError."""
    return [image_part(path) for word in words for path in _split(word)]


def image_part(path: str) -> Part:
    """The part for one file. Raises: UsageError: there is no image."""
    absolute = os.path.abspath(os.path.expanduser(path))
    try:
        head = read_file(absolute, _HEAD_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{one_line(absolute)} cannot be read: {reason}; nothing was sent"
        ) from error
    if not head.startswith(_BEGINNINGS) and (head[:4], head[8:12]) != (b"RIFF", b"WEBP"):
        raise UsageError(
            f"{one_line(absolute)} is no PNG, JPEG, GIF or WebP image; nothing was sent"
        )
    return {"type": "localImage", "path": absolute}


def pasted_images(line: str) -> list[str]:
    """The image files that a line consists of, as a terminal writes files that are dropped on it; else nothing."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quote without its end
        return []
    paths = [_local(word) for word in words]
    return [path for path in paths if path] if all(_is_image(path) for path in paths) else []


def input_of(images: Sequence[Part], text: str) -> list[Part]:
    """An input as it is sent: the images, and then the text."""
    return [*images, {"type": "text", "text": text}]


def _split(word: str) -> list[str]:
    """The files of an argument, split at commas unless the whole argument is a file."""
    if os.path.exists(os.path.expanduser(word)):
        return [word]
    return [path for path in word.split(",") if path]


def _local(word: str) -> str:
    if word.startswith("file://"):
        return unquote(urlsplit(word).path)
    return os.path.expanduser(word)


def _is_image(path: str) -> bool:
    return os.path.isabs(path) and path.lower().endswith(_ENDINGS) and os.path.isfile(path)

"""Images in the log: recognised by their first bytes, bounded, and named by their content.

    data:image/png;base64,iVBO…          from a client, to a model, and to a screen
    codexd-blob:<sha256>;image/png       in an event; the bytes are a blob of the store

Law: an event names an image; its bytes are looked up only when a request or an answer is made. So a log stays
short, an image that is sent twice is stored once, and the image that was sent is shown even if the file has
changed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from codexd.core.values.items import ImageInput, LocalImageInput, UserInput

# An image is sent with every request of its thread: providers accept no more than some tens of MB per request.
IMAGE_BYTES_MAX: Final = 20 * 1024 * 1024
# Images of one message: more is usually a folder that was given by mistake, and does not fit into a request.
IMAGES_MAX: Final = 64
NAME_PREFIX: Final = "codexd-blob:"
# The values of Codex's schema; providers with fewer values use their default for the others.
DETAILS: Final = frozenset({"auto", "low", "high", "original"})
DETAIL_DEFAULT: Final = "high"

_NAME = re.compile(r"codexd-blob:([0-9a-f]{64});(image/[a-z]+)")
_DATA_URL = re.compile(r"data:([^,;]*+)((?:;[^,;]*+)*+),", re.IGNORECASE)
_URL_SHOWN_CHARACTERS: Final = 60


class BadImage(Exception):
    """An image cannot be used. The message says what was expected and what was found."""


class UnreadableImage(BadImage):
    """An image file cannot be read, or is no image: the model receives a note, and the turn continues."""


class ImageName(NamedTuple):
    """The name of an image in an event."""

    sha256: str
    mime: str

    def __str__(self) -> str:
        return f"{NAME_PREFIX}{self.sha256};{self.mime}"


def read_name(text: str) -> ImageName | None:
    """The name of an image in a text; None if the text is none."""
    found = _NAME.fullmatch(text)
    return ImageName(found[1], found[2]) if found is not None else None


def kind_of(content: bytes) -> str | None:
    """The media type of an image, by its first bytes, if models accept it; None for other content."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def data_url(mime: str, content: bytes) -> str:
    """The image as a data URL, for models and screens."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def read_data_url(url: str) -> bytes:
    """The bytes of an image in a data URL. Raises: BadImage."""
    head = _DATA_URL.match(url)
    if head is None:
        raise BadImage(_no_data_url(url))
    if not head[1].lower().startswith("image/") or ";base64" not in head[2].lower():
        found = url[: min(head.end(), _URL_SHOWN_CHARACTERS)]
        raise BadImage(f"expected data:image/…;base64,…, found {found!r}")
    # Counted before it is decoded; three bytes are four characters.
    if (len(url) - head.end()) // 4 * 3 > IMAGE_BYTES_MAX + 2:
        raise too_large((len(url) - head.end()) // 4 * 3)
    try:
        content = base64.b64decode("".join(url[head.end() :].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImage(f"expected an image in base64, found what is none ({error})") from error
    if len(content) > IMAGE_BYTES_MAX:
        raise too_large(len(content))
    if kind_of(content) is None:
        raise BadImage(not_an_image(content))
    return content


def _no_data_url(url: str) -> str:
    shown = repr(url[:_URL_SHOWN_CHARACTERS])
    if url[:8].lower().startswith(("http://", "https://")):
        return (
            f"expected the image itself as a data URL (data:image/png;base64,…), found the address {shown}; "
            "codexd fetches nothing on a client's behalf"
        )
    return f"expected a data URL (data:image/png;base64,…), found {shown}"


def too_large(size: int) -> BadImage:
    """The error for an image that is too large."""
    mib = IMAGE_BYTES_MAX // 1024 // 1024
    return BadImage(f"expected at most {IMAGE_BYTES_MAX} bytes ({mib} MiB), found {size}")


def not_an_image(content: bytes) -> str:
    """The problem of a content that is not an image."""
    begins = f"{content[:8]!r}" if content else "nothing at all"
    return f"expected a PNG, JPEG, GIF or WebP image, found a content that begins with {begins}"


def names_of(content: Iterable[UserInput]) -> list[str]:
    """The names of the images in an input that are shown on screens."""
    return [
        part.url
        for part in content
        if isinstance(part, ImageInput) and read_name(part.url) is not None
    ]


def as_shown(part: UserInput) -> UserInput:
    """A part for screens: a file with its path, without the name of its blob."""
    if isinstance(part, LocalImageInput) and (part.image or part.problem):
        return LocalImageInput(part.path, part.detail)
    return part

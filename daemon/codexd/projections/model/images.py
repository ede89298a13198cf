"""Items of the model's history with their images in place: each is a name there, and is the image in a request.

Law: the same item and the same images give the same bytes, so that a provider's prompt cache hits. An item without
an image passes as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from codexd.core.values.images import read_name
from codexd.core.values.provider_items import read_head, read_part

# An item without these bytes has no image: no decoding is needed.
_MARK = b'"input_image"'

# Returns what a request has for an image: the image as a JSON string, or a text in place of it.
Show = Callable[[str], bytes | str]


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARTS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_encode = msgspec.json.Encoder().encode


def images_in(items: Iterable[bytes]) -> list[str]:
    """The images of the items, as they are named there, each once."""
    return list(dict.fromkeys(image_places(items)))


def image_places(items: Iterable[bytes]) -> list[str]:
    """The images, each as often as it occurs, in the order of the calls of `with_images`."""
    found: list[str] = []
    for item in items:
        if _MARK in item:
            for _, parts in _lists(_MEMBERS.decode(item)):
                found += [url for url in map(_image, parts) if url is not None]
    return found


def newest_images(items: Iterable[bytes]) -> list[str]:
    """The images that the model has not answered yet: those after the last item that it made."""
    new: list[bytes] = []
    for item in items:
        if _is_the_models(item):
            new.clear()
        elif _MARK in item:
            new.append(item)
    return images_in(new)


def with_images(item: bytes, show: Show) -> bytes:
    """The item with each of its images as `show` says."""
    if _MARK not in item:
        return item
    members, changed = _MEMBERS.decode(item), False
    for name, parts in list(_lists(members)):
        shown = [_shown(part, show) for part in parts]
        if any(new is not part for new, part in zip(shown, parts, strict=True)):
            members[name], changed = msgspec.Raw(_encode(shown)), True
    return _encode(members) if changed else item


def print_of(image: str) -> str:
    """A short name for an image of a history: the hash of its bytes, or of the whole URL of an inline image."""
    name = read_name(image)
    return name.sha256 if name is not None else hashlib.sha256(image.encode()).hexdigest()


def _lists(members: dict[str, msgspec.Raw]) -> Iterator[tuple[str, tuple[msgspec.Raw, ...]]]:
    for name in ("content", "output"):
        raw = members.get(name)
        if raw is not None and bytes(raw)[:1] == b"[":
            yield name, _PARTS.decode(raw)


def _image(part: msgspec.Raw) -> str | None:
    if _MARK not in bytes(part):
        return None
    read = read_part(part)
    if read is None or read.type != "input_image" or not isinstance(read.image_url, str):
        return None
    return read.image_url


def _shown(part: msgspec.Raw, show: Show) -> msgspec.Raw:
    image = _image(part)
    if image is None:
        return part
    shown = show(image)
    if isinstance(shown, str):
        return msgspec.Raw(_encode({"type": "input_text", "text": shown}))
    members = _MEMBERS.decode(part)
    if bytes(members["image_url"]) == shown:
        return part
    return msgspec.Raw(_encode({**members, "image_url": msgspec.Raw(shown)}))


def _is_the_models(item: bytes) -> bool:
    head = read_head(item)
    return head.role == "assistant" if head.type == "message" else not head.is_answer

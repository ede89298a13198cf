"""Images between the world and the log.

They are read, checked and stored before an event names them, and looked up by name when a request or an answer is made.

Law: whatever is named is there. An image is a blob of the thread's own store before its event is appended, and a
blob that is gone all the same (somebody deleted it) costs a text in its place, never a turn.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.images import (
    DETAILS,
    IMAGES_MAX,
    BadImage,
    ImageName,
    UnreadableImage,
    data_url,
    kind_of,
    read_data_url,
    read_name,
)
from codexd.core.items import ImageInput, LocalImageInput, UserInput
from codexd.patience import NoAnswer, patiently
from codexd.projections.pictures import images_in, print_of, with_images
from codexd.runtime.image_files import read_image
from codexd_eventstore.store import EventStore, StoreError

log = logging.getLogger(__name__)

# Encoded images that are kept in memory for the next request and the next screen: a conversation's screenshots, and
# not more than a small machine has to spare. What is larger is read again.
CACHE_BYTES_MAX: Final = 64 * 1024 * 1024
# Of one request to a model, the newest first: several times what any provider takes, and no more than a daemon can
# hold while it sends it.
REQUEST_BYTES_MAX: Final = 256 * 1024 * 1024
# A local disk needs milliseconds. A network's that needs more than this may hang for ever.
READ_SECONDS_MAX: Final = 5.0
# All files of one message together: whoever sends it waits for the answer.
MESSAGE_READ_SECONDS_MAX: Final = 15.0

NOT_FOR_THIS_MODEL: Final = "[an image was left out: this model reads no images]"
REFUSED: Final = "[an image was left out: the model's provider did not accept it]"
NO_ROOM: Final = "[an image was left out: there are too many newer ones]"
GONE: Final = "[an image was here; its bytes are not in the store any more]"


class ImageCache:
    """Images as JSON strings of their data URLs, those used last."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._bytes_max, self._bytes = bytes_max, 0
        self._urls: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        """The image, if it is here."""
        url = self._urls.get(name)
        if url is not None:
            self._urls.move_to_end(name)
        return url

    def put(self, name: str, url: bytes) -> None:
        """Keep it for as long as there is room."""
        if name in self._urls or len(url) > self._bytes_max:
            return
        self._urls[name] = url
        self._bytes += len(url)
        while self._bytes > self._bytes_max:
            _, oldest = self._urls.popitem(last=False)
            self._bytes -= len(oldest)


class Images:
    """The images of one store."""

    def __init__(
        self, store: EventStore, cache: ImageCache, read: Callable[[str], bytes] = read_image
    ) -> None:
        self._store, self._cache, self._read = store, cache, read

    async def keep(self, content: bytes) -> str:
        """Store an image; the name that an event may have for it. Raises: StoreError."""
        mime = kind_of(content)
        assert mime is not None, "only what was told to be an image is kept"
        ref = await self._store.put_blob(content, as_it_is=True)
        name = str(ImageName(ref.sha256, mime))
        if self._cache.get(name) is None:
            self._cache.put(name, await trio.to_thread.run_sync(_encoded, mime, content))
        return name

    async def load(self, path: str, deadline: float = math.inf) -> str:
        """Store the image that a file has; its name. Raises: BadImage, UnreadableImage, StoreError."""
        seconds = max(0.0, min(READ_SECONDS_MAX, deadline - trio.current_time()))
        try:
            content = await patiently(os.path.dirname(path), partial(self._read, path), seconds)
        except NoAnswer as error:
            raise UnreadableImage("it could not be read in time") from error
        return await self.keep(content)

    async def look(self, path: str) -> str:
        """The same for somebody who knows no store. Raises: BadImage."""
        try:
            return await self.load(path)
        except StoreError as error:
            raise BadImage(f"it could not be stored ({error})") from error

    async def accept(self, content: Sequence[UserInput], cwd: str) -> tuple[UserInput, ...]:
        """An input as its event may have it: each image checked, stored and named.

        Raises:
            BadImage: one of them cannot be taken; nothing names those before it.
            StoreError: it could not be stored.
        """
        count = sum(isinstance(part, ImageInput | LocalImageInput) for part in content)
        if count > IMAGES_MAX:
            raise BadImage(f"expected at most {IMAGES_MAX} images, found {count}")
        deadline = trio.current_time() + MESSAGE_READ_SECONDS_MAX
        return tuple([await self._accept(part, cwd, deadline) for part in content])

    async def _accept(self, part: UserInput, cwd: str, deadline: float) -> UserInput:
        match part:
            case ImageInput():
                _check_detail(part.detail)
                content = await trio.to_thread.run_sync(read_data_url, part.url)
                return replace(part, url=await self.keep(content))
            case LocalImageInput():
                _check_detail(part.detail)
                try:
                    name = await self.load(os.path.join(cwd, part.path), deadline)
                except UnreadableImage as unread:
                    return LocalImageInput(part.path, part.detail, problem=str(unread))
                except BadImage as bad:
                    raise BadImage(f"{part.path}: {bad}") from bad
                return LocalImageInput(part.path, part.detail, image=name)
            case _:
                return part

    def at_hand(self, names: Iterable[str], bytes_max: int) -> dict[str, bytes] | None:
        """The images as JSON strings, if all of them are in memory and there is room for them."""
        held: dict[str, bytes] = {}
        for name, times in Counter(names).items():
            url = self._cache.get(name)
            if url is None or (bytes_max := bytes_max - len(url) * times) < 0:
                return None
            held[name] = url
        return held

    async def fetch(self, names: Iterable[str], bytes_max: int) -> dict[str, bytes | None]:
        """The images as JSON strings, None for one that is gone; as many of the first as there is room for.

        A name that stands there several times takes its room as often.
        """
        found: dict[str, bytes | None] = {}
        room = bytes_max
        for name, times in Counter(names).items():
            url = await self._url(name)
            room -= len(url or b"") * times
            if room < 0:
                break
            found[name] = url
        return found

    async def for_model(
        self, items: Sequence[bytes], refused: frozenset[str], *, reads_images: bool
    ) -> tuple[bytes, ...]:
        """The items of a history as a request has them: with the images themselves.

        Args:
            refused: what the provider did not accept before, by `print_of`.
        """
        wanted = images_in(items)
        if not wanted:
            return tuple(items)
        there: dict[str, bytes | None] = {}
        if reads_images:
            named = [name for name in wanted if read_name(name) is not None]
            kept = [name for name in named if print_of(name) not in refused]
            there = await self.fetch(reversed(kept), REQUEST_BYTES_MAX)

        def show(image: str) -> bytes | str:
            if not reads_images:
                return NOT_FOR_THIS_MODEL
            if print_of(image) in refused:
                return REFUSED
            if read_name(image) is None:
                return msgspec.json.encode(image) if image.startswith(_SENT_AS_IT_IS) else GONE
            return (there[image] or GONE) if image in there else NO_ROOM

        return tuple([with_images(item, show) for item in items])

    async def _url(self, name: str) -> bytes | None:
        known = self._cache.get(name)
        if known is not None:
            return known
        image = read_name(name)
        if image is None:
            return None
        try:
            content = await self._store.read_blob(image.sha256)
        except StoreError as error:
            log.warning("an image of the log cannot be shown: %s", error)
            return None
        url = await trio.to_thread.run_sync(_encoded, image.mime, content)
        self._cache.put(name, url)
        return url


# How logs of earlier versions, and of other programs, have images.
_SENT_AS_IT_IS: Final = ("data:", "https://", "http://")


def shown(part: UserInput, urls: Mapping[str, bytes | None]) -> UserInput:
    """The part of an input as a client is to see it: with the image itself."""
    url = urls.get(part.url) if isinstance(part, ImageInput) else None
    if url is None:
        return part
    return replace(part, url=url[1:-1].decode())


def _encoded(mime: str, content: bytes) -> bytes:
    # As JSON it is the same with quotes: nothing in it is escaped.
    return b'"%b"' % data_url(mime, content).encode()


def _check_detail(detail: str | None) -> None:
    if detail is not None and detail not in DETAILS:
        expected = ", ".join(sorted(DETAILS))
        raise BadImage(f"detail: expected one of {expected}, found {detail[:40]!r}")

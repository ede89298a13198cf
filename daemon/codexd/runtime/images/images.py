"""Images for the log: read, checked and stored before an event names them, and looked up by name afterwards.

Law: an image that an event names is stored. It is a blob of the thread's own store before the event is appended; a
blob that was deleted all the same is replaced by a text, and fails no turn.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from io import FileIO
from typing import Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.values.images import (
    DETAILS,
    IMAGE_BYTES_MAX,
    IMAGES_MAX,
    BadImage,
    ImageName,
    UnreadableImage,
    data_url,
    kind_of,
    not_an_image,
    read_data_url,
    read_name,
    too_large,
)
from codexd.core.values.items import ImageInput, LocalImageInput, UserInput
from codexd.machine.foreign_files import NotAFile, open_file, read_up_to
from codexd.machine.patience import NoAnswer, patiently
from codexd.projections.model.images import image_places, print_of, with_images
from codexd_eventstore.store import Blobs, StoreError

log = logging.getLogger(__name__)

# Encoded images that are kept in memory for the next request and the next screen: a conversation's screenshots, and
# not more than a small machine has to spare. Larger images are read again.
CACHE_BYTES_MAX: Final = 64 * 1024 * 1024
# Images in one request to a model, the newest first, each counted as often as the request has it. OpenAI takes 50 MB
# of payload and 500 images, Anthropic 32 MB, Google 20 MB, and a request is refused as a whole; the text has to fit
# as well.
REQUEST_BYTES_MAX: Final = 40 * 1000 * 1000
REQUEST_IMAGES_MAX: Final = 500
# A local disk needs milliseconds. A network's that needs more than this may hang for ever.
READ_SECONDS_MAX: Final = 5.0
# All files of one message together: the client waits for the answer.
MESSAGE_READ_SECONDS_MAX: Final = 15.0

NOT_FOR_THIS_MODEL: Final = "[an image was left out: this model reads no images]"
REFUSED: Final = "[an image was left out: the model's provider did not accept it]"
NO_ROOM: Final = "[an image was left out: there are too many newer ones]"
GONE: Final = "[an image was here; its bytes are not in the store any more]"


def read_image(path: str) -> bytes:
    """The image in a file. It blocks: call it in a thread. Raises: UnreadableImage; BadImage, where it is too large.

    A person or a model wrote the path: it may be a folder, a device that never answers, or a file of any size.
    """
    try:
        with open_file(path) as file:
            content = _content(file)
    except NotAFile as error:
        raise UnreadableImage(f"expected an image file, found {error.kind}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in it
        raise UnreadableImage(_reason(error)) from error
    if kind_of(content) is None:
        raise UnreadableImage(not_an_image(content))
    return content


def _content(file: FileIO) -> bytes:
    size = os.fstat(file.fileno()).st_size
    content = read_up_to(file, IMAGE_BYTES_MAX + 1) if size <= IMAGE_BYTES_MAX else b""
    size = max(size, len(content))
    if size > IMAGE_BYTES_MAX:
        raise too_large(size)
    return content


def _reason(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]


class ImageCache:
    """Images as JSON strings of their data URLs, those used last."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._bytes_max, self._bytes = bytes_max, 0
        self._urls: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        url = self._urls.get(name)
        if url is not None:
            self._urls.move_to_end(name)
        return url

    def put(self, name: str, url: bytes) -> None:
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
        self, store: Blobs, cache: ImageCache, read: Callable[[str], bytes] = read_image
    ) -> None:
        self._store, self._cache, self._read = store, cache, read

    async def keep(self, content: bytes) -> str:
        """Store an image; the name that an event may have for it. Raises: StoreError."""
        mime = kind_of(content)
        assert mime is not None, "only content with an image's type is kept"
        ref = await self._store.put_blob(content, as_it_is=True)
        name = str(ImageName(ref.sha256, mime))
        if self._cache.get(name) is None:
            self._cache.put(name, await trio.to_thread.run_sync(_encoded, mime, content))
        return name

    async def load(self, path: str, deadline: float = math.inf) -> str:
        """Store the image that a file has; its name. Raises: BadImage, UnreadableImage, StoreError."""
        return await self.keep(await self.read(path, deadline))

    async def read(self, path: str, deadline: float = math.inf) -> bytes:
        """The bytes of an image file. Raises: BadImage, UnreadableImage."""
        seconds = max(0.0, min(READ_SECONDS_MAX, deadline - trio.current_time()))
        try:
            return await patiently(os.path.dirname(path), partial(self._read, path), seconds)
        except NoAnswer as error:
            raise UnreadableImage("it could not be read in time") from error

    async def look(self, path: str) -> str:
        """As `load`, with a StoreError raised as BadImage. Raises: BadImage."""
        try:
            return await self.load(path)
        except StoreError as error:
            raise BadImage(f"it could not be stored ({error})") from error

    async def take(self, content: bytes) -> str:
        """As `keep`, with a StoreError raised as BadImage. Raises: BadImage."""
        try:
            return await self.keep(content)
        except StoreError as error:
            raise BadImage(f"it could not be stored ({error})") from error

    async def accept(self, content: Sequence[UserInput], cwd: str) -> tuple[UserInput, ...]:
        """An input as its event may have it: each image checked, stored and named.

        Raises:
            BadImage: an image cannot be taken; no event names the images before it.
            StoreError: it could not be stored.
        """
        count = sum(isinstance(part, ImageInput | LocalImageInput) for part in content)
        if count > IMAGES_MAX:
            raise BadImage(f"expected at most {IMAGES_MAX} images, found {count}")
        taking = _Taking(self, cwd, trio.current_time() + MESSAGE_READ_SECONDS_MAX)
        return tuple([await taking.part(part) for part in content])

    def at_hand(self, names: Iterable[str], bytes_max: int) -> dict[str, bytes] | None:
        """The images as JSON strings, if all are in memory and there is room for them."""
        held: dict[str, bytes] = {}
        for name, times in Counter(names).items():
            url = self._cache.get(name)
            if url is None or (bytes_max := bytes_max - len(url) * times) < 0:
                return None
            held[name] = url
        return held

    async def fetch(self, names: Iterable[str], bytes_max: int) -> dict[str, bytes | None]:
        """The images as JSON strings, None for an image that is gone; as many of the first as there is room for.

        A name that occurs several times is counted as often.
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
        places = image_places(items)
        if not places:
            return tuple(items)
        first, there = len(places), dict[str, bytes | None]()
        if reads_images:
            first, there = await self._newest(places, refused)
        at = -1

        def show(image: str) -> bytes | str:
            nonlocal at
            at += 1
            if not reads_images:
                return NOT_FOR_THIS_MODEL
            if refused and print_of(image) in refused:
                return REFUSED
            return (there[image] or GONE) if at >= first else NO_ROOM

        return tuple([with_images(item, show) for item in items])

    async def _newest(
        self, places: Sequence[str], refused: frozenset[str]
    ) -> tuple[int, dict[str, bytes | None]]:
        """From which place on images have room in a request, and those images as JSON strings."""
        there: dict[str, bytes | None] = {}
        room, count = REQUEST_BYTES_MAX, REQUEST_IMAGES_MAX
        for at in range(len(places) - 1, -1, -1):
            image = places[at]
            if image not in there:
                if refused and print_of(image) in refused:
                    continue
                there[image] = await self._sent(image)
            size = len(there[image] or b"")
            room, count = room - size, count - (size > 0)
            if room < 0 or count < 0:
                return at + 1, there
        return 0, there

    async def _sent(self, image: str) -> bytes | None:
        """An image as a request has it, given by name or inline."""
        if read_name(image) is not None:
            return await self._url(image)
        return msgspec.json.encode(image) if image.startswith(_SENT_AS_IT_IS) else None

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


class _Taking:
    """The images of one message on their way into the store; a file that it names twice is read once."""

    def __init__(self, images: Images, cwd: str, deadline: float) -> None:
        self._images, self._cwd, self._deadline = images, cwd, deadline
        self._room = REQUEST_BYTES_MAX
        self._read: dict[str, tuple[str, int]] = {}  # by path: the name, and the size in a request

    async def part(self, part: UserInput) -> UserInput:
        """The part as its event may have it. Raises: BadImage, StoreError."""
        match part:
            case ImageInput():
                _check_detail(part.detail)
                content = await trio.to_thread.run_sync(read_data_url, part.url)
                self._take(_size_of(content))
                return replace(part, url=await self._images.keep(content))
            case LocalImageInput():
                _check_detail(part.detail)
                try:
                    name = await self._file(os.path.join(self._cwd, part.path))
                except UnreadableImage as unread:
                    return LocalImageInput(part.path, part.detail, problem=str(unread))
                except BadImage as bad:
                    raise BadImage(f"{part.path}: {bad}") from bad
                return LocalImageInput(part.path, part.detail, image=name)
            case _:
                return part

    async def _file(self, path: str) -> str:
        known = self._read.get(path)
        if known is not None:
            self._take(known[1])
            return known[0]
        content = await self._images.read(path, self._deadline)
        size = _size_of(content)
        self._take(size)
        name = await self._images.keep(content)
        self._read[path] = name, size
        return name

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise BadImage(
                f"expected images of at most {REQUEST_BYTES_MAX} bytes in all, as a request to a model has them, "
                f"found more: send fewer, or smaller ones"
            )


def _size_of(content: bytes) -> int:
    """How long an image is in a request."""
    return len(data_url("image/jpeg", b"")) + 4 * math.ceil(len(content) / 3)


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

"""A request has as many images as a provider takes, each counted as often as it occurs; so has a message."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest

from codexd.core.values.images import IMAGE_BYTES_MAX, IMAGES_MAX, BadImage
from codexd.core.values.items import ImageInput, LocalImageInput, TextInput
from codexd.projections.model.images import print_of
from codexd.projections.model.items import user_message
from codexd.runtime.images import images as i
from codexd.runtime.images.images import (
    REQUEST_BYTES_MAX,
    REQUEST_IMAGES_MAX,
    ImageCache,
    Images,
    read_image,
)
from codexd_eventstore.memory.store import MemoryStore
from peak_memory import HAS_PROC, peak_mib
from trio_test import trio_test

PNG = b"\x89PNG\r\n\x1a\n"
LARGE = PNG + bytes(9_000_000 - len(PNG))  # 12 MB in a request, so that three have room
NOBODY: frozenset[str] = frozenset()


def images(cache: ImageCache | None = None) -> Images:
    return Images(MemoryStore(), cache or ImageCache())


def look(image: str) -> bytes:
    """What a model was given that looked at a file."""
    return msgspec.json.encode(
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": image}],
        }
    )


def shown(items: tuple[bytes, ...]) -> list[str]:
    """What stands in the places of the images, cut short."""
    found = []
    for item in items:
        members = msgspec.json.decode(item)
        for part in members.get("output") or members["content"]:
            found.append(part.get("image_url", "")[:60] or part["text"])
    return found


@trio_test
async def test_an_image_that_was_looked_at_again_and_again_counts_each_time() -> None:
    kept = images(ImageCache(0))
    name = await kept.keep(LARGE)
    sent = await kept.for_model([look(name)] * 12, NOBODY, reads_images=True)
    assert sum(map(len, sent)) <= REQUEST_BYTES_MAX
    said = shown(sent)
    assert said[:9] == [i.NO_ROOM] * 9
    assert all(url.startswith("data:image/png;base64,") for url in said[9:])


@trio_test
async def test_the_newest_have_room_of_any_kind_and_at_any_position() -> None:
    kept = images()
    large = await kept.keep(LARGE)
    inline = f"data:image/png;base64,{base64.b64encode(LARGE).decode()}"
    small = await kept.keep(PNG)
    message = user_message(tuple(map(ImageInput, (large, inline, small))))
    sent = await kept.for_model([look(large), message, look(inline)], NOBODY, reads_images=True)
    assert [text == i.NO_ROOM for text in shown(sent)] == [True, False, False, False, False]
    refused = frozenset({print_of(inline)})
    sent = await kept.for_model([look(large), message, look(inline)], refused, reads_images=True)
    assert [text == i.REFUSED for text in shown(sent)] == [False, False, True, False, True]
    assert i.NO_ROOM not in shown(sent)


@trio_test
async def test_their_number_is_bounded_too() -> None:
    kept = images()
    name = await kept.keep(PNG)
    sent = await kept.for_model([look(name)] * (REQUEST_IMAGES_MAX + 7), NOBODY, reads_images=True)
    assert shown(sent).count(i.NO_ROOM) == 7
    assert shown(sent)[:7] == [i.NO_ROOM] * 7


@trio_test
async def test_the_largest_image_has_room() -> None:
    kept = images()
    name = await kept.keep(PNG + bytes(IMAGE_BYTES_MAX - len(PNG)))
    (sent,) = await kept.for_model([look(name)], NOBODY, reads_images=True)
    assert shown((sent,))[0].startswith("data:")


@trio_test
async def test_a_file_that_a_message_names_often_is_read_once_and_counts_each_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(LARGE)
    reads: list[str] = []

    def read(path: str) -> bytes:
        reads.append(path)
        return read_image(path)

    kept = Images(MemoryStore(), ImageCache(), read)
    image = LocalImageInput(str(path))
    taken = await kept.accept([image, TextInput("and"), image, image], "/")
    assert [part.image for part in taken if isinstance(part, LocalImageInput)] == [
        taken[0].image  # type: ignore[union-attr]
    ] * 3
    assert len(reads) == 1
    reads.clear()
    with pytest.raises(BadImage, match=f"at most {REQUEST_BYTES_MAX} bytes in all"):
        await kept.accept([image] * IMAGES_MAX, "/")
    assert len(reads) == 1


@trio_test
async def test_images_that_come_with_a_message_count_like_those_of_files() -> None:
    url = f"data:image/png;base64,{base64.b64encode(LARGE).decode()}"
    kept = images()
    assert len(await kept.accept([ImageInput(url)] * 3, "/")) == 3
    with pytest.raises(BadImage, match="send fewer, or smaller ones"):
        await kept.accept([ImageInput(url)] * 4, "/")


PREPARE = """
import trio, msgspec
from codexd.core.values.items import LocalImageInput
from codexd.core.values.images import BadImage
from codexd.runtime.images.images import ImageCache, Images
from codexd_eventstore.memory.store import MemoryStore
from pathlib import Path
import tempfile

PNG = b"\\x89PNG\\r\\n\\x1a\\n"
path = tempfile.NamedTemporaryFile(suffix=".png")
path.write(PNG + bytes(20 * 1024 * 1024 - 8))
path.flush()
kept = Images(MemoryStore(), ImageCache())

def look(name):
    part = {"type": "input_image", "image_url": name}
    return msgspec.json.encode({"type": "function_call_output", "call_id": "c", "output": [part]})

async def looks():
    name = await kept.load(path.name)
    sent = await kept.for_model([look(name)] * 12, frozenset(), reads_images=True)
    return b",".join(sent)

async def message():
    try:
        await kept.accept([LocalImageInput(path.name)] * 64, "/")
    except BadImage as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="the kernel tells no peak that is the process's own")
@pytest.mark.parametrize(
    ("work", "most_mib"),
    [
        ("trio.run(looks)", 240),  # twelve looks at one image of 20 MiB took 1.46 GB
        ("trio.run(message)", 120),  # and a message that names it 64 times 6.8 GB
    ],
)
def test_their_memory_is_bounded(work: str, most_mib: int) -> None:
    grown = peak_mib(PREPARE, work)
    print(f"{work}: {grown} MiB more")
    assert grown <= most_mib

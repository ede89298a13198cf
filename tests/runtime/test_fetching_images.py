"""Images by their names: for a request to a model, and for an answer to a client; each as far as there is room."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path

import msgspec
import pytest
import trio

from codexd.core.values.images import IMAGES_MAX, BadImage
from codexd.core.values.items import ImageInput, LocalImageInput, TextInput, UserInput
from codexd.projections.model.images import print_of
from codexd.projections.model.items import user_message
from codexd.runtime.images import images as i
from codexd.runtime.images.images import ImageCache, Images, shown
from codexd_eventstore.memory.store import MemoryStore
from trio_test import trio_test

PNG = b"\x89PNG\r\n\x1a\n"
NOBODY: frozenset[str] = frozenset()
GONE = f"codexd-blob:{'0' * 64};image/png"


def url_of(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def images(cache: ImageCache | None = None) -> Images:
    return Images(MemoryStore(), cache or ImageCache())


def item(*names: str) -> bytes:
    return user_message(tuple(ImageInput(name) for name in names))


def parts(item: bytes) -> list[str]:
    """What stands in the places of the images: the URLs, or texts."""
    content = msgspec.json.decode(item)["content"]
    return [part.get("image_url") or part["text"] for part in content]


@trio_test
async def test_a_request_has_the_images_themselves_and_the_same_bytes_each_time() -> None:
    kept = images(ImageCache(0))
    name = await kept.keep(PNG)
    items = (b'{"type":"message"}', item(name, "data:image/png;base64,AA=="))
    first = await kept.for_model(items, NOBODY, reads_images=True)
    assert first[0] is items[0]
    assert parts(first[1]) == [url_of(PNG), "data:image/png;base64,AA=="]
    assert await kept.for_model(items, NOBODY, reads_images=True) == first
    assert await kept.for_model(items[:1], NOBODY, reads_images=True) == items[:1]


@trio_test
async def test_an_image_that_is_not_sent_is_replaced_by_a_text() -> None:
    kept = images()
    name, inline = await kept.keep(PNG), "data:image/png;base64,AA=="
    sent = item(name, inline, GONE)
    (blind,) = await kept.for_model((sent,), NOBODY, reads_images=False)
    assert parts(blind) == [i.NOT_FOR_THIS_MODEL] * 3
    refused = frozenset({print_of(name), print_of(inline)})
    (without,) = await kept.for_model((sent,), refused, reads_images=True)
    assert parts(without) == [i.REFUSED, i.REFUSED, i.GONE]
    scrubbed = json.dumps({"content": [{"type": "input_image", "image_url": "«scrubbed»"}]})
    (gone,) = await kept.for_model((scrubbed.encode(),), NOBODY, reads_images=True)
    assert parts(gone) == [i.GONE]


@trio_test
async def test_an_address_of_another_programs_log_is_sent_unchanged() -> None:
    sent = item("data:,x").replace(b"data:,x", b"https://example.org/a.png")
    assert await images().for_model((sent,), NOBODY, reads_images=True) == (sent,)


@trio_test
async def test_only_as_many_are_fetched_as_there_is_room_for() -> None:
    kept = images()
    names = [await kept.keep(PNG + bytes([n])) for n in range(3)]
    room = 2 * len(url_of(PNG + b"0")) + 4
    assert list(await kept.fetch(names, room)) == names[:2]
    assert await kept.fetch([GONE, *names[:1], *names[:1]], room) == {
        GONE: None,
        names[0]: b'"%b"' % url_of(PNG + b"\0").encode(),
    }
    assert await kept.fetch(names[:1] * 3, room) == {}, "it would be there three times"
    assert kept.at_hand(names[:1] * 3, room) is None


ROOM = 1 << 20


@trio_test
async def test_the_most_recently_used_images_stay_in_memory() -> None:
    size = len(url_of(PNG + b"0")) + 2
    cache = ImageCache(2 * size)
    kept = images(cache)
    first, second = [await kept.keep(PNG + bytes([n])) for n in range(2)]
    assert kept.at_hand([first], ROOM) is not None
    third = await kept.keep(PNG + b"3")
    assert kept.at_hand([first, third], ROOM) is not None
    assert kept.at_hand([second], ROOM) is None
    await kept.keep(PNG + b"\0" * 3 * size)
    assert kept.at_hand([first, third], ROOM) is not None


@trio_test
async def test_a_message_has_a_bounded_number_of_images() -> None:
    many: list[UserInput] = [ImageInput(url_of(PNG))] * IMAGES_MAX
    assert len(await images().accept(many, "/")) == IMAGES_MAX
    with pytest.raises(BadImage, match=f"at most {IMAGES_MAX} images, found {IMAGES_MAX + 1}"):
        await images().accept([*many, LocalImageInput("a.png")], "/")


@trio_test(autojump=True)
async def test_a_file_that_is_not_read_in_time_costs_a_text_and_no_more(tmp_path: Path) -> None:
    tmp_path.joinpath("a.png").write_bytes(PNG)
    over = threading.Event()

    def hangs(path: str) -> bytes:
        over.wait()
        return PNG

    kept = Images(MemoryStore(), ImageCache(), hangs)
    files = [LocalImageInput(f"{n}/a.png") for n in range(8)]
    began = trio.current_time()
    try:
        accepted = await kept.accept(files, str(tmp_path))
        assert {image.problem for image in accepted if isinstance(image, LocalImageInput)} == {
            "it could not be read in time"
        }
        assert trio.current_time() - began == pytest.approx(i.MESSAGE_READ_SECONDS_MAX)
    finally:
        over.set()


@pytest.mark.parametrize("part", [ImageInput(url_of(PNG), "huge"), LocalImageInput("a", "huge")])
@trio_test
async def test_an_unknown_detail_is_refused(part: UserInput) -> None:
    with pytest.raises(BadImage, match="one of auto, high, low, original, found 'huge'"):
        await images().accept([part], "/")


@trio_test
async def test_a_clients_members_on_the_kept_file_are_ignored() -> None:
    forged = LocalImageInput("/absent.png", image=GONE)
    (accepted,) = await images().accept([forged], "/")
    assert accepted == LocalImageInput("/absent.png", problem="no such file or directory")


def test_a_part_is_shown_with_its_image_where_there_is_one() -> None:
    urls = {GONE: b'"data:image/png;base64,AA=="', "other": None}
    assert shown(ImageInput(GONE, "low"), urls) == ImageInput("data:image/png;base64,AA==", "low")
    for part in (ImageInput("other"), ImageInput("absent"), TextInput(GONE)):
        assert shown(part, urls) is part

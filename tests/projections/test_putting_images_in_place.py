"""Items of a history with their images in place: the same bytes each time, and nothing else of them changed."""

from __future__ import annotations

import json

import pytest

from codexd.projections.model.images import images_in, newest_images, print_of, with_images

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
NAME = f"codexd-blob:{SHA};image/png"
INLINE = "data:image/png;base64,iVBORw0KGgo="
PART = {"type": "input_image", "image_url": NAME, "detail": "high"}
TEXT = {"type": "input_text", "text": f'{{"type":"input_image","image_url":"{NAME}"}}'}
SAID = {"type": "message", "role": "user", "content": [TEXT, PART, TEXT]}
ANSWER = {"type": "function_call_output", "call_id": "c1", "output": [PART]}
OURS = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": json.dumps(PART)}


def encoded(item: object) -> bytes:
    return json.dumps(item, separators=(",", ":")).encode()


def image(name: str) -> bytes:
    return json.dumps(name.replace("codexd-blob:", "data:")).encode()


@pytest.mark.parametrize(
    "item", [OURS, CALL, {**SAID, "content": [TEXT]}, {**SAID, "content": "x"}]
)
def test_an_item_without_an_image_passes_as_it_is(item: object) -> None:
    item_bytes = encoded(item)
    assert with_images(item_bytes, image) is item_bytes
    assert images_in([item_bytes]) == []


@pytest.mark.parametrize("item", [SAID, ANSWER])
def test_an_image_takes_the_place_of_its_name_and_nothing_else_changes(
    item: dict[str, object],
) -> None:
    shown = with_images(encoded(item), image)
    wanted = encoded(item).replace(
        encoded(PART), encoded(PART | {"image_url": NAME.replace("codexd-blob", "data")})
    )
    assert shown == wanted


def test_a_text_takes_the_place_of_an_image_that_is_not_sent() -> None:
    shown = json.loads(with_images(encoded(SAID), lambda _: "left out"))
    assert shown["content"] == [TEXT, {"type": "input_text", "text": "left out"}, TEXT]


def test_an_image_that_is_there_already_leaves_the_item_as_it_is() -> None:
    item = (
        b'{ "type":"message", "content":[{"detail":"low", "image_url":"%b","type":"input_image"}]}'
    )
    item %= INLINE.encode()
    assert with_images(item, lambda found: json.dumps(found).encode()) is item
    assert images_in([item]) == [INLINE]


def test_images_are_found_once_each_in_their_order() -> None:
    other = {**SAID, "content": [PART | {"image_url": INLINE}, PART]}
    assert images_in([encoded(item) for item in (SAID, OURS, other, ANSWER)]) == [NAME, INLINE]


def test_the_newest_images_are_those_that_the_model_has_not_answered_to() -> None:
    old = {**SAID, "content": [PART | {"image_url": INLINE}]}
    items = [encoded(item) for item in (old, OURS, CALL, ANSWER, SAID)]
    assert newest_images(items) == [NAME]
    assert newest_images(items[:3]) == []


def test_an_image_is_known_by_the_hash_of_its_bytes_or_of_its_url() -> None:
    assert print_of(NAME) == SHA
    assert print_of(INLINE) != print_of(INLINE + "=")
    assert len(print_of(INLINE)) == 64


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "file_id": "f"},
        {"type": "input_image", "image_url": 7},
        {"type": "output_text", "text": "x", "annotations": [PART]},
        "input_image",
    ],
)
def test_parts_of_another_shape_pass_as_they_are(part: object) -> None:
    item = encoded({**SAID, "content": [part]})
    assert with_images(item, image) is item

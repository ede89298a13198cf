"""The size of an answer is that of its JSON, however its text is cut into deltas."""

from __future__ import annotations

import msgspec
import pytest

from codexd.models.answer_size import (
    ANSWER_BYTES_MAX,
    ITEM_BYTES_MAX,
    ITEMS_MAX,
    PARTS_MAX,
    AnswerSize,
    check_ids,
    check_part,
)
from codexd.models.client import ModelError


def kept(size: AnswerSize, item: str, pieces: list[str]) -> str:
    """What is given out of a text."""
    found = []
    for piece in pieces:
        found.append(size.text(item, piece))
        if size.error is not None:
            break
    return "".join(found)


@pytest.mark.parametrize("character", ["a", "\n", "\x01", '"', "é", "日", "𝄞"])
@pytest.mark.parametrize("delta", [997, 65_536, 5_000_000])
def test_of_a_text_that_is_too_long_its_beginning_is_given_out(character: str, delta: int) -> None:
    size = AnswerSize()
    text = kept(size, "m", [character * delta] * (5_000_000 // delta + 1))
    assert size.error is not None
    assert not size.error.retry
    encoded = len(msgspec.json.encode(text)) - 2
    # A sixth of the last delta's room at least: no character takes more than six bytes.
    assert ITEM_BYTES_MAX // 6 - 1000 < encoded <= ITEM_BYTES_MAX


@pytest.mark.parametrize("delta", [1000, 65_536])
def test_a_text_within_the_bound_is_given_out_whole(delta: int) -> None:
    size = AnswerSize()
    pieces = ["\n" * delta] * ((ITEM_BYTES_MAX // 2 - 100) // delta)
    assert kept(size, "m", pieces) == "".join(pieces)
    assert size.error is None


def test_texts_of_several_items_count_together() -> None:
    size = AnswerSize()
    items = ANSWER_BYTES_MAX // ITEM_BYTES_MAX + 1
    texts = [kept(size, str(n), ["x" * 10_000] * 410) for n in range(items)]
    assert size.error is not None
    assert sum(map(len, texts)) <= ANSWER_BYTES_MAX


def test_whole_items_count_together() -> None:
    size = AnswerSize()
    for _ in range(ANSWER_BYTES_MAX // ITEM_BYTES_MAX):
        size.whole(ITEM_BYTES_MAX)
    with pytest.raises(ModelError, match="in all"):
        size.whole(1)


def test_items_parts_and_ids_have_bounds() -> None:
    size = AnswerSize()
    for _ in range(ITEMS_MAX):
        size.begin()
    with pytest.raises(ModelError, match="items"):
        size.begin()
    with pytest.raises(ModelError, match="parts"):
        check_part(PARTS_MAX)
    with pytest.raises(ModelError, match="ids"):
        check_ids("short", None, "x" * 1000)

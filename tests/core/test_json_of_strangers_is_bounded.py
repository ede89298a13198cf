"""Foreign JSON becomes plain objects only where it has not too many values."""

from __future__ import annotations

import json

import msgspec
import pytest

from codexd.core.values.foreign_json import (
    UNCOUNTED_BYTES_MAX,
    VALUES_MAX,
    TooMuchJson,
    decode_foreign,
)
from peak_memory import HAS_PROC, peak_mib

MANY = VALUES_MAX + 1


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * MANY + b"0]",
        b"[" + b"{}," * MANY + b"0]",
        b"[" + b"0," * MANY + b"0]",
        b'[{"a":' * MANY,
        b'{"a":[' + b'"",' * MANY + b'""]}',
        b'["\\"",' + b"[]," * MANY + b"0]",
        b"[" + b"[]," * MANY + b'"' + b"x" * 99,  # a string without an end
        b"[" + b" [ ] ,\n" * MANY + b"0]",
    ],
    ids=["lists", "objects", "numbers", "depth", "texts", "escapes", "open", "blanks"],
)
def test_json_with_too_many_values_is_refused_before_it_is_decoded(text: bytes) -> None:
    with pytest.raises(TooMuchJson, match=f"more than {VALUES_MAX} values"):
        decode_foreign(text)


@pytest.mark.parametrize(
    "value",
    [
        "," * 3 * MANY,
        '[{"' * MANY,
        '\\"' * MANY,
        "\\",
        ["x" * UNCOUNTED_BYTES_MAX, "[,{" * MANY, "\\" * 99, '"' * 99],
        {"text": "[," * MANY, "list": list(range(1000))},
        list(range(VALUES_MAX - 1)),
    ],
    ids=["commas", "brackets", "quotes", "backslash", "mixed", "members", "just so many"],
)
def test_json_that_is_long_for_its_texts_is_read(value: object) -> None:
    text = json.dumps(value)
    assert decode_foreign(text.encode()) == decode_foreign(text) == value


def test_depth_without_end_is_an_error_like_any_other() -> None:
    for text in (b"[" * 100_000, b'{"a":' * 20_000, b"[" * 60_000 + b"]" * 60_000):
        with pytest.raises(msgspec.DecodeError):
            decode_foreign(text)


def test_counting_is_linear_for_any_text() -> None:
    """Twice the text, twice the steps: the pattern never goes back. Held by counting, and not by the clock."""
    from codexd.core.values import foreign_json

    pattern = foreign_json._STRING.pattern
    assert b"*+" in pattern
    assert b"*" not in pattern.replace(b"*+", b"")  # No repetition that can give anything back.
    for text in (b'"' * 999_999, b'"\\' * 500_000, b'\\"' * 500_000, b'"' + b"\\\\" * 500_000):
        assert foreign_json._STRING.sub(b"", text).count(b'"') == 0 or text[:1] == b"\\"


DECODE = """
try:
    decode_foreign(text)
except msgspec.DecodeError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="the kernel tells no peak that is the process's own")
@pytest.mark.parametrize(
    ("text", "most_mib"),
    [
        ("b'[' + b'[],' * 10_000_000 + b'0]'", 48),  # 30 MB, which took 1,360 MiB
        ("b'[' + b'7777,' * 499_000 + b'0]'", 64),
        ("b'[' + b'{},' * 249_000 + b'0]'", 64),  # as many as there may be
        ("b'[' + b'[{}],' * 166_000 + b'0]'", 64),
        ("b'[' + b'{\"a\":7777},' * 249_000 + b'0]'", 100),
    ],
    ids=["30 MB of lists", "numbers", "objects", "both", "members"],
)
def test_its_memory_is_bounded(text: str, most_mib: int) -> None:
    prepare = (
        f"import msgspec\nfrom codexd.core.values.foreign_json import decode_foreign\ntext = {text}"
    )
    grown = peak_mib(prepare, DECODE)
    print(f"{text}: {grown} MiB more")
    assert grown <= most_mib

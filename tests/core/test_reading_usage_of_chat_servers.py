"""The usage of chat servers is read under all their names of members."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd.core.values.usage import Tokens, read_usage

COUNTED = Tokens(total_tokens=120, input_tokens=100, cached_input_tokens=64, output_tokens=20)
USUAL = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@pytest.mark.parametrize(
    "cached",
    [
        {"prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0}},
        {"prompt_tokens_details": None, "prompt_cache_hit_tokens": 64},
        {"cached_tokens": 64},
        {"prompt_tokens_details": {"cached_tokens": 64}, "queue_time": 0.1, "cost": 0.2},
    ],
    ids=["openai", "deepseek", "moonshot", "groq"],
)
def test_cached_tokens_have_many_names(cached: dict[str, Any]) -> None:
    assert read_usage(msgspec.Raw(msgspec.json.encode(USUAL | cached))) == COUNTED


def test_reasoning_and_cache_writes_are_counted() -> None:
    usage = USUAL | {
        "completion_tokens_details": {"reasoning_tokens": 12},
        "prompt_tokens_details": {"cached_tokens": None, "cache_write_tokens": 7},
    }
    assert read_usage(msgspec.Raw(msgspec.json.encode(usage))) == Tokens(120, 100, 0, 7, 20, 12)


def test_tokens_that_only_the_total_has_are_output() -> None:
    usage = {
        "prompt_tokens": 12,
        "completion_tokens": 1,
        "total_tokens": 303,
        "prompt_tokens_details": {"cached_tokens": 11},
        "completion_tokens_details": {"reasoning_tokens": 290},
    }
    assert read_usage(msgspec.Raw(msgspec.json.encode(usage))) == Tokens(303, 12, 11, 0, 291, 290)
    smaller = USUAL | {"total_tokens": 7}
    found = read_usage(msgspec.Raw(msgspec.json.encode(smaller)))
    assert found is not None
    assert found.output_tokens == 20


def test_a_total_that_is_not_given_is_the_sum() -> None:
    assert read_usage(msgspec.Raw(b'{"prompt_tokens":1,"completion_tokens":2}')) == Tokens(
        total_tokens=3, input_tokens=1, output_tokens=2
    )


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": "12", "completion_tokens": "3"}, (12, 3, 15)),
        ({"prompt_tokens": 12.0, "completion_tokens": 3.0, "total_tokens": 15.0}, (12, 3, 15)),
        ({"prompt_tokens": 12, "completion_tokens": None, "total_tokens": 15}, (12, 3, 15)),
        ({"prompt_tokens": None, "completion_tokens": 3, "total_tokens": 15}, (12, 3, 15)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 0}, (12, 3, 15)),
        ({"prompt_tokens": 12, "completion_tokens": -1}, (12, 0, 12)),
        ({"total_tokens": 15}, (15, 0, 15)),
        ({"input_tokens": 12, "output_tokens": 1, "total_tokens": 303}, (12, 291, 303)),
        (
            {
                "prompt_tokens": 12,
                "completion_tokens": 1,
                "completion_tokens_details": {"reasoning_tokens": "290"},
            },
            (12, 291, 303),
        ),
        (
            {
                "input_tokens": 2,
                "output_tokens": 3,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 5,
            },
            (17, 3, 20),
        ),
    ],
    ids=[
        *(
            "texts",
            "with a point",
            "no output",
            "no input",
            "no total",
            "negative",
            "a total alone",
        ),
        *("the total of a response", "reasoning beside the output", "anthropic"),
    ],
)
def test_a_count_is_read_in_any_form(usage: dict[str, Any], counted: tuple[int, int, int]) -> None:
    found = read_usage(msgspec.Raw(msgspec.json.encode(usage)))
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == counted

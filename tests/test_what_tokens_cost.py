"""Prices: a dated table, a person's own, and none where it is not known."""

from __future__ import annotations

import datetime

import pytest

from codexd.catalog.prices import AS_OF, PRICES, PROVIDER, price_of
from codexd.config.keys import PriceTable
from codexd.core.values.usage import Tokens
from codexd.models.catalog import CATALOG
from codexd.projections.usage.spent import Spent

MILLION = 1_000_000
DOLLAR = 10**12
ALL_KINDS = Tokens(3 * MILLION, 2 * MILLION, MILLION, 0, MILLION, 500_000)


def day(text: str) -> int:
    return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days


def spent(
    model: str,
    tokens: Tokens = ALL_KINDS,
    *,
    provider: str = PROVIDER,
    on: str = "2026-11-01",
    long: bool = False,
) -> Spent:
    return Spent(day(on), provider, model, "turn", long, requests=1, tokens=tokens)


def test_fresh_cached_and_output_tokens_have_each_their_price() -> None:
    # A million of each: 1.25 + 0.125 + 10 dollars.
    assert price_of(spent("gpt-5"), {}) == 11_375 * DOLLAR // 1000


def test_written_tokens_are_part_of_the_input() -> None:
    written = Tokens(MILLION, MILLION, 400_000, 100_000, 0, 0)
    # 500,000 fresh, 400,000 cached, 100,000 written: 1 + 0.04 + 0.25 dollars.
    assert price_of(spent("gpt-6.1-sol", written), {}) == 129 * DOLLAR // 100


def test_a_single_token_is_not_rounded_away() -> None:
    assert price_of(spent("gpt-5-nano", Tokens(1, 1, 1, 0, 0, 0)), {}) == 5_000


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5.5-codex", PROVIDER),  # nobody has published one
        ("my-model", PROVIDER),
        ("gpt-5-mini-tuned", PROVIDER),
        ("gpt-5", "azure"),
        ("gpt-5", "ollama"),
    ],
)
def test_an_unknown_model_has_no_price(model: str, provider: str) -> None:
    assert price_of(spent(model, provider=provider), {}) is None


def test_a_release_costs_as_much_as_its_model() -> None:
    assert price_of(spent("gpt-5-2025-08-07"), {}) == price_of(spent("gpt-5"), {})


def test_the_price_is_that_of_the_day() -> None:
    before, after = spent("o3", on="2025-06-09"), spent("o3", on="2025-06-10")
    assert price_of(before, {}) == 5 * (price_of(after, {}) or 0)


def test_a_long_input_costs_more_where_the_source_says_so() -> None:
    short, long = spent("gpt-6.1-sol"), spent("gpt-6.1-sol", long=True)
    # 2 + 0.1 + 10 dollars; 4 + 0.2 + 15.
    assert price_of(short, {}) == 121 * DOLLAR // 10
    assert price_of(long, {}) == 192 * DOLLAR // 10
    assert price_of(spent("gpt-5", long=True), {}) == price_of(spent("gpt-5"), {})


def test_an_own_price_comes_first() -> None:
    own = {"gpt-5": PriceTable(1.0, 2.0), "azure/gpt-5": PriceTable(3.0, 4.0, 0.5, 9.0)}
    assert price_of(spent("gpt-5"), own) == 4 * DOLLAR
    assert price_of(spent("gpt-5", provider="azure"), own) == 15 * DOLLAR // 2
    assert price_of(spent("gpt-5", provider="ollama"), own) == 4 * DOLLAR
    assert price_of(spent("gpt-5", long=True), own) == 4 * DOLLAR


def test_a_price_of_nothing_is_a_price() -> None:
    assert price_of(spent("llama", provider="ollama"), {"llama": PriceTable(0.0, 0.0)}) == 0


def test_the_table_is_dated_and_in_order() -> None:
    assert datetime.date.fromisoformat(AS_OF)
    rows = [(row.model, row.since) for row in PRICES]
    assert len(set(rows)) == len(rows)
    for model in {row.model for row in PRICES}:
        since = [row.since for row in PRICES if row.model == model]
        assert since == sorted(since, reverse=True)


def test_the_models_that_are_offered_have_prices_as_far_as_they_are_known() -> None:
    priced = {row.model for row in PRICES}
    shown = {model.id for model in CATALOG if not model.hidden}
    assert shown - priced == {
        "gpt-6.2-sol", "gpt-6.2-astra", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna",
    }  # fmt: skip

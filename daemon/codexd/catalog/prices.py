"""Prices of tokens: a dated table in the package, and the prices of config.toml, which take precedence.

Law: no price is guessed. A model that is not in the table, another provider, or a day before the first known
price has no price, unless config.toml sets one.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from codexd.config.keys import PriceTable
from codexd.core.values.usage import Tokens
from codexd.projections.usage.spent import Spent

# When the table was last compared with its source.
AS_OF: Final = "2026-10-01"
SOURCE: Final = "https://developers.openai.com/api/docs/pricing"
# The provider of these prices; other providers charge other prices for the same models, or nothing.
PROVIDER: Final = "openai"
# By model, or by provider/model.
OwnPrices = Mapping[str, PriceTable]

_PICODOLLARS: Final = 1_000_000  # a token, at one dollar a million tokens


class ModelPrice(msgspec.Struct, frozen=True):
    """The price of a model from a day on, in US dollars per million tokens."""

    model: str
    input: float
    cached_input: float
    output: float
    cache_write: float | None = None  # None: as the input
    since: str = ""  # a day; empty: from the model's release
    # Whether a long input costs twice as much, cached or not, and its output half as much again.
    more_when_long: bool = False


# For each model the newest row comes first.
PRICES: Final[tuple[ModelPrice, ...]] = (
    ModelPrice("gpt-6.1-terra", 1.0, 0.05, 5.0, 1.25, more_when_long=True),
    ModelPrice("gpt-6.1-sol", 2.0, 0.1, 10.0, 2.5, more_when_long=True),
    ModelPrice("gpt-6-sol", 2.0, 0.2, 10.0, 2.5, more_when_long=True),
    ModelPrice("gpt-6-luna", 0.1, 0.01, 0.5, 0.125, more_when_long=True),
    ModelPrice("gpt-6-astra", 10.0, 1.0, 50.0, 12.5, more_when_long=True),
    ModelPrice("gpt-5.5", 5.0, 0.5, 30.0, more_when_long=True),
    ModelPrice("gpt-5.4", 2.5, 0.25, 15.0, more_when_long=True),
    ModelPrice("gpt-5.4-mini", 0.75, 0.075, 4.5),
    ModelPrice("gpt-5.3-codex", 1.75, 0.175, 14.0),
    ModelPrice("gpt-5.2", 1.75, 0.175, 14.0),
    ModelPrice("gpt-5.2-codex", 1.75, 0.175, 14.0),
    ModelPrice("gpt-5.1", 1.25, 0.125, 10.0),
    ModelPrice("gpt-5.1-codex", 1.25, 0.125, 10.0),
    ModelPrice("gpt-5.1-codex-max", 1.25, 0.125, 10.0),
    ModelPrice("gpt-5-codex", 1.25, 0.125, 10.0),
    ModelPrice("gpt-5", 1.25, 0.125, 10.0),
    ModelPrice("gpt-5-mini", 0.25, 0.025, 2.0),
    ModelPrice("gpt-5-nano", 0.05, 0.005, 0.4),
    ModelPrice("o3", 2.0, 0.5, 8.0, since="2025-06-10"),
    ModelPrice("o3", 10.0, 2.5, 40.0),
    ModelPrice("o4-mini", 1.1, 0.275, 4.4),
    ModelPrice("codex-mini-latest", 1.5, 0.375, 6.0),
    ModelPrice("gpt-4.1", 2.0, 0.5, 8.0),
    ModelPrice("gpt-4.1-mini", 0.4, 0.1, 1.6),
    ModelPrice("gpt-4o", 2.5, 1.25, 10.0),
    ModelPrice("gpt-4o-mini", 0.15, 0.075, 0.6),
)

_FIRST_DAY: Final = datetime.date(1970, 1, 1)
# A dated release of a model has the price of the model.
_RELEASE = re.compile(r"-\d{4}-\d{2}-\d{2}$", re.ASCII)


def price_of(spent: Spent, own: OwnPrices) -> int | None:
    """The cost of some requests, in picodollars; None if unknown. `own` are the prices of config.toml."""
    tokens, model = spent.tokens, spent.model
    price = own.get(f"{spent.provider}/{model}") or own.get(model)
    if price is not None:
        cached = price.input if price.cached_input is None else price.cached_input
        write = price.input if price.cache_write is None else price.cache_write
        return _cost(tokens, price.input, cached, write, price.output)
    row = _row(spent)
    if row is None:
        return None
    write = row.input if row.cache_write is None else row.cache_write
    if row.more_when_long and spent.long:
        return _cost(tokens, 2 * row.input, 2 * row.cached_input, 2 * write, 1.5 * row.output)
    return _cost(tokens, row.input, row.cached_input, write, row.output)


def _row(spent: Spent) -> ModelPrice | None:
    if spent.provider != PROVIDER:
        return None
    day = (_FIRST_DAY + datetime.timedelta(days=spent.day)).isoformat()
    names = (spent.model, _RELEASE.sub("", spent.model))
    return next((row for row in PRICES if row.model in names and row.since <= day), None)


def _cost(tokens: Tokens, fresh: float, cached: float, write: float, output: float) -> int:
    """Cached and written tokens are part of the input, reasoning is part of the output."""
    read, written = tokens.cached_input_tokens, tokens.cache_write_input_tokens
    rest = max(tokens.input_tokens - read - written, 0)
    counts = ((rest, fresh), (read, cached), (written, write), (tokens.output_tokens, output))
    return sum(count * round(price * _PICODOLLARS) for count, price in counts)

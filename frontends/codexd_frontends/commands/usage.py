"""codexctl usage: what threads have used and what it cost; and why a request missed the prompt cache."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import reduce

import msgspec
from msgspec import Raw

from codexd.protocol.usage import (
    CacheMiss,
    PriceSource,
    ThreadUsage,
    ThreadUsageReadResponse,
    UsageCounts,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id, short_id_chars
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line, title
from codexd_frontends.screen.numbers import exact, money, tokens_plus
from codexd_frontends.screen.style import Style

PAGE = 100
TITLE_CHARS_MAX = 40
# In the order of people's questions: input at full price, cached input, output, cost.
HEADINGS = ("requests", "fresh", "cached", "written", "output", "reasoning", "money")


class UsagePage(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to thread/usage/list, its threads as they came."""

    data: tuple[Raw, ...]
    next_cursor: str | None = None
    prices: PriceSource = PriceSource()


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Say what was used."""
    if arguments.why and arguments.thread is None:
        raise UsageError("--why is about one thread; nothing was asked for")
    with connect(console) as daemon:
        if arguments.thread is None:
            _say_all(daemon, arguments.days, console)
        else:
            thread_id = find_thread_id(daemon, arguments.thread)
            _say_one(daemon, thread_id, console, why=arguments.why)
    return DONE


def _say_one(daemon: Daemon, thread_id: str, console: Console, *, why: bool) -> None:
    params = {"threadId": thread_id, "turns": not why, "misses": why}
    read = daemon.call("thread/usage/read", params, Raw)
    if console.json:
        console.document({"usage": read})
        return
    usage, style = msgspec.json.decode(read, type=ThreadUsageReadResponse), console.out_style
    console.answers(miss_lines(usage, style) if why else turn_lines(usage, style))


def _say_all(daemon: Daemon, days: int | None, console: Console) -> None:
    sources: list[PriceSource] = []
    found = [*_listed(daemon, days, False, sources), *_listed(daemon, days, True, sources)]
    if console.json:
        console.document({"threads": found})
        return
    threads = [msgspec.json.decode(raw, type=ThreadUsage) for raw in found]
    threads.sort(key=lambda thread: thread.updated_at, reverse=True)
    console.answers(thread_lines(threads, days, sources[0], console.out_style))


def _listed(
    daemon: Daemon, days: int | None, archived: bool, sources: list[PriceSource]
) -> Iterator[Raw]:
    params = {"days": days, "archived": archived, "limit": PAGE}
    for page in daemon.pages("thread/usage/list", params, UsagePage):
        sources.append(page.prices)
        yield from page.data


def turn_lines(usage: ThreadUsageReadResponse, style: Style) -> list[str]:
    """The usage of a thread, for each turn and in total."""
    rows = [
        (
            _moment(turn.started_at),
            one_line(turn.turn_id[-8:]),
            one_line(turn.kind),
            one_line(", ".join(turn.models)),
            *_columns(turn.used),
        )
        for turn in usage.turns or ()
    ]
    total = ("in all", "", "", "", *_columns(usage.total))
    headings = ("began", "turn", "for", "model", *HEADINGS)
    window = [] if usage.percent_left is None else [f"{usage.percent_left}% context left"]
    return [
        *_table(headings, rows, total, left=4, style=style),
        *(style.dim(line) for line in window),
        *_remarks(usage.total, usage.prices, style),
    ]


def thread_lines(
    threads: list[ThreadUsage], days: int | None, prices: PriceSource, style: Style
) -> list[str]:
    """The usage of threads, and the total."""
    id_chars = short_id_chars([thread.thread_id for thread in threads])
    rows = []
    for thread in threads:
        name = title(thread.name or thread.preview, TITLE_CHARS_MAX)
        rows.append((thread.thread_id[:id_chars], name, "", *_columns(thread.total)))
        others = [kind for kind in thread.kinds if kind.kind != "turn"]
        rows += [("", "", one_line(kind.kind), *_columns(kind.used)) for kind in others]
    nothing = UsageCounts(cost_usd=None if threads else 0.0)
    total = reduce(_plus, (thread.total for thread in threads), nothing)
    when = "ever" if days is None else f"in {days} days"
    return [
        *_table(
            ("thread", "", "of it", *HEADINGS),
            rows,
            ("in all", when, "", *_columns(total)),
            left=3,
            style=style,
        ),
        *_remarks(total, prices, style),
    ]


def miss_lines(usage: ThreadUsageReadResponse, style: Style) -> list[str]:
    """Each request that missed the cache, and what changed before it."""
    misses = usage.misses or ()
    total = usage.total
    served = total.tokens.cached_input_tokens
    share = 100 * served // total.tokens.input_tokens if total.tokens.input_tokens else 0
    lines = [line for miss in misses for line in _miss_lines(miss, style)]
    uncached = sum(miss.expected_tokens - miss.cached_tokens for miss in misses)
    end = (
        f"{exact(len(misses))} of {exact(total.requests)} requests missed the cache; "
        f"they read {exact(uncached)} tokens again. Of all input, {share}% came from the cache"
    )
    unjudged = usage.unjudged_requests or 0
    some = "one request" if unjudged == 1 else f"{exact(unjudged)} requests"
    silent = f"of {some} the provider did not say what its cache had"
    return [*lines, style.dim(end), *([style.dim(silent)] if unjudged else [])]


def _miss_lines(miss: CacheMiss, style: Style) -> list[str]:
    where = f"record {miss.seq}" if miss.seq is not None else "a request"
    cause = f", record {miss.cause_seq}" if miss.cause_seq is not None else ""
    item = f" (from item {miss.item} on)" if miss.item is not None else ""
    found = f"{exact(miss.cached_tokens)} of {exact(miss.expected_tokens)} tokens were cached"
    return [
        f"{_moment(miss.at)}  {style.bold(where)}  {one_line(miss.model)}: {found}",
        f"    {style.yellow(one_line(miss.segment))}: {one_line(miss.why)}{item}{cause}",
    ]


def _plus(counts: UsageCounts, other: UsageCounts) -> UsageCounts:
    """The sum; what is known of its cost is the cost of what has a price."""
    costs = [used.cost_usd for used in (counts, other) if used.cost_usd is not None]
    return UsageCounts(
        requests=counts.requests + other.requests,
        failed_requests=counts.failed_requests + other.failed_requests,
        unsaid_requests=counts.unsaid_requests + other.unsaid_requests,
        unpriced_requests=counts.unpriced_requests + other.unpriced_requests,
        tokens=tokens_plus(counts.tokens, other.tokens),
        fresh_input_tokens=counts.fresh_input_tokens + other.fresh_input_tokens,
        cost_usd=sum(costs) if costs else None,
    )


def _columns(used: UsageCounts) -> tuple[str, ...]:
    tokens = used.tokens
    failed = f" (+{exact(used.failed_requests)} failed)" if used.failed_requests else ""
    return (
        f"{exact(used.requests)}{failed}",
        exact(used.fresh_input_tokens),
        exact(tokens.cached_input_tokens),
        exact(tokens.cache_write_input_tokens),
        exact(tokens.output_tokens),
        exact(tokens.reasoning_output_tokens),
        money(used.cost_usd),
    )


def _table(
    headings: tuple[str, ...],
    rows: list[tuple[str, ...]],
    total: tuple[str, ...],
    *,
    left: int,
    style: Style,
) -> list[str]:
    """Columns as wide as they must be; the first `left` of them are words, the others numbers."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, total, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        padded = (
            f"{cell:<{width}}" if index < left else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
            if width
        )
        return "  ".join(padded).rstrip()

    return [style.dim(line(headings)), *(line(row) for row in rows), style.bold(line(total))]


def _remarks(total: UsageCounts, prices: PriceSource, style: Style) -> list[str]:
    """What the sums do not include, and the source of the prices."""
    left_out = []
    if total.unpriced_requests:
        left_out.append(f"{exact(total.unpriced_requests)} requests to models without a price")
    if total.unsaid_requests:
        left_out.append(f"{exact(total.unsaid_requests)} without reported usage")
    without = f"without {' and '.join(left_out)}; " if left_out else ""
    source = f"prices in US dollars, of {one_line(prices.as_of)} ({one_line(prices.source)}) or from config.toml"
    return [style.dim(f"{without}{source}")]


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

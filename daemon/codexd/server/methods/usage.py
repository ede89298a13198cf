"""The usage of threads: sums from lists, and turn by turn from a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

from msgspec.structs import astuple

from codexd.catalog.prices import AS_OF, SOURCE, OwnPrices, price_of
from codexd.core.events.record import Recorded, decode_record
from codexd.core.state.window import ContextWindow
from codexd.core.values.ids import ThreadId
from codexd.core.values.usage import Tokens
from codexd.index.query.listing import Row, Wanted
from codexd.projections.usage.cache_misses import MISS_TYPES, CacheMisses, Miss
from codexd.projections.usage.requests import Kind
from codexd.projections.usage.spent import DAY_MS, SPENDING_TYPES, Spent, TurnCost, UsageByTurn
from codexd.protocol import usage as u
from codexd.protocol.wire.rpc import invalid_params
from codexd.runtime.snapshots.unloaded import fill_of
from codexd.server.connection.connection import Connection
from codexd.server.methods.listing import cursors, start_of
from codexd.server.methods.lookup import thread_id_of
from codexd.server.reads.pages import page_limit
from codexd.server.services import Services
from codexd_eventstore.event_log import EventLog
from codexd_eventstore.reading import Pages

_PRICES = u.PriceSource(AS_OF, SOURCE)
_PICODOLLARS = 10**12
_COUNTED_TYPES = SPENDING_TYPES | MISS_TYPES


async def thread_usage_read(
    services: Services, connection: Connection, params: u.ThreadUsageReadParams
) -> u.ThreadUsageReadResponse:
    """The usage of a thread."""
    thread_id = thread_id_of(params.thread_id)
    costs, misses = UsageByTurn(), CacheMisses()
    folds: list[Callable[[Recorded], None]] = []
    folds += [costs.apply] if params.turns else []
    folds += [misses.apply] if params.misses else []
    row = await services.directory.find(thread_id)
    window = await _window(services, thread_id)
    if folds:
        await _fold(services.store_of(thread_id), thread_id, folds)
    own, sums = services.config.last_good().prices, row.summary.spending.sums
    return u.ThreadUsageReadResponse(
        thread_id=thread_id,
        total=counts_of(sums, own),
        kinds=_kinds(sums, own),
        model_context_window=window.limit,
        context_tokens=window.context_tokens,
        percent_left=window.percent_left,
        turns=tuple(_turn(cost, own) for cost in costs.rows) if params.turns else None,
        misses=tuple(map(_miss, misses.found)) if params.misses else None,
        unjudged_requests=misses.unjudged if params.misses else None,
        prices=_PRICES,
    )


async def thread_usage_list(
    services: Services, connection: Connection, params: u.ThreadUsageListParams
) -> u.ThreadUsageListResponse:
    """A page of threads that have used tokens, the most recently updated first."""
    if params.days is not None and params.days < 1:
        raise invalid_params(f"days: expected a number from 1 on, found {params.days}")
    first_day = (
        None if params.days is None else services.now_us() // 1000 // DAY_MS - params.days + 1
    )
    wanted = Wanted(archived=bool(params.archived))
    print_ = wanted.print("updated")
    page = await services.directory.page(
        wanted,
        "updated",
        upwards=False,
        start=start_of(print_, params.cursor),
        limit=page_limit(params.limit),
    )
    following, _ = cursors(print_, "updated", page.rows, upwards=False)
    first_ms = None if first_day is None else first_day * DAY_MS
    # They are sorted by their last update: all threads after the first old thread are old.
    old = bool(page.rows) and first_ms is not None and page.rows[-1].summary.updated_ms < first_ms
    own = services.config.last_good().prices
    rows = (_row(listed, first_day, own) for listed in page.rows)
    return u.ThreadUsageListResponse(
        tuple(row for row in rows if row is not None),
        following if page.more and not old else None,
        _PRICES,
    )


def counts_of(sums: Iterable[Spent], own: OwnPrices) -> u.UsageCounts:
    """The total of some sums, with its cost."""
    kept = list(sums)
    tokens = reduce(Tokens.plus, (spent.tokens for spent in kept), Tokens())
    prices = {index: price_of(spent, own) for index, spent in enumerate(kept)}
    priced = [price for price in prices.values() if price is not None]
    said = [spent.requests - spent.unsaid for spent in kept]
    unpriced = sum(count for index, count in enumerate(said) if prices[index] is None)
    requests, unsaid = sum(spent.requests for spent in kept), sum(spent.unsaid for spent in kept)
    nothing_known = requests > 0 and unpriced + unsaid == requests
    read, written = tokens.cached_input_tokens, tokens.cache_write_input_tokens
    return u.UsageCounts(
        requests=requests,
        failed_requests=sum(spent.failed for spent in kept),
        unsaid_requests=unsaid,
        unpriced_requests=unpriced,
        tokens=u.TokenUsageBreakdown(*astuple(tokens)),
        fresh_input_tokens=max(tokens.input_tokens - read - written, 0),
        cost_usd=None if nothing_known else sum(priced) / _PICODOLLARS,
    )


def _kinds(sums: Iterable[Spent], own: OwnPrices) -> tuple[u.KindUsage, ...]:
    by_kind: dict[Kind, list[Spent]] = {}
    for spent in sums:
        by_kind.setdefault(spent.kind, []).append(spent)
    return tuple(u.KindUsage(kind, counts_of(some, own)) for kind, some in by_kind.items())


def _turn(row: TurnCost, own: OwnPrices) -> u.TurnUsage:
    models = tuple(dict.fromkeys(spent.model for spent in row.sums))
    started = row.started_ms // 1000
    return u.TurnUsage(row.turn_id, row.kind, row.seq, started, models, counts_of(row.sums, own))


def _row(row: Row, first_day: int | None, own: OwnPrices) -> u.ThreadUsage | None:
    summary = row.summary
    sums = [spent for spent in summary.spending.sums if first_day is None or spent.day >= first_day]
    if not sums:
        return None
    return u.ThreadUsage(
        row.thread_id,
        summary.name,
        summary.preview,
        summary.updated_ms // 1000,
        counts_of(sums, own),
        _kinds(sums, own),
    )


def _miss(miss: Miss) -> u.CacheMiss:
    request = miss.request
    return u.CacheMiss(
        turn_id=request.turn_id,
        seq=request.started_seq,
        at=request.at_ms // 1000,
        model=request.model,
        input_tokens=request.tokens.input_tokens,
        cached_tokens=request.tokens.cached_input_tokens,
        expected_tokens=miss.expected_tokens,
        segment=miss.segment,
        why=miss.why,
        cause_seq=miss.cause_seq,
        item=miss.item,
    )


async def _window(services: Services, thread_id: ThreadId) -> ContextWindow:
    """The thread's context window; read from the end of the log where the thread is not loaded."""
    thread = services.supervisor.loaded(thread_id)
    if thread is not None:
        return thread.folds.usage.window
    version = (await services.store.head(thread_id)).version
    return await fill_of(services.store, thread_id, version)


async def _fold(
    store: EventLog,
    thread_id: ThreadId,
    folds: Iterable[Callable[[Recorded], None]],
) -> None:
    """Apply the records of the counted types to every fold."""
    async for page in Pages(store, thread_id):
        for record in page:
            if record.type in _COUNTED_TYPES:
                recorded = decode_record(record.line)
                for fold in folds:
                    fold(recorded)

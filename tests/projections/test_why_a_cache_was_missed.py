"""Which requests a prompt cache did not serve, and what changed before them."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from builders import ENDED, SETTINGS, STARTED
from codexd.core.events.events import (
    Event,
    ModelCallStarted,
    RequestPrint,
    ThreadForked,
    TurnCompleted,
    TurnStarted,
)
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.record import Recorded
from codexd.core.values.ids import ItemId, ModelCallId, ThreadId, TurnId
from codexd.projections.usage.cache_misses import KEPT_MS, CacheMisses, Miss

SECOND = 1000


def missed_tokens(miss: Miss) -> int:
    """Tokens that were expected in the cache and were not there."""
    return miss.expected_tokens - miss.request.tokens.cached_input_tokens


def print_(
    kept: int,
    added: int,
    *,
    instructions: str | None = None,
    tools: str | None = None,
    daemon: str | None = None,
) -> RequestPrint:
    return RequestPrint(kept, ("h",) * added, "d", instructions, tools, daemon=daemon)


FIRST = print_(0, 3, instructions="i-1", tools="t-1")
NEXT = print_(3, 2)  # with an answer and another question


def asked(
    request: RequestPrint | None, *, model: str = "m-1", provider: str = "p", purpose: str = "turn"
) -> ModelCallStarted:
    return ModelCallStarted(
        ModelCallId("c"),
        1,
        model,
        provider,
        "compact" if purpose == "compact" else "turn",
        request,
    )


def used(tokens_in: int, cached: int | None) -> Event:
    details = {"cached_tokens": cached} if cached is not None else {}
    said = {"input_tokens": tokens_in, "output_tokens": 1, "input_tokens_details": details}
    return replace(ENDED, usage=msgspec.Raw(msgspec.json.encode(said)))


def turn(n: int, **settings: str) -> TurnStarted:
    members = {**msgspec.structs.asdict(SETTINGS), **settings}
    return TurnStarted(TurnId(f"t{n}"), SETTINGS.__class__(**members))


def misses(*events: Event | int) -> list[Miss]:
    """Of events a second apart; a number lets so many ms go by."""
    fold, at_ms, seq = CacheMisses(), 0, 0
    for event in events:
        if isinstance(event, int):
            at_ms += event
            continue
        at_ms, seq = at_ms + SECOND, seq + 1
        fold.apply(Recorded(seq, at_ms, event, turn="t"))
    return fold.found


BEGUN = (STARTED, turn(1), asked(FIRST), used(5000, 0), TurnCompleted())


def test_a_request_whose_beginning_is_cached_misses_nothing() -> None:
    assert misses(*BEGUN, turn(2), asked(NEXT), used(6000, 4992)) == []
    assert misses(*BEGUN, turn(2), asked(NEXT), used(6000, 4608)) == []


def test_the_first_request_expects_nothing() -> None:
    assert misses(*BEGUN) == []


def test_a_request_too_short_for_the_cache_is_no_miss() -> None:
    short = (STARTED, turn(1), asked(FIRST), used(1023, 0))
    assert misses(*short, asked(NEXT), used(1100, 0)) == []


def test_a_provider_that_says_nothing_of_its_cache_is_not_judged() -> None:
    assert misses(*BEGUN, asked(NEXT), used(6000, None)) == []
    fold = CacheMisses()
    for seq, event in enumerate((*BEGUN, asked(NEXT), used(6000, None)), 1):
        fold.apply(Recorded(seq, seq, event, turn="t"))
    assert fold.unjudged == 1


def test_another_model_has_another_cache() -> None:
    changed = (turn(2, model="m-2"), asked(NEXT, model="m-2"), used(6000, 0))
    [miss] = misses(*BEGUN, *changed)
    assert (miss.segment, miss.cause_seq) == ("model", 6)
    assert miss.why == "the model was switched from m-1 to m-2"
    assert (miss.expected_tokens, missed_tokens(miss)) == (5000, 5000)


def test_another_provider_too() -> None:
    changed = (turn(2, provider="q"), asked(NEXT, provider="q"), used(6000, 0))
    [miss] = misses(*BEGUN, *changed)
    assert (miss.segment, miss.cause_seq) == ("provider", 6)
    assert miss.why == "the provider was switched from p to q"


def test_instructions_are_before_tools_and_both_before_the_history() -> None:
    anew = HistoryCompacted(ItemId("h"), "so far", ())
    both = print_(0, 2, instructions="i-2", tools="t-2")
    [miss] = misses(*BEGUN, anew, turn(2), asked(both), used(6000, 0))
    assert (miss.segment, miss.cause_seq, miss.why) == (
        "instructions",
        7,
        "the instructions changed",
    )
    tools = print_(3, 2, tools="t-2")
    [miss] = misses(*BEGUN, turn(2), asked(tools), used(6000, 0))
    assert (miss.segment, miss.cause_seq, miss.why) == ("tools", 6, "the tools changed")


def test_an_update_of_the_daemon_is_named_where_it_changed_the_instructions() -> None:
    first = print_(0, 3, instructions="i-1", tools="t-1", daemon="0.3.0")
    begun = (STARTED, turn(1), asked(first), used(5000, 0), TurnCompleted())
    updated = print_(3, 2, instructions="i-2", daemon="0.4.0")
    [miss] = misses(*begun, turn(2), asked(updated), used(6000, 0))
    assert miss.why == ("the instructions changed: the daemon was updated from 0.3.0 to 0.4.0")
    same = print_(3, 2, tools="t-2", daemon="0.3.0")
    [miss] = misses(*begun, turn(2), asked(same), used(6000, 0))
    assert (miss.segment, miss.why) == ("tools", "the tools changed")


def test_instructions_that_are_said_again_have_not_changed() -> None:
    same = print_(3, 2, instructions="i-1", tools="t-1")
    assert [miss.segment for miss in misses(*BEGUN, asked(same), used(6000, 0))] == ["none"]


def test_a_compaction_begins_a_new_history() -> None:
    summary = (asked(None, purpose="compact"), used(5200, 4992))
    anew = HistoryCompacted(ItemId("h"), "so far", ())
    [miss] = misses(*BEGUN, turn(2), *summary, anew, asked(print_(0, 4)), used(2000, 1024))
    assert (miss.segment, miss.item, miss.cause_seq) == ("history", 0, 9)
    # No more could have been cached than was sent.
    assert (miss.expected_tokens, missed_tokens(miss)) == (2000, 976)
    assert miss.why == "the history was compacted"


def test_the_question_for_a_summary_goes_without_tools() -> None:
    [miss] = misses(*BEGUN, turn(2), asked(None, purpose="compact"), used(5200, 0))
    assert (miss.segment, miss.cause_seq, miss.request.kind) == ("tools", 7, "compact")


def test_a_request_after_a_failed_summary_continues_the_earlier_requests() -> None:
    summary = (asked(None, purpose="compact"), used(5200, 4992))
    assert misses(*BEGUN, turn(2), *summary, asked(NEXT), used(6000, 4992)) == []


def test_a_fork_has_a_key_of_its_own() -> None:
    [miss] = misses(*BEGUN, ThreadForked(ThreadId("p"), 5), turn(2), asked(NEXT), used(6000, 0))
    assert (miss.segment, miss.cause_seq, miss.item) == ("history", 6, 3)


def test_another_effort_is_named_where_all_that_was_sent_is_the_same() -> None:
    [miss] = misses(*BEGUN, turn(2, effort="high"), asked(NEXT), used(6000, 0))
    assert (miss.segment, miss.cause_seq) == ("settings", 6)
    assert miss.why == "the effort was changed from its default to high"


def test_where_nothing_changed_it_is_time_or_the_provider() -> None:
    [soon] = misses(*BEGUN, asked(NEXT), used(6000, 128))
    assert (soon.segment, soon.cause_seq, missed_tokens(soon)) == ("none", None, 4872)
    assert soon.why == (
        "the provider had kept too little of it, though all was sent alike 2 s before"
    )
    [late] = misses(*BEGUN, KEPT_MS + 120_000, asked(NEXT), used(6000, 0))
    assert late.why == (
        "the provider had kept too little of it: all was sent alike, 7 min after the request before "
        "(caches live for 5 to 10 minutes)"
    )


def test_each_miss_is_in_its_own_request() -> None:
    again = print_(5, 2)
    found = misses(*BEGUN, asked(NEXT), used(6000, 0), asked(again), used(7000, 0))
    assert [(miss.request.started_seq, miss.expected_tokens) for miss in found] == [
        (6, 5000),
        (8, 6000),
    ]

"""A request has the history of its thread, but for what another model thought: by rule, and so that the
provider's cache of its beginning holds.
"""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from builders import ENDED, FIRST_TURN, begun, calling, finished_thought, queued, said
from codexd.core.events.events import Event, ItemCompleted, ModelCallStarted, TurnCompleted
from codexd.core.events.history import MARKERS, HistoryCompacted
from codexd.core.values.ids import ItemId
from codexd.projections.model.history import ModelHistory, ReasoningOwners
from random_thread import Play

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=70)
FEW = settings(max_examples=60, deadline=None, derandomize=True)


class _Item(msgspec.Struct):
    type: str = ""
    encrypted_content: str | None = None
    id: str | None = None


def thought(item: str) -> ItemCompleted:
    return ItemCompleted(ItemId(item), "reasoning", finished_thought(item, f"{item}.").item)


def by(call: str, model: str, provider: str = "p") -> ModelCallStarted:
    return replace(calling(call), model=model, provider=provider)


def history(*events: Event) -> ModelHistory:
    return ModelHistory().after_all(events)


def kinds(items: tuple[bytes, ...]) -> list[str]:
    return [msgspec.json.decode(item, type=_Item).type for item in items]


# A thread in which m-1 thought and answered, and m-2 then did.
SWITCHED = history(
    *FIRST_TURN,
    *(thought("r1"), said("m1", "one"), ENDED, TurnCompleted()),
    *(queued(2), begun(2), by("t2/1", "m-2"), thought("r2"), said("m2", "two"), ENDED),
    *(TurnCompleted(), queued(3), begun(3), by("t3/1", "m-2")),
)


def test_a_model_gets_its_own_reasoning() -> None:
    past = history(*FIRST_TURN, thought("r1"), said("m1", "one"), ENDED)
    assert past.for_whom("m-1", "p") == tuple(past.items)
    assert past.reasoning_owners.withheld("m-1", "p") == 0


@pytest.mark.parametrize(("model", "provider"), [("m-2", "p"), ("m-1", "q"), ("m-3", "q")])
def test_another_model_or_provider_is_not(model: str, provider: str) -> None:
    past = history(*FIRST_TURN, thought("r1"), said("m1", "one"), ENDED)
    assert kinds(past.for_whom(model, provider)) == ["message"] * 3
    assert past.reasoning_owners.withheld(model, provider) == 1


def test_a_model_that_is_asked_again_gets_its_own_reasoning_again() -> None:
    whole, own = (
        tuple(SWITCHED.items),
        [at for at, kind in enumerate(kinds(tuple(SWITCHED.items))) if kind == "reasoning"],
    )
    for model, foreign in (("m-1", own[1]), ("m-2", own[0])):
        assert SWITCHED.for_whom(model, "p") == (*whole[:foreign], *whole[foreign + 1 :])
    assert SWITCHED.reasoning_owners.withheld("m-3", "p") == 2


def test_the_fold_is_as_long_as_the_number_of_changes() -> None:
    reasoning_owners = ReasoningOwners()
    for at in range(1000):
        reasoning_owners = reasoning_owners.thought(at, "m-1" if at < 900 else "m-2", "p")
    assert [tuple(span) for span in reasoning_owners.spans] == [
        (0, "m-1", "p", 900),
        (900, "m-2", "p", 100),
    ]


def test_a_fold_continues_after_evicted_items_and_stays_a_value() -> None:
    again = SWITCHED.without_printed()
    again = again.with_restored(SWITCHED.items[: again.evicted])
    assert again.for_whom("m-1", "p") == SWITCHED.for_whom("m-1", "p")
    more = again.after(thought("r3"))
    assert more.reasoning_owners != SWITCHED.reasoning_owners
    assert again.reasoning_owners == SWITCHED.reasoning_owners
    assert again.for_whom("m-1", "p") == SWITCHED.for_whom("m-1", "p")


def test_reasoning_of_an_unknown_model_is_not_sent() -> None:
    """As of a log that another program wrote: a provider may refuse what it did not encrypt itself."""
    past = history(*FIRST_TURN[:-1], thought("r1"), by("t1/1", "m-1"))
    assert past.reasoning_owners.withheld("m-1", "p") == 1


@pytest.mark.slow
@FEW
@given(RUNS)
def test_a_request_begins_with_the_previous_request_unless_an_event_says_why_not(
    run: list[int],
) -> None:
    play = Play()
    for number in run:
        play.step(number)
    for (from_seq, first, before), (seq, then, after) in itertools.pairwise(play.sent):
        if after[: len(before)] == before:
            continue
        between = [record.event for record in play.records[from_seq:seq]]
        anew = any(isinstance(event, (HistoryCompacted, *MARKERS)) for event in between)
        assert anew or (first.model, first.provider) != (then.model, then.provider)


@pytest.mark.slow
@FEW
@given(RUNS)
def test_no_model_gets_the_reasoning_of_another_and_no_item_has_an_id(run: list[int]) -> None:
    play = Play()
    for number in run:
        play.step(number)
    asked, reasoning_owners = ("", ""), dict[str, tuple[str, str]]()
    for event in play.events:
        if isinstance(event, ModelCallStarted):
            asked = (event.model, event.provider)
        elif isinstance(event, ItemCompleted):
            content = msgspec.json.decode(event.item, type=_Item).encrypted_content
            reasoning_owners |= {content: asked} if content is not None else {}
    for _, call, items in play.sent:
        read = [msgspec.json.decode(item, type=_Item) for item in items]
        assert all(item.id is None for item in read)
        thoughts = [item.encrypted_content for item in read if item.type == "reasoning"]
        assert all(thought is not None for thought in thoughts)
        assert {reasoning_owners[str(thought)] for thought in thoughts} <= {
            (call.model, call.provider)
        }

"""A response that ends early: what of it still streamed is cut, and the turn ends."""

from __future__ import annotations

from builders import FIRST_TURN, report, said
from codexd.core.events.events import ItemCut, ModelCallEnded, TurnCompleted
from codexd.core.values.ids import ItemId
from codexd.core.values.model_output import ModelItemDone, ModelResponseDone
from spec import given

EARLY = ModelResponseDone(duration_ms=5, incomplete="max_output_tokens")


def test_an_item_that_was_never_finished_is_cut() -> None:
    given(*FIRST_TURN).when(report("t1/1", EARLY, left="m1")).then(
        ItemCut(ItemId("m1"), "message", "failed", "so far"),
        ModelCallEnded(5, incomplete="max_output_tokens"),
        TurnCompleted(),
    )


def test_an_item_finished_in_the_same_read_is_whole() -> None:
    whole = said("m1", "so far")
    finished = ModelItemDone(whole.item_id, whole.kind, whole.item)
    given(*FIRST_TURN).when(report("t1/1", finished, EARLY, left="m1")).then(
        whole, ModelCallEnded(5, incomplete="max_output_tokens"), TurnCompleted()
    )

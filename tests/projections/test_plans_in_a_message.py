"""A message of plan mode is its words and the plans in it, however its text comes in pieces."""

from __future__ import annotations

import pytest

from codexd.core.values.ids import ItemId
from codexd.projections.clients.proposed_plan import PlanSplitter, parts_of_text, plan_id

WHOLE = "Hi.\n<proposed_plan>\n# Plan\n- do it\n</proposed_plan>\nbye <x>\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (WHOLE, {0: "Hi.\nbye <x>\n", 1: "# Plan\n- do it\n"}),
        ("<proposed_plan>\nnever closed", {1: "never closed"}),
        (
            "say <proposed_plan> inline </proposed_plan>",
            {0: "say <proposed_plan> inline </proposed_plan>"},
        ),
        (
            "<proposed_plan>same line\n</proposed_plan>",
            {0: "<proposed_plan>same line\n</proposed_plan>"},
        ),
        ("  <proposed_plan>  \r\n  a\n\t</proposed_plan> ", {1: "  a\n"}),
        ("<proposed_plan>\n\n \n</proposed_plan>\n\n", {}),
        (
            "<proposed_plan>\none\n</proposed_plan>\n<proposed_plan>\ntwo\n</proposed_plan>",
            {1: "one\n", 2: "two\n"},
        ),
        ("\n\n  word\n", {0: "  word\n"}),
        ("a\n" + " " * 300 + "<proposed_plan>\n", {0: "a\n" + " " * 300 + "<proposed_plan>\n"}),
        ("line\u2028<proposed_plan>\u2028x", {0: "line\u2028<proposed_plan>\u2028x"}),
        ("", {}),
    ],
)
def test_tags_on_lines_of_their_own_divide_a_text(text: str, parts: dict[int, str]) -> None:
    assert parts_of_text(text, ended=True) == parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_what_was_shown_of_a_growing_text_is_the_beginning_of_what_is_shown_later(
    size: int,
) -> None:
    splitter, shown = PlanSplitter(), dict[int, str]()
    for at in range(0, len(WHOLE), size):
        for part, piece in splitter.feed(WHOLE[at : at + size]):
            shown[part] = shown.get(part, "") + piece
        so_far = parts_of_text(WHOLE[: at + size], ended=False)
        assert shown == so_far
        assert all(parts_of_text(WHOLE, ended=True)[n].startswith(t) for n, t in shown.items())
    for part, piece in splitter.finish():
        shown[part] = shown.get(part, "") + piece
    assert shown == parts_of_text(WHOLE, ended=True)


def test_a_copy_goes_on_by_itself() -> None:
    splitter = PlanSplitter()
    splitter.feed("<proposed_plan>\na")
    copied = splitter.copy()
    assert splitter.feed("b") == copied.feed("b") == [(1, "b")]
    assert (plan_id(ItemId("m"), 1), plan_id(ItemId("m"), 2)) == ("m-plan", "m-plan-2")

"""The names by which models call tools of MCP servers."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from codexd.mcp.catalog import model_names

NAMES = st.text(max_size=80)


def test_a_name_is_made_of_the_servers_and_the_tools() -> None:
    assert model_names([("db", "query"), ("db", "list-tables")]) == {
        ("db", "list-tables"): "mcp__db__list-tables",
        ("db", "query"): "mcp__db__query",
    }


def test_letters_that_no_provider_takes_become_underscores() -> None:
    assert model_names([("my.db", "räume/öffnen\u202e\x1b")]) == {
        ("my.db", "räume/öffnen\u202e\x1b"): "mcp__my_db__r_ume__ffnen__"
    }


def test_tools_whose_names_would_be_the_same_are_told_apart_whatever_their_order() -> None:
    same = [("a", "b.c"), ("a", "b_c"), ("a__b", "c"), ("a", "b__c")]
    names = model_names(same)
    assert names == model_names(same[::-1])
    assert len(set(names.values())) == len(same)
    assert all(re.fullmatch(r"mcp__a__b_{1,2}c_[0-9a-f]{12}", name) for name in names.values())


def test_a_long_name_is_cut_and_ends_with_a_hash() -> None:
    one, other = model_names([("s", "x" * 100), ("s", "x" * 101)]).values()
    assert one != other
    assert one.startswith("mcp__s__xxx")
    assert len(one) == len(other) == 64


@given(st.lists(st.tuples(NAMES, NAMES), max_size=12))
def test_any_names_give_different_names_that_every_provider_takes(
    tools: list[tuple[str, str]],
) -> None:
    names = model_names(tools)
    assert names.keys() == set(tools)
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names.values())
    assert list(names.values()) == sorted(names.values())

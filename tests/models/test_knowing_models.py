"""The known properties of models, and the assumed properties of others."""

from __future__ import annotations

import pytest

from codexd.models.catalog import CATALOG, DEFAULT_MODEL, find_model


def test_exactly_one_model_is_the_default_and_it_is_shown() -> None:
    assert [model.id for model in CATALOG if model.is_default] == [DEFAULT_MODEL.id]
    assert DEFAULT_MODEL.id == "gpt-6.1-sol"
    assert not DEFAULT_MODEL.hidden


def test_no_model_is_listed_twice() -> None:
    ids = [model.id for model in CATALOG]
    assert len(ids) == len(set(ids))


def test_a_model_that_reasons_offers_its_default_effort() -> None:
    for model in CATALOG:
        if model.efforts:
            assert model.default_effort in [option.effort for option in model.efforts]


def test_a_conversation_may_fill_most_of_the_window() -> None:
    assert DEFAULT_MODEL.context_window == 272_000
    assert DEFAULT_MODEL.effective_window == 258_400


@pytest.mark.parametrize(
    ("name", "window", "reasons"),
    [
        ("gpt-5", 272_000, True),
        ("gpt-5-2025-08-07", 272_000, True),
        ("o3", 200_000, True),
        ("o4-mini-2025-04-16", 200_000, True),
        ("gpt-4.1-mini", 1_047_576, False),
        ("gpt-oss:20b", 96_000, True),
    ],
)
def test_a_release_of_a_known_model_is_known(name: str, window: int, reasons: bool) -> None:
    model = find_model(name)
    assert (model.id, model.context_window, bool(model.efforts)) == (name, window, reasons)
    assert model.known
    assert not model.is_default


@pytest.mark.parametrize("name", ["my-own", "gpt-55", "o31", "", "gpt"])
def test_an_unknown_model_is_used_with_careful_assumptions(name: str) -> None:
    model = find_model(name)
    assert not model.known
    assert (model.id, model.context_window, model.efforts) == (name, 272_000, ())
    assert not model.verbosity
    assert not model.reasoning_summaries

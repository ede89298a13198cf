"""The known properties of models, and the assumed properties of others."""

from __future__ import annotations

import datetime
import json

import pytest

from codexd.models.catalog import AS_OF, BUILT_IN, CATALOG, EFFECTIVE_PERCENT
from codexd.models.catalog_file import BadCatalog, read_catalog


def test_exactly_one_model_is_the_default_and_it_is_shown() -> None:
    assert [model.id for model in CATALOG if model.is_default] == [BUILT_IN.default.id]
    assert BUILT_IN.default.id == "gpt-6.2-sol"
    assert not BUILT_IN.default.hidden


def test_no_model_is_listed_twice() -> None:
    ids = [model.id for model in CATALOG]
    assert len(ids) == len(set(ids))


def test_a_model_that_reasons_offers_its_default_effort() -> None:
    for model in CATALOG:
        if model.efforts:
            assert model.default_effort in [option.effort for option in model.efforts]


def test_a_conversation_may_fill_most_of_the_window() -> None:
    assert BUILT_IN.default.context_window == 500_000
    assert BUILT_IN.default.effective_window == 475_000


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
    model = BUILT_IN.find(name)
    assert (model.id, model.context_window, bool(model.efforts)) == (name, window, reasons)
    assert model.known
    assert not model.is_default


@pytest.mark.parametrize("name", ["my-own", "gpt-55", "o31", "", "gpt"])
def test_an_unknown_model_is_used_with_careful_assumptions(name: str) -> None:
    model = BUILT_IN.find(name)
    assert not model.known
    assert (model.id, model.context_window, model.efforts) == (name, 272_000, ())
    assert not model.verbosity
    # Newer models reason, and the table is older than they are.
    assert (model.thinks, model.reasoning_summaries) == (True, True)


def test_the_table_is_dated_and_lists_what_codex_lists() -> None:
    assert datetime.date.fromisoformat(AS_OF)
    listed = [
        (model.id, model.default_effort, model.upgrade) for model in CATALOG if not model.hidden
    ]
    assert listed == [
        ("gpt-6.2-sol", "low", None),
        ("gpt-6.2-astra", "low", None),
        ("gpt-6.1-terra", "low", None),
        ("gpt-6.1-sol", "low", None),
        ("gpt-6-astra", "low", None),
        ("gpt-6-sol", "medium", None),
        ("gpt-6-luna", "medium", None),
        ("gpt-5.6-sol", "low", "gpt-6-sol"),
        ("gpt-5.6-terra", "medium", "gpt-6-sol"),
        ("gpt-5.6-luna", "medium", "gpt-6-luna"),
        ("gpt-5.5", "medium", "gpt-6-sol"),
    ]
    assert [effort.effort for effort in BUILT_IN.find("gpt-6-luna").efforts] == [
        "low",
        "medium",
        "high",
        "xhigh",
        "max",
    ]
    assert BUILT_IN.find("gpt-6.2-sol").efforts[-1].effort == "ultra"
    assert {model.id for model in CATALOG if model.hidden} >= {
        "gpt-daybreak-blue-latest",
        "codex-auto-review",
    }


# Members of Codex's own file that are not read stand beside those that are.
OWN = {
    "slug": "mine",
    "display_name": "Mine",
    "description": None,
    "default_reasoning_level": "high",
    "supported_reasoning_levels": [{"effort": "high", "description": "h"}],
    "shell_type": "unified_exec",
    "visibility": "list",
    "supported_in_api": True,
    "priority": 2,
    "service_tiers": [{"id": "priority", "name": "Fast", "description": "d"}],
    "upgrade": {"model": "other", "migration_markdown": "m"},
    "support_verbosity": True,
    "apply_patch_tool_type": "freeform",
    "truncation_policy": {"mode": "tokens", "limit": 10000},
    "context_window": 1000,
    "effective_context_window_percent": 50,
    "input_modalities": ["text"],
    "experimental_supported_tools": [],
}


def file(*models: object) -> bytes:
    return json.dumps({"models": models}).encode()


def test_a_person_may_have_a_catalogue_of_their_own() -> None:
    other = {
        **OWN,
        "slug": "other",
        "priority": 1,
        "visibility": "hide",
        "supported_reasoning_levels": [],
    }
    catalog = read_catalog(file(OWN, other))
    assert [model.id for model in catalog.models] == ["other", "mine"]
    mine = catalog.default
    assert (mine.id, mine.effective_window, mine.default_effort) == ("mine", 500, "high")
    assert (mine.sessions, mine.freeform_patch, mine.verbosity, mine.thinks) == (
        True,
        True,
        True,
        True,
    )
    assert (mine.modalities, mine.upgrade) == (("text",), "other")
    assert [tier.id for tier in mine.service_tiers] == ["priority"]
    hidden = catalog.find("other")
    assert (hidden.hidden, hidden.thinks, hidden.reasoning_summaries) == (True, False, False)
    assert not catalog.find("gpt-6.2-sol").known
    assert (
        read_catalog(file({"slug": "s", "display_name": "S"})).default.effective_percent
        == EFFECTIVE_PERCENT
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`"),
        (file(), "found none"),
        (file({"slug": "x"}), "missing required field `display_name`"),
        (file(OWN, OWN), "found mine twice"),
        (file({**OWN, "context_window": 0}), "a context window above 0 of mine"),
        (
            file({**OWN, "effective_context_window_percent": 101}),
            "a context window above 0 of mine",
        ),
        (b'{"models":' * 10_000, "found"),
    ],
)
def test_a_file_that_is_no_catalogue_says_what_was_expected(content: bytes, found: str) -> None:
    with pytest.raises(BadCatalog, match=found):
        read_catalog(content)

"""How much a model can be given: by the catalog, by its server, by config.toml; and the warning where it is a guess."""

from __future__ import annotations

import pytest

from codexd.catalog.limits import complaints_about, limits_of
from codexd.config.keys import Config
from codexd.core.values.limits import Limits
from codexd.models.catalog import BUILT_IN

KNOWN, UNKNOWN = BUILT_IN.find("gpt-5-codex"), BUILT_IN.find("my-model")


@pytest.mark.parametrize(
    ("config", "loaded", "limits"),
    [
        (Config(), None, Limits(272_000, 258_400, 244_800)),
        (Config(model_context_window=100_000), None, Limits(100_000, 95_000, 90_000)),
        (Config(), 8192, Limits(8192, 7782, 7372)),
        (Config(model_context_window=4096), 8192, Limits(4096, 3891, 3686)),
        (Config(model_auto_compact_token_limit=50_000), None, Limits(272_000, 258_400, 50_000)),
        (Config(model_auto_compact_token_limit=900_000), None, Limits(272_000, 258_400, 244_800)),
    ],
)
def test_what_is_set_comes_first_and_then_what_the_server_says(
    config: Config, loaded: int | None, limits: Limits
) -> None:
    assert limits_of(KNOWN, config, loaded) == limits


def test_an_unknown_window_is_assumed_and_that_is_reported() -> None:
    assert limits_of(UNKNOWN, Config()) == limits_of(KNOWN, Config())
    [complaint] = complaints_about(UNKNOWN, Config())
    assert complaint.about == "window:my-model"
    assert "my-model is not in the catalog of models" in complaint.message
    assert "272,000 tokens is assumed" in complaint.message


@pytest.mark.parametrize(
    ("config", "loaded"), [(Config(model_context_window=100_000), None), (Config(), 8192)]
)
def test_a_known_window_is_not_reported(config: Config, loaded: int | None) -> None:
    assert complaints_about(UNKNOWN, config, loaded) == ()
    assert complaints_about(KNOWN, Config()) == ()

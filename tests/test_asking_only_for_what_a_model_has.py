"""Effort, summaries and verbosity are asked of models that have them; a missing feature is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.catalog.limits import as_configured, traits_of, tuned_to
from codexd.config.keys import Config
from codexd.context_files.machine import place_here, timezone_name
from codexd.core.values.settings import Settings, Tuning
from codexd.models.catalog import BUILT_IN


def settings(
    model: str, effort: str | None = None, summary: str | None = None, verbosity: str | None = None
) -> Settings:
    return Settings("/w", model, "p", "never", "read-only", effort, summary, verbosity)


def tuned(wanted: Settings) -> tuple[Tuning | None, list[str]]:
    found = tuned_to(wanted, BUILT_IN.find(wanted.model))
    return found.tuning, [complaint.message for complaint in found.complaints]


def test_its_features_are_requested() -> None:
    assert tuned(settings("gpt-5", "minimal", "detailed", "low")) == (
        Tuning("minimal", "detailed", "low"),
        [],
    )


def test_unwanted_features_are_not_requested() -> None:
    assert tuned(settings("gpt-4o")) == (Tuning(), [])
    assert tuned(settings("house-1", summary="none")) == (Tuning(summary="none"), [])
    assert tuned(settings("gpt-5", summary="none")) == (Tuning(summary="none"), [])
    assert tuned(settings("gpt-4o", summary="none")) == (Tuning(summary="none"), [])


def test_summaries_are_requested_from_models_that_have_them_by_default() -> None:
    assert tuned(settings("gpt-5")) == (Tuning(summary="auto"), [])


def test_missing_features_are_left_out_and_reported() -> None:
    tuning, complaints = tuned(settings("gpt-4o", "high", "auto", "low"))
    assert tuning == Tuning()
    assert complaints == [
        "gpt-4o does not reason: reasoning effort 'high' was left out of its requests.",
        "gpt-4o has no reasoning summaries: reasoning summary 'auto' was left out of its requests.",
        "gpt-4o has no verbosity: verbosity 'low' was left out of its requests.",
    ]


def test_an_effort_of_other_models_is_left_out_with_those_that_there_are() -> None:
    tuning, complaints = tuned(settings("gpt-5-codex", "xhigh"))
    assert tuning == Tuning(summary="auto")
    assert "thinks with effort low, medium, high" in complaints[0]


def test_an_unknown_model_is_taken_to_reason_with_any_effort_and_to_have_nothing_else() -> None:
    tuning, complaints = tuned(settings("house-1", "heroic", "detailed", "low"))
    assert tuning == Tuning("heroic", "detailed")
    [complaint] = complaints
    assert "house-1 is not in the catalog, and it is assumed to have no verbosity" in complaint


def test_a_person_may_say_whether_models_give_summaries_of_their_reasoning() -> None:
    def asked(model: str, *, gives: bool | None) -> tuple[Tuning | None, bool]:
        config = Config(model_supports_reasoning_summaries=gives)
        found = as_configured(BUILT_IN.find(model), config)
        return tuned_to(settings(model), found).tuning, traits_of(found).reasons

    assert asked("house-1", gives=None) == (Tuning(summary="auto"), True)
    assert asked("house-1", gives=False) == (Tuning(), False)
    assert asked("gpt-4o", gives=None) == (Tuning(), False)
    assert asked("gpt-4o", gives=True) == (Tuning(summary="auto"), True)
    assert asked("gpt-6.2-sol", gives=False) == (Tuning(), True)


# What is so for every thread on the machine.


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        ("/usr/share/zoneinfo/America/Lima", "America/Lima"),
    ],
)
def test_the_time_zone_is_the_variables(variable: str, name: str) -> None:
    assert timezone_name(variable, Path("/nowhere")) == name


def test_else_it_is_the_machines(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Etc/UTC\n")
    assert timezone_name(None, tmp_path) == "Etc/UTC"
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Paris")
    assert timezone_name(None, tmp_path) == "Europe/Paris"


def test_a_machine_without_a_timezone_name_has_the_c_librarys(tmp_path: Path) -> None:
    assert timezone_name("", tmp_path)


def test_nothing_restricts_the_network() -> None:
    here = place_here("zsh", "Europe/Berlin")
    assert (here.shell, here.timezone, here.network) == ("zsh", "Europe/Berlin", "enabled")

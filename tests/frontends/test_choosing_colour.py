"""Colour by the usual rules: the flag, then NO_COLOR, then FORCE_COLOR, then the terminal."""

from __future__ import annotations

import pytest

from codexd_frontends.screen.style import ColorChoice, wants_color

TERMINAL = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("choice", "environ", "is_terminal", "wanted"),
    [
        ("auto", TERMINAL, True, True),
        ("auto", TERMINAL, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {}, True, False),
        ("auto", {**TERMINAL, "NO_COLOR": "1"}, True, False),
        ("auto", {**TERMINAL, "NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {**TERMINAL, "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_the_first_rule_that_applies_decides(
    choice: ColorChoice, environ: dict[str, str], is_terminal: bool, wanted: bool
) -> None:
    assert wants_color(choice, environ, is_terminal=is_terminal) is wanted

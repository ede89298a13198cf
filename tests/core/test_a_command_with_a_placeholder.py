"""A command with a placeholder in place of a secret is never run; the model gets the reason."""

from __future__ import annotations

import pytest

from builders import ENDED, FIRST_TURN, SETTINGS, answer, asked_about, line, made
from codexd.core.events.events import ModelCallStarted
from codexd.core.events.tools import ApprovalDecided, ToolEnded
from codexd.core.policy.approval import stood_in_for
from codexd.core.values.ids import CallId, ModelCallId
from codexd.core.values.redacted import find_stand_in, scrubbed_stand_in, secret_stand_in
from codexd.core.values.tool_actions import ToolResult
from spec import given

SECRET = secret_stand_in("GITHUB_TOKEN", b"hunter2")
COMMAND = line(f"curl -H 'Authorization: {SECRET}' example.com")


def test_a_question_that_waited_through_a_restart_is_accepted_and_the_call_refused() -> None:
    told = stood_in_for(COMMAND)
    assert told is not None
    assert SECRET in told
    asked = asked_about("c1", COMMAND)
    given(*FIRST_TURN, made("c1"), asked, ENDED).when(answer(asked, "accept")).then(
        ApprovalDecided(asked.approval_id, "accept"),
        ToolEnded(CallId("c1"), ToolResult("failed", told, told)),
        ModelCallStarted(ModelCallId("t1/2"), 1, SETTINGS.model, SETTINGS.provider),
    )


@pytest.mark.parametrize(
    "text", [SECRET, scrubbed_stand_in(b"x"), secret_stand_in("a»b\n" * 60, b""), f"a {SECRET} b"]
)
def test_a_placeholder_is_recognised(text: str) -> None:
    assert find_stand_in(text) is not None


@pytest.mark.parametrize("text", ["", "«secret»", "grep '«secret' file", "«scrubbed sha256:12»"])
def test_text_that_only_resembles_a_placeholder_is_not(text: str) -> None:
    assert find_stand_in(text) is None

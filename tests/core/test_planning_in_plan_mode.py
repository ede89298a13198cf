"""Plan mode: what the model is told, what it may not do, and the questions that it asks a person."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ENDED,
    FIRST_TURN,
    SETTINGS,
    answer,
    ask,
    finished_call,
    line,
    made,
    report,
)
from codexd.core import commands as c
from codexd.core.decide.approvals import NO_CHECKLIST
from codexd.core.decide.review import reviewer_settings
from codexd.core.events.events import (
    ApprovalDecided,
    ApprovalRequested,
    ContextAdded,
    Event,
    SettingsChanged,
    ToolEnded,
    ToolStarted,
    TurnStarted,
)
from codexd.core.policy.approval import refused
from codexd.core.prompts.collaboration import (
    DEFAULT_MODE,
    PLAN_MODE,
    collaboration_of,
    instructions_of,
)
from codexd.core.rules.question_rules import ANSWER_CHARACTERS_MAX, ASKS, NO_ANSWER
from codexd.core.state.state import fold
from codexd.core.values.enforced import (
    beside_plan_mode,
    enforced_policy,
    enforced_sandbox,
    is_refused,
    network_of,
    sandbox_of,
)
from codexd.core.values.ids import CallId
from codexd.core.values.settings import (
    Collaboration,
    Enforcement,
    SandboxAccess,
    Settings,
    SettingsChange,
)
from codexd.core.values.tool_actions import (
    ApplyPatch,
    AskPerson,
    Choice,
    PatchedFile,
    PersonQuestion,
    ToolResult,
    UpdatePlan,
)
from spec import given

PLAN = Collaboration("plan")
MODES = Enforcement(("read-only", "workspace-write", "danger-full-access"), False)
WRITING = Settings("/project", "m", "p", "on-request", "workspace-write", enforcement=MODES)
PLANNING = replace(WRITING, collaboration=PLAN)

WHERE = PersonQuestion("where", "Storage", "Where is it kept?", (Choice("File"), Choice("Base")))
QUESTIONS = AskPerson((WHERE, PersonQuestion("when", "Time", "When?")))
IN_PLAN_MODE: tuple[Event, ...] = (
    FIRST_TURN[0],
    SettingsChanged(SettingsChange(collaboration=PLAN)),
    *(
        replace(event, settings=replace(event.settings, collaboration=PLAN))
        if isinstance(event, TurnStarted)
        else event
        for event in FIRST_TURN[1:]
    ),
)
ASKED = given(*IN_PLAN_MODE).when(report("t1/1", finished_call("c1", QUESTIONS))).events[-1]
WAITING: tuple[Event, ...] = (*IN_PLAN_MODE, made("c1"), ASKED, ENDED)


def told(events: list[Event]) -> list[str]:
    return [
        event.text
        for event in events
        if isinstance(event, ContextAdded) and event.category == "developer"
    ]


def test_the_model_is_told_of_a_mode_once_and_again_when_it_changes() -> None:
    state = fold(FIRST_TURN)
    assert state.known_context.collaboration == Collaboration()
    begun = given(FIRST_TURN[0]).when(ask(1, change=SettingsChange(collaboration=PLAN)))
    assert told(begun.events) == [PLAN_MODE]
    assert begun.state.settings is not None
    assert begun.state.settings.plans
    again = given(FIRST_TURN[0], *begun.events, ENDED).when(c.GoOn()).events
    past = (FIRST_TURN[0], *begun.events, ENDED, *again)
    assert told(given(*past).when(ask(2)).events) == []
    left = SettingsChange(collaboration=Collaboration())
    assert told(given(*past).when(ask(2, change=left)).events) == [DEFAULT_MODE]


def test_a_client_may_give_a_mode_its_own_instructions() -> None:
    mine = Collaboration("plan", "Plan in verse.")
    begun = given(FIRST_TURN[0]).when(ask(1, change=SettingsChange(collaboration=mine)))
    assert told(begun.events) == ["Plan in verse."]
    assert collaboration_of("plan", instructions_of(PLAN)) == PLAN
    assert collaboration_of("plan", "Plan in verse.") == mine
    assert collaboration_of("default", PLAN_MODE) == Collaboration("default", PLAN_MODE)


def test_a_mode_may_take_the_effort_back_to_the_models_default() -> None:
    thinking = replace(SETTINGS, effort="medium")
    assert SettingsChange(effort="").applied(thinking).effort is None
    assert SettingsChange(effort="").differing(SETTINGS) is None
    assert SettingsChange(effort="").differing(thinking) == SettingsChange(effort="")


def test_commands_of_plan_mode_write_nothing_and_keep_their_network() -> None:
    assert enforced_sandbox(PLANNING) == "read-only"
    wide = replace(PLANNING, access=SandboxAccess(("/cache",), network_access=True))
    assert sandbox_of(wide).access == SandboxAccess(network_access=True)
    assert network_of(PLANNING) == "off"
    free = replace(PLANNING, sandbox="danger-full-access")
    assert (enforced_sandbox(free), network_of(free)) == ("read-only", "on")
    assert enforced_sandbox(replace(free, enforcement=Enforcement((), False))) == (
        "danger-full-access"
    )
    assert not is_refused(replace(free, enforcement=Enforcement((), False)))
    assert beside_plan_mode(PLANNING) == WRITING
    assert enforced_policy(beside_plan_mode(PLANNING)) == "on-request"


def test_a_review_in_plan_mode_is_no_plan_and_writes_nothing_either() -> None:
    settings = reviewer_settings(PLANNING, None)
    assert not settings.plans
    assert enforced_sandbox(settings) == "read-only"


def test_files_are_not_changed_and_no_checklist_is_shown() -> None:
    patch = ApplyPatch("p", "/project", (PatchedFile("/project/a", None, "0", "+a"),))
    assert refused(WRITING, patch) is None
    assert "plan mode" in (refused(PLANNING, patch) or "")
    given(*IN_PLAN_MODE).when(report("t1/1", finished_call("c1", UpdatePlan(())))).then(
        made("c1"), ToolEnded(CallId("c1"), ToolResult("failed", NO_CHECKLIST, NO_CHECKLIST))
    )
    looked = given(*IN_PLAN_MODE).when(report("t1/1", finished_call("c1", line("ls")))).events
    assert not any(isinstance(event, ToolEnded) for event in looked)


def test_a_question_is_asked_under_every_policy_and_only_in_plan_mode() -> None:
    assert isinstance(ASKED, ApprovalRequested)
    assert (ASKED.action, ASKED.reason) == (QUESTIONS, ASKS)
    elsewhere = given(*FIRST_TURN).when(report("t1/1", finished_call("c1", QUESTIONS)))
    assert isinstance(elsewhere.events[-1], ToolEnded)
    assert "unavailable" in elsewhere.events[-1].result.model_text
    assert not any(isinstance(event, ToolStarted) for event in elsewhere.events)


def answered(**changes: object) -> c.DecideApproval:
    assert isinstance(ASKED, ApprovalRequested)
    return replace(answer(ASKED, "accept"), **changes)


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (
            {"where": ("File", "in the home"), "when": ("now",)},
            '{"answers":{"where":{"answers":["File","in the home"]},"when":{"answers":["now"]}}}',
        ),
        ({"when": ("x",)}, '{"answers":{"where":{"answers":[]},"when":{"answers":["x"]}}}'),
        ({}, NO_ANSWER),
        (None, NO_ANSWER),
    ],
)
def test_the_model_gets_the_answers(answers: object, text: str) -> None:
    outcome = given(*WAITING).when(answered(answers=answers))
    decided, ended = outcome.events[:2]
    assert isinstance(decided, ApprovalDecided)
    assert decided.answers == answers
    assert isinstance(ended, ToolEnded)
    assert ended.result.model_text == text


def test_a_person_may_leave_a_question_unanswered() -> None:
    outcome = given(*WAITING).when(answered(decision="decline"))
    ended = outcome.events[1]
    assert isinstance(ended, ToolEnded)
    assert ended.result.model_text == NO_ANSWER
    given(*WAITING).when(answered(decision="acceptForSession")).then_rejected(
        "decision_not_offered"
    )


def test_answers_to_other_questions_are_refused_and_the_question_stays() -> None:
    for answers in ({"other": ("x",)}, {"when": ("x" * (ANSWER_CHARACTERS_MAX + 1),)}):
        given(*WAITING).when(answered(answers=answers)).then_rejected("odd_answer")

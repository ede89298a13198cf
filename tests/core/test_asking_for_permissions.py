"""The model asks for more than the sandbox allows: who is asked, what is granted, for how long, and what never is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import ENDED, FIRST_TURN, SETTINGS, answer, asked_about, finished_call, made, report
from codexd.core import commands as c
from codexd.core.events.events import Event, GrantsRevoked, ToolEnded
from codexd.core.policy.approval import needs_approval, refused
from codexd.core.policy.grants import grants_of
from codexd.core.policy.permission_rules import WIDENS_SANDBOX, granted_by, widened
from codexd.core.state.state import fold
from codexd.core.values.ids import CallId
from codexd.core.values.settings import ApprovalPolicy, Enforcement, Settings
from codexd.core.values.tool_actions import AskPermissions, Permissions, ToolResult
from spec import given

MODES = Enforcement(("read-only", "workspace-write", "danger-full-access"), False)
CONFINED = Settings("/project", "m", "p", "on-request", "workspace-write", enforcement=MODES)
WANTED = Permissions(True, ("/cache", "/data"))
ASK = AskPermissions(WANTED, "/project", "May I?")
ASKED = asked_about("c1", ASK, reason=WIDENS_SANDBOX)
WAITING: tuple[Event, ...] = (*FIRST_TURN, made("c1"), ASKED, ENDED)


def reason(settings: Settings, permissions: Permissions = WANTED) -> str | None:
    return needs_approval(settings, replace(ASK, permissions=permissions), frozenset())


def test_a_person_is_asked_for_what_the_sandbox_does_not_allow() -> None:
    assert reason(CONFINED) == WIDENS_SANDBOX
    assert reason(CONFINED, Permissions(write=("/cache",))) == WIDENS_SANDBOX
    assert reason(CONFINED, Permissions(write=("/project/sub",))) is None
    assert reason(CONFINED, Permissions(write=("/project/.git",))) == WIDENS_SANDBOX
    assert reason(CONFINED, Permissions(write=("/project/../x",))) == WIDENS_SANDBOX
    assert reason(replace(CONFINED, sandbox="danger-full-access")) is None
    assert reason(widened(CONFINED, [WANTED])) is None


@pytest.mark.parametrize("policy", ["untrusted", "on-request", "never"])
def test_what_cannot_be_granted_is_refused_and_not_asked_about(policy: ApprovalPolicy) -> None:
    settings = replace(CONFINED, approval_policy=policy)
    assert (refused(settings, ASK) is None) == (policy != "never")
    reading = replace(settings, sandbox="read-only")
    assert refused(reading, ASK) is not None
    network = replace(ASK, permissions=Permissions(True))
    assert (refused(reading, network) is None) == (policy != "never")


def test_without_a_sandbox_the_answer_is_that_it_may_be_done_already() -> None:
    text = '{"permissions":{"network":{"enabled":true},"file_system":{"write":["/cache","/data"]}},"scope":"session"}'
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", ASK))).then(
        made("c1"), ToolEnded(CallId("c1"), ToolResult("completed", text, text))
    )


def decided(**answered: object) -> c.DecideApproval:
    return replace(answer(ASKED, "accept"), **answered)


@pytest.mark.parametrize(
    ("granted", "given_text", "left"),
    [
        (None, '"network":{"enabled":true},"file_system":{"write":["/cache","/data"]}', WANTED),
        (
            Permissions(False, ("/data", "/else")),
            '"file_system":{"write":["/data"]}',
            Permissions(False, ("/data",)),
        ),
        (Permissions(True), '"network":{"enabled":true}', Permissions(True)),
        (Permissions(), "", Permissions()),
    ],
)
def test_a_person_grants_all_of_it_or_a_part_and_never_more_than_was_asked_for(
    granted: Permissions | None, given_text: str, left: Permissions
) -> None:
    outcome = given(*WAITING).when(decided(granted=granted))
    (ended,) = [event for event in outcome.events if isinstance(event, ToolEnded)]
    assert ended.result.model_text == f'{{"permissions":{{{given_text}}},"scope":"turn"}}'
    assert outcome.state.turn is not None
    access = outcome.state.turn.settings.access
    assert (access.network_access, access.writable_roots) == (left.network, left.write)
    assert outcome.state.allowed_for_session == frozenset()


def test_what_is_granted_for_the_thread_is_in_its_next_turns_and_can_be_taken_back() -> None:
    outcome = given(*WAITING).when(
        decided(decision="acceptForSession", granted=Permissions(True, ("/cache",)))
    )
    keys = outcome.state.allowed_for_session
    assert granted_by(keys) == [Permissions(True, ("/cache",))]
    (grant,) = grants_of(keys)
    assert (grant.kind, grant.line) == ("permissions", "use the network, write in /cache")
    revoked = given(*WAITING, *outcome.events).when(c.RevokeGrants(all=True))
    revoked.then(GrantsRevoked(tuple(keys)))
    # Folded again, as after a restart.
    assert fold([*WAITING, *outcome.events]).allowed_for_session == keys
    assert widened(SETTINGS, granted_by(keys)).access.writable_roots == ("/cache",)


def test_a_refusal_grants_nothing_and_may_say_what_to_do_instead() -> None:
    outcome = given(*WAITING).when(
        decided(decision="decline", granted=WANTED, instead="use the project's cache")
    )
    assert outcome.state.turn is not None
    assert outcome.state.turn.settings == SETTINGS
    (ended,) = [event for event in outcome.events if isinstance(event, ToolEnded)]
    assert ended.result.status == "declined"
    assert ended.result.model_text.endswith("\nuse the project's cache")

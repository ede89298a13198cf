"""A question about a host is Codex's, and so are its answers."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from builders import FIRST_TURN, made, runs
from codexd.core.events.tools import ApprovalRequested
from codexd.core.policy.approval import action_hash
from codexd.core.rules.host_rules import NOT_LISTED
from codexd.core.state.state import fold
from codexd.core.values.ids import ApprovalId, CallId, ItemId, TurnId
from codexd.core.values.tool_actions import ReachHost
from codexd.projections.clients.notifications import ApprovalAsked
from codexd.protocol.requests import (
    COMMAND_APPROVAL,
    Decided,
    NetworkPolicyAmendment,
    Undecided,
    read_decision,
)
from codexd.protocol.wire.rpc import ClientReply, encode_request, read_message
from codexd.server.feed.asking import as_asked, question_params
from installed_codex import needs_schemas
from wire_schemas import check_asked

HOST = ReachHost("example.com", 443, "https")
ASKED = ApprovalAsked(
    ApprovalId("t1/1"), ItemId("c1"), TurnId("t1"), HOST, NOT_LISTED, action_hash(HOST), 1000
)


def answered(decision: object) -> Decided | Undecided:
    message = read_message(json.dumps({"id": 1, "result": {"decision": decision}}).encode())
    assert isinstance(message, ClientReply)
    return read_decision(message)


@needs_schemas
def test_the_question_is_codexs() -> None:
    check_asked(
        json.loads(encode_request(1, COMMAND_APPROVAL, question_params(ASKED, "t")))["params"]
    )


def test_the_question_names_the_host_and_the_rules_that_an_answer_may_add() -> None:
    sent = json.loads(encode_request(1, COMMAND_APPROVAL, question_params(ASKED, "t")))["params"]
    rules = [{"action": "allow", "host": "example.com"}, {"action": "deny", "host": "example.com"}]
    with_rules = [
        {"applyNetworkPolicyAmendment": {"network_policy_amendment": rule}} for rule in rules
    ]
    assert sent == {
        "kind": "command",
        "threadId": "t",
        "turnId": "t1",
        "itemId": "c1",
        "approvalId": "t1/1",
        "startedAtMs": 1000,
        "environmentId": "local",
        "reason": NOT_LISTED,
        "command": "network-access https://example.com:443",
        "cwd": None,
        "commandActions": [{"type": "unknown", "command": "https://example.com:443"}],
        "networkApprovalContext": {"host": "example.com", "protocol": "https"},
        "proposedNetworkPolicyAmendments": rules,
        "availableDecisions": ["accept", "acceptForSession", *with_rules, "decline", "cancel"],
        "codexd": {
            "approvalId": "t1/1",
            "actionHash": action_hash(HOST),
            "reason": NOT_LISTED,
            "modelSays": None,
            "diff": None,
            "call": None,
        },
    }


def test_a_name_that_the_log_hides_is_asked_about_as_it_is() -> None:
    # A program may send a secret as a part of a name: the person sees what would be looked up.
    secret = ReachHost("s3cret.example.com", 443, "https")
    asked = ApprovalRequested(
        ApprovalId("t1/1"), CallId("c1"), secret, NOT_LISTED, "untrusted", action_hash(secret)
    )
    state = fold((*FIRST_TURN, made("c1"), runs("c1", "ls"), asked))
    hidden = ReachHost("hidden.example.com", 443, "https")
    told = as_asked(replace(ASKED, action=hidden, asked_hash=action_hash(secret)), state)
    assert told.action == secret
    params = question_params(told, "t")
    assert params.command == "network-access https://s3cret.example.com:443"
    assert "is hidden in the log" in (params.reason or "")


@pytest.mark.parametrize(("action", "decision"), [("allow", "accept"), ("deny", "decline")])
def test_an_amendment_decides_and_names_its_host(action: str, decision: str) -> None:
    rule = {"network_policy_amendment": {"action": action, "host": "example.com"}}
    found = answered({"applyNetworkPolicyAmendment": rule})
    assert isinstance(found, Decided)
    assert (found.decision, found.amendment) == (decision, None)
    assert found.host == NetworkPolicyAmendment(action, "example.com")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "decision",
    [
        {},
        {"applyNetworkPolicyAmendment": {}},
        {
            "applyNetworkPolicyAmendment": {
                "network_policy_amendment": {"action": "ask", "host": ""}
            }
        },
        {
            "applyNetworkPolicyAmendment": {
                "network_policy_amendment": {"action": "allow", "host": "a.com"}
            },
            "acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["x"]},
        },
    ],
)
def test_an_answer_that_is_no_decision_decides_nothing(decision: object) -> None:
    assert isinstance(answered(decision), Undecided)

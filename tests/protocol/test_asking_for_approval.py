"""A question about a command, and the results of its answers."""

from __future__ import annotations

import msgspec
import pytest

from codexd.core.values.items import UnknownAction
from codexd.protocol.requests import (
    COMMAND_APPROVAL,
    CommandApprovalParams,
    CommandApprovalResponse,
    Decided,
    Undecided,
    read_decision,
)
from codexd.protocol.wire.rpc import ClientReply, encode_request, encode_result, read_message


def answered(result: str) -> Decided | Undecided:
    message = read_message(f'{{"id":1,"result":{result}}}'.encode())
    assert isinstance(message, ClientReply)
    return read_decision(message)


def test_the_question() -> None:
    params = CommandApprovalParams(
        thread_id="t",
        turn_id="u",
        item_id="call_2",
        started_at_ms=1795223364953,
        reason="May I do this?",
        command="/bin/bash -lc 'touch x1'",
        cwd="/w",
        command_actions=(UnknownAction("touch x1"),),
    )
    assert encode_request(1, COMMAND_APPROVAL, params) == (
        b'{"method":"item/commandExecution/requestApproval","id":1,"params":{"kind":"command",'
        b'"threadId":"t","turnId":"u","itemId":"call_2","startedAtMs":1795223364953,'
        b'"environmentId":"local","reason":"May I do this?","command":"/bin/bash -lc \'touch x1\'",'
        b'"cwd":"/w","commandActions":[{"type":"unknown","command":"touch x1"}],'
        b'"availableDecisions":["accept","acceptForSession","decline","cancel"]}}'
    )


@pytest.mark.parametrize("word", ["accept", "acceptForSession", "decline", "cancel"])
def test_a_word_decides(word: str) -> None:
    decided = answered(f'{{"decision":"{word}"}}')
    assert isinstance(decided, Decided)
    assert decided.decision == word


def test_an_amendment_accepts_this_command_and_names_the_others() -> None:
    assert answered(
        '{"decision":{"acceptWithExecpolicyAmendment":{"execpolicy_amendment":["touch"]}}}'
    ) == Decided("accept", ("touch",))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (
            '{"decision":"yes"}',
            (
                "unreadable decision: `decision`: expected accept, acceptForSession, cancel or "
                "decline, found 'yes'"
            ),
        ),
        ("{}", "unreadable decision: `decision` is missing"),
        ("null", "unreadable decision: expected an object, found null"),
        (
            '{"decision":{"applyNetworkPolicyAmendment":{}}}',
            "unreadable decision: `decision.applyNetworkPolicyAmendment.network_policy_amendment` is missing",
        ),
    ],
)
def test_an_unreadable_answer_decides_nothing(result: str, reason: str) -> None:
    assert answered(result) == Undecided(reason)


def test_an_error_decides_nothing() -> None:
    message = read_message(b'{"id":1,"error":{"code":-32601,"message":"unknown method"}}')
    assert isinstance(message, ClientReply)
    assert read_decision(message) == Undecided(
        "the client answered with error -32601: unknown method"
    )


def test_a_frontend_answers() -> None:
    body = encode_result(1, CommandApprovalResponse("decline"))
    message = read_message(body)
    assert isinstance(message, ClientReply)
    assert read_decision(message) == Decided("decline")
    assert msgspec.json.decode(body) == {"id": 1, "result": {"decision": "decline"}}

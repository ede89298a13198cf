"""A host that a running command connects to, as a terminal asks about it and answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd_frontends.cli.questions import Verdict, how_to_answer, read_question, verdict_for
from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.screen.question import question_lines, rule_lines
from codexd_frontends.screen.style import PLAIN

from . import said
from .fake_daemon import FakeDaemon, Json
from .test_asking_about_the_policy import WAITING, run

REASON = "A command connects to this host, which is not in the list of domains."


def asked() -> Json:
    question = said.approval(7, "https://example.com:443")
    question["params"] |= {
        "command": "network-access https://example.com:443",
        "cwd": None,
        "networkApprovalContext": {"host": "example.com", "protocol": "https"},
        "codexd": {"approvalId": "t/7", "actionHash": "00", "reason": REASON},
    }
    return question


def request() -> ApprovalRequest:
    question = read_question(said.as_message(asked()))
    assert question is not None
    return question.request


def test_the_question_says_what_is_connected_to() -> None:
    assert question_lines(request(), PLAIN) == [
        "? May the command that runs connect to this?",
        f"  {REASON}",
        "    https://example.com:443",
    ]
    assert rule_lines(request()) == [
        "  [p] yes, and from now on all commands, to: example.com",
        "  [v] no, and from now on no command, to: example.com",
    ]


def test_words_for_the_model_are_no_answer_since_the_command_goes_on() -> None:
    assert verdict_for("n use another mirror", request()) is None
    assert verdict_for("n", request()) == Verdict("decline")
    assert not any("--no" in line for line in how_to_answer(request()))


@pytest.mark.parametrize(
    ("key", "decision"),
    [
        ("y", "accept"),
        ("a", "acceptForSession"),
        ("n", "decline"),
        ("c", "cancel"),
        ("p", {"applyNetworkPolicyAmendment": {"network_policy_amendment": "allow"}}),
        ("v", {"applyNetworkPolicyAmendment": {"network_policy_amendment": "deny"}}),
    ],
)
def test_a_key_is_an_answer(key: str, decision: str | dict[str, dict[str, str]]) -> None:
    verdict = verdict_for(key, request())
    question = read_question(said.as_message(asked()))
    assert verdict is not None
    assert question is not None
    expected: object = decision
    if isinstance(decision, dict):
        action = decision["applyNetworkPolicyAmendment"]["network_policy_amendment"]
        rule = {"action": action, "host": "example.com"}
        expected = {"applyNetworkPolicyAmendment": {"network_policy_amendment": rule}}
    assert question.answer(verdict) == {
        "decision": expected,
        "approvalId": "t/7",
        "actionHash": "00",
    }


def test_a_command_line_answers_for_good(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    waiting = {"thread": WAITING, "seq": 1}
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", waiting, asked(), said.resolved())
        assert run(fake, "approve", said.THREAD, "t/7", "--always") == 0
        rule = {"network_policy_amendment": {"action": "allow", "host": "example.com"}}
        answer = fake.wait_answer()
        assert answer["result"]["decision"] == {"applyNetworkPolicyAmendment": rule}
    assert capfd.readouterr().out.endswith("  accepted, and from now on every command gets there\n")
    (tmp_path / "second").mkdir()
    with FakeDaemon(tmp_path / "second") as fake:
        fake.answer("thread/resume", waiting, asked())
        assert run(fake, "approve", said.THREAD, "t/7", "--no", "use a mirror") != 0
    assert "nothing was answered" in capfd.readouterr().err

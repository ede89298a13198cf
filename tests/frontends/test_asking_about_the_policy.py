"""codexctl policy, and the answers of codexctl approve that make a rule or tell the model what to do instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd_frontends.ctl import main

from . import said
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]
WAITING = said.thread(status={"type": "active", "activeFlags": ["waitingOnApproval"]})
RULE: Json = {"pattern": [["git"], ["push", "pull"]], "decision": "prompt", "file": "/r", "line": 3}
CHECKED: Json = {
    "decision": "asks",
    "reason": "The rule at /r:3 asks.",
    "approvalPolicy": "untrusted",
    "sandbox": "danger-full-access",
    "parts": [
        {"command": "ls", "verdict": "reads", "reason": "is known to only read"},
        {"command": "git push", "verdict": "prompt", "reason": "is asked about", "rule": RULE},
    ],
    "proposedRule": ["a b"],
    "problems": [{"file": "/bad", "line": 7, "message": "it cannot be read"}],
}


def run(fake: FakeDaemon, *words: str) -> int:
    return main([*words, "--socket", str(fake.path)] if "--" not in words else list(words))


def sent(fake: FakeDaemon, method: str) -> Json:
    (request,) = [message for message in fake.heard() if message.get("method") == method]
    params: Json = request["params"]
    return params


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("git push; ls",), "git push; ls"),
        (("--", "git", "push", "a b"), "git push 'a b'"),
        (("--", "rm", "-rf", "x"), "rm -rf x"),
    ],
)
def test_a_check_is_for_a_line_or_for_words_in_this_folder(
    tmp_path: Path,
    capfd: Captured,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeDaemon(tmp_path) as fake:
        fake.answer("policy/check", CHECKED)
        assert main(["--socket", str(fake.path), "policy", "check", *words]) == 0
        params = sent(fake, "policy/check")
    assert params == {"command": line, "cwd": str(tmp_path), "escalated": False}
    assert capfd.readouterr().out == (
        "asks: The rule at /r:3 asks.\n"
        "  approval policy untrusted, sandbox danger-full-access\n"
        "  `ls` is known to only read\n"
        "  `git push` is asked about\n"
        "  a rule would allow it: 'a b'\n"
        "not usable: /bad:7: it cannot be read\n"
    )


def test_a_check_may_be_for_a_thread_another_folder_and_outside_of_the_sandbox(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("policy/check", CHECKED | {"outsideSandbox": True, "decision": "runs"})
        words = ("policy", "check", "--thread", said.THREAD, "--escalated", "make")
        assert run(fake, *words, "--cwd", "/w") == 0
        assert sent(fake, "policy/check") == {
            "command": "make",
            "escalated": True,
            "threadId": said.THREAD,
            "cwd": "/w",
        }
        assert capfd.readouterr().out.startswith("runs, outside of the sandbox: ")
        assert run(fake, "policy", "check", "ls", "--json") == 0
    assert json.loads(capfd.readouterr().out)["parts"][1]["rule"]["line"] == 3


def test_the_list_has_the_rules_and_what_is_allowed_for_a_thread(
    tmp_path: Path, capfd: Captured
) -> None:
    grants = [{"id": "0f", "kind": "command", "line": "make\x1b[2J", "folder": "/w"}]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("policy/list", {"ownFile": "/h/default.rules"})
        assert run(fake, "policy", "list") == 0
        none = "there are no rules for commands; approvals would add them to /h/default.rules\n"
        assert capfd.readouterr().out == none
        fake.answer("policy/list", {"rules": [RULE | {"justification": "why"}], "grants": grants})
        assert run(fake, "policy", "list", said.THREAD) == 0
        assert capfd.readouterr().out == (
            "prompt     git push|pull  (/r:3)\n"
            "           why\n"
            "allowed for the rest of the thread:\n"
            "0f  command  make\\u{1b}[2J  in /w\n"
        )
        fake.answer("policy/revoke", {"grants": []})
        assert run(fake, "policy", "revoke", said.THREAD, "0f") == 0
        assert capfd.readouterr().out == "nothing is allowed for the rest of the thread\n"
        assert sent(fake, "policy/revoke") == {
            "threadId": said.THREAD,
            "grants": ["0f"],
            "all": False,
        }
        for words in ((), ("0f", "--all")):
            assert run(fake, "policy", "revoke", said.THREAD, *words) == 2


@pytest.mark.parametrize(
    ("flag", "result", "text"),
    [
        (
            ("--always",),
            {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch"]}}},
            "  accepted, and from now on what begins like this\n",
        ),
        (
            ("--no", "use install -d"),
            {"decision": "decline", "instead": "use install -d"},
            "  declined, with your words for the model\n",
        ),
    ],
)
def test_an_approval_is_answered_with_a_rule_or_with_words(
    tmp_path: Path, capfd: Captured, flag: tuple[str, ...], result: Json, text: str
) -> None:
    question = said.approval()
    question["params"]["proposedExecpolicyAmendment"] = ["touch"]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", {"thread": WAITING, "seq": 1}, question, said.resolved())
        assert run(fake, "approve", said.THREAD, "c1", *flag) == 0
        assert fake.wait_answer() == {"id": 7, "result": result}
    assert capfd.readouterr().out.endswith(text)


def test_no_rule_is_made_where_none_is_proposed_and_no_endless_words_are_sent(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", {"thread": WAITING, "seq": 1}, said.approval())
        assert run(fake, "approve", said.THREAD, "c1", "--always") == 1
        assert "expected an approval that proposes a rule, found none" in capfd.readouterr().err
        assert run(fake, "approve", said.THREAD, "c1", "--no", "x" * 4001) == 2
        assert "expected 4000 characters for the model at most" in capfd.readouterr().err
        assert run(fake, "approve", said.THREAD, "--no", "x") == 2
        assert [message for message in fake.heard() if "method" not in message] == []

"""Rules of the person for the beginnings of commands: what they allow, ask about and forbid, and what they never allow."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from msgspec.structs import replace

from codexd.core.policy.approval import (
    needs_approval,
    permitted,
    proposed_rule,
    refused,
    runs_guarded,
    session_key,
)
from codexd.core.policy.command_rules import (
    LEAVES_SANDBOX,
    NOT_KNOWN_HARMLESS,
    command_rule_problem,
)
from codexd.core.policy.looked_up import LookedUp
from codexd.core.rules.prefix_rules import PrefixRule, PrefixRules, RuleDecision, rules_of
from codexd.core.rules.wide_prefixes import PREFIX_CHARACTERS_MAX, PREFIX_WORDS_MAX, prefix_problem
from codexd.core.values.settings import ApprovalPolicy, Enforcement, Settings
from codexd.core.values.tool_actions import ExecCommand, RunCommand

SETTINGS = Settings("/project", "m", "p", "untrusted", "workspace-write")
NOTHING_ALLOWED: frozenset[str] = frozenset()


def rule(decision: RuleDecision, *pattern: str, why: str | None = None) -> PrefixRule:
    places = tuple(tuple(place.split("|")) for place in pattern)
    return PrefixRule(pattern=places, decision=decision, justification=why, file="r", line=3)


def allow(*pattern: str) -> PrefixRule:
    return rule("allow", *pattern)


def command(line: str, **more: object) -> RunCommand:
    return replace(RunCommand(line, ("sh", "-c", line), "/project", 1000), **more)


def looked(*rules: PrefixRule) -> LookedUp:
    return LookedUp({"/project": None}, rules_of(rules))


def reason(line: str, *rules: PrefixRule, policy: ApprovalPolicy = "untrusted") -> str | None:
    settings = replace(SETTINGS, approval_policy=policy)
    return needs_approval(settings, command(line), NOTHING_ALLOWED, looked(*rules))


PUSH, MAKE, FETCH = allow("git", "push|pull"), allow("make"), allow("git", "fetch")


@pytest.mark.parametrize(
    "line",
    [
        "make",
        "make all -j4",
        "git push",
        "git pull --rebase origin main",
        "git 'push' origin",
        'git pu"sh"',
        "git pu\\sh",
        "! make",
        "make >/dev/null 2>&1",
        "make && git push || make clean; make | make",
        "make | head -5",
        "ls && make && cat x",
        "cd /elsewhere && make",
        "make *.o",
        "git push origin 'a b'",
    ],
)
def test_a_command_that_begins_with_the_words_of_a_rule_is_not_asked_about(line: str) -> None:
    assert reason(line, PUSH, MAKE) is None
    assert reason(line) == NOT_KNOWN_HARMLESS


@pytest.mark.parametrize(
    "line",
    [
        "gmake",
        "makex",
        "git",
        "git status-push",
        "git -C x push",
        "git -c alias.push='!sh' push",
        "git --exec-path=. push",
        "pull git",
        "mak\\\ne",
        "make && rm x",
        "make | sh",
        "make; rm x",
        "rm x | make",
        "make & rm x",
        "make &",
        "make > out",
        "make >> out",
        "make 2> out",
        "make < in",
        "make < /dev/tcp/host/80",
        "make $(rm x)",
        "make `rm x`",
        'make "$(rm x)"',
        "make $HOME",
        'make "$HOME"',
        "make <(rm x)",
        "make <<EOF",
        "make\nrm x",
        "make\rrm x",
        "make\x00",
        "make\u00a0all",
        "make\u200b",
        "ｍake",
        "mаke",  # with a Cyrillic letter
        "(make)",
        "{ make; }",
        "if make; then make; fi",
        "while make; do make; done",
        "for x in a; do make; done",
        "time make",
        "A=1 make",
        "A='1 2' make",
        "PATH=. make",
        "LD_PRELOAD=./x.so make",
        "env make",
        "sudo make",
        "command make",
        "exec make",
        "eval make",
        "nice make",
        "./make",
        "/tmp/make",
        "../make",
        "~/make",
        "m?ke",
        "mak[e]",
        "ma*",
        "git p*",
        "git pus[h]",
        "git {push,x}",
        "git $?",
        "make # all",
        "make {a,b}",
        "make; git log",  # git would run unguarded
        "make " + "x" * 4000,
    ],
)
def test_no_trick_makes_another_command_look_like_that_of_a_rule(line: str) -> None:
    assert reason(line, PUSH, MAKE) == NOT_KNOWN_HARMLESS


@given_any(st.text(alphabet="make gitpush |&;<>$`\"'\\(){}#=\n*-\0é", max_size=30))
def test_what_follows_a_line_is_judged_for_itself(line: str) -> None:
    if "'" in line or '"' in line or "\\" in line:
        return
    for more in ("; rm x", " && rm x", " | sh", " > x", " $(rm x)", " `rm x`", " &", "\nrm x"):
        assert reason(line + more, MAKE, PUSH) is not None


def test_a_path_is_allowed_only_by_its_own_rule_or_where_the_file_says_that_it_is_the_program() -> (
    None
):
    assert reason("/usr/bin/make", allow("/usr/bin/make")) is None
    rules = rules_of((MAKE,), {"make": frozenset({"/usr/bin/make"})})
    for path, is_asked in (("/usr/bin/make", False), ("/tmp/make", True), ("./make", True)):
        asks = needs_approval(SETTINGS, command(path), NOTHING_ALLOWED, LookedUp(rules=rules))
        assert (asks is not None) == is_asked


def test_a_rule_that_forbids_is_for_the_program_wherever_it_lies() -> None:
    forbids = looked(rule("forbidden", "rm"))
    for line in (
        "rm x",
        "/bin/rm x",
        "./rm x",
        "ls; rm x",
        "if ls; then rm x; fi",
        "A=1 rm x",
        'A="1 2" rm',
    ):
        assert refused(SETTINGS, command(line), forbids) is not None, line
    assert refused(SETTINGS, command("echo rm"), forbids) is None


def test_the_model_is_given_the_reason_of_what_is_forbidden_under_every_policy() -> None:
    forbids = looked(MAKE, rule("forbidden", "git", "push", why="ask me first"))
    for policy in get_args(ApprovalPolicy):
        settings = replace(SETTINGS, approval_policy=policy)
        granted = frozenset({session_key(command("git push"))})
        answer = refused(settings, command("make && git push -f"), forbids)
        assert answer == (
            "not run: The rule at r:3 forbids commands that begin with `git push`: ask me first. "
            "Nothing was done."
        )
        assert refused(settings, command("git push"), forbids) is not None
        assert needs_approval(settings, command("make"), granted, forbids) is None


@pytest.mark.parametrize(
    ("line", "may_hold"),
    [
        ("for f in *; do rm -rf $f; done", True),
        ('X=1; r"m" -rf $X', True),
        ("r\\m -rf ${HOME}", True),
        ("echo $(/bin/rm -rf x)", True),
        ("cat <<EOF | sh\nrm -rf x\nEOF", True),
        ("$(echo cm0K | base64 -d) -rf x", True),
        ("C=x; $C -rf y", True),
        ('if true; then "$C"; fi', True),
        ('eval "$(cat file)"', True),
        ("for f in *; do echo $f; done", False),
        ("grep -rfirm $PATTERN farm -rfx", False),
        ("rm $FILE", False),  # without -rf
        ("rm -rf x", False),  # it is read, and refused
    ],
)
def test_a_line_that_cannot_be_read_never_hides_what_a_rule_forbids(
    line: str, may_hold: bool
) -> None:
    forbidden, asks = rule("forbidden", "rm", "-rf|-fr"), rule("prompt", "rm", "-rf|-fr")
    enforced = Enforcement(("workspace-write", "danger-full-access"))
    on_request = replace(SETTINGS, approval_policy="on-request", enforcement=enforced)
    for held, does in ((forbidden, "forbids"), (asks, "asks about")):
        looked_up = looked(held, MAKE)
        asked = needs_approval(on_request, command(line), NOTHING_ALLOWED, looked_up)
        says = f"This line cannot be read, and may hold what the rule at r:3 {does}: `rm -rf|-fr`."
        assert (asked == says) == may_hold
        never = replace(on_request, approval_policy="never")
        refusal = refused(never, command(line), looked_up)
        assert (refusal is not None and says in refusal) == may_hold
        key = frozenset({session_key(command(line))})
        assert needs_approval(on_request, command(line), key, looked_up) is None
    assert needs_approval(on_request, command(line), NOTHING_ALLOWED, looked(MAKE)) is None


def test_the_strictest_rule_counts() -> None:
    asks = rule("prompt", "git", "push", why="it is public")
    assert reason("git push", PUSH, asks, allow("git", "push", "origin")) == (
        "The rule at r:3 asks about commands that begin with `git push`: it is public."
    )
    assert reason("git pull", PUSH, asks) is None
    assert reason("make; git push", MAKE, PUSH, asks) is not None
    assert (
        refused(SETTINGS, command("git push"), looked(asks, rule("forbidden", "git"), PUSH))
        is not None
    )


def test_a_rule_that_asks_holds_for_what_only_reads_and_refuses_where_nobody_is_asked() -> None:
    asks = rule("prompt", "cat")
    assert reason("cat x", asks) is not None
    never = replace(SETTINGS, approval_policy="never")
    answer = refused(never, command("cat x"), looked(asks))
    assert answer is not None
    assert "The approval policy is `never`, so nobody is asked" in answer
    assert needs_approval(never, command("make"), NOTHING_ALLOWED, looked(asks)) is None


def test_what_a_person_allowed_for_the_thread_is_not_asked_about_by_a_rule() -> None:
    granted = frozenset({session_key(command("cat x"))})
    assert (
        needs_approval(SETTINGS, command("cat x"), granted, looked(rule("prompt", "cat"))) is None
    )


def test_a_rule_allows_to_leave_the_sandbox_if_it_allows_the_whole_line() -> None:
    escalated = command("make", escalated=True)
    assert needs_approval(SETTINGS, escalated, NOTHING_ALLOWED, looked(MAKE)) is None
    with_more = command("make; ls", escalated=True)
    assert needs_approval(SETTINGS, with_more, NOTHING_ALLOWED, looked(MAKE)) == LEAVES_SANDBOX
    never = replace(SETTINGS, approval_policy="never")
    assert permitted(never, escalated, looked(MAKE)) == escalated
    assert permitted(never, with_more, looked(MAKE)) == replace(with_more, escalated=False)


def test_what_a_rule_allows_runs_in_the_persons_own_environment() -> None:
    for line, guarded in (("make", False), ("make; ls", False), ("ls", True), ("git log", True)):
        assert runs_guarded(SETTINGS, command(line), NOTHING_ALLOWED, looked(MAKE)) is guarded, line


@pytest.mark.parametrize(
    ("line", "asked", "proposed"),
    [
        ("make all", (), ("make", "all")),
        ("make all", ("make",), ("make",)),
        ("ls && make all", ("make",), ("make",)),
        ("make a && make b", ("make",), ("make",)),
        ("make a && make b", (), None),
        ("make && cargo b", ("make",), None),
        ("git push origin", ("git", "push"), ("git", "push")),
        ("git push origin", ("git",), ("git", "push", "origin")),
        ("git push origin", ("npm",), ("git", "push", "origin")),
        ("bash -lc make", ("bash", "-lc"), ("bash", "-lc", "make")),
        ("bash", (), None),
        ("python3 -", (), None),
        ("./run.sh", (), None),
        ("make $X", ("make",), None),
        ("make > out", ("make",), None),
        ("make *.o", (), None),
        ("make *.o", ("make",), ("make",)),
        ("A=1 make", ("make",), None),
        ("make 'é'", (), None),
        ("ls", (), None),
    ],
)
def test_a_rule_is_proposed_only_if_it_would_allow_the_whole_line(
    line: str, asked: tuple[str, ...], proposed: tuple[str, ...] | None
) -> None:
    action = command(line, prefix_rule=asked)
    assert proposed_rule(SETTINGS, action, looked()) == proposed
    if proposed is not None:
        with_it = looked(PrefixRule(pattern=tuple((word,) for word in proposed)))
        assert needs_approval(SETTINGS, action, NOTHING_ALLOWED, with_it) is None


def test_no_rule_is_proposed_against_a_rule_that_asks() -> None:
    assert proposed_rule(SETTINGS, command("make"), looked(rule("prompt", "make"))) is None


def test_what_is_typed_into_or_runs_in_another_shell_is_allowed_by_no_rule() -> None:
    for more in ({"tty": True}, {"shell": "/tmp/sh"}):
        action = ExecCommand("make", (), "/project", 0, session="1", **more)
        settings = replace(SETTINGS, approval_policy="on-request")
        assert needs_approval(settings, action, NOTHING_ALLOWED, looked(MAKE)) is not None
        assert permitted(settings, action, looked(MAKE)) == action
        assert proposed_rule(settings, action, looked()) is None
        assert command_rule_problem(action, ("make",)) is not None
        forbids = looked(rule("forbidden", "make"))
        assert refused(settings, action, forbids) is not None
    piped = ExecCommand("make", (), "/project", 0, session="1")
    assert needs_approval(SETTINGS, piped, NOTHING_ALLOWED, looked(MAKE)) is None


WIDE = (
    "bash", "bash -c", "bash -lc", "/bin/bash -lc", "sh", "sh -c", "zsh -lc", "dash", "fish -c", "python", "python3",
    "python3 -", "python3 -c", "python3.11 -c", "python -m", "py -3", "pypy3", "node", "node -e", "nodejs -e", "deno",
    "bun", "perl -e", "ruby -e", "php -r", "lua -e", "osascript -e", "pwsh -Command", "powershell.exe -c", "awk",
    "env", "env -i", "env A=1", "env A=1 B=2 -u C", "sudo", "sudo -E", "doas", "sudo bash -c", "sudo env A=1 sh",
    "nohup", "nice -n 5", "timeout 5", "timeout -k 1s 5m", "xargs", "xargs -n 1", "time", "command", "exec", "eval",
    "builtin", ".", "source", "ssh -p 22", "git", "git -C x", "git -c a=b", "git --no-pager", "busybox", "busybox sh",
    "find .", "find", "find . -name x", "sudo -u root", "ssh host", "docker exec -it box", "docker run alpine", "uv run", "npm exec", "chroot /x bash", "ssh -p 22 -i key", "watch -n 1", "strace -f", "npx", "npx -y", "/usr/bin/env", "/usr/bin/env python3 -c",
)  # fmt: skip


@pytest.mark.parametrize("prefix", WIDE)
def test_a_beginning_that_would_allow_everything_is_no_rule(prefix: str) -> None:
    assert prefix_problem(tuple(prefix.split())) == "would allow nearly every command"


@pytest.mark.parametrize(
    "prefix",
    [
        "make", "git push", "git -C x push", "npm run", "python3 -m pytest", "python3 x.py", "bash x.sh", "sudo apt",
        "env A=1 make", "timeout 5 make", "cargo test", "docker", "xargs rm", "/usr/bin/make", "docker run alpine make", "docker ps", "uv run pytest", "ssh host make",
    ],
)  # fmt: skip
def test_a_beginning_that_names_what_runs_may_be_a_rule(prefix: str) -> None:
    assert prefix_problem(tuple(prefix.split())) is None


@pytest.mark.parametrize(
    "prefix",
    [
        (), ("",), ("", "x"), ("make\n",), ("ma\u200bke",), ("mаke",), ("./x",), ("a/b",), ("x" * PREFIX_CHARACTERS_MAX, "y"),
        ("x",) * (PREFIX_WORDS_MAX + 1), ("make", "\x1b[31m"), ("make", "\u202e"),
    ],
)  # fmt: skip
def test_a_beginning_that_cannot_be_read_by_a_person_is_no_rule(prefix: tuple[str, ...]) -> None:
    assert prefix_problem(prefix) is not None


def test_thousands_of_rules_are_found_by_their_program() -> None:
    rules: PrefixRules = rules_of(allow(f"p{n}") for n in range(5000))
    assert rules.matching(("p4999", "x")) == (allow("p4999"),)
    assert rules.matching(("q",)) == ()

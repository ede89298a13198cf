"""When a person is asked before a tool call: by policy, by what the line does, by what was allowed before."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from codexd.core.policy.approval import (
    needs_approval,
    permitted,
    refused,
    runs_guarded,
    session_key,
)
from codexd.core.policy.command_rules import LEAVES_SANDBOX, NOT_KNOWN_HARMLESS
from codexd.core.policy.looked_up import LookedUp
from codexd.core.policy.patch_rules import CHANGES_FILES, CHANGES_OWN
from codexd.core.values.enforced import enforced
from codexd.core.values.settings import ApprovalPolicy, Enforcement, SandboxMode, Settings
from codexd.core.values.tool_actions import ApplyPatch, BadCall, PatchedFile, RunCommand

NOTHING_ALLOWED: frozenset[str] = frozenset()
PLAIN_REPOSITORY = LookedUp({"/project": None})


def settings(policy: ApprovalPolicy) -> Settings:
    return Settings(
        cwd="/project", model="m", provider="p", approval_policy=policy, sandbox="workspace-write"
    )


def command(line: str, cwd: str = "/project", **more: bool | str) -> RunCommand:
    made = RunCommand(command=line, argv=("/bin/sh", "-c", line), cwd=cwd, timeout_ms=1000)
    return msgspec.structs.replace(made, **more)


def asks(policy: ApprovalPolicy, action: RunCommand, *allowed: RunCommand) -> str | None:
    keys = frozenset(session_key(action) for action in allowed)
    return needs_approval(settings(policy), action, keys, PLAIN_REPOSITORY)


def test_untrusted_asks_about_commands_that_are_not_known_to_only_read() -> None:
    assert asks("untrusted", command("make")) == NOT_KNOWN_HARMLESS


def test_untrusted_does_not_ask_about_reading() -> None:
    assert asks("untrusted", command("cat README.md | head")) is None


def test_untrusted_asks_about_leaving_the_sandbox_even_to_read() -> None:
    assert asks("untrusted", command("ls", escalated=True)) == LEAVES_SANDBOX


def test_untrusted_asks_about_git_in_another_folder_whose_configuration_it_would_obey() -> None:
    assert asks("untrusted", command("git status")) is None
    assert asks("untrusted", command("git status", cwd="/project/sub")) == NOT_KNOWN_HARMLESS
    assert asks("untrusted", command("ls", cwd="/project/sub")) is None


@pytest.mark.parametrize(
    "line", ["cd /project && git status", "cd . && git log", "git -C /project diff", "git -C . log"]
)
def test_git_in_the_threads_own_folder_is_not_asked_about_however_it_gets_there(line: str) -> None:
    assert asks("untrusted", command(line)) is None


@pytest.mark.parametrize(
    "line",
    [
        "cd sub && git status",
        "cd /project/sub && git status",
        "cd /project/../evil && git status",
        "cd && git status",
        "cd / || git status",
        "git log; cd sub; git log",
        "cd /project && cd sub && git status",
        "cd /project/ && git -C sub status",
        "git -C /elsewhere log",
        "git -C .. log",
    ],
)
def test_a_line_that_leads_git_elsewhere_is_asked_about(line: str) -> None:
    assert asks("untrusted", command(line)) == NOT_KNOWN_HARMLESS


def test_git_is_asked_about_where_the_repository_could_start_a_program() -> None:
    found = LookedUp({"/project": "in /project sets filter.clean, which could start a program"})
    given = settings("untrusted")
    reason = needs_approval(given, command("git log | head"), NOTHING_ALLOWED, found)
    assert reason is not None
    assert reason.endswith(
        "Its repository in /project sets filter.clean, which could start a program."
    )
    assert needs_approval(given, command("ls | head"), NOTHING_ALLOWED, found) is None
    assert needs_approval(given, command("git log"), NOTHING_ALLOWED) is not None  # nobody looked


def test_only_commands_that_run_because_they_read_run_guarded() -> None:
    def guarded(policy: ApprovalPolicy, action: RunCommand, *allowed: RunCommand) -> bool:
        keys = frozenset(session_key(action) for action in allowed)
        return runs_guarded(settings(policy), action, keys)

    assert guarded("untrusted", command("git log"))
    assert guarded("on-request", command("git log"))
    assert not guarded("never", command("git log"))
    assert not guarded("untrusted", command("git log"), command("git log"))


def test_other_readers_may_look_elsewhere() -> None:
    assert asks("untrusted", command("cd /elsewhere && ls && wc -l < notes")) is None


@pytest.mark.parametrize(
    ("cwd", "line"),
    [
        ("/dev", "cat tty"),
        ("/dev/", "cat < tty"),
        ("/dev/pts", "head 0"),
        ("/proc/self", "cat environ"),
        ("/proc/1/task/1", "cat environ"),
        ("//proc/self", "cat environ"),
        ("/x/../proc/self", "cat environ"),
        ("/", "cat dev/tty"),
        ("/", "cat ./proc/self/environ"),
        ("/", "cat < proc/self/environ"),
        ("/", "cat p*/self/environ"),
        ("/", "cat */tty"),
        ("//", "cat .//dev/tty"),
        ("/project", "cd / && cat proc/self/environ"),
        ("/project", "cd .. && cat dev/tty"),
        ("/project", "cd ../.. && cd proc && cat self/environ"),
        ("/project", "cd / && cat d*/tty"),
    ],
)
def test_a_folder_does_not_make_a_device_or_a_process_look_like_a_file(cwd: str, line: str) -> None:
    assert asks("untrusted", command(line, cwd=cwd)) == NOT_KNOWN_HARMLESS


@pytest.mark.parametrize(
    ("cwd", "line"),
    [
        ("/project", "cat dev/tty proc/x"),
        ("/project", "cd dev && cat proc/x"),
        ("/", "cat etc/passwd"),
        ("/", "ls dev proc/self"),
        ("/device", "cat x"),
    ],
)
def test_files_that_are_called_like_devices_are_files(cwd: str, line: str) -> None:
    assert asks("untrusted", command(line, cwd=cwd)) is None


@pytest.mark.parametrize("policy", sorted({*get_args(ApprovalPolicy)} - {"never"}))
@pytest.mark.parametrize("mode", get_args(SandboxMode))
def test_without_a_sandbox_every_policy_but_never_asks_as_untrusted_does(
    policy: ApprovalPolicy, mode: SandboxMode
) -> None:
    def asked(action: RunCommand) -> str | None:
        held = msgspec.structs.replace(settings(policy), sandbox=mode)
        return needs_approval(held, action, NOTHING_ALLOWED)

    assert asked(command("make")) == NOT_KNOWN_HARMLESS
    assert asked(command("make", escalated=True)) == LEAVES_SANDBOX
    assert asked(command("cat README.md")) is None


@pytest.mark.parametrize("policy", get_args(ApprovalPolicy))
@pytest.mark.parametrize("mode", get_args(SandboxMode))
def test_the_reported_policies_are_those_that_are_enforced(
    policy: ApprovalPolicy, mode: SandboxMode
) -> None:
    asked_for = msgspec.structs.replace(settings(policy), sandbox=mode)
    told = enforced(asked_for)
    assert told.sandbox == "danger-full-access"  # nothing holds a command to less
    assert told.approval_policy == ("never" if policy == "never" else "untrusted")
    for action in (command("make"), command("make", escalated=True), command("ls")):
        assert needs_approval(told, action, NOTHING_ALLOWED) == needs_approval(
            asked_for, action, NOTHING_ALLOWED
        )


def test_never_asks_about_nothing() -> None:
    assert asks("never", command("make")) is None
    assert asks("never", command("make", escalated=True)) is None


def test_the_models_words_are_never_the_reason() -> None:
    action = command("make", escalated=True, justification="This command only reads.")
    assert asks("on-request", action) == LEAVES_SANDBOX
    assert asks("untrusted", action) == LEAVES_SANDBOX
    inside = msgspec.structs.replace(action, escalated=False)
    assert asks("untrusted", inside) == NOT_KNOWN_HARMLESS


@pytest.mark.parametrize("policy", ["untrusted", "on-request", "never"])
def test_a_call_that_cannot_be_made_is_never_asked_about(policy: ApprovalPolicy) -> None:
    action = BadCall(reason="unsupported call: x")
    assert needs_approval(settings(policy), action, NOTHING_ALLOWED) is None


def test_a_command_that_was_allowed_for_the_session_is_not_asked_again() -> None:
    assert asks("untrusted", command("make"), command("make")) is None
    assert (
        asks("on-request", command("make", escalated=True), command("make", escalated=True)) is None
    )


def test_it_is_the_same_command_with_any_time_limit_and_justification() -> None:
    allowed = command("make", justification="May I build?")
    again = msgspec.structs.replace(allowed, timeout_ms=5, justification=None)
    assert asks("untrusted", again, allowed) is None


@pytest.mark.parametrize(
    "other",
    [
        command("make all"),
        command("make "),
        command("make", cwd="/elsewhere"),
        command("make", escalated=True),
    ],
)
def test_another_line_another_folder_and_another_side_of_the_sandbox_are_asked_about(
    other: RunCommand,
) -> None:
    assert asks("untrusted", other, command("make")) is not None


def test_a_command_that_was_allowed_in_one_folder_cannot_be_spelled_in_another() -> None:
    assert session_key(command("b", cwd="/a")) != session_key(command('b"', cwd="/a"))
    assert session_key(command('x","y', cwd="/a")) != session_key(command("y", cwd='/a","x'))


def test_an_empty_key_allows_no_command() -> None:
    bad = session_key(BadCall(reason="x"))
    assert needs_approval(settings("untrusted"), command("make"), frozenset({bad})) is not None


def test_without_questions_no_command_leaves_the_sandbox() -> None:
    action = command("make", escalated=True)
    assert permitted(settings("never"), action) == command("make")
    assert permitted(settings("on-request"), action) == action
    assert permitted(settings("untrusted"), action) == action


def test_a_command_that_stays_in_the_sandbox_is_performed() -> None:
    bad = BadCall(reason="x")
    assert permitted(settings("never"), command("make")) == command("make")
    assert permitted(settings("never"), bad) == bad


def patch(*paths: str, text: str = "+x") -> ApplyPatch:
    return ApplyPatch(
        text, "/project", tuple(PatchedFile(path, None, "0f", text) for path in paths)
    )


def test_a_patch_is_asked_about_unless_the_policy_never_asks() -> None:
    nothing = NOTHING_ALLOWED
    assert needs_approval(settings("untrusted"), patch("/project/a"), nothing) == CHANGES_FILES
    assert needs_approval(settings("on-request"), patch("/project/a"), nothing) == CHANGES_FILES
    assert needs_approval(settings("never"), patch("/project/a"), nothing) is None


def test_a_patch_that_is_allowed_for_the_session_allows_further_patches_of_the_same_files() -> None:
    allowed = frozenset({session_key(patch("/project/a", "/project/b"))})
    again = patch("/project/b", "/project/a", text="+y")
    assert needs_approval(settings("untrusted"), again, allowed) is None
    for other in (patch("/project/a"), patch("/project/a", "/project/c")):
        assert needs_approval(settings("untrusted"), other, allowed) == CHANGES_FILES


@pytest.mark.parametrize(
    "path",
    [
        "/project/.config/codexd/rules/x.rules",
        "/project/.config/codexd/config.toml",
        "/project/.CONFIG/codexd/rules/x.rules",
        "/project/x/../.config/codexd/config.toml",
    ],
)
def test_a_patch_of_what_grants_rights_is_always_asked_about(path: str) -> None:
    modes = Enforcement(("read-only", "workspace-write", "danger-full-access"), False)
    held = msgspec.structs.replace(settings("on-request"), enforcement=modes)
    looked_up = LookedUp(own_folders=("/project/.config/codexd",))
    assert needs_approval(held, patch("/project/a"), NOTHING_ALLOWED, looked_up) is None
    assert needs_approval(held, patch(path), NOTHING_ALLOWED, looked_up) == CHANGES_OWN
    linked = msgspec.structs.replace(patch("/project/link"), elsewhere=(path,))
    assert needs_approval(held, linked, NOTHING_ALLOWED, looked_up) == CHANGES_OWN
    never = msgspec.structs.replace(held, approval_policy="never")
    assert refused(never, patch(path), looked_up) is not None
    assert refused(never, patch("/project/.config/codexd2/a"), looked_up) is None
    assert refused(settings("never"), patch(path), looked_up) is None  # nothing holds it

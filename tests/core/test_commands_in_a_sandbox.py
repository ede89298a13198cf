"""Which calls run unasked, are asked about or are refused, by the mode and by what the machine enforces."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from codexd.core.policy.action_kinds import kind_of
from codexd.core.policy.approval import needs_approval
from codexd.core.policy.command_rules import LEAVES_SANDBOX, NOT_KNOWN_HARMLESS
from codexd.core.policy.looked_up import NOTHING_LOOKED_UP
from codexd.core.policy.patch_rules import CHANGES_FILES, LEAVES_ROOTS
from codexd.core.policy.sandbox_denial import sandbox_hint
from codexd.core.values.enforced import Sandbox, enforced, sandbox_of
from codexd.core.values.environment import Machine, environment_of
from codexd.core.values.settings import (
    ApprovalPolicy,
    Enforcement,
    SandboxAccess,
    SandboxMode,
    Settings,
)
from codexd.core.values.tool_actions import ApplyPatch, PatchedFile, RunCommand, ToolAction

ALL = Enforcement(("read-only", "workspace-write", "danger-full-access"), False)
READ_ONLY = Enforcement(("read-only", "danger-full-access"), False)
NOTHING = Enforcement(("danger-full-access",), False)
ALLOWED = Enforcement(("danger-full-access",), True)


def settings(
    policy: ApprovalPolicy = "on-request",
    mode: SandboxMode = "workspace-write",
    enforcement: Enforcement = ALL,
    access: SandboxAccess = SandboxAccess(),  # noqa: B008 (it is a value)
) -> Settings:
    return Settings("/w", "m", "p", policy, mode, access=access, enforcement=enforcement)


def run(line: str = "make", *, escalated: bool = False) -> RunCommand:
    return RunCommand(line, ("/bin/sh", "-c", line), "/w", 1000, escalated)


def patch(
    *paths: str, moved_from: str | None = None, elsewhere: tuple[str, ...] = ()
) -> ApplyPatch:
    files = tuple(PatchedFile(path, None, "x", "", moved_from) for path in paths)
    return ApplyPatch("", "/w", files, elsewhere=elsewhere)


def asked(held: Settings, action: ToolAction) -> str | None:
    return needs_approval(held, action, frozenset())


def refused(held: Settings, action: ToolAction) -> str | None:
    return kind_of(action).approval.refusal(held, action, NOTHING_LOOKED_UP)


@pytest.mark.parametrize("mode", ["read-only", "workspace-write"])
def test_a_confined_command_runs_unasked_on_request(mode: SandboxMode) -> None:
    held = settings(mode=mode)
    assert asked(held, run()) is None
    assert asked(held, run(escalated=True)) == LEAVES_SANDBOX
    assert refused(held, run()) is None
    assert sandbox_of(held) == Sandbox(mode, "/w")


def test_untrusted_asks_in_a_sandbox_too() -> None:
    assert asked(settings("untrusted"), run()) == NOT_KNOWN_HARMLESS
    assert asked(settings("untrusted"), run("ls")) is None


@pytest.mark.parametrize("policy", ["never", "on-request", "untrusted"])
def test_a_command_is_refused_where_its_mode_is_not_enforced(policy: ApprovalPolicy) -> None:
    for mode, enforcement in (("read-only", NOTHING), ("workspace-write", READ_ONLY)):
        held = settings(policy, mode, enforcement)  # type: ignore[arg-type]
        answer = refused(held, run("ls"))
        assert answer is not None
        assert "allow_unsandboxed = true" in answer
        assert refused(held, run(escalated=True)) is None  # a person is asked
        # It is shown as it was asked for: nothing looser runs.
        assert enforced(held) == held
    assert refused(settings(mode="read-only", enforcement=READ_ONLY), run()) is None


def test_where_a_person_allows_it_commands_are_asked_about_and_run_without() -> None:
    held = settings(enforcement=ALLOWED)
    assert refused(held, run()) is None
    assert asked(held, run()) == NOT_KNOWN_HARMLESS
    told = enforced(held)
    assert (told.approval_policy, told.sandbox) == ("untrusted", "danger-full-access")
    assert sandbox_of(held).mode == "danger-full-access"


def test_a_log_from_before_there_was_a_sandbox_is_judged_as_then() -> None:
    held = settings(enforcement=Enforcement())
    assert asked(held, run()) == NOT_KNOWN_HARMLESS
    assert sandbox_of(held).mode == "danger-full-access"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/w/a", None),
        ("/w/sub/.git/x", None),
        ("/tmp/x", None),
        ("/more/x", None),
        ("/w", LEAVES_ROOTS),
        ("/wide", LEAVES_ROOTS),
        ("/w/../etc/passwd", LEAVES_ROOTS),
        ("/w/.git/hooks/pre-commit", LEAVES_ROOTS),
        ("/w/.GIT/config", LEAVES_ROOTS),
        ("/w/.codex", LEAVES_ROOTS),
        ("/more/.agents/x", LEAVES_ROOTS),
        ("/etc/passwd", LEAVES_ROOTS),
    ],
)
def test_a_patch_obeys_the_same_roots(path: str, reason: str | None) -> None:
    held = settings(access=SandboxAccess(writable_roots=("/more/",)))
    assert asked(held, patch(path)) == reason
    assert asked(held, patch("/w/a", path)) == reason
    assert asked(held, patch("/w/a", moved_from=path)) == reason
    assert asked(held, patch("/w/a", elsewhere=(path,))) == reason
    never = replace(held, approval_policy="never")
    assert (refused(never, patch(path)) is None) == (reason is None)
    assert asked(replace(held, sandbox="read-only"), patch(path)) == LEAVES_ROOTS


def test_tmp_can_be_excluded_for_patches_too() -> None:
    held = settings(access=SandboxAccess(exclude_slash_tmp=True))
    assert asked(held, patch("/tmp/x")) == LEAVES_ROOTS


def test_without_a_sandbox_a_patch_is_asked_about_and_with_never_it_is_applied() -> None:
    held = settings(mode="danger-full-access")
    assert asked(held, patch("/w/a")) == CHANGES_FILES
    never = replace(held, approval_policy="never")
    assert (asked(never, patch("/etc/x")), refused(never, patch("/etc/x"))) == (None, None)


def test_the_model_is_told_whether_it_has_the_network() -> None:
    machine = Machine(network="enabled")

    def told(held: Settings) -> str | None:
        return environment_of(held, machine=machine).network_access

    assert told(settings()) == "restricted"
    assert told(settings(access=SandboxAccess(network_access=True))) == "enabled"
    assert told(settings(mode="danger-full-access")) == "enabled"
    assert told(settings(enforcement=ALLOWED)) == "enabled"


@pytest.mark.parametrize(
    ("code", "output", "hints"),
    [
        (1, "touch: cannot touch 'x': Read-only file system", True),
        (1, "PermissionError: [Errno 13] Permission denied", True),
        (128 + 31, "Bad system call", True),
        (6, "curl: (6) Could not resolve host: example.com", True),
        (0, "Permission denied", False),
        (1, "1 test failed", False),
    ],
)
def test_a_failure_that_may_be_of_the_sandbox_is_said_to_be(
    code: int, output: str, hints: bool
) -> None:
    confined = Sandbox("workspace-write", "/w")
    assert (sandbox_hint(confined, code, output) is not None) == hints
    assert sandbox_hint(Sandbox("danger-full-access", "/"), code, output) is None


def test_with_the_network_a_name_that_is_not_found_is_not_the_sandboxs() -> None:
    online = Sandbox("workspace-write", "/w", SandboxAccess(network_access=True))
    assert sandbox_hint(online, 6, "Could not resolve host") is None

"""Which calls of MCP servers a person is asked about, what is allowed for a session, and what a crash leaves."""

from __future__ import annotations

import pytest

from codexd.core.policy.approval import needs_approval, session_key
from codexd.core.policy.looked_up import NOTHING_LOOKED_UP
from codexd.core.policy.mcp_rules import ALWAYS_ASKED, DESTROYS, MAY_CHANGE, may_repeat
from codexd.core.values.settings import ApprovalPolicy, Settings
from codexd.core.values.tool_actions import McpHints, McpToolCall

NONE = McpHints()
READS = McpHints(read_only=True)
DESTRUCTIVE = McpHints(read_only=True, destructive=True)
CLOSED = McpHints(destructive=False, open_world=False)
OPEN = McpHints(destructive=False)


def call(hints: McpHints = NONE, mode: str = "auto", **more: str) -> McpToolCall:
    members = {"server": "s", "tool": "t", "arguments": "{}"} | more
    return McpToolCall(hints=hints, mode=mode, **members)  # type: ignore[arg-type]


def asks(
    action: McpToolCall, *allowed: McpToolCall, policy: ApprovalPolicy = "on-request"
) -> str | None:
    settings = Settings(
        cwd="/p", model="m", provider="p", approval_policy=policy, sandbox="read-only"
    )
    keys = frozenset(session_key(action) for action in allowed)
    return needs_approval(settings, action, keys, NOTHING_LOOKED_UP)


@pytest.mark.parametrize(
    ("mode", "hints", "reason"),
    [
        ("auto", NONE, MAY_CHANGE),
        ("auto", READS, None),
        ("auto", DESTRUCTIVE, DESTROYS),
        ("auto", CLOSED, None),
        ("auto", OPEN, MAY_CHANGE),
        ("writes", READS, None),
        ("writes", CLOSED, MAY_CHANGE),
        ("prompt", READS, ALWAYS_ASKED),
        ("approve", DESTRUCTIVE, None),
    ],
)
def test_the_mode_and_the_hints_decide(mode: str, hints: McpHints, reason: str | None) -> None:
    assert asks(call(hints, mode)) == reason
    assert asks(call(hints, mode), policy="untrusted") == reason


def test_nobody_is_asked_where_nobody_wants_to_be() -> None:
    assert asks(call(DESTRUCTIVE), policy="never") is None


def test_for_the_session_is_allowed_a_tool_or_where_each_call_is_asked_about_the_call() -> None:
    assert asks(call(arguments='{"a":1}'), call()) is None
    assert asks(call(tool="u"), call()) == MAY_CHANGE
    assert asks(call(server="other"), call()) == MAY_CHANGE
    assert asks(call(mode="prompt", arguments='{"a":1}'), call(mode="prompt")) == ALWAYS_ASKED
    assert asks(call(mode="prompt"), call(mode="prompt")) is None
    assert asks(call(mode="prompt"), call()) == ALWAYS_ASKED


@pytest.mark.parametrize(
    ("hints", "repeats"),
    [
        (NONE, False),
        (READS, True),
        (McpHints(idempotent=True), True),
        (McpHints(idempotent=True, destructive=True), True),
        (DESTRUCTIVE, False),
        (McpHints(read_only=False), False),
    ],
)
def test_a_call_is_repeated_after_a_crash_where_the_server_says_that_it_may_be(
    hints: McpHints, repeats: bool
) -> None:
    assert may_repeat(call(hints)) is repeats

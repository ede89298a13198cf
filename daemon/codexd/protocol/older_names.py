"""The params and results of methods as Codex named them before `thread/*` and `turn/*`.

Clients from the autumn of 2025 send them. What happens in a thread is told in the notifications of today.
Source: `mcp_protocol.rs` of Codex 0.30 to 0.47.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from codexd.core.values.settings import ApprovalPolicy, SandboxMode
from codexd.protocol.config_overrides import ConfigOverrides
from codexd.protocol.policies import AskedPolicy


class Done(msgspec.Struct, frozen=True):
    """Done."""


class NewConversationParams(msgspec.Struct, frozen=True, rename="camel"):
    """Start a thread."""

    model: str | None = None
    model_provider: str | None = None
    cwd: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox: SandboxMode | None = None
    config: ConfigOverrides | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None


class NewConversationResponse(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """The new thread."""

    conversation_id: str
    model: str
    reasoning_effort: str | None = None  # absent: the model's default
    rollout_path: str


class ResumeConversationParams(msgspec.Struct, frozen=True, rename="camel"):
    """Load a thread, by the path of its log or by its id."""

    path: str | None = None
    conversation_id: str | None = None
    overrides: NewConversationParams | None = None


class InitialMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of a thread's past."""

    type: Literal["user_message", "agent_message", "agent_reasoning"]
    message: str | None = None
    text: str | None = None  # of reasoning
    kind: Literal["plain"] | None = None  # of a person's message


class ResumeConversationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread, and what was said in it."""

    conversation_id: str
    model: str
    initial_messages: tuple[InitialMessage, ...]
    rollout_path: str


class ListConversationsParams(msgspec.Struct, frozen=True, rename="camel"):
    """List threads, the newest first."""

    page_size: int | None = None
    cursor: str | None = None
    model_providers: tuple[str, ...] | None = None


class ConversationGitInfo(msgspec.Struct, frozen=True):
    """The repository of a thread; these names are not camelCase on the wire either."""

    sha: str | None
    branch: str | None
    origin_url: str | None


class ConversationSummary(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A thread, for lists."""

    conversation_id: str
    path: str
    preview: str
    timestamp: str  # RFC 3339, as is the next
    updated_at: str
    model_provider: str
    cwd: str
    cli_version: str
    source: str
    git_info: ConversationGitInfo | None = None


class ListConversationsResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of threads."""

    items: tuple[ConversationSummary, ...]
    next_cursor: str | None = None


class GetConversationSummaryParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read what a list has of a thread, by its id or by the path of its log."""

    conversation_id: str | None = None
    rollout_path: str | None = None


class GetConversationSummaryResponse(msgspec.Struct, frozen=True):
    """The thread."""

    summary: ConversationSummary


class _OfConversation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    # Of this name in Python, since requests about one thread take effect in their order.
    thread_id: str = msgspec.field(name="conversationId")


class ArchiveConversationParams(_OfConversation, frozen=True, kw_only=True):
    """Archive a thread; the path must be that of its log."""

    rollout_path: str


class OlderInput(msgspec.Struct, frozen=True):
    """A part of a message as it was sent then: its members are in `data`."""

    type: Literal["text", "image", "localImage"]
    data: Mapping[str, str]


class SendUserMessageParams(_OfConversation, frozen=True, kw_only=True):
    """Send a message: to the turn that runs, or in a turn of its own."""

    items: tuple[msgspec.Raw, ...]  # each an `OlderInput`, or one of today


class SendUserTurnParams(SendUserMessageParams, frozen=True, kw_only=True):
    """Send a message in a turn of its own, with settings that stay for later turns."""

    cwd: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox_policy: msgspec.Raw = msgspec.Raw(b"")  # an `OlderSandbox`, or a policy of today
    model: str | None = None
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None


class OlderSandbox(msgspec.Struct, frozen=True):
    """A sandbox policy as it was sent then; these names are not camelCase on the wire either."""

    mode: SandboxMode | None = None
    type: SandboxMode | None = None  # a later name of the same
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False


class InterruptConversationParams(_OfConversation, frozen=True, kw_only=True):
    """Interrupt the turn that runs."""


class InterruptConversationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The turn is interrupted."""

    abort_reason: Literal["interrupted"] = "interrupted"


class AddConversationListenerParams(_OfConversation, frozen=True, kw_only=True):
    """Follow a thread on this connection."""


class AddConversationListenerResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread is followed."""

    subscription_id: str


class RemoveConversationListenerParams(msgspec.Struct, frozen=True, rename="camel"):
    """Stop following a thread on this connection."""

    subscription_id: str


class GitDiffToRemoteParams(msgspec.Struct, frozen=True):
    """Compare a working tree with what its remotes have."""

    cwd: str


class GitDiffToRemoteResponse(msgspec.Struct, frozen=True):
    """The newest commit of a remote, and the difference to it."""

    sha: str
    diff: str


class SetDefaultModelParams(msgspec.Struct, frozen=True, rename="camel"):
    """Write the model of new threads, and its effort, into config.toml; null takes a key away."""

    model: str | None = None
    reasoning_effort: str | None = None


class OlderSandboxSettings(msgspec.Struct, frozen=True, rename="camel"):
    """The table `[sandbox_workspace_write]`."""

    writable_roots: tuple[str, ...]
    network_access: bool
    exclude_tmpdir_env_var: bool
    exclude_slash_tmp: bool


class OlderTools(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The table `[tools]`."""

    web_search: bool | None = None


class UserSavedConfig(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Some keys of config.toml; what is not set is absent."""

    approval_policy: ApprovalPolicy | None = None
    sandbox_mode: SandboxMode | None = None
    sandbox_settings: OlderSandboxSettings | None = None
    model: str | None = None
    model_reasoning_effort: str | None = None
    model_reasoning_summary: str | None = None
    model_verbosity: str | None = None
    tools: OlderTools | None = None
    profile: str | None = None


class GetUserSavedConfigResponse(msgspec.Struct, frozen=True):
    """The settings of the person."""

    config: UserSavedConfig


class UserInfoResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The address in the login, which nobody has checked; null: there is none."""

    alleged_user_email: str | None


class GetAuthStatusParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read how requests are paid."""

    include_token: bool | None = None  # codexd hands no token out
    refresh_token: bool | None = None


class GetAuthStatusResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The method; absent: nobody is logged in."""

    auth_method: Literal["apikey", "chatgpt"] | None = None
    requires_openai_auth: bool | None = None


class LoginApiKeyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Store an API key."""

    api_key: str

    def __repr__(self) -> str:
        """Without the key."""
        return "LoginApiKeyParams(…)"

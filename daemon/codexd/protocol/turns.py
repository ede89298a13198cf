"""The params and results of `turn/*` methods, and the turn itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from codexd.core.values.items import PlanStep, ThreadItem, TurnError, UserInput
from codexd.core.values.review_target import ReviewTarget
from codexd.core.values.settings import ModeKind
from codexd.protocol.policies import AskedPolicy, SandboxPolicy

TurnStatus = Literal["inProgress", "completed", "interrupted", "failed"]


class TurnPlan(msgspec.Struct, frozen=True):
    """The model's plan for a turn."""

    plan: tuple[PlanStep, ...]
    explanation: str | None = None


class Turn(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A turn, as clients show it."""

    id: str
    root_turn_id: str | None = None  # the turn that caused it; its own id if a person did
    items: tuple[ThreadItem | msgspec.Raw, ...] = ()  # Raw: items that are encoded already
    items_view: Literal["notLoaded", "summary", "full"] = "notLoaded"  # how much `items` holds
    status: TurnStatus
    error: TurnError | None = None
    started_at: int | None = None  # Unix seconds, as is the next
    completed_at: int | None = None
    duration_ms: int | None = None
    plan: TurnPlan | msgspec.UnsetType = msgspec.UNSET  # codexd only: the last, in a full view


class ModeSettings(msgspec.Struct, frozen=True):
    """The settings within a collaboration mode; these names are not camelCase on the wire either."""

    model: str
    reasoning_effort: str | None = None
    developer_instructions: str | None = None  # null: the daemon's own for the mode


class CollaborationMode(msgspec.Struct, frozen=True):
    """A preset of the TUI. Its model and effort take precedence over those beside it."""

    mode: ModeKind
    settings: ModeSettings


class AskedEnvironment(msgspec.Struct, frozen=True, rename="camel"):
    """An environment that a client chooses; codexd has only `local`."""

    environment_id: str
    cwd: str


class SettingsParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A thread, and settings for its next turns; null changes nothing."""

    thread_id: str
    cwd: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox_policy: SandboxPolicy | None = None
    permissions: str | None = None  # the name of a permission profile, in place of `sandboxPolicy`
    # The first is that of the next turns, and empty is none: nothing is executed then. `cwd` alone selects `local`.
    environments: tuple[AskedEnvironment, ...] | None = None
    model: str | None = None
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None  # codexd only
    service_tier: str | msgspec.UnsetType | None = (
        msgspec.UNSET
    )  # null: the provider's default again
    collaboration_mode: CollaborationMode | None = None


class TurnStartParams(SettingsParams, frozen=True, kw_only=True):
    """Send a prompt to a thread. The overrides stay in force for later turns."""

    input: tuple[UserInput, ...]
    client_user_message_id: str | None = None
    service_tier_for_turn: str | None = (
        None  # of this turn alone; "default": the provider's default
    )
    output_schema: msgspec.Raw = msgspec.Raw(b"")
    idempotency_key: str | None = None  # codexd only: requests with the same key start one turn
    update_environment: Mapping[str, str | None] | None = None  # codexd only: for commands
    # codexd only: values of variables of providers, for requests to them. In memory only, and never for commands.
    provider_keys: Mapping[str, str] | None = None
    interrupt_on_disconnect: bool = False  # codexd only: the turn ends when this connection ends
    traceparent: str | None = None  # the place in a trace that the request's `trace` names


class TurnStartResponse(msgspec.Struct, frozen=True):
    """The turn that was started or queued."""

    turn: Turn
    queued: bool | msgspec.UnsetType = msgspec.UNSET  # codexd only: it waits for the end of another


class TurnSteerParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Add input to a running turn."""

    thread_id: str
    expected_turn_id: str
    input: tuple[UserInput, ...]
    client_user_message_id: str | None = None
    idempotency_key: str | None = None  # codexd only


class TurnSteerResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The turn that was steered."""

    turn_id: str


class TurnInterruptParams(msgspec.Struct, frozen=True, rename="camel"):
    """Interrupt a turn."""

    thread_id: str
    turn_id: str


class TurnInterruptResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Done."""

    # codexd only: the turn had not begun, and its prompt was withdrawn
    withdrawn: bool | msgspec.UnsetType = msgspec.UNSET


class ThreadShellCommandParams(msgspec.Struct, frozen=True, rename="camel"):
    """Run a shell line of the person's, outside of any sandbox, in the running turn or in a turn of its own."""

    thread_id: str
    command: str
    timeout_ms: int | None = None  # null: an hour; 0: it is ended at once
    update_environment: Mapping[str, str | None] | None = None  # codexd only, as in turn/start
    idempotency_key: str | None = None  # codexd only: requests with the same key run it once


class ThreadShellCommandResponse(msgspec.Struct, frozen=True, rename="camel"):
    """It begins. Its output and its end come as those of an item."""

    # codexd only, for a request with an idempotencyKey: the turn that has its item.
    turn_id: str | msgspec.UnsetType = msgspec.UNSET


class ReviewStartParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Start a review in the thread's working directory."""

    thread_id: str
    target: ReviewTarget
    delivery: Literal["inline"] | None = None  # the findings are added to the thread itself
    update_environment: Mapping[str, str | None] | None = None  # codexd only, as in turn/start
    provider_keys: Mapping[str, str] | None = None  # the same
    interrupt_on_disconnect: bool = False  # the same
    # Codexd only: a branch or commit that is not there is refused, in place of a turn that fails. A terminal of Codex
    # exits where this request is refused.
    refuse_unknown: bool = False


class ReviewStartResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The turn of the review, in the given thread."""

    turn: Turn
    review_thread_id: str
    queued: bool | msgspec.UnsetType = msgspec.UNSET  # codexd only: it begins after other turns

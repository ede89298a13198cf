"""Messages about the account: who is logged in, how a login begins and ends, and the rate limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

AuthMode = Literal["apikey", "chatgpt"]

# The plans of Codex 0.171; any other is "unknown" on the wire.
PLANS: Final = frozenset(
    """
    free go plus pro prolite promax team self_serve_business_prolite self_serve_business_usage_based business ent26
    enterprise_cbp_automation enterprise_cbp_usage_based enterprise edu edu_plus edu_pro sci sci_plus unknown
    """.split()  # noqa: SIM905  # a table
)
REACHED: Final = frozenset(
    """
    rate_limit_reached workspace_owner_credits_depleted workspace_member_credits_depleted
    workspace_owner_usage_limit_reached workspace_member_usage_limit_reached
    """.split()  # noqa: SIM905  # a table
)

LOGIN_COMPLETED: Final = "account/login/completed"
ACCOUNT_UPDATED: Final = "account/updated"


def wire_plan(plan: str | None) -> str | None:
    """A plan as the wire has it; None: it is not known."""
    return plan if plan is None or plan in PLANS else "unknown"


class AccountReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read the account that is signed in."""

    refresh_token: bool | None = False  # refresh the tokens of a ChatGPT login first


class ApiKeyAccount(msgspec.Struct, frozen=True, tag="apiKey"):
    """Requests are billed to an API key."""


class ChatgptAccount(msgspec.Struct, frozen=True, rename="camel", tag="chatgpt"):
    """Requests are part of a ChatGPT plan."""

    email: str | None
    plan_type: str
    workspace_name: str | None = None


Account = ApiKeyAccount | ChatgptAccount


class AccountOwn(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """More of the account; codexd only. Nothing of it was checked with a server."""

    # null: no login. "variable": a key of an environment variable.
    method: Literal["apiKey", "chatgpt", "variable"] | None = None
    masked_key: str | None = None  # its beginning and its end
    email: str | None = None
    plan: str | None = None  # as the token has it
    account_id: str | None = None
    user_id: str | None = None
    source: str | None = None  # the file, or the name of the variable
    is_codexs: bool = False  # the file is Codex's: it is read, and never changed
    problem: str | None = None  # why a login that is there is not used
    provider: str = ""  # of config.toml
    uses_login: bool = False  # whether requests to that provider are paid by a login
    last_refresh: str | None = None


class AccountReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The account. Without an account, `requires_openai_auth` opens the TUI's sign-in page."""

    account: Account | None
    requires_openai_auth: bool
    user_id: str | None = None
    workspace_routing: None = None
    codexd: AccountOwn | None = None


LoginType = Literal[
    "apiKey",
    "chatgpt",
    "chatgptDeviceCode",
    "chatgptAuthTokens",
    "amazonBedrock",
    "amazonBedrockAccessKeys",
]


class AccountLoginStartParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Begin a login: with a key, or with ChatGPT in a browser of this machine or, by a code, of any machine.

    codexd has no logins of the other types.
    """

    type: LoginType
    api_key: str | None = None  # of the type apiKey

    def __repr__(self) -> str:
        """Without the key."""
        return f"AccountLoginStartParams(type={self.type!r}, …)"


class AccountLoginStartResponse(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A key is stored; of another type, the address for a browser."""

    type: LoginType
    login_id: str | msgspec.UnsetType = msgspec.UNSET
    auth_url: str | msgspec.UnsetType = msgspec.UNSET  # of the type chatgpt
    verification_url: str | msgspec.UnsetType = msgspec.UNSET  # of the type chatgptDeviceCode
    user_code: str | msgspec.UnsetType = msgspec.UNSET  # to be typed there


class AccountLoginCancelParams(msgspec.Struct, frozen=True, rename="camel"):
    """Give a login up."""

    login_id: str


class AccountLoginCancelResponse(msgspec.Struct, frozen=True):
    """Whether there was such a login."""

    status: Literal["canceled", "notFound"]


class AccountLogoutResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Logged out."""

    was_logged_in: bool | msgspec.UnsetType = msgspec.UNSET  # codexd only
    codex_keeps: str | msgspec.UnsetType = (
        msgspec.UNSET
    )  # codexd only: Codex's own login, in this file


class AccountLoginCompletedNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A login has ended."""

    login_id: str | None = None
    success: bool
    error: str | None = None


class AccountUpdatedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """Another account is in use; null: none."""

    auth_mode: AuthMode | None
    plan_type: str | None = None


class GatewayOAuthReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The login at a gateway before the provider: there is none."""

    provider_id: str
    provider_name: str
    required: bool = False
    supports_device_auth: bool = False
    status: None = None
    error: None = None


class AccountSession(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A login that is there."""

    session_id: str
    email: str | None = None
    user_id: str | None = None
    last_used_at: int  # Unix seconds
    is_active: bool = True
    selected_workspace_account_id: str | None = None
    workspaces: tuple[Mapping[str, Any], ...] = ()


class AccountSessionsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The logins that are there: at most one."""

    active_session_id: str | None = None
    sessions: tuple[AccountSession, ...] = ()


class AccountUsageReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What the account has used at its provider: codexd does not ask for it."""

    summary: Mapping[str, None]
    daily_usage_buckets: None = None
    thread_usage: None = None


class WorkspaceMessagesReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Messages of a workspace: codexd does not ask for them."""

    feature_enabled: bool = False
    messages: tuple[Any, ...] = ()


class RateLimitWindow(msgspec.Struct, frozen=True, rename="camel"):
    """The used part of a rate limit window."""

    used_percent: int
    window_duration_mins: int | None = None
    resets_at: int | None = None  # Unix seconds


class Credits(msgspec.Struct, frozen=True, rename="camel"):
    """What was bought beside the plan."""

    has_credits: bool
    unlimited: bool
    balance: str | None = None


class RateLimits(msgspec.Struct, frozen=True, rename="camel"):
    """The rate limits of one family, as the provider last reported them; null is no news, and clears nothing."""

    limit_id: str | None = None
    limit_name: str | None = None
    normal_model_slug: None = None
    primary: RateLimitWindow | None = None
    secondary: RateLimitWindow | None = None
    credits: Credits | None = None
    individual_limit: None = None
    spend_control_reached: None = None
    plan_type: str | None = None
    rate_limit_reached_type: str | None = None


class AccountRateLimitsReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read the rate limits."""

    exclude_reset_credit_details: bool | None = None
    supports_luna_reserve: bool | None = None


class RateLimitsOwn(msgspec.Struct, frozen=True, rename="camel"):
    """More about the limits; codexd only."""

    observed_at_ms: Mapping[str, int]  # by limit: when the provider last reported it
    method: str = ""


class AccountRateLimitsReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The rate limits of the account in use."""

    rate_limits: RateLimits
    rate_limits_by_limit_id: Mapping[str, RateLimits] | None = None
    rate_limit_reset_credits: None = None
    account_id: str | None = None
    codexd: RateLimitsOwn | None = None


class AccountRateLimitsUpdatedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """The provider reported new rate limits."""

    rate_limits: RateLimits

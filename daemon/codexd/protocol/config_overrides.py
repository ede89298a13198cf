"""The keys of config.toml that a client may set for one thread. Others are ignored, because real clients send many.

Clients send tables as they are, or flattened to dotted keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from codexd.core.values.limits import TOKENS_MAX
from codexd.core.values.settings import SandboxMode
from codexd.protocol.policies import AskedPolicy

Tokens = Annotated[int, msgspec.Meta(gt=0, le=TOKENS_MAX)]


class WorkspaceWriteOverrides(msgspec.Struct, frozen=True):
    """The table `[sandbox_workspace_write]` of config.toml."""

    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False


class FeatureOverrides(msgspec.Struct, frozen=True):
    """The table `[features]`: those that tools belong to."""

    shell_tool: bool | None = None
    unified_exec: bool | None = None
    view_image: bool | None = None
    request_permissions_tool: bool | None = None


class ToolSwitch(msgspec.Struct, frozen=True):
    """A table `[tools.NAME]`."""

    enabled: bool | None = None


class ToolsOverrides(msgspec.Struct, frozen=True):
    """The table `[tools]`."""

    update_plan: ToolSwitch | None = None
    view_image: bool | None = None


def _dotted(key: str) -> Any:
    return msgspec.field(default=None, name=key)


class ConfigOverrides(msgspec.Struct, frozen=True):
    """The keys of config.toml that a client may set for one thread; others are ignored."""

    model: str | None = None
    model_provider: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox_mode: SandboxMode | None = None
    default_permissions: str | None = None
    model_reasoning_effort: str | None = None
    model_reasoning_summary: str | None = None
    model_verbosity: Literal["low", "medium", "high"] | None = None
    model_context_window: Tokens | None = None
    model_auto_compact_token_limit: Tokens | None = None
    developer_instructions: str | None = None
    sandbox_workspace_write: WorkspaceWriteOverrides | None = None
    sandbox_writable_roots: tuple[str, ...] | None = _dotted(
        "sandbox_workspace_write.writable_roots"
    )
    sandbox_network_access: bool | None = _dotted("sandbox_workspace_write.network_access")
    sandbox_exclude_tmpdir_env_var: bool | None = _dotted(
        "sandbox_workspace_write.exclude_tmpdir_env_var"
    )
    sandbox_exclude_slash_tmp: bool | None = _dotted("sandbox_workspace_write.exclude_slash_tmp")
    service_tier: str | None = None
    web_search: str | None = None
    mcp_servers: Mapping[str, msgspec.Raw] | None = None  # empty: the thread has no MCP servers
    features: FeatureOverrides | None = None
    features_shell_tool: bool | None = _dotted("features.shell_tool")
    features_unified_exec: bool | None = _dotted("features.unified_exec")
    features_view_image: bool | None = _dotted("features.view_image")
    features_request_permissions: bool | None = _dotted("features.request_permissions_tool")
    tools: ToolsOverrides | None = None
    tools_update_plan: bool | None = _dotted("tools.update_plan.enabled")
    tools_view_image: bool | None = _dotted("tools.view_image")


NO_OVERRIDES: Final = ConfigOverrides()


def features_off(config: ConfigOverrides, before: Iterable[str] = ()) -> tuple[str, ...] | None:
    """The features that are off in a thread, sorted, of which those were off before; None if nothing is said."""
    table, tools = config.features or FeatureOverrides(), config.tools or ToolsOverrides()
    plan = tools.update_plan or ToolSwitch()
    said = (
        ("shell_tool", config.features_shell_tool, table.shell_tool),
        ("unified_exec", config.features_unified_exec, table.unified_exec),
        ("view_image", config.features_view_image, table.view_image),
        ("view_image", config.tools_view_image, tools.view_image),
        (
            "request_permissions_tool",
            config.features_request_permissions,
            table.request_permissions_tool,
        ),
        ("update_plan", config.tools_update_plan, plan.enabled),
        (
            "web_search",
            None,
            None if config.web_search is None else config.web_search != "disabled",
        ),
        ("mcp_servers", None, None if config.mcp_servers is None else bool(config.mcp_servers)),
    )
    answers = {
        (name, dotted if dotted is not None else nested)
        for name, dotted, nested in said
        if dotted is not None or nested is not None
    }
    if not answers:
        return None
    off = {name for name, is_on in answers if not is_on}
    return tuple(sorted(off | ({*before} - {name for name, is_on in answers if is_on})))

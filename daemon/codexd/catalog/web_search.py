"""The declaration of a provider's web search, by what config.toml and the sandbox say.

Source: what Codex 0.169 sends for each value of `web_search`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.config.keys import Config, WebSearchMode, WebSearchTable
from codexd.core.values.settings import SandboxMode

_ACCESS: Final[dict[WebSearchMode, dict[str, bool]]] = {
    "cached": {"external_web_access": False},
    "indexed": {"external_web_access": True, "indexed_web_access": True},
    "live": {"external_web_access": True},
}


def web_search_mode(config: Config, sandbox: SandboxMode) -> WebSearchMode:
    """How the web may be searched: the key `web_search`, else the older `tools.web_search`."""
    if config.web_search is not None:
        return config.web_search
    if isinstance(config.tools.web_search, bool):
        return "live" if config.tools.web_search else "disabled"
    # Who lets commands use the network wants no old copies of pages.
    return "live" if sandbox == "danger-full-access" else "cached"


def web_search_declaration(config: Config, sandbox: SandboxMode) -> bytes | None:
    """The declaration for a request; None where the web may not be searched."""
    access = _ACCESS.get(web_search_mode(config, sandbox))
    if access is None:
        return None
    said = config.tools.web_search
    table = said if isinstance(said, WebSearchTable) else WebSearchTable()
    members: dict[str, object] = {"type": "web_search", **access}
    if table.allowed_domains:
        members["filters"] = {"allowed_domains": table.allowed_domains}
    if table.location:
        members["user_location"] = {"type": "approximate", **table.location}
    if table.context_size is not None:
        members["search_context_size"] = table.context_size
    return msgspec.json.encode(members)

"""The names by which models call tools of servers: `mcp__SERVER__TOOL`, as Codex makes them. Pure.

A name is made of letters, digits, `_` and `-`, and has 64 characters at most. Where two tools would have the same
name, or a name would be too long, its end is a hash of the names that the server and the tool really have.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "mcp"
DELIMITER: Final = "__"
# What the APIs of the large providers accept.
NAME_CHARACTERS_MAX: Final = 64
_HASH_CHARACTERS: Final = 12
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")

Identity = tuple[str, str]  # the server's name in config.toml, and the tool's name


def model_names(tools: Iterable[Identity]) -> dict[Identity, str]:
    """The name of each tool, in the order of the names; it does not depend on the order of the tools."""
    plain = {tool: _plain(tool) for tool in tools}
    count = Counter(plain.values())
    names = {
        tool: name
        if count[name] == 1 and len(name) <= NAME_CHARACTERS_MAX
        else _with_hash(name, tool)
        for tool, name in plain.items()
    }
    return dict(sorted(names.items(), key=lambda named: named[1]))


def _plain(tool: Identity) -> str:
    return _FORBIDDEN.sub("_", DELIMITER.join((PREFIX, *tool)))


def _with_hash(name: str, tool: Identity) -> str:
    # No name of a server holds NUL, so two identities never give the same text.
    digest = hashlib.sha256("\0".join(tool).encode(errors="surrogatepass")).hexdigest()
    ending = f"_{digest[:_HASH_CHARACTERS]}"
    return name[: NAME_CHARACTERS_MAX - len(ending)] + ending

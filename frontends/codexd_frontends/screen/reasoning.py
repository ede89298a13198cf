"""How much of a model's reasoning is shown: by the command line, else by config.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.messages import Item

if TYPE_CHECKING:
    from codexd_frontends.client.client import Daemon

Thoughts = Literal["none", "summary", "raw"]


class _Config(msgspec.Struct, frozen=True):
    hide_agent_reasoning: bool | None = False  # null: not set
    show_raw_agent_reasoning: bool | None = False


class _Answer(msgspec.Struct, frozen=True):
    config: _Config


def wanted_thoughts(daemon: Daemon, asked: Thoughts | None) -> Thoughts:
    """What to show. An invalid config is reported by the code that needs it."""
    if asked is not None:
        return asked
    try:
        config = daemon.call("config/read", {}, _Answer).config
    except RequestRefused:
        return "summary"
    if config.hide_agent_reasoning:
        return "none"
    return "raw" if config.show_raw_agent_reasoning else "summary"


def thoughts_of(item: Item, thoughts: Thoughts) -> tuple[str, ...]:
    """The parts of a reasoning item to show: the thoughts themselves where they came and are wanted."""
    if thoughts == "none":
        return ()
    raw = _TEXTS.decode(item.content) if thoughts == "raw" and bytes(item.content) else ()
    return raw or item.summary


_TEXTS = msgspec.json.Decoder(tuple[str, ...])

"""Which provider and model the command line asks for: by name, or a server that answers on this machine."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from codexd.protocol.codexd_methods import ProviderFindLocalResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.client.client import Daemon
from codexd_frontends.screen.drawn import one_line


class ProviderOption(NamedTuple):
    """The settings of a thread to change; None: unchanged."""

    provider: str | None
    model: str | None

    def params(self) -> dict[str, object]:
        """The params of thread/start and thread/resume that say so."""
        named = {"modelProvider": self.provider, "model": self.model}
        return {name: value for name, value in named.items() if value}


def asked_for(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> ProviderOption:
    """The provider and the model; with --oss, the daemon looks for them. Raises: Refused, none answers."""
    if not arguments.oss and not arguments.local_provider:
        return ProviderOption(arguments.provider, arguments.model)
    asked = {"provider": arguments.local_provider, "model": arguments.model}
    params = {name: value for name, value in asked.items() if value}
    found = daemon.call("provider/findLocal", params, ProviderFindLocalResponse)
    said = f"{found.model}, {found.name} at {found.base_url}"
    console.talk(console.talk_style.dim(one_line(said)))
    return ProviderOption(found.model_provider, found.model)

"""The list of domains in force: of config.toml, and of the files of rules. I/O, as those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.config.rule_files import RuleFiles
from codexd.config.rules_text import HostRules

if TYPE_CHECKING:
    from codexd.core.rules.network_rules import NetworkRules


class DomainList:
    """The list; it is made again when a file has changed."""

    def __init__(self, config: LiveConfig, rules: RuleFiles) -> None:
        self._config, self._rules = config, rules
        self._made: tuple[Config, HostRules, NetworkRules] | None = None

    def current(self) -> NetworkRules:
        """The rules in force."""
        config, hosts = self._config.last_good(), self._rules.hosts()
        made = self._made
        if made is None or made[0] is not config or made[1] is not hosts:
            self._made = made = (config, hosts, _rules_of(config, hosts))
        return made[2]


def _rules_of(config: Config, hosts: HostRules) -> NetworkRules:
    from codexd.core.rules.network_rules import NetworkRules, read_domains

    table = config.features.proxy
    permissions = (*table.domains.items(), *hosts)
    allowed = [host for host, permission in permissions if permission == "allow"]
    denied = [host for host, permission in permissions if permission == "deny"]
    return NetworkRules(read_domains(allowed), read_domains(denied), table.allow_local_binding)

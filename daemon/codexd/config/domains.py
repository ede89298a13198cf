"""The list of domains in force: of config.toml, and of the files of rules. I/O, as those."""

from __future__ import annotations

from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.config.rule_files import RuleFiles
from codexd.config.rules_text import HostRules
from codexd.core.rules.network_rules import NetworkRules, read_domains


class DomainList:
    """The list; it is made again when a file has changed."""

    def __init__(self, config: LiveConfig, rules: RuleFiles) -> None:
        self._config, self._rules = config, rules
        self._made_of: tuple[Config, HostRules] | None = None
        self._made = NetworkRules()

    def current(self) -> NetworkRules:
        """The rules in force."""
        config, hosts = self._config.last_good(), self._rules.hosts()
        of = self._made_of
        if of is None or of[0] is not config or of[1] is not hosts:
            self._made_of, self._made = (config, hosts), _rules_of(config, hosts)
        return self._made


def _rules_of(config: Config, hosts: HostRules) -> NetworkRules:
    table = config.features.proxy
    permissions = (*table.domains.items(), *hosts)
    allowed = [host for host, permission in permissions if permission == "allow"]
    denied = [host for host, permission in permissions if permission == "deny"]
    return NetworkRules(read_domains(allowed), read_domains(denied), table.allow_local_binding)

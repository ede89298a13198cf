"""What is looked at, and how a finding is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from codexd.account.account import Account
from codexd.account.auth_files import AuthFiles
from codexd.account.payment import Payments
from codexd.catalog.clients import Providers
from codexd.config.layers.stack import sources_here
from codexd.config.live import LiveConfig
from codexd.context_files.agents_md import instruction_homes
from codexd.machine.paths import Paths
from codexd.protocol.doctor import FAIL, OK, WARN, Finding
from codexd.redaction.daemon_secrets import DaemonSecrets
from codexd.sandbox.confinement import Confinement


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a daemon, or those that one would have if it was started here."""

    paths: Paths
    env: Mapping[str, str]
    config: LiveConfig
    providers: Providers
    payments: Payments
    confinement: Confinement
    redact: Callable[[str], str]
    folder: str | None = None  # of a project
    given: tuple[str, ...] = ()  # variables of keys that are set in the person's shell


def examined_here(
    paths: Paths, env: Mapping[str, str], folder: str | None, temporary: Path
) -> Examined:
    """What a daemon would have that was started with this environment; only in `temporary` files are made."""
    config, homes = LiveConfig(paths.config_file, sources_here(env)), instruction_homes(paths, env)
    secrets = DaemonSecrets(config, env)
    account = Account(
        AuthFiles(*homes),
        config.last_good,
        env,
        learnt=secrets.learnt,
        announce=lambda *_: None,
        note=_forget,
    )
    payments = Payments(account, env)
    return Examined(
        paths=paths,
        env=env,
        config=config,
        providers=Providers(config, env, payments),
        payments=payments,
        confinement=Confinement(
            paths.folders,
            temporary,
            env,
            config.unsandboxed,
            config.lists_domains,
            homes[1:],
        ),
        redact=secrets.text,
        folder=folder,
    )


async def _forget(_kind: str, _fact: Mapping[str, object]) -> None:
    """Nobody logs in or out here."""


def ok(check: str, says: str) -> Finding:
    """It works."""
    return Finding(check, OK, says)


def warn(check: str, says: str, mend: str) -> Finding:
    """It works, and will not always, or not as somebody expects."""
    return Finding(check, WARN, says, mend)


def fail(check: str, says: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(check, FAIL, says, mend)

"""The account of a daemon, wired: its files, what turns are paid with, and its rate limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import trio

from codexd.account.account import Account
from codexd.account.auth_files import AuthFiles
from codexd.account.limits import Known, Limits
from codexd.account.login import ApiKey, Chatgpt
from codexd.account.payment import Payment, Payments
from codexd.config.live import LiveConfig
from codexd.projections.clients.deltas import Outgoing
from codexd.runtime.account_facts import RATE_LIMITS, AccountFacts
from codexd.server.hub import Hub
from codexd_eventstore.event_log import EventLog


class AccountHost:
    """The parts of the account."""

    def __init__(
        self,
        homes: tuple[Path, ...],
        config: LiveConfig,
        env: Mapping[str, str],
        hub: Hub,
        store: EventLog,
        learnt: Callable[[str], None],
    ) -> None:
        """`homes` are the folders of codexd's configuration and of Codex's; `learnt` is told each secret."""
        facts, (own, codexs) = AccountFacts(store), homes

        def announce(method: str, params: msgspec.Struct) -> None:
            hub.announce(Outgoing(method, params))

        async def recall(account: str) -> Known | None:
            return await facts.newest(RATE_LIMITS, Known, lambda known: known.account == account)

        async def note(known: Known) -> None:
            await facts.note(RATE_LIMITS, known)

        self.account = Account(
            AuthFiles(own, codexs),
            config.last_good,
            env,
            learnt=learnt,
            announce=announce,
            note=facts.note,
        )
        self.payments = Payments(self.account, env)
        self.limits = Limits(recall, note)

    def attributes(self) -> dict[str, str]:
        """What telemetry says of the account: Codex's names; what is not known is left out."""
        match self.account.login:
            case ApiKey():
                return {"auth_mode": "ApiKey"}
            case Chatgpt(account_id=account_id, claims=claims):
                found = {"user.account_id": account_id, "user.email": claims.email}
                known = {name: value for name, value in found.items() if value is not None}
                return {"auth_mode": "Chatgpt", **known}
            case _:
                return {}

    async def run(self) -> None:
        """Own what is under way, for as long as the daemon runs."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.account.run)
            nursery.start_soon(self.limits.run)

    def observe(self, payment: Payment, headers: Mapping[str, str]) -> None:
        """A response to a request that was paid with this had these headers about limits."""
        self.limits.observe(payment.fingerprint, headers, time.time_ns() // 1_000_000)

"""Who is logged in and what pays for requests to a provider, for people: no secret is in it."""

from __future__ import annotations

from msgspec.structs import replace

from codexd.account.login import ApiKey, Chatgpt, masked
from codexd.account.payment import Payments, is_paid_by_login, own_key
from codexd.models.provider import Provider
from codexd.protocol.account import AccountOwn


def uses_login(payments: Payments, provider: Provider) -> bool:
    """Whether requests to a provider are paid by a login, if there is one."""
    variable = own_key(provider)
    has_own = variable is not None and payments.value(variable) is not None
    return is_paid_by_login(provider) and not has_own


def described(payments: Payments, name: str, provider: Provider | None) -> AccountOwn:
    """The account in use; `provider` is the one of this name, None where it cannot be used."""
    found = payments.account.found()
    about = AccountOwn(
        problem=found.problem,
        provider=name,
        uses_login=provider is not None and uses_login(payments, provider),
    )
    source = None if found.file is None else str(found.file)
    value = _key_of(payments, provider)
    match found.login:
        case ApiKey(key) if about.uses_login or not value:
            return replace(
                about,
                method="apiKey",
                masked_key=masked(key),
                source=source,
                is_codexs=found.is_codexs,
            )
        case Chatgpt() as login if about.uses_login or not value:
            return replace(
                about,
                method="chatgpt",
                email=login.claims.email,
                plan=login.claims.plan,
                account_id=login.account_id,
                user_id=login.claims.user_id,
                source=source,
                is_codexs=found.is_codexs,
                last_refresh=login.last_refresh,
            )
        case _:
            pass
    if provider is None or value is None:
        return about
    return replace(about, method="variable", masked_key=masked(value), source=provider.env_key)


def _key_of(payments: Payments, provider: Provider | None) -> str | None:
    """The key in the variable of a provider."""
    if provider is None or provider.env_key is None:
        return None
    return payments.value(provider.env_key)

"""The params and the result of `server/doctor`: what works, and what mends the rest (codexd only)."""

from __future__ import annotations

from typing import Final

import msgspec

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"


class Finding(msgspec.Struct, frozen=True):
    """What one check has found. An id keeps its meaning; there may be several findings of one id."""

    id: str  # such as `provider.tls`
    status: str  # ok, warn or fail
    says: str  # a sentence without a secret
    mend: str = ""  # a command, or what else a person can do; "" if nothing need be done


class ServerDoctorParams(msgspec.Struct, frozen=True, rename="camel"):
    """Look at the configuration, the machine and the way to the provider; nothing that is billed is asked for."""

    cwd: str | None = None  # an absolute path, whose project's settings are looked at too
    # Those of `keyVariables` of `initialize` that the client would give with a prompt: names alone.
    given_variables: tuple[str, ...] = ()


class ServerDoctorResponse(msgspec.Struct, frozen=True):
    """The findings, in the order of the checks."""

    findings: tuple[Finding, ...]

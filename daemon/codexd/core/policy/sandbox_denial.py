"""Whether a command seems to have failed because of its sandbox, and what the model is told then.

Nothing says for certain why a command has failed. The words are Codex's, and those of a network that is not there.
"""

from __future__ import annotations

import re
from typing import Final

from codexd.core.values.enforced import Sandbox

# Of a signal is 128 and its number; this is the one by which a filter ends a process.
_ENDED_BY_THE_FILTER: Final = 128 + 31
# With these a shell says that a program cannot be executed or was not found: so it is outside of the sandbox as well.
_NOT_EXECUTED: Final = (126, 127)
_DENIED: Final = re.compile(
    r"operation not permitted|permission denied|read-only file system|seccomp|landlock",
    re.IGNORECASE,
)
# They may be about the sandbox: enough for a word to the model, and not for a question.
_VAGUE: Final = re.compile(r"sandbox|failed to write file", re.IGNORECASE)
_NO_NETWORK: Final = re.compile(
    r"network is unreachable|could not resolve|temporary failure in name resolution|name or service not known|"
    r"getaddrinfo|EAI_AGAIN|ENETUNREACH",
    re.IGNORECASE,
)

ONLY_DOMAINS: Final = (
    "The sandbox has no network but a proxy, which reaches a list of domains: a program has to use the one that "
    "HTTPS_PROXY names, and let it look names up."
)
FILTERED: Final = "Bad system call"


def denial_sign(sandbox: Sandbox, exit_code: int, output: str) -> str | None:
    """The words by which a sandbox seems to have stopped a command, one of a few; None if there are none."""
    if sandbox.mode == "danger-full-access" or exit_code in (0, *_NOT_EXECUTED):
        return None
    if exit_code == _ENDED_BY_THE_FILTER:
        return FILTERED
    is_offline = not sandbox.access.network_access
    found = _DENIED.search(output) or (_NO_NETWORK.search(output) if is_offline else None)
    return None if found is None else found[0]


def sandbox_hint(sandbox: Sandbox, exit_code: int, output: str) -> str | None:
    """The sentence for the model; None if the sandbox has nothing to do with it."""
    if sandbox.mode == "danger-full-access" or exit_code == 0:
        return None
    if sandbox.domains and _NO_NETWORK.search(output):
        return ONLY_DOMAINS
    is_offline = not sandbox.access.network_access
    denied = exit_code == _ENDED_BY_THE_FILTER or _DENIED.search(output) or _VAGUE.search(output)
    if not denied and not (is_offline and _NO_NETWORK.search(output)):
        return None
    return escalation_hint(sandbox)


def escalation_hint(sandbox: Sandbox) -> str:
    """How the model asks to leave a sandbox."""
    fence = sandbox.mode if sandbox.access.network_access else f"{sandbox.mode}, without network"
    return (
        f"The sandbox ({fence}) may be the reason. If it is, and the command matters, call it again with "
        '`sandbox_permissions` "require_escalated" and a `justification`: the user is asked, unless nobody may be asked.'
    )
